//! The way back to whoever submitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

use crate::caller::{AdmitReply, Refusal};

/// Where the answers to submissions go: one for a unary call, one for a whole stream.
///
/// Bounded by what may be outstanding on it, so that answering cannot fail and the shard never waits for a client.
#[derive(Debug)]
pub struct ReplySink {
    answers: ArrayQueue<(u64, AdmitReply)>,
    arrived: Notify,
    announced: AtomicBool,
}

/// The place for one answer.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// The sink.
    pub sink: Arc<ReplySink>,
    /// The caller's mark, handed back with the answer.
    pub tag: u64,
}

impl ReplySink {
    /// A sink for at most `capacity` outstanding answers, at least 1.
    #[must_use]
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            answers: ArrayQueue::new(capacity.max(1)),
            arrived: Notify::new(),
            announced: AtomicBool::new(false),
        })
    }

    /// Waits until at least one answer is there and moves all to the end of `out`.
    pub async fn recv(&self, out: &mut Vec<(u64, AdmitReply)>) {
        loop {
            self.announced.store(false, Ordering::SeqCst);
            let before = out.len();
            out.extend(std::iter::from_fn(|| self.answers.pop()));
            if out.len() > before {
                return;
            }
            self.arrived.notified().await;
        }
    }

    /// Leaves an answer; whoever does must call [`Self::announce`] later, if this says so.
    pub(crate) fn put(&self, tag: u64, reply: AdmitReply) -> Announce {
        let fitted = self.answers.push((tag, reply)).is_ok();
        debug_assert!(
            fitted,
            "more outstanding submissions than the sink was made for"
        );
        if self.announced.swap(true, Ordering::SeqCst) {
            Announce::Done
        } else {
            Announce::Owed
        }
    }

    pub(crate) fn announce(&self) {
        self.arrived.notify_one();
    }
}

impl ReplyTo {
    /// Answers with a refusal, and wakes the receiver whatever was announced before.
    pub(crate) fn refuse(self, refusal: Refusal) {
        let _ = self.sink.put(self.tag, Err(refusal));
        self.sink.announce();
    }
}

/// Whether the receiver must still be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announce {
    Owed,
    Done,
}
