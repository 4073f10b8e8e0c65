//! The writer: takes what waits, writes it at once, syncs once, and says how far the records are durable.
//!
//! ```text
//!  appenders ── append ──▶ [FrameBuffer] ── swap ──▶ [batches] ── write, fdatasync ──▶ durable ── wake ──▶ engine
//!               commit ──▶ condvar ────────▶ writer thread
//! ```
//!
//! It does one thing a step, and its thread is nothing but a loop around the steps, so that a simulator can drive the same
//! code in virtual time and crash it between any two of them.
//!
//! A batch is closed by the disk becoming free: no record waits for company. It is bounded by bytes and by records, and in
//! time by the one sync that may be under way before it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use message::Now;

use crate::buffer::Taken;
use crate::file::{FileSet, Keep, Retained, Room, Space};
use crate::frame;
use crate::journal::{Clock, SyncPolicy};
use crate::shared::{Shared, Task};
use crate::stats::BatchFigures;
use crate::{Failure, FailureStep, JournalConfig, Position};

/// How often space is looked for while there is none.
const LOOK_FOR_SPACE_NS: u64 = 250_000_000;

/// What one step of a writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wrote a batch. Where every batch is synced, its sync is the next step.
    Wrote,
    /// Synced what was written.
    Synced,
    /// Deleted the files that are not needed any more.
    Retained,
    /// Looked for space.
    Looked,
    /// Nothing: there is nothing to do before the next commit, or before
    /// [`SteppedJournal::next_ns`](crate::SteppedJournal::next_ns).
    Idle,
    /// Nothing, and there never will be: the journal was closed and everything is written, or it has failed.
    Stopped,
}

/// The one that writes.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    files: FileSet,
    clock: Clock,
    policy: SyncPolicy,
    batch_max_bytes: usize,
    batch_max_records: u64,
    taken: TakenFrames,
    /// The batch that was written and waits for its sync.
    written: Option<BatchFigures>,
    /// Position behind the last frame written.
    written_to: Position,
    /// When the oldest write that is not synced was made.
    unsynced_ns: Option<u64>,
    /// When to look for space again.
    look_ns: u64,
}

/// Frames that were taken from the buffer, of which the first part may be written already.
#[derive(Default)]
struct TakenFrames {
    bytes: Vec<u8>,
    head: usize,
    position: Position,
    records: u64,
}

/// One batch: the next so many bytes.
#[derive(Clone, Copy)]
struct Batch {
    bytes: usize,
    records: u64,
}

impl TakenFrames {
    fn is_empty(&self) -> bool {
        self.head == self.bytes.len()
    }

    fn set(&mut self, taken: Taken) {
        self.head = 0;
        self.position = taken.start;
        self.records = taken.records;
    }

    /// As many whole frames as fit the limits, at least one.
    fn next_batch(&self, max_bytes: usize, max_records: u64) -> Batch {
        let rest = &self.bytes[self.head..];
        let whole = Batch {
            bytes: rest.len(),
            records: self.records,
        };
        if whole.bytes <= max_bytes && whole.records <= max_records {
            return whole;
        }
        let mut batch = Batch {
            bytes: 0,
            records: 0,
        };
        while let Ok(frame_bytes) = frame::announced_bytes(&rest[batch.bytes..]) {
            let too_long = batch.bytes + frame_bytes > max_bytes;
            if batch.records == max_records || (too_long && batch.records > 0) {
                break;
            }
            batch.bytes += frame_bytes;
            batch.records += 1;
        }
        batch
    }

    fn advance(&mut self, batch: Batch) {
        self.head += batch.bytes;
        self.position = Position(self.position.0 + batch.bytes as u64);
        self.records -= batch.records;
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        files: FileSet,
        clock: Clock,
        config: &JournalConfig,
    ) -> Writer {
        Writer {
            policy: config.sync,
            batch_max_bytes: config.batch_max_bytes,
            batch_max_records: config.batch_max_records,
            taken: TakenFrames::default(),
            written: None,
            written_to: shared.synced(),
            unsynced_ns: None,
            look_ns: 0,
            shared,
            files,
            clock,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Does the next thing there is to do.
    pub(crate) fn step(&mut self) -> Step {
        self.try_step().unwrap_or_else(|failure| {
            self.shared.fail(failure);
            self.shared.wake();
            Step::Stopped
        })
    }

    /// When a step has something to do although nobody commits.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let sync_ns = match self.policy {
            SyncPolicy::Always | SyncPolicy::None => None,
            SyncPolicy::Interval { interval_ms } => self
                .unsynced_ns
                .map(|since_ns| since_ns + u64::from(interval_ms) * 1_000_000),
        };
        let look_ns = match self.files.space() {
            Space::Ample => None,
            Space::Reserve | Space::Full => Some(self.look_ns),
        };
        [sync_ns, look_ns].into_iter().flatten().min()
    }

    fn try_step(&mut self) -> Result<Step, Failure> {
        if self.shared.failure().is_some() {
            // Nothing is tried again: what a failed write or sync left behind is unknown.
            return Ok(Step::Stopped);
        }
        if let Some(figures) = self.written.take() {
            return self.sync(figures);
        }
        let now = (self.clock)();
        if self.next_ns().is_some_and(|at_ns| at_ns <= now.mono_ns) {
            return self.on_time(now);
        }
        if !self.taken.is_empty() {
            return match self.files.space() {
                Space::Full => self.next_while_full(now),
                Space::Ample | Space::Reserve => self.write(now),
            };
        }
        match self.shared.next_task(&mut self.taken.bytes) {
            Task::Write(taken) => {
                self.taken.set(taken);
                self.write(now)
            }
            Task::Retain(keep) => Ok(self.retain(keep, now)),
            Task::None => Ok(Step::Idle),
            Task::Stop => self.stop(),
        }
    }

