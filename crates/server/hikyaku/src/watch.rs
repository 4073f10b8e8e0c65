//! `hikyaku watch`: prints what becomes of messages, as it happens.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use grpc_api::v1;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

use crate::client::{Client, ClientError, Target};
use crate::print::{Format, Printer, is_final};

/// The first wait before a lost engine is asked again; doubled each time up to the longest, and begun anew whenever a watch is in place.
const AGAIN_MIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  hikyaku watch                                          every message of our tenant, from now on
  hikyaku watch --batch monday --state final             what became of a batch
  hikyaku watch --id 01936c1e-... --until-final          one message, until it has ended
  hikyaku watch --json | tee events.jsonl                one JSON object a line, with positions
  hikyaku watch --from 01000000000000000700000000...      go on after a position of an earlier watch
  hikyaku watch --json --position-file p >> events.jsonl go on where the last such watch stopped, over restarts
An engine that goes away is asked again, and the watch goes on behind its last position; --once ends instead.";

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
    /// End when the engine does, instead of going on from the last position when it is back
    #[arg(long)]
    once: bool,
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

/// Runs the command; without `--until-final` it ends only when its output does or the engine refuses it. A lost engine is asked again, with
/// growing pauses, and the watch goes on behind the last position: nothing is left out or printed twice. An engine that does not answer at
/// the start is an error, since it may be a wrong address.
///
/// # Errors
/// When the engine cannot be reached at first or refuses the watch; with `--once` also when it ends it.
pub(crate) async fn run(args: WatchArgs) -> Result<ExitCode, ClientError> {
    let file = args.position_file.clone();
    let file = file.map(|path| PositionFile::new(path, std::process::id()));
    let position = match &file {
        Some(file) => file.read()?,
        None => args.from.clone(),
    };
    let mut watch = Watch {
        printer: Printer::new(Format::of(args.json), io::stdout().lock()),
        file,
        position,
        pending: HashSet::new(),
        placed: false,
        again: AGAIN_MIN,
        args,
    };
    loop {
        let Err(error) = watch.segment().await else {
            return Ok(ExitCode::SUCCESS);
        };
        if watch.args.once || !watch.placed || !passes(&error) {
            return Err(match &watch.file {
                Some(file) => file.blamed(error),
                None => error,
            });
        }
        let pause = watch.again;
        eprintln!(
            "hikyaku: {error}\nhikyaku: the watch goes on from its last position in {} ms",
            pause.as_millis()
        );
        tokio::time::sleep(pause).await;
        watch.again = (pause * 2).min(AGAIN_MAX);
    }
}

/// Whether the same watch may be had later: an engine that is gone or on its way down, or one that found us too slow.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::StreamEnded => true,
        ClientError::Refused(status) => match status.code() {
            Code::Unavailable | Code::ResourceExhausted | Code::Cancelled => true,
            // A torn connection comes as one of these, without a word of the engine's.
            Code::Unknown | Code::Internal => status.get_error_details().error_info().is_none(),
            Code::Ok
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => false,
        },
        ClientError::File { .. }
        | ClientError::Key(_)
        | ClientError::PlainText(_)
        | ClientError::Scheme(_)
        | ClientError::NoAuthority(_)
        | ClientError::Target { .. }
        | ClientError::PositionFile { .. }
        | ClientError::Output(_) => false,
    }
}

/// A watch over its connections.
struct Watch<W: Write> {
    args: WatchArgs,
    printer: Printer<W>,
    file: Option<PositionFile>,
    /// Behind what was printed.
    position: Option<String>,
    /// Those of `--id` that have not ended.
    pending: HashSet<String>,
    /// Whether any connection got as far as a first response.
    placed: bool,
    again: Duration,
}

