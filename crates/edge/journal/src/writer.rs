//! The writer: takes what waits, writes it at once, syncs once, and says how far the records are durable.
//!
//! ```text
//!  appenders ── append ──▶ [FrameBuffer] ── swap ──▶ [batch] ── write, fdatasync ──▶ durable ── wake ──▶ engine
//!               commit ──▶ condvar ────────▶ writer thread
//! ```
//!
//! It does one thing a step, and its thread is nothing but a loop around the steps, so that a simulator can drive the same
//! code in virtual time and crash it between any two of them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use message::Now;

use crate::buffer::Taken;
use crate::file::FileSet;
use crate::journal::Clock;
use crate::shared::{Shared, Task};
use crate::stats::BatchFigures;
use crate::{Failure, FailureStep};

/// What one step of a writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wrote a batch; its sync is the next step.
    Wrote,
    /// Synced the batch that was written: its records are durable.
    Synced,
    /// Deleted the files that are not needed any more.
    Retained,
    /// Nothing: there is nothing to do before the next commit.
    Idle,
    /// Nothing, and there never will be: the journal was closed and everything is written, or it has failed.
    Stopped,
}

/// The one that writes.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    files: FileSet,
    clock: Clock,
    batch: Vec<u8>,
    /// What was written and not synced yet.
    written: Option<Written>,
}

struct Written {
    taken: Taken,
    write_ns: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, files: FileSet, clock: Clock) -> Writer {
        Writer {
            shared,
            files,
            clock,
            batch: Vec::new(),
            written: None,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Does the next thing there is to do.
    pub(crate) fn step(&mut self) -> Step {
        let done = match self.written.take() {
            Some(written) => self.sync(&written).map(|()| Step::Synced),
            None => match self.shared.next_task(&mut self.batch) {
                Task::Write(taken) => self.write(taken).map(|()| Step::Wrote),
                Task::Retain(oldest_needed) => {
                    match self.files.retain_from(oldest_needed) {
                        Ok(deleted) => self.shared.counters().deleted(deleted as u64),
                        Err(_) => self.shared.counters().deletion_failed(),
                    }
                    self.shared.publish_gauges(&self.files);
                    Ok(Step::Retained)
                }
                Task::None => Ok(Step::Idle),
                Task::Stop => Ok(Step::Stopped),
            },
        };
        done.unwrap_or_else(|failure| {
            self.shared.fail(failure);
            self.shared.wake();
            Step::Stopped
        })
    }

    fn write(&mut self, taken: Taken) -> Result<(), Failure> {
        let begun = (self.clock)();
        self.files.write(&self.batch, begun.wall_ms)?;
        self.written = Some(Written {
            taken,
            write_ns: nanoseconds(begun, (self.clock)()),
        });
        Ok(())
    }

    fn sync(&mut self, written: &Written) -> Result<(), Failure> {
        let begun = (self.clock)();
        self.files.sync()?;
        let sync_ns = nanoseconds(begun, (self.clock)());
        self.shared.publish_gauges(&self.files);
        self.shared.set_durable(written.taken.end);
        self.shared.counters().batch(BatchFigures {
            records: written.taken.records,
            bytes: self.batch.len() as u64,
            write_ns: written.write_ns,
            sync_ns,
        });
        self.shared.wake();
        Ok(())
    }
}

pub(crate) fn spawn(mut writer: Writer) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            let shared = Arc::clone(&writer.shared);
            // Set first and cleared last: a panic in here must not look like a healthy journal that is merely slow.
            let guard = PanicGuard(&shared);
            loop {
                match writer.step() {
                    Step::Wrote | Step::Synced | Step::Retained => {}
                    Step::Idle => shared.wait_for_task(),
                    Step::Stopped => break,
                }
            }
            shared.wake();
            std::mem::forget(guard);
        })
}

/// Fails the journal when the writer thread unwinds.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.0.fail(Failure::without_file(FailureStep::Thread));
        self.0.wake();
    }
}

fn nanoseconds(from: Now, to: Now) -> u64 {
    to.mono_ns.saturating_sub(from.mono_ns)
}
