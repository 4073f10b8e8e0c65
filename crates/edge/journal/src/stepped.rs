//! A journal without a thread.

use crate::journal::{Append as _, Appender, JournalState};
use crate::shared::Shared;
use crate::storage::StorageLock;
use crate::writer::{Step, Writer};
use crate::{Failure, Position};

/// A journal whose writer is driven by its owner, one [`step`](SteppedJournal::step) at a time, on one thread.
///
/// It does what the writer thread of a [`FileJournal`](crate::FileJournal) does, in the same order. Dropping it writes
/// nothing: that is what a process killed at this instant leaves.
#[derive(Debug)]
pub struct SteppedJournal {
    writer: Writer,
    _lock: Box<dyn StorageLock>,
}

impl SteppedJournal {
    pub(crate) fn new(writer: Writer, lock: Box<dyn StorageLock>) -> SteppedJournal {
        SteppedJournal {
            writer,
            _lock: lock,
        }
    }

    /// A handle to append with.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender::new(std::sync::Arc::clone(self.writer.shared()))
    }

    /// Lets the writer do the next thing there is to do. A batch takes two: its write, and its sync.
    pub fn step(&mut self) -> Step {
        self.writer.step()
    }

    /// When a step has something to do although nobody commits, on the clock given at the start: a sync that is due, or space
    /// to be looked for. `None` while there is no such thing.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        self.writer.next_ns()
    }

    /// Writes and syncs everything appended, and returns how far the records are durable.
    ///
    /// # Errors
    /// [`Failure`] when the journal has failed, now or before: records beyond [`Append::durable`](crate::Append::durable)
    /// are lost.
    pub fn close(mut self) -> Result<Position, Failure> {
        Shared::close(self.writer.shared());
        while self.writer.step() != Step::Stopped {}
        let appender = self.appender();
        match appender.state() {
            JournalState::Healthy | JournalState::Reserve | JournalState::Full => {
                Ok(appender.durable())
            }
            JournalState::Failed { what } => Err(what),
        }
    }
}
