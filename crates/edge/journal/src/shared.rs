//! What the appenders and the writer share.
//!
//! One mutex guards the buffer; it is held for one encode, or for one swap of two vectors. A queue of encoded records
//! was refused: it would allocate per record, and the disk takes bytes.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::buffer::{FrameBuffer, Taken};
use crate::file::{FileSet, Keep, Space};
use crate::journal::{HistoryHeld, Wake};
use crate::stats::Counters;
use crate::{AppendError, Failure, JournalState, Placed, Position};

/// Every state of space, in the order of the enum.
const SPACES: [Space; 3] = [Space::Ample, Space::Reserve, Space::Full];

/// After so many takings of records that went before it, retention goes first: where every sync finds the next records waiting, its turn
/// would never come. By default as many take no more bytes from the buffer than a step of retention deletes.
const PASSED_OVER_MAX: u32 = 16;

/// Between any number of appenders and one writer.
pub(crate) struct Shared {
    waiting: Mutex<Waiting>,
    work: Condvar,
    durable: AtomicU64,
    appended: AtomicU64,
    room_bytes: AtomicUsize,
    synced: AtomicU64,
    files: AtomicU64,
    disk_bytes: AtomicU64,
    /// The place of a [`Space`] in [`SPACES`].
    space: AtomicU8,
    /// The replay mark, and where it can move next.
    marks: [AtomicU64; 2],
    /// Files, bytes and begin of the history.
    history: [AtomicU64; 3],
    unread_from: AtomicU64,
    failure: OnceLock<Failure>,
    counters: Counters,
    wake: Wake,
}

/// What waits for the writer.
struct Waiting {
    frames: FrameBuffer,
    committed: bool,
    retain_from: Position,
    /// Whether the writer is to look at retention.
    retention_is_due: bool,
    /// How many takings went before retention since it was due.
    passed_over: u32,
    closing: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("durable", &self.durable)
            .field("appended", &self.appended)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(frames: FrameBuffer, files: &FileSet, wake: Wake) -> Shared {
        let end = frames.end();
        let shared = Shared {
            durable: AtomicU64::new(end.0),
            appended: AtomicU64::new(end.0),
            room_bytes: AtomicUsize::new(frames.room_bytes()),
            synced: AtomicU64::new(end.0),
            files: AtomicU64::new(files.files()),
            disk_bytes: AtomicU64::new(files.disk_bytes()),
            space: AtomicU8::new(files.space() as u8),
            marks: Default::default(),
            history: Default::default(),
            unread_from: AtomicU64::new(u64::MAX),
            waiting: Mutex::new(Waiting {
                frames,
                committed: false,
                retain_from: Position(0),
                retention_is_due: false,
                passed_over: 0,
                closing: false,
            }),
            work: Condvar::new(),
            failure: OnceLock::new(),
            counters: Counters::default(),
            wake,
        };
        shared.publish_gauges(files);
        shared
    }

    pub(crate) fn append(
        &self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Placed, AppendError> {
        if let Some(failure) = self.failure.get() {
            return Err(AppendError::Failed(failure.clone()));
        }
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(AppendError::Closed);
        }
        let appended = waiting.frames.append(kind, version, encode);
        match &appended {
            Ok(placed) => {
                self.appended.store(placed.end.0, Ordering::Relaxed);
                self.room_bytes
                    .store(waiting.frames.room_bytes(), Ordering::Relaxed);
            }
            Err(AppendError::Failed(failure)) => {
                self.fail(failure.clone());
                self.work.notify_one();
            }
            Err(
                AppendError::Full { .. }
                | AppendError::PayloadTooLarge { .. }
                | AppendError::Closed,
            ) => {}
        }
        appended
    }

    pub(crate) fn commit(&self) {
        let mut waiting = self.lock();
        if waiting.frames.is_empty() || waiting.committed {
            return;
        }
        waiting.committed = true;
        drop(waiting);
        self.work.notify_one();
    }

    pub(crate) fn retain_from(&self, oldest_needed: Position) {
        let mut waiting = self.lock();
        waiting.retain_from = waiting.retain_from.max(oldest_needed);
        waiting.retention_is_due = true;
        drop(waiting);
        self.work.notify_one();
    }

    /// There is more to delete than one step does. The end does not wait for it.
    pub(crate) fn retain_again(&self) {
        let mut waiting = self.lock();
        waiting.retention_is_due = !waiting.closing;
    }

    pub(crate) fn note_read(&self, position: Position) {
        self.unread_from.store(position.0, Ordering::Relaxed);
    }

    pub(crate) fn marks(&self) -> (Position, Position) {
        let [mark, next] = &self.marks;
        let read = |at: &AtomicU64| Position(at.load(Ordering::Relaxed));
        (read(mark), read(next))
    }