impl<W: Write> Watch<W> {
    /// Watches over one connection until everything asked for has ended.
    async fn segment(&mut self) -> Result<(), ClientError> {
        let mut client = self.args.target.connect().await?;
        let request = self.args.request(self.position.clone());
        let mut responses = client.watch(request).await?.into_inner();
        // The watch is in place before we look, so that nothing falls between the two.
        let in_place = next(&mut responses).await?;
        self.reached(&in_place.resume_position)?;
        if !self.placed {
            self.look(&mut client).await?;
            self.placed = true;
        }
        self.again = AGAIN_MIN;
        while !self.is_over() {
            let response = next(&mut responses).await?;
            for event in &response.events {
                self.printer.event(event)?;
                if is_final(event.state) {
                    self.pending.remove(&event.message_id);
                }
            }
            self.printer.position(&response.resume_position)?;
            self.printer.flush()?;
            self.reached(&response.resume_position)?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.args.until_final && self.pending.is_empty()
    }

    /// Everything before this position is printed.
    fn reached(&mut self, position: &str) -> io::Result<()> {
        self.position = Some(position.to_owned());
        match &self.file {
            Some(file) => file.write(position),
            None => Ok(()),
        }
    }

    /// Prints where each `--id` is now.
    async fn look(&mut self, client: &mut Client) -> Result<(), ClientError> {
        for id in &self.args.id {
            let request = v1::GetRequest {
                message_id: id.clone(),
            };
            let Some(view) = client.get(request).await?.into_inner().message else {
                continue;
            };
            self.printer.view(&view)?;
            if !is_final(view.state) {
                self.pending.insert(view.message_id);
            }
        }
        self.printer.flush()?;
        Ok(())
    }
}

async fn next(
    responses: &mut Streaming<v1::WatchResponse>,
) -> Result<v1::WatchResponse, ClientError> {
    responses.message().await?.ok_or(ClientError::StreamEnded)
}

/// A file with a position, replaced in one step: whoever reads it finds the old one or the new one.
struct PositionFile {
    path: PathBuf,
    /// What replaces it, under a name of this process's own: of two watches that were given one file, neither takes the other's away.
    next: PathBuf,
}

impl PositionFile {
    fn new(path: PathBuf, process: u32) -> Self {
        let mut next = path.clone().into_os_string();
        next.push(format!(".{process}.next"));
        Self {
            path,
            next: next.into(),
        }
    }

    /// The error; where the position is gone, with what to do with the file, since `--from` may not be given beside it.
    fn blamed(&self, error: ClientError) -> ClientError {
        let ClientError::Refused(status) = error else {
            return error;
        };
        let details = status.get_error_details();
        let oldest = details
            .error_info()
            .and_then(|info| info.metadata.get("oldest_position"));
        match oldest {
            Some(oldest) => ClientError::PositionFile {
                oldest: oldest.clone(),
                path: self.path.clone(),
                status,
            },
            None => ClientError::Refused(status),
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
    fn what_a_later_engine_would_refuse_as_well_ends_the_watch() {
        let refused = |code, reason: Option<&str>| {
            let mut details = tonic_types::ErrorDetails::new();
            if let Some(reason) = reason {
                details.set_error_info(reason, "hikyaku", std::collections::HashMap::new());
            }
            ClientError::from(tonic::Status::with_error_details(code, "", details))
        };
        assert!(passes(&ClientError::StreamEnded));
        assert!(passes(&refused(Code::Unavailable, Some("DRAINING"))));
        assert!(passes(&refused(
            Code::ResourceExhausted,
            Some("WATCHER_TOO_SLOW")
        )));
        assert!(passes(&refused(Code::Unknown, None)));
        for (code, reason) in [
            (Code::OutOfRange, Some("POSITION_LOST")),
            (Code::Internal, Some("DEFECT")),
            (Code::Unauthenticated, None),
        ] {
            assert!(!passes(&refused(code, reason)), "{code:?}");
        }
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
        let file = PositionFile::new(path.clone(), 7);
        assert_eq!(file.read().unwrap(), None);
        for position in ["01aa", "01ab"] {
            file.write(position).unwrap();
            assert_eq!(file.read().unwrap().as_deref(), Some(position));
        }
        // Another process writes the same file between our two steps.
        let other = PositionFile::new(path.clone(), 8);
        fs::write(&file.next, "01ac").unwrap();
        other.write("01ad").unwrap();
        fs::rename(&file.next, &path).unwrap();
        assert_eq!(other.read().unwrap().as_deref(), Some("01ac"));

        fs::remove_file(&path).unwrap();
        assert!(!file.next.exists() && !other.next.exists());
        let nowhere = PositionFile::new("/nowhere/position".into(), 7);
        let refused = nowhere.write("01aa").unwrap_err().to_string();
        assert!(refused.contains("/nowhere/position"), "{refused}");
    }

    #[test]
    fn waiting_for_the_end_needs_something_that_ends() {
        let refused = Line::try_parse_from(["watch", "--until-final"]).unwrap_err();
        assert!(refused.to_string().contains("--id"), "{refused}");
    }
}
