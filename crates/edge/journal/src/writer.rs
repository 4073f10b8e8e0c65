//! The writer thread and what it shares with the appenders.
//!
//! ```text
//!  appenders ── append ──▶ [FrameBuffer] ── swap ──▶ [batch] ── write, fdatasync ──▶ durable ── wake ──▶ engine
//!               commit ──▶ condvar ────────▶ writer thread
//! ```
//!
//! One mutex guards the buffer; it is held for one encode, or for one swap of two vectors. A queue of encoded records
//! was refused: it would allocate per record, and the disk takes bytes.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::buffer::{FrameBuffer, Taken};
use crate::file::FileSet;
use crate::journal::Wake;
use crate::stats::{BatchFigures, Counters};
use crate::{AppendError, Failure, FailureStep, JournalState, Position};

/// Both sides of the writer thread.
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
    ) -> Result<Position, AppendError> {
        if let Some(failure) = self.failure.get() {
            return Err(AppendError::Failed(failure.clone()));
        }
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(AppendError::Closed);
        }
        let appended = waiting.frames.append(kind, version, encode);
        match &appended {
            Ok(end) => {
                self.appended.store(end.0, Ordering::Relaxed);
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
    fn publish_gauges(&self, files: &FileSet) {
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
}

/// What the writer has to do next.
enum Task {
    Write(Taken),
    Retain(Position),
    Stop,
}

pub(crate) fn spawn(shared: Arc<Shared>, files: FileSet) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            // Set first and cleared last: a panic in here must not look like a healthy journal that is merely slow.
            let guard = PanicGuard(&shared);
            run(&shared, files);
            std::mem::forget(guard);
        })
}

/// Fails the journal when the writer thread unwinds.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.0.fail(Failure::without_file(FailureStep::Thread));
        (self.0.wake)();
    }
}

fn run(shared: &Shared, mut files: FileSet) {
    let mut batch = Vec::new();
    loop {
        match next_task(shared, &mut batch) {
            Task::Write(taken) => {
                if let Err(failure) = write_batch(shared, &mut files, &batch, taken) {
                    shared.fail(failure);
                    (shared.wake)();
                    return;
                }
            }
            Task::Retain(oldest_needed) => {
                match files.retain_from(oldest_needed) {
                    Ok(deleted) => shared.counters.deleted(deleted as u64),
                    Err(_) => shared.counters.deletion_failed(),
                }
                shared.publish_gauges(&files);
            }
            Task::Stop => {
                (shared.wake)();
                return;
            }
        }
    }
}

/// Waits for something to do. Records first: they have somebody waiting for them.
fn next_task(shared: &Shared, batch: &mut Vec<u8>) -> Task {
    let mut waiting = shared.lock();
    loop {
        if shared.failure.get().is_some() {
            return Task::Stop;
        }
        let due = waiting.committed || waiting.closing;
        if due && !waiting.frames.is_empty() {
            waiting.committed = false;
            let taken = waiting.frames.take(batch);
            shared
                .room_bytes
                .store(waiting.frames.room_bytes(), Ordering::Relaxed);
            return Task::Write(taken);
        }
        if waiting.retained < waiting.retain_from {
            waiting.retained = waiting.retain_from;
            return Task::Retain(waiting.retain_from);
        }
        if waiting.closing {
            return Task::Stop;
        }
        waiting = shared
            .work
            .wait(waiting)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

fn write_batch(
    shared: &Shared,
    files: &mut FileSet,
    batch: &[u8],
    taken: Taken,
) -> Result<(), Failure> {
    let begun = Instant::now();
    files.write(batch)?;
    let written = Instant::now();
    files.sync()?;
    let synced = Instant::now();
    shared.publish_gauges(files);
    shared.durable.store(taken.end.0, Ordering::Release);
    let figures = BatchFigures {
        records: taken.records,
        bytes: batch.len() as u64,
        write_ns: nanoseconds(begun, written),
        sync_ns: nanoseconds(written, synced),
    };
    shared.counters.batch(figures);
    (shared.wake)();
    Ok(())
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