    pub(crate) fn history(&self) -> HistoryHeld {
        let [files, bytes, since_ms] = &self.history;
        HistoryHeld {
            files: files.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            since_ms: since_ms.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    pub(crate) fn fail(&self, failure: Failure) {
        // The first failure is the cause; whatever follows from it would only hide it.
        let _ = self.failure.set(failure);
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    pub(crate) fn state(&self) -> JournalState {
        match self.failure.get() {
            None => match SPACES[usize::from(self.space.load(Ordering::Acquire))] {
                Space::Ample => JournalState::Healthy,
                Space::Reserve => JournalState::Reserve,
                Space::Full => JournalState::Full,
            },
            Some(what) => JournalState::Failed { what: what.clone() },
        }
    }

    pub(crate) fn durable(&self) -> Position {
        Position(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn appended(&self) -> Position {
        Position(self.appended.load(Ordering::Relaxed))
    }

    pub(crate) fn room_bytes(&self) -> usize {
        self.room_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes.load(Ordering::Relaxed)
    }

    /// Before `durable` moves: whoever waits for a batch sees the files it made, and what space is left.
    pub(crate) fn publish_gauges(&self, files: &FileSet) {
        self.files.store(files.files(), Ordering::Relaxed);
        self.disk_bytes.store(files.disk_bytes(), Ordering::Relaxed);
        self.counters.set_deleted(files.deleted());
        let [mark, next] = &self.marks;
        mark.store(files.mark().0, Ordering::Relaxed);
        next.store(files.next_mark().0, Ordering::Relaxed);
        let history = files.history();
        let held = [history.files as u64, history.bytes, files.begun_ms()];
        for (gauge, held) in self.history.iter().zip(held) {
            gauge.store(held, Ordering::Relaxed);
        }
        self.space.store(files.space() as u8, Ordering::Release);
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A panic under the lock can only come from an encoder, and the buffer cuts what that left behind.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody has something to do for the writer, or for so long.
    pub(crate) fn wait_for_task(&self, longest: Option<Duration>) {
        let waiting = self.lock();
        if self.failure.get().is_some() || waiting.has_task() {
            return;
        }
        // Waking for nothing does no harm: the next step finds nothing to do and comes back here.
        match longest {
            None => drop(self.work.wait(waiting)),
            Some(longest) => drop(self.work.wait_timeout(waiting, longest)),
        }
    }

    /// Waits for so long, or until the journal is closed or told to let go of records: what waits cannot be written.
    pub(crate) fn wait_for_space(&self, longest: Duration) {
        let waiting = self.lock();
        if self.failure.get().is_some() || waiting.closing || waiting.retention_is_due {
            return;
        }
        drop(self.work.wait_timeout(waiting, longest));
    }

    /// What is to be let go, and whether the journal is to be closed: all that matters while nothing can be written.
    pub(crate) fn next_while_full(&self) -> Task {
        if self.failure.get().is_some() {
            return Task::Stop;
        }
        self.task_beside_writing(&mut self.lock())
    }

    /// What is to be done now; the frames to be written are put into `batch`. Records first, since somebody waits for them, but
    /// not for ever.
    pub(crate) fn next_task(&self, batch: &mut Vec<u8>) -> Task {
        if self.failure.get().is_some() {
            return Task::Stop;
        }
        let mut waiting = self.lock();
        if waiting.is_due() && !waiting.is_retentions_turn() {
            waiting.passed_over += u32::from(waiting.retention_is_due);
            waiting.committed = false;
            let taken = waiting.frames.take(batch);
            self.room_bytes
                .store(waiting.frames.room_bytes(), Ordering::Relaxed);
            return Task::Write(taken);
        }
        self.task_beside_writing(&mut waiting)
    }

    fn task_beside_writing(&self, waiting: &mut Waiting) -> Task {
        if let Some(oldest_needed) = waiting.take_retention() {
            return Task::Retain(self.keep(oldest_needed));
        }
        if waiting.closing {
            Task::Stop
        } else {
            Task::None
        }
    }

    fn keep(&self, oldest_needed: Position) -> Keep {
        Keep {
            oldest_needed,
            unread_from: Position(self.unread_from.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn set_durable(&self, end: Position) {
        self.durable.store(end.0, Ordering::Release);
    }

    pub(crate) fn set_synced(&self, end: Position) {
        self.synced.store(end.0, Ordering::Release);
    }

    pub(crate) fn synced(&self) -> Position {
        Position(self.synced.load(Ordering::Acquire))
    }

    pub(crate) fn wake(&self) {
        (self.wake)();
    }
}

impl Waiting {
    fn is_due(&self) -> bool {
        (self.committed || self.closing) && !self.frames.is_empty()
    }

    fn has_task(&self) -> bool {
        self.closing || self.is_due() || self.retention_is_due
    }

    fn is_retentions_turn(&self) -> bool {
        self.retention_is_due && self.passed_over >= PASSED_OVER_MAX
    }

    fn take_retention(&mut self) -> Option<Position> {
        self.passed_over = 0;
        std::mem::take(&mut self.retention_is_due).then_some(self.retain_from)
    }
}

/// What the writer has to do next.
pub(crate) enum Task {
    Write(Taken),
    Retain(Keep),
    None,
    Stop,
}
