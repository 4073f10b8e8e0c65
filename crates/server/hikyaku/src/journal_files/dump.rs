//! `hikyaku journal dump`: the records of a log, a line each.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use engine::{FileStorage, OPENED_KIND, Opened};
use journal::{FileFinding, LogAudit, LogReader, Position, Record};
use message::MessageId;
use serde_json::{Map, Value, json};

use super::fields::{Names, Privacy, Shown, show};
use super::place::{Log, Place};
use super::records::{self, KINDS};
use super::{DAMAGED, UNREAD};
use crate::when;

/// Journal files that are searched, newest first, for what the numbers in another log stand for.
const NAMES_FILES_MAX: usize = 8;

const EXAMPLES: &str = "\
Examples:
  hikyaku journal dump --dir /var/lib/hikyaku | less                        the journal, oldest first
  hikyaku journal dump --message 01936c1e-8a2b-7003-8000-000001a2b3c4       one message, without an engine
  hikyaku journal dump --from 4711000 --until 4720000                       around a position that an error named
  hikyaku journal dump --kind outcome --kind receipt --json | jq -r .reason one JSON object a line
  hikyaku journal dump --log written                                        what was handed to sessions
  hikyaku journal dump --log events --message ID                            what watchers were shown

Numbers show their last two digits and texts their length, unless --unmasked is given: mind where that goes.
A file that is damaged is read up to the damage, which is told on standard error; the next file follows.

Ends with 0 when all was read, 1 when something is damaged, 2 when something cannot be read.";

/// Print the records of a log, one a line
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    place: Place,
    /// Which log
    #[arg(long, value_enum, default_value_t = Log::Journal)]
    log: Log,
    /// Only records that begin at this position or behind it
    #[arg(
        long,
        value_name = "POSITION",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u64,
    /// Only records that begin before this position
    #[arg(long, value_name = "POSITION")]
    until: Option<u64>,
    /// Only records about this message; may be given several times
    #[arg(long, value_name = "ID")]
    message: Vec<MessageId>,
    /// Only records of this kind; may be given several times
    #[arg(long, value_name = "KIND", value_parser = KINDS, hide_possible_values = true)]
    kind: Vec<String>,
    /// Print numbers, texts and context as they are
    #[arg(long)]
    unmasked: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &DumpArgs) -> ExitCode {
    let ended = args.place.find().and_then(|dir| {
        let folder = dir.join(args.log.name());
        let audit = LogAudit::open(FileStorage::shared(), folder, args.log.contents())
            .map_err(|error| error.to_string())?;
        let mut dump = Dump {
            args,
            names: names_before(&dir, args),
            out: BufWriter::new(io::stdout().lock()),
            refused: None,
            unreadable: 0,
        };
        Ok(dump.run(audit))
    });
    ended.unwrap_or_else(|error| {
        eprintln!("hikyaku: {error}");
        ExitCode::from(UNREAD)
    })
}

struct Dump<'a, W: Write> {
    args: &'a DumpArgs,
    names: Names,
    out: W,
    /// Why standard output takes no more.
    refused: Option<io::Error>,
    /// Records that this release cannot read.
    unreadable: u64,
}

