//! When something must happen to which live message.
//!
//! Validities, `send_at` and the deadlines for receipts and evidence are times of the wall clock. The waits for an answer and before a retry
//! are lengths of time: while the process lives they are counted by the monotonic clock, so that a wall clock that is set makes no attempt
//! overdue and no retry early or late. Records say wall times; replay takes those, and [`Partition::begin_wait`] derives what is left.
//!
//! Limits: at most one deadline and one wait a live message.

use std::collections::BTreeSet;
use std::ops::Bound;

use message::{MessageId, MessageState, Now, Reason};

use crate::entry::Entry;
use crate::state::Partition;

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

/// What a wait that is counted by the monotonic clock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The answer to the present attempt.
    Answer,
    /// The next attempt's time. The message may expire meanwhile, by the wall clock.
    Retry,
}

/// A wait under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    what: WaitFor,
    /// By the monotonic clock, in milliseconds.
    until_ms: u64,
    /// The deadline that stands beside it, by the wall clock; 0 for none.
    deadline_ms: u64,
}

impl Entry {
    /// What the message waits for that a stepped wall clock must not end.
    fn waits_for(&self) -> Option<WaitFor> {
        let at_clients_time = matches!(
            self.reason,
            Reason::SendAtPending | Reason::ReplacedByCaller
        );
        match self.state {
            MessageState::Attempting if !self.awaits_evidence() => Some(WaitFor::Answer),
            MessageState::Scheduled if !at_clients_time => Some(WaitFor::Retry),
            MessageState::Attempting
            | MessageState::Scheduled
            | MessageState::Admitted
            | MessageState::Queued
            | MessageState::Submitted
            | MessageState::Delivered
            | MessageState::Sent
            | MessageState::Undeliverable
            | MessageState::Rejected
            | MessageState::Expired
            | MessageState::Cancelled
            | MessageState::Failed
            | MessageState::Unknown => None,
        }
    }
}

impl Partition {
    /// Counts the wait that a message is in, if it is in one, by the monotonic clock from here on. What is left of it is what the records say,
    /// and never more than its whole length: the wall clock may have been set back while no process ran.
    pub fn begin_wait(&mut self, id: MessageId, now: Now) {
        let Some(entry) = self.live.get_mut(&id) else {
            return;
        };
        let (Some(what), None) = (entry.waits_for(), entry.wait) else {
            return;
        };
        let due_ms = entry.due_ms;
        let whole_ms = due_ms.saturating_sub(entry.changed_ms);
        let left_ms = due_ms.saturating_sub(now.wall_ms).min(whole_ms);
        // Begun with the next whole millisecond: a wait is never cut short.
        let until_ms = now.mono_ns.div_ceil(1_000_000) + 1 + left_ms;
        let deadline_ms = match what {
            WaitFor::Answer => 0,
            WaitFor::Retry => entry.payload.expires_ms,
        };
        let wait = Wait {
            what,
            until_ms,
            deadline_ms,
        };
        self.keep_waiting(id, wait);
    }

    /// Puts a wait in the place of the deadline that the records say.
    pub(crate) fn keep_waiting(&mut self, id: MessageId, wait: Wait) {
        let Some(entry) = self.live.get_mut(&id) else {
            return;
        };
        entry.wait = Some(wait);
        self.deadlines.change(id, entry.due_ms, wait.deadline_ms);
        self.waits(wait.what).change(id, 0, wait.until_ms);
    }

    pub(crate) fn set_due(&mut self, id: MessageId, due_ms: u64) {
        let Some(entry) = self.live.get_mut(&id) else {
            return;
        };
        let mut from_ms = std::mem::replace(&mut entry.due_ms, due_ms);
        if let Some(wait) = entry.wait {
            if from_ms == due_ms && entry.waits_for() == Some(wait.what) {
                return;
            }
            entry.wait = None;
            from_ms = wait.deadline_ms;
            self.waits(wait.what).change(id, wait.until_ms, 0);
        }
        self.deadlines.change(id, from_ms, due_ms);
    }

    /// When the first wait for an answer is over, on the monotonic clock, in nanoseconds; `None` where every attempt that was written since the
    /// start has an outcome. An attempt waits here until its outcome is recorded, however late that is: what was written earlier than this by
    /// the longest `uncertain_after_ms` and two milliseconds has one.
    #[must_use]
    pub fn first_answer_due_ns(&self) -> Option<u64> {
        let first_ms = self.answer_waits.first_ms()?;
        Some(first_ms.saturating_mul(1_000_000))
    }

    /// A message whose wait is over.
    pub(crate) fn waited(&self, now: Now) -> Option<MessageId> {
        let now_ms = mono_ms(now);
        let answer = self.answer_waits.due(now_ms);
        answer.or_else(|| self.retry_waits.due(now_ms))
    }

    /// The end of the first wait, as a time of the wall clock as it is set now.
    pub(crate) fn first_waited_ms(&self, now: Now) -> Option<u64> {
        let waits = [self.answer_waits.first_ms(), self.retry_waits.first_ms()];
        let first_ms = waits.into_iter().flatten().min()?;
        Some(now.wall_ms + first_ms.saturating_sub(mono_ms(now)))
    }

    fn waits(&mut self, what: WaitFor) -> &mut Deadlines {
        match what {
            WaitFor::Answer => &mut self.answer_waits,
            WaitFor::Retry => &mut self.retry_waits,
        }
    }
}

/// Counted from 1: 0 means none.
const fn mono_ms(now: Now) -> u64 {
    now.mono_ns / 1_000_000 + 1
}
