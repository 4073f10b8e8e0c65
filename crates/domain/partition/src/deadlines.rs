//! When something must happen to which live message.
//!
//! Limits: at most one deadline a live message.

use std::collections::BTreeSet;
use std::ops::Bound;

use message::MessageId;

/// When something must happen to a live message, one time each.
///
/// An ordered set with exact removal: a receipt deadline is days away and most messages are done within seconds, so that a wheel whose
/// stale entries wait for their slot would hold days of finished messages.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(u64, MessageId)>,
}

impl Deadlines {
    /// Moves a message's deadline; 0 is none.
    pub(crate) fn change(&mut self, id: MessageId, from_ms: u64, to_ms: u64) {
        if from_ms == to_ms {
            return;
        }
        if from_ms != 0 {
            self.by_time.remove(&(from_ms, id));
        }
        if to_ms != 0 {
            self.by_time.insert((to_ms, id));
        }
    }

    /// The earliest deadline.
    pub(crate) fn first_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(ms, _)| *ms)
    }

    /// A message whose time has come; it stays in the set until its deadline is changed.
    pub(crate) fn due(&self, now_ms: u64) -> Option<MessageId> {
        self.by_time
            .first()
            .filter(|(ms, _)| *ms <= now_ms)
            .map(|(_, id)| *id)
    }

    /// The deadlines from one on, in order.
    pub(crate) fn after(
        &self,
        begin: Bound<(u64, MessageId)>,
    ) -> impl Iterator<Item = (u64, MessageId)> + '_ {
        self.by_time.range((begin, Bound::Unbounded)).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }
}