impl<W: Write> Dump<'_, W> {
    fn run(&mut self, mut audit: LogAudit) -> ExitCode {
        audit.skip_to(Position(self.args.from));
        let mut worst = 0;
        while let Some(file) = audit.next_file(&mut |record| self.take(record)) {
            let said = match &file.finding {
                FileFinding::Whole | FileFinding::Growing | FileFinding::Torn(_) => None,
                FileFinding::Stopped => break,
                FileFinding::Unread(error) => Some((error.to_string(), UNREAD)),
                FileFinding::Damaged { error, resumes } => {
                    let next = resumes.map_or_else(String::new, |next| {
                        format!("; whole records of it go on at position {next}")
                    });
                    Some((format!("{error}{next}"), DAMAGED))
                }
            };
            if let Some((text, code)) = said {
                // So that the line stands between the records it lies between.
                let _ = self.out.flush();
                eprintln!("hikyaku: {text}");
                worst = if worst == DAMAGED { DAMAGED } else { code };
            }
        }
        if self.unreadable > 0 {
            worst = DAMAGED;
        }
        if let Err(error) = self.out.flush() {
            self.refused.get_or_insert(error);
        }
        match &self.refused {
            // Whoever read us has seen enough.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(worst),
            Some(error) => {
                eprintln!("hikyaku: standard output: {error}");
                ExitCode::from(UNREAD)
            }
            None => ExitCode::from(worst),
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if self.args.until.is_some_and(|until| record.start.0 >= until) {
            return ControlFlow::Break(());
        }
        let read = records::read(self.args.log, record.frame);
        if let Ok(records::Entered::Opened(opened)) = &read {
            self.names.learn(opened);
        }
        if record.start.0 < self.args.from {
            return ControlFlow::Continue(());
        }
        let written = match read {
            Ok(entered) => {
                let kind = entered.kind_name();
                if !self.args.wants_kind(kind) {
                    return ControlFlow::Continue(());
                }
                let privacy = if self.args.unmasked {
                    Privacy::Unmasked
                } else {
                    Privacy::Masked
                };
                let shown = show(&entered, &self.names, privacy);
                if !self.args.wants_message(shown.message) {
                    return ControlFlow::Continue(());
                }
                self.print(record, kind, &shown)
            }
            Err(what) => {
                self.unreadable += 1;
                let shown = Shown {
                    message: None,
                    at_ms: 0,
                    fields: vec![("what", Value::from(what))],
                };
                self.print(record, "unreadable", &shown)
            }
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.refused = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn print(&mut self, record: Record<'_>, kind: &str, shown: &Shown) -> io::Result<()> {
        if self.args.json {
            let line = as_object(self.args.log, record, kind, shown);
            return writeln!(self.out, "{line}");
        }
        let time = match shown.at_ms {
            0 => "-".to_owned(),
            at_ms => when::full(at_ms),
        };
        write!(self.out, "{:>12}  {time:<24}  {kind:<13}", record.start)?;
        match shown.message {
            Some(id) => write!(self.out, "  {id}")?,
            None => write!(self.out, "  {:36}", "-")?,
        }
        for (name, value) in &shown.fields {
            match value {
                Value::String(word) if is_plain(word) => write!(self.out, " {name}={word}")?,
                value => write!(self.out, " {name}={value}")?,
            }
        }
        writeln!(self.out)
    }
}

/// Whether a word needs no quotation marks to be read as one.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|it| !it.is_whitespace() && !it.is_control() && it != '"')
}

fn as_object(log: Log, record: Record<'_>, kind: &str, shown: &Shown) -> Value {
    let mut object = Map::new();
    for (name, value) in &shown.fields {
        object.insert((*name).to_owned(), value.clone());
    }
    let head = [
        ("log", json!(log.name())),
        ("position", json!(record.start.0)),
        ("end", json!(record.position.0)),
        ("record", json!(kind)),
        ("kind", json!(record.frame.kind)),
        ("version", json!(record.frame.version)),
        ("at_ms", json!(shown.at_ms)),
        ("message_id", json!(shown.message.map(|id| id.to_string()))),
    ];
    for (name, value) in head {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

impl DumpArgs {
    fn wants_kind(&self, kind: &str) -> bool {
        self.kind.is_empty() || self.kind.iter().any(|wanted| wanted == kind)
    }

    fn wants_message(&self, id: Option<MessageId>) -> bool {
        self.message.is_empty() || id.is_some_and(|id| self.message.contains(&id))
    }
}

/// What numbers stand for where the dump begins: what the newest record of the journal says that lies before it. Without any, numbers are
/// shown as they are.
fn names_before(dir: &Path, args: &DumpArgs) -> Names {
    let mut names = Names::default();
    let begin = match args.log {
        Log::Journal if args.from == 0 => return names,
        Log::Journal => args.from,
        Log::Written | Log::Events => u64::MAX,
    };
    let folder = dir.join(Log::Journal.name());
    let contents = Log::Journal.contents();
    let listed = LogReader::open(FileStorage::shared(), folder.clone(), contents)
        .and_then(|reader| reader.files())
        .unwrap_or_default();
    let before = listed.iter().rev().filter(|file| file.start.0 <= begin);
    for file in before.take(NAMES_FILES_MAX) {
        let Ok(mut audit) = LogAudit::open(FileStorage::shared(), folder.clone(), contents) else {
            break;
        };
        audit.skip_to(file.start);
        let mut found = None;
        audit.next_file(&mut |record| {
            if record.start.0 > begin {
                return ControlFlow::Break(());
            }
            if record.frame.kind == OPENED_KIND {
                found = Opened::of_payload(record.frame.payload)
                    .ok()
                    .or(found.take());
            }
            ControlFlow::Continue(())
        });
        if let Some(opened) = found {
            names.learn(&opened);
            break;
        }
    }
    names
}
