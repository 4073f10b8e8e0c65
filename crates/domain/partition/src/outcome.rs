//! What follows from the outcome of an attempt.
//!
//! ```text
//! Submitted ──► receipt wanted? ──► await it │ Sent
//! Throttled ──► first in its lane again, no retry spent
//! Unwritten ──► first in its lane again, no retry spent
//! Rejected  ──► retry: later, until attempts_max │ final: Rejected
//! Uncertain ──► resend once │ await receipt or late answer until uncertain_deadline │ fail
//! ```

use std::sync::Arc;

use message::{AttemptNo, MessageId, MessageState, Outcome, Reason, ReceiptWanted, Rejection};

use crate::effect::{Decision, Effect, Place};
use crate::entry::Entry;
use crate::event::OutcomeReport;
use crate::policy::OnUncertain;
use crate::record::{self, Record};
use crate::state::Partition;

/// What follows an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sequel {
    next_attempt: AttemptNo,
    next_at_ms: u64,
    deadline_ms: u64,
}

impl Partition {
    pub(crate) fn decide_outcome(&self, report: &OutcomeReport, decision: &mut Decision) {
        let id = report.segment.message;
        let Some(entry) = self.live.get(&id) else {
            self.decide_outcome_after_end(report, decision);
            return;
        };
        let current = report.segment.attempt == entry.attempt;
        let doubted = entry
            .uncertain
            .is_some_and(|uncertain| uncertain.segment == report.segment);
        match &report.outcome {
            Outcome::Submitted { .. } if current || doubted => {
                self.decide_submitted(entry, report, decision);
            }
            Outcome::Throttled | Outcome::Unwritten if current => {
                self.decide_again(entry, report, decision);
            }
            Outcome::Rejected { rejection, reason } if current || doubted => {
                self.decide_rejected(entry, report, (*rejection, *reason), decision);
            }
            Outcome::Uncertain { reason } if current && !doubted => {
                self.decide_uncertain(entry, report, *reason, decision);
            }
            // An answer to an attempt that is neither the present one nor in doubt was settled before: a repeat.
            Outcome::Submitted { .. }
            | Outcome::Throttled
            | Outcome::Unwritten
            | Outcome::Rejected { .. }
            | Outcome::Uncertain { .. } => {}
        }
    }

    fn decide_submitted(&self, entry: &Entry, report: &OutcomeReport, decision: &mut Decision) {
        let id = report.segment.message;
        let Outcome::Submitted { carrier_message_id } = &report.outcome else {
            return;
        };
        let late = entry
            .uncertain
            .is_some_and(|doubt| doubt.segment == report.segment);
        let reason = if late {
            Reason::LateAnswer
        } else {
            Reason::TakenByCarrier
        };
        let awaits = entry.payload.receipt_wanted != ReceiptWanted::Never;
        let deadline_ms = if awaits {
            decision.now.wall_ms + self.limits.policy(report.carrier).receipt_deadline_ms
        } else {
            0
        };
        let sequel = Sequel {
            deadline_ms,
            ..Sequel::default()
        };
        self.record_outcome(report, reason, sequel, decision);
        if entry.state == MessageState::Queued {
            // The resend that policy ordered has not left yet, and need not.
            decision.effects.push(Effect::Withdraw(id));
        }
        if !awaits {
            self.finish(
                id,
                entry,
                (MessageState::Sent, Reason::NoReceiptDue),
                decision,
            );
            return;
        }
        self.let_go(id, entry, decision);
        decision.effects.push(Effect::Expect {
            carrier: report.carrier,
            id: carrier_message_id.clone(),
            segment: report.segment,
        });
    }

    /// Throttled or never written: the same message goes first, and no retry is spent.
    fn decide_again(&self, entry: &Entry, report: &OutcomeReport, decision: &mut Decision) {
        let reason = match report.outcome {
            Outcome::Throttled => Reason::RetryThrottled,
            Outcome::Unwritten
            | Outcome::Submitted { .. }
            | Outcome::Rejected { .. }
            | Outcome::Uncertain { .. } => Reason::RetryUnwritten,
        };
        self.next_attempt(entry, report, (reason, 0), decision);
    }

    fn decide_rejected(
        &self,
        entry: &Entry,
        report: &OutcomeReport,
        (rejection, reason): (Rejection, Reason),
        decision: &mut Decision,
    ) {
        let id = report.segment.message;
        let doubted = entry
            .uncertain
            .is_some_and(|doubt| doubt.segment == report.segment);
        if doubted && entry.attempt != report.segment.attempt {
            // The doubted attempt was refused after all; the resend speaks for the message from here on.
            self.record_outcome(report, reason, Sequel::default(), decision);
            decision.effects.push(Effect::Certain {
                carrier: report.carrier,
                segment: report.segment,
                payload: Arc::clone(&entry.payload),
            });
            return;
        }
        let policy = self.limits.policy(report.carrier);
        let again = rejection == Rejection::Retry && entry.tries + 1 < policy.retry.attempts_max;
        if again {
            let at_ms = decision.now.wall_ms + policy.retry_delay_ms(entry.tries + 1);
            if at_ms < entry.payload.expires_ms {
                if doubted {
                    self.let_doubt_go(entry, decision);
                }
                self.next_attempt(entry, report, (Reason::RetryRejected, at_ms), decision);
                return;
            }
        }
        let earlier_doubt = entry.uncertain.is_some() && !doubted;
        let deadline_ms = if earlier_doubt {
            decision.now.wall_ms + policy.uncertain_deadline_ms
        } else {
            0
        };
        let sequel = Sequel {
            deadline_ms,
            ..Sequel::default()
        };
        self.record_outcome(report, reason, sequel, decision);
        if earlier_doubt {
            return;
        }
        let verdict = match rejection {
            Rejection::Final => (MessageState::Rejected, reason),
            Rejection::Retry if again => (MessageState::Expired, Reason::ExpiredHere),
            Rejection::Retry => (MessageState::Failed, Reason::AttemptsExhausted),
        };
        self.finish(id, entry, verdict, decision);
    }

