//! What shard, writer and watchers share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use journal::Position;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore};

use super::ring::Ring;
use super::{Event, EventKey, HISTORY_READS_MAX, WAITING_MAX};

/// The way from the shard to the watchers.
#[derive(Debug)]
pub(crate) struct EventLog {
    waiting: Mutex<Waiting>,
    work: Condvar,
    ring: Mutex<Ring>,
    pub(super) grew: Notify,
    pub(super) watchers: AtomicUsize,
    pub(super) history_reads: Semaphore,
    /// The identity of the data directory; 0 while the engine recovers.
    pub(super) data_id: AtomicU64,
    /// The journal position up to which the log would survive a power cut.
    synced: AtomicU64,
    pub(super) failed: AtomicBool,
    lost: AtomicU64,
    shown: AtomicU64,
}

/// What the writer is to do.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) events: Vec<Event>,
    /// The last of those that found no room.
    pub(super) lost: Option<EventKey>,
    /// Up to where a sync is wanted.
    pub(super) secure: Position,
    /// Nothing more will come.
    closing: bool,
    /// Whether the writer waits to be called.
    asleep: bool,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EventStats {
    /// Shown to watchers.
    pub(crate) shown: u64,
    /// Found no room on their way to the writer.
    pub(crate) lost: u64,
    /// Wait for the writer.
    pub(crate) waiting: u64,
    /// Whether there is no history at present.
    pub(crate) failed: bool,
    pub(crate) disk_bytes: u64,
    /// When the oldest file was begun, in milliseconds since the epoch; 0 when there is none.
    pub(crate) oldest_ms: u64,
}

/// What the writer was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Work,
    Close,
}

impl EventLog {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            ring: Mutex::new(Ring::new(capacity)),
            grew: Notify::new(),
            watchers: AtomicUsize::new(0),
            history_reads: Semaphore::new(HISTORY_READS_MAX),
            data_id: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            shown: AtomicU64::new(0),
        })
    }

    /// Hands durable events to the writer, in the order of their keys. Never waits: where the writer is too far behind, they are lost
    /// to watchers, who are told.
    pub(crate) fn hand_over(&self, events: &mut Vec<Event>) {
        let Some(last) = events.last().map(|event| event.key) else {
            return;
        };
        let mut waiting = self.waiting();
        if waiting.events.len() + events.len() > WAITING_MAX {
            // Those that wait are as good as lost too: nobody could read on from them to what follows.
            let count = waiting.events.len() + events.len();
            waiting.events.clear();
            events.clear();
            waiting.lost = Some(last);
            self.lost.fetch_add(count as u64, Ordering::Relaxed);
        } else if waiting.events.is_empty() {
            std::mem::swap(&mut waiting.events, events);
        } else {
            waiting.events.append(events);
        }
        if waiting.asleep {
            waiting.asleep = false;
            drop(waiting);
            self.work.notify_one();
        }
    }

    /// Whether everything that follows from journal records before `oldest_needed` would survive a power cut without them, or is lost
    /// anyway; asks for a sync if not. Everything of theirs must have been handed over.
    pub(crate) fn secured(&self, oldest_needed: Position) -> bool {
        if self.is_synced(oldest_needed) || self.failed.load(Ordering::Acquire) {
            return true;
        }
        let mut waiting = self.waiting();
        if waiting.secure < oldest_needed {
            waiting.secure = oldest_needed;
            waiting.asleep = false;
            drop(waiting);
            self.work.notify_one();
        }
        false
    }

    pub(super) fn is_synced(&self, before: Position) -> bool {
        Position(self.synced.load(Ordering::Acquire)) >= before
    }

    pub(super) fn note_synced(&self, before: Position) {
        self.synced.fetch_max(before.0, Ordering::AcqRel);
    }

    /// Calls the writer.
    pub(super) fn call(&self) {
        self.waiting().asleep = false;
        self.work.notify_one();
    }

    /// Lets the writer end when it has written what waits.
    pub(crate) fn close(&self) {
        self.waiting().closing = true;
        self.call();
    }

    /// Waits until there is something to do, or for `longest`.
    pub(super) fn wait(&self, longest: std::time::Duration) -> Call {
        let mut waiting = self.waiting();
        if waiting.events.is_empty() && !waiting.closing {
            waiting.asleep = true;
            waiting = self
                .work
                .wait_timeout_while(waiting, longest, |waiting| waiting.asleep)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            waiting.asleep = false;
        }
        if waiting.closing && waiting.events.is_empty() {
            Call::Close
        } else {
            Call::Work
        }
    }

    /// Takes what waits; `events` is empty and gives its memory to those to come.
    pub(super) fn take(&self, events: Vec<Event>) -> Waiting {
        let mut waiting = self.waiting();
        Waiting {
            events: std::mem::replace(&mut waiting.events, events),
            lost: waiting.lost.take(),
            secure: waiting.secure,
            ..Waiting::default()
        }
    }

    pub(super) fn note_shown(&self, events: usize) {
        self.shown.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// Shows a change of the ring to whoever waits for one.
    pub(super) fn show(&self, change: impl FnOnce(&mut Ring)) {
        change(&mut self.ring());
        if self.watchers.load(Ordering::Acquire) > 0 {
            self.grew.notify_waiters();
        }
    }

    /// Whether recovery is done.
    pub(crate) fn is_open(&self) -> bool {
        self.ring().is_open()
    }

    /// Completes when the ring is opened.
    pub(crate) fn opened(&self) -> Notified<'_> {
        self.grew.notified()
    }

    /// See [`crate::Handle::data_id`].
    pub(crate) fn data_id(&self) -> u64 {
        self.data_id.load(Ordering::Acquire)
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Acquire)
    }

    pub(crate) fn stats(&self) -> EventStats {
        let (disk_bytes, oldest_ms) = self.ring().history_held();
        EventStats {
            shown: self.shown.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            waiting: self.waiting().events.len() as u64,
            failed: self.failed.load(Ordering::Relaxed),
            disk_bytes,
            oldest_ms,
        }
    }

    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing between lock and unlock can leave the ring half changed, so that a panic elsewhere does not spoil it.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
