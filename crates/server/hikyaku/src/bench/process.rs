//! Our own binary as another process: what it says on standard error, killed when dropped.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

/// How long any wait for a process may take: a debug build on a busy machine is slow, a hang is for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that wait to be looked at; more are thrown away, so that a process that talks is never held up by us.
const LINES_MAX: usize = 1_024;

/// A running process.
pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
    name: &'static str,
}

/// A process did not do its part.
#[derive(Debug, Error)]
pub(super) enum ProcessError {
    /// It cannot be started.
    #[error("cannot start `hikyaku {name}`: {source}")]
    Start {
        /// The subcommand.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It ended, or did not say what was waited for.
    #[error("`hikyaku {name}` {what}; it said:\n{said}")]
    Unready {
        /// The subcommand.
        name: &'static str,
        /// What is wrong.
        what: String,
        /// Its last lines.
        said: String,
    },
}

impl Process {
    /// Starts a subcommand with its arguments.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &'static str,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name, source };
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg(name)
            .args(args)
            // What is waited for must be said, whatever the caller of the bench logs.
            .env("HIKYAKU_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (sender, lines) = sync_channel(LINES_MAX);
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = sender.try_send(line);
                }
            });
        }
        Ok(Self { child, lines, name })
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line in which `find` finds something.
    pub(super) fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ProcessError> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.lines.recv_timeout(left) {
                Ok(line) => match find(&line) {
                    Some(found) => return Ok(found),
                    None => {
                        said.push(line);
                        continue;
                    }
                },
                Err(RecvTimeoutError::Timeout) => format!("did not say {what} in {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => format!("ended before it said {what}"),
            };
            return Err(self.unready(why, &said.join("\n")));
        }
    }

    /// An error about it that says what it said since the last wait.
    pub(super) fn unready(&self, what: String, said: &str) -> ProcessError {
        let more: Vec<String> = self.lines.try_iter().collect();
        ProcessError::Unready {
            name: self.name,
            what,
            said: format!("{said}\n{}", more.join("\n")).trim().to_owned(),
        }
    }

    /// Tells it to end, and returns what it printed.
    pub(super) fn end(mut self) -> Result<String, ProcessError> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        // One that has ended by itself is noticed below.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let mut printed = String::new();
        if let Some(mut stdout) = self.child.stdout.take()
            && let Err(error) = stdout.read_to_string(&mut printed)
        {
            return Err(self.unready(format!("could not be read: {error}"), ""));
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(printed),
            Ok(status) => Err(self.unready(format!("ended with {status}"), "")),
            Err(error) => Err(self.unready(format!("could not be waited for: {error}"), "")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill, and waiting takes its row from the kernel's table.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