    /// No answer within `uncertain_after`: the attempt counts as uncertain although its window slot stays taken until the response timeout.
    pub(crate) fn decide_overdue(&self, id: MessageId, entry: &Entry, decision: &mut Decision) {
        let Some(carrier) = entry.carrier else {
            return;
        };
        let report = OutcomeReport {
            segment: crate::decide::first_segment(id, entry.attempt),
            carrier,
            outcome: Outcome::Uncertain {
                reason: Reason::AnswerOverdue,
            },
            status: 0,
        };
        self.decide_uncertain(entry, &report, Reason::AnswerOverdue, decision);
    }

    pub(crate) fn decide_uncertain(
        &self,
        entry: &Entry,
        report: &OutcomeReport,
        reason: Reason,
        decision: &mut Decision,
    ) {
        let id = report.segment.message;
        let policy = self.limits.policy(report.carrier);
        let uncertain = Effect::Uncertain {
            carrier: report.carrier,
            segment: report.segment,
            payload: Arc::clone(&entry.payload),
        };
        match policy.on_uncertain(entry.payload.lane) {
            OnUncertain::ResendOnce
                if !entry.resent && decision.now.wall_ms < entry.payload.expires_ms =>
            {
                decision.effects.push(uncertain);
                self.next_attempt(entry, report, (reason, 0), decision);
            }
            OnUncertain::ResendOnce | OnUncertain::AwaitReceipt => {
                let sequel = Sequel {
                    deadline_ms: decision.now.wall_ms + policy.uncertain_deadline_ms,
                    ..Sequel::default()
                };
                if let Some(earlier) = entry.uncertain {
                    decision.effects.push(Effect::Certain {
                        carrier: earlier.carrier,
                        segment: earlier.segment,
                        payload: Arc::clone(&entry.payload),
                    });
                }
                decision.effects.push(uncertain);
                self.record_outcome(report, reason, sequel, decision);
            }
            OnUncertain::Fail => {
                self.record_outcome(report, reason, Sequel::default(), decision);
                let verdict = (MessageState::Failed, Reason::UncertainFailed);
                self.finish(id, entry, verdict, decision);
            }
        }
    }

    fn let_doubt_go(&self, entry: &Entry, decision: &mut Decision) {
        if let Some(doubt) = entry.uncertain {
            decision.effects.push(Effect::Certain {
                carrier: doubt.carrier,
                segment: doubt.segment,
                payload: Arc::clone(&entry.payload),
            });
        }
    }

    /// Orders another attempt, claimed in the Outcome that orders it.
    fn next_attempt(
        &self,
        entry: &Entry,
        report: &OutcomeReport,
        (reason, at_ms): (Reason, u64),
        decision: &mut Decision,
    ) {
        let attempt = entry.attempt.saturating_add(1);
        let sequel = Sequel {
            next_attempt: attempt,
            next_at_ms: at_ms,
            deadline_ms: 0,
        };
        self.record_outcome(report, reason, sequel, decision);
        if at_ms <= decision.now.wall_ms {
            let enqueue = entry.enqueue(report.segment.message, attempt, Place::Front);
            decision.effects.push(Effect::Enqueue(enqueue));
        }
    }

    /// An answer to a message that is done with: recorded, and the state rises if the answer outranks it.
    fn decide_outcome_after_end(&self, report: &OutcomeReport, decision: &mut Decision) {
        let id = report.segment.message;
        let Some(finished) = self.finished.find(id) else {
            return;
        };
        let Outcome::Submitted { carrier_message_id } = &report.outcome else {
            return;
        };
        let settled = finished
            .taken
            .iter()
            .any(|taken| taken.segment == report.segment);
        if settled || !crate::decide::state_may_rise(finished.view.state) {
            return;
        }
        self.record_outcome(report, Reason::LateAnswer, Sequel::default(), decision);
        decision.effects.push(Effect::Expect {
            carrier: report.carrier,
            id: carrier_message_id.clone(),
            segment: report.segment,
        });
    }

    fn record_outcome(
        &self,
        report: &OutcomeReport,
        reason: Reason,
        sequel: Sequel,
        decision: &mut Decision,
    ) {
        let carrier_message_id = match &report.outcome {
            Outcome::Submitted { carrier_message_id } => {
                record::carrier_id_octets(carrier_message_id)
            }
            Outcome::Throttled
            | Outcome::Rejected { .. }
            | Outcome::Uncertain { .. }
            | Outcome::Unwritten => Vec::new(),
        };
        decision.records.push(Record::Outcome(record::Outcome {
            segment: report.segment.into(),
            outcome: u32::from(report.outcome.number()),
            reason: u32::from(reason.number()),
            status: report.status,
            carrier: report.carrier.0,
            carrier_message_id,
            at_ms: decision.now.wall_ms,
            next_attempt: u32::from(sequel.next_attempt),
            next_at_ms: sequel.next_at_ms,
            deadline_ms: sequel.deadline_ms,
        }));
    }
}
