//! `hikyaku watch`: prints what becomes of messages, as it happens.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use grpc_api::v1;

use crate::client::{Client, ClientError, Target};
use crate::print::{Format, Printer, is_final};

const EXAMPLES: &str = "\
Examples:
  hikyaku watch                                          every message of our tenant, from now on
  hikyaku watch --batch monday --state final             what became of a batch
  hikyaku watch --id 01936c1e-... --until-final          one message, until it has ended
  hikyaku watch --json | tee events.jsonl                one JSON object a line, with positions
  hikyaku watch --from 01000000000000000700000000...      go on after a position of an earlier watch
  hikyaku watch --json --position-file p >> events.jsonl go on where the last such watch stopped, over restarts";

/// Print what becomes of messages
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// Only this message; may be given several times. Begins with where it is now
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// Only messages of this batch
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// Only messages that we submitted, not all of our tenant
    #[arg(long)]
    mine: bool,
    /// Only events that lead to such a state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// Go on after this position, which an earlier `watch --json` printed
    #[arg(long, value_name = "POSITION")]
    from: Option<String>,
    /// Go on after the position in this file, if it is there, and keep in it how far the output has come. When it was lost in between (a
    /// crash), the last events are printed again; none is left out
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    position_file: Option<PathBuf>,
    /// End when every --id has ended
    #[arg(long, requires = "id")]
    until_final: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateArg {
    Live,
    Final,
}

/// Runs the command; without `--until-final` it ends only when the engine or the reader of its output does.
///
/// # Errors
/// When the engine cannot be reached, refuses the watch, or ends it.
pub(crate) async fn run(args: WatchArgs) -> Result<ExitCode, ClientError> {
    let mut printer = Printer::new(Format::of(args.json), io::stdout().lock());
    let file = args.position_file.clone().map(PositionFile::new);
    let from = match &file {
        Some(file) => file.read()?,
        None => args.from.clone(),
    };
    let mut client = args.target.connect().await?;
    let mut responses = client.watch(args.request(from)).await?.into_inner();

    // The watch is in place before we look, so that nothing falls between the two.
    let in_place = responses.message().await?.ok_or(ClientError::StreamEnded)?;
    if let Some(file) = &file {
        file.write(&in_place.resume_position)?;
    }
    let mut pending = look(&args, &mut client, &mut printer).await?;
    while !(args.until_final && pending.is_empty()) {
        let response = responses.message().await?.ok_or(ClientError::StreamEnded)?;
        for event in &response.events {
            printer.event(event)?;
            if is_final(event.state) {
                pending.remove(&event.message_id);
            }
        }
        printer.position(&response.resume_position)?;
        printer.flush()?;
        if let Some(file) = &file {
            file.write(&response.resume_position)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file with a position, replaced in one step: whoever reads it finds the old one or the new one.
struct PositionFile {
    path: PathBuf,
    next: PathBuf,
}

impl PositionFile {
    fn new(path: PathBuf) -> Self {
        let mut next = path.clone().into_os_string();
        next.push(".next");
        Self {
            path,
            next: next.into(),
        }
    }

    /// The position; none when the file is not there yet.
    fn read(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.explained(&error)),
        }
    }

    fn write(&self, position: &str) -> io::Result<()> {
        fs::write(&self.next, position)
            .and_then(|()| fs::rename(&self.next, &self.path))
            .map_err(|error| self.explained(&error))
    }

    fn explained(&self, error: &io::Error) -> io::Error {
        io::Error::new(
            error.kind(),
            format!("position file {}: {error}", self.path.display()),
        )
    }
}

/// Prints where each `--id` is now; those that have not ended are handed back.
async fn look<W: Write>(
    args: &WatchArgs,
    client: &mut Client,
    printer: &mut Printer<W>,
) -> Result<HashSet<String>, ClientError> {
    let mut pending = HashSet::new();
    for id in &args.id {
        let request = v1::GetRequest {
            message_id: id.clone(),
        };
        let Some(view) = client.get(request).await?.into_inner().message else {
            continue;
        };
        printer.view(&view)?;
        if !is_final(view.state) {
            pending.insert(view.message_id);
        }
    }
    printer.flush()?;
    Ok(pending)
}

impl WatchArgs {
    fn request(&self, from: Option<String>) -> v1::WatchRequest {
        let class = match self.state {
            None => v1::StateClass::Unspecified,
            Some(StateArg::Live) => v1::StateClass::Live,
            Some(StateArg::Final) => v1::StateClass::Final,
        };
        v1::WatchRequest {
            resume_position: from.unwrap_or_default(),
            message_ids: self.id.clone(),
            batch_id: self.batch.clone().unwrap_or_default(),
            mine_only: self.mine,
            state_class: class.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: WatchArgs,
    }

    #[test]
    fn the_options_become_a_filter() {
        let line = [
            "watch", "--id", "a", "--id", "b", "--batch", "m", "--mine", "--state", "final",
            "--from", "07",
        ];
        let args = Line::parse_from(line).args;
        let request = args.request(args.from.clone());
        assert_eq!(request.message_ids, ["a", "b"]);
        assert_eq!((&*request.batch_id, &*request.resume_position), ("m", "07"));
        assert!(request.mine_only);
        assert_eq!(request.state_class(), v1::StateClass::Final);
    }

    #[test]
    fn a_position_is_kept_in_one_step_and_found_again() {
        let path = std::env::temp_dir().join(format!("hikyaku-position-{}", std::process::id()));
        let file = PositionFile::new(path.clone());
        assert_eq!(file.read().unwrap(), None);
        for position in ["01aa", "01ab"] {
            file.write(position).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(position));
        }
        fs::remove_file(&path).unwrap();
        assert!(!file.next.exists());
        let nowhere = PositionFile::new("/nowhere/position".into());
        let refused = nowhere.write("01aa").unwrap_err().to_string();
        assert!(refused.contains("/nowhere/position"), "{refused}");
    }

    #[test]
    fn waiting_for_the_end_needs_something_that_ends() {
        let refused = Line::try_parse_from(["watch", "--until-final"]).unwrap_err();
        assert!(refused.to_string().contains("--id"), "{refused}");
    }
}