    /// Looks for space, or syncs what has waited long enough.
    fn on_time(&mut self, now: Now) -> Result<Step, Failure> {
        if self.files.space() == Space::Ample || self.look_ns > now.mono_ns {
            return self.sync(BatchFigures::default());
        }
        self.look_ns = now.mono_ns + LOOK_FOR_SPACE_NS;
        let before = self.files.space();
        self.files.look_for_space()?;
        if !self.taken.is_empty() || before == Space::Full {
            // Nothing may wait yet where the journal began without a file.
            let bytes = self.next_batch().bytes.max(1);
            self.files.make_room(bytes as u64, now.wall_ms)?;
        }
        self.shared.publish_gauges(&self.files);
        if self.files.space() != before {
            self.shared.wake();
        }
        Ok(Step::Looked)
    }

    fn next_while_full(&mut self, now: Now) -> Result<Step, Failure> {
        match self.shared.next_while_full() {
            Task::Retain(keep) => Ok(self.retain(keep, now)),
            Task::None => Ok(Step::Idle),
            Task::Stop => Err(Failure::without_file(FailureStep::NoSpace)),
            Task::Write(_) => unreachable!("nothing is taken while what was taken waits"),
        }
    }

    fn next_batch(&self) -> Batch {
        self.taken
            .next_batch(self.batch_max_bytes, self.batch_max_records)
    }

    fn write(&mut self, now: Now) -> Result<Step, Failure> {
        let batch = self.next_batch();
        let before = self.files.space();
        if self.files.make_room(batch.bytes as u64, now.wall_ms)? == Room::NoSpace {
            self.look_ns = now.mono_ns + LOOK_FOR_SPACE_NS;
            self.shared.publish_gauges(&self.files);
            self.shared.wake();
            return Ok(Step::Looked);
        }
        if self.files.space() != before {
            self.look_ns = now.mono_ns + LOOK_FOR_SPACE_NS;
        }
        if self.files.is_synced() {
            // A file that was closed to make room was synced first, whatever the policy.
            self.shared.set_synced(self.written_to);
        }
        let head = self.taken.head;
        let frames = &mut self.taken.bytes[head..head + batch.bytes];
        if self.files.is_synced()
            && let Ok(first) = frame::announced_bytes(frames)
        {
            frame::mark_opening(&mut frames[..first], self.taken.position);
        }
        self.files.append(frames)?;
        self.taken.advance(batch);
        self.written_to = self.taken.position;
        let figures = BatchFigures {
            records: batch.records,
            bytes: batch.bytes as u64,
            write_ns: nanoseconds(now, (self.clock)()),
            sync_ns: None,
        };
        match self.policy {
            SyncPolicy::Always => self.written = Some(figures),
            SyncPolicy::Interval { .. } | SyncPolicy::None => {
                self.unsynced_ns.get_or_insert(now.mono_ns);
                self.publish(figures);
            }
        }
        Ok(Step::Wrote)
    }

    fn sync(&mut self, figures: BatchFigures) -> Result<Step, Failure> {
        let begun = (self.clock)();
        self.files.sync()?;
        self.unsynced_ns = None;
        self.shared.set_synced(self.written_to);
        self.publish(BatchFigures {
            sync_ns: Some(nanoseconds(begun, (self.clock)())),
            ..figures
        });
        Ok(Step::Synced)
    }

    /// What was written may be relied on, as far as the policy goes.
    fn publish(&mut self, figures: BatchFigures) {
        self.shared.publish_gauges(&self.files);
        self.shared.set_durable(self.written_to);
        self.shared.counters().batch(figures);
        self.shared.wake();
    }

    fn retain(&mut self, keep: Keep, now: Now) -> Step {
        match self.files.retain(keep, now.wall_ms) {
            Ok(Retained::All) => {}
            Ok(Retained::InPart) => self.shared.retain_again(),
            Err(_) => self.shared.counters().deletion_failed(),
        }
        self.shared.publish_gauges(&self.files);
        Step::Retained
    }

    fn stop(&mut self) -> Result<Step, Failure> {
        if !self.files.is_synced() {
            return self.sync(BatchFigures::default());
        }
        self.files.give_back()?;
        self.shared.publish_gauges(&self.files);
        Ok(Step::Stopped)
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
                    Step::Wrote | Step::Synced | Step::Retained | Step::Looked => {}
                    Step::Idle => wait(&writer, &shared),
                    Step::Stopped => break,
                }
            }
            shared.wake();
            std::mem::forget(guard);
        })
}

fn wait(writer: &Writer, shared: &Shared) {
    let longest = writer.next_ns().map(|at_ns| {
        let now_ns = (writer.clock)().mono_ns;
        Duration::from_nanos(at_ns.saturating_sub(now_ns))
    });
    match longest {
        Some(longest) if !writer.taken.is_empty() => shared.wait_for_space(longest),
        longest => shared.wait_for_task(longest),
    }
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
