//! What the appenders and the writer share.
//!
//! One mutex guards the buffer; it is held for one encode, or for one swap of two vectors. A queue of encoded records
//! was refused: it would allocate per record, and the disk takes bytes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::buffer::{FrameBuffer, Taken};
use crate::file::FileSet;
use crate::journal::Wake;
use crate::stats::Counters;
use crate::{AppendError, Failure, JournalState, Placed, Position};

/// Between any number of appenders and one writer.
pub(crate) struct Shared {
    waiting: Mutex<Waiting>,
    work: Condvar,
    durable: AtomicU64,
    appended: AtomicU64,
    room_bytes: AtomicUsize,
    files: AtomicU64,
    disk_bytes: AtomicU64,
    failure: OnceLock<Failure>,
    counters: Counters,
    wake: Wake,
}

/// What waits for the writer.
struct Waiting {
    frames: FrameBuffer,
    committed: bool,
    retain_from: Position,
    /// The position up to which retention was last carried out.
    retained: Position,
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
        Shared {
            durable: AtomicU64::new(end.0),
            appended: AtomicU64::new(end.0),
            room_bytes: AtomicUsize::new(frames.room_bytes()),
            files: AtomicU64::new(files.files()),
            disk_bytes: AtomicU64::new(files.disk_bytes()),
            waiting: Mutex::new(Waiting {
                frames,
                committed: false,
                retain_from: Position(0),
                retained: Position(0),
                closing: false,
            }),
            work: Condvar::new(),
            failure: OnceLock::new(),
            counters: Counters::default(),
            wake,
        }
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
        if oldest_needed > waiting.retain_from {
            waiting.retain_from = oldest_needed;
            drop(waiting);
            self.work.notify_one();
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

    pub(crate) fn state(&self) -> JournalState {
        match self.failure.get() {
            None => JournalState::Healthy,
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

    /// Before `durable` moves: whoever waits for a batch sees the files it made.
    pub(crate) fn publish_gauges(&self, files: &FileSet) {
        self.files.store(files.files(), Ordering::Relaxed);
        self.disk_bytes.store(files.disk_bytes(), Ordering::Relaxed);
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A panic under the lock can only come from an encoder, and the buffer cuts what that left behind.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until [`next_task`](Shared::next_task) would have something to do.
    pub(crate) fn wait_for_task(&self) {
        let mut waiting = self.lock();
        while self.failure.get().is_none() && !waiting.has_task() {
            waiting = self
                .work
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is to be done now; the frames to be written are put into `batch`. Records first: they have somebody waiting for
    /// them.
    pub(crate) fn next_task(&self, batch: &mut Vec<u8>) -> Task {
        if self.failure.get().is_some() {
            return Task::Stop;
        }
        let mut waiting = self.lock();
        if waiting.is_due() {
            waiting.committed = false;
            let taken = waiting.frames.take(batch);
            self.room_bytes
                .store(waiting.frames.room_bytes(), Ordering::Relaxed);
            return Task::Write(taken);
        }
        if waiting.retained < waiting.retain_from {
            waiting.retained = waiting.retain_from;
            return Task::Retain(waiting.retain_from);
        }
        if waiting.closing {
            Task::Stop
        } else {
            Task::None
        }
    }

    pub(crate) fn set_durable(&self, end: Position) {
        self.durable.store(end.0, Ordering::Release);
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
        self.closing || self.is_due() || self.retained < self.retain_from
    }
}

/// What the writer has to do next.
pub(crate) enum Task {
    Write(Taken),
    Retain(Position),
    None,
    Stop,
}
