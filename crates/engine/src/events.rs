//! The recent past, for watchers.
//!
//! One bounded log for everybody: a watcher is a position in it, so a slow watcher costs nothing and is told where the log begins once it
//! has fallen behind. An event is made once and shared.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use message::{AttemptNo, CallerId, CarrierId, MessageId, MessageState, Reason, TenantId};
use tokio::sync::Notify;

/// Most events handed to a watcher at once.
const BATCH_MAX: usize = 512;

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log of this run.
    pub position: u64,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// The batch it belongs to.
    pub batch_id: Option<Arc<str>>,
    /// Rises with every event of the message.
    pub sequence: u32,
    /// The leg.
    pub leg: u8,
    /// The attempt; 0 when it is about none.
    pub attempt: AttemptNo,
    /// The segment.
    pub segment: u8,
    /// Segments of an attempt.
    pub segments: u8,
    /// The state after it.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// The raw `command_status`.
    pub status: u32,
    /// Whether any attempt was ever uncertain.
    pub uncertain: bool,
    /// Whether it came after a final state.
    pub late: bool,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// The configuration the message was admitted under.
    pub config_version: u32,
    /// The carrier it is about.
    pub carrier: Option<CarrierId>,
    /// The caller's context.
    pub context: Bytes,
}

/// The position asked for is no longer in the log, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionLost {
    /// The oldest position that can be had.
    pub oldest: u64,
}

/// A bounded log with positions, and the way to wait for its end.
#[derive(Debug)]
pub(crate) struct EventLog<T> {
    held: Mutex<Held<T>>,
    grew: Notify,
    watchers: AtomicUsize,
    capacity: usize,
}

#[derive(Debug)]
struct Held<T> {
    events: VecDeque<Arc<T>>,
    /// The position of the first event held.
    first: u64,
}

impl<T> EventLog<T> {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new(Held {
                events: VecDeque::new(),
                first: 1,
            }),
            grew: Notify::new(),
            watchers: AtomicUsize::new(0),
            capacity: capacity.max(1),
        })
    }

    /// Appends events; `place` gives each its position before it is shared.
    pub(crate) fn extend(&self, events: &mut Vec<T>, mut place: impl FnMut(&mut T, u64)) {
        if events.is_empty() {
            return;
        }
        {
            let mut held = self.lock();
            for mut event in events.drain(..) {
                let position = held.first + held.events.len() as u64;
                place(&mut event, position);
                held.events.push_back(Arc::new(event));
            }
            let surplus = held.events.len().saturating_sub(self.capacity);
            held.events.drain(..surplus);
            held.first += surplus as u64;
        }
        if self.watchers.load(Ordering::Acquire) > 0 {
            self.grew.notify_waiters();
        }
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Acquire)
    }

    /// A watcher that begins at `from`, or at the end.
    pub(crate) fn watch(self: &Arc<Self>, from: Option<u64>) -> Result<LogReader<T>, PositionLost> {
        let held = self.lock();
        let end = held.first + held.events.len() as u64;
        let next = from.unwrap_or(end);
        if next < held.first || next > end {
            return Err(PositionLost { oldest: held.first });
        }
        self.watchers.fetch_add(1, Ordering::AcqRel);
        Ok(LogReader {
            log: Arc::clone(self),
            next,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held<T>> {
        // Nothing between lock and unlock can leave the log half changed, so that a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the log.
#[derive(Debug)]
pub(crate) struct LogReader<T> {
    log: Arc<EventLog<T>>,
    next: u64,
}

impl<T> LogReader<T> {
    pub(crate) async fn next(&mut self, out: &mut Vec<Arc<T>>) -> Result<(), PositionLost> {
        let log = Arc::clone(&self.log);
        loop {
            let grew = log.grew.notified();
            tokio::pin!(grew);
            // Registered before the look, so that growth between the look and the wait is not missed.
            grew.as_mut().enable();
            {
                let held = log.lock();
                if self.next < held.first {
                    return Err(PositionLost { oldest: held.first });
                }
                let skip = usize::try_from(self.next - held.first).unwrap_or(usize::MAX);
                let before = out.len();
                out.extend(held.events.iter().skip(skip).take(BATCH_MAX).cloned());
                self.next += (out.len() - before) as u64;
                if out.len() > before {
                    return Ok(());
                }
            }
            grew.await;
        }
    }
}

impl<T> Drop for LogReader<T> {
    fn drop(&mut self) {
        self.log.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Follows what happens to messages.
#[derive(Debug)]
pub struct Watcher(pub(crate) LogReader<Event>);

impl Watcher {
    /// Waits for events and moves up to 512 to the end of `out`.
    ///
    /// # Errors
    /// When this watcher has fallen behind the log.
    pub async fn next(&mut self, out: &mut Vec<Arc<Event>>) -> Result<(), PositionLost> {
        self.0.next(out).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_watcher_sees_everything_or_is_told_where_the_log_begins() {
        let log: Arc<EventLog<u64>> = EventLog::new(4);
        let mut early = log.watch(None).unwrap();
        log.extend(&mut vec![0, 0, 0], |event, position| *event = position);
        let mut out = Vec::new();
        early.next(&mut out).await.unwrap();
        assert_eq!(
            out.iter().map(|event| **event).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        log.extend(&mut vec![0; 6], |event, position| *event = position);
        assert_eq!(early.next(&mut out).await, Err(PositionLost { oldest: 6 }));
        assert_eq!(log.watch(Some(5)).err(), Some(PositionLost { oldest: 6 }));
        assert!(log.watch(Some(6)).is_ok());
        assert!(log.watch(Some(11)).is_err(), "a position from the future");
    }
}
