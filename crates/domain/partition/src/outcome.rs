//! What follows from the outcome of an attempt.
//!
//! ```text
//! Submitted ──► receipt wanted? ──► await it │ Sent
//! Throttled ──► first in its lane again, no retry spent
//! Unwritten ──► first in its lane again, no retry spent
//! Rejected  ──► retry: later, until attempts_max │ final: Rejected
//!               no more attempts, but an earlier one in doubt: wait for its evidence until uncertain_deadline
//! Uncertain ──► resend once │ await receipt or late answer until uncertain_deadline │ fail
//! ```

use std::sync::Arc;

use message::{
    AttemptNo, CarrierMessageId, MessageId, MessageState, Outcome, OutcomeClass, Reason,
    ReceiptWanted, Rejection,
};

use crate::decide::state_may_rise;
use crate::effect::{Decision, Effect, Place};
use crate::entry::{Entry, Standing, UncertainAttempt};
use crate::event::OutcomeReport;
use crate::policy::{OnUncertain, Policy};
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
        if report.segment.attempt == 0 || report.segment.attempt > entry.attempt {
            return;
        }
        let standing = entry.standing(report.segment);
        match (&report.outcome, standing) {
            // That a carrier took it counts whatever was thought of the attempt, once.
            (Outcome::Submitted { carrier_message_id }, _) => {
                let repeated = entry
                    .taken
                    .iter()
                    .any(|taken| taken.segment == report.segment);
                if !repeated {
                    self.decide_submitted(entry, report, carrier_message_id, decision);
                }
            }
            (
                Outcome::Throttled | Outcome::Unwritten | Outcome::Rejected { .. },
                Standing::Open | Standing::Doubted,
            ) => {
                if report.segment.attempt == entry.attempt {
                    self.decide_refused(entry, report, decision);
                } else {
                    self.decide_doubt_empty(entry, report, decision);
                }
            }
            (Outcome::Uncertain { reason }, Standing::Open) => {
                self.decide_uncertain(entry, report, *reason, decision);
            }
            // A repeat, or what became of a copy after the message was taken.
            (
                Outcome::Throttled | Outcome::Unwritten | Outcome::Rejected { .. },
                Standing::Settled,
            )
            | (Outcome::Uncertain { .. }, Standing::Doubted | Standing::Settled) => {}
        }
    }

    fn decide_submitted(
        &self,
        entry: &Entry,
        report: &OutcomeReport,
        carrier_message_id: &CarrierMessageId,
        decision: &mut Decision,
    ) {
        let id = report.segment.message;
        let late = entry.doubts_segment(report.segment) || report.segment.attempt != entry.attempt;
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
        expect(report, carrier_message_id, decision);
    }

    /// The present attempt was not taken: another follows, at once and without spending a retry if it was throttled or never written, later
    /// if it was refused.
    fn decide_refused(&self, entry: &Entry, report: &OutcomeReport, decision: &mut Decision) {
        let policy = self.limits.policy(report.carrier);
        let now_ms = decision.now.wall_ms;
        let (reason, recorded, next_at_ms) = match report.outcome {
            Outcome::Throttled => (Reason::RetryThrottled, Reason::ExpiredHere, Some(now_ms)),
            Outcome::Rejected {
                rejection: Rejection::Retry,
                reason,
            } => {
                let tries = entry.tries.saturating_add(1);
                let at_ms = now_ms.saturating_add(policy.retry_delay_ms(tries));
                let again = tries < policy.retry.attempts_max;
                (Reason::RetryRejected, reason, again.then_some(at_ms))
            }
            Outcome::Rejected {
                rejection: Rejection::Final,
                reason,
            } => (reason, reason, None),
            Outcome::Unwritten | Outcome::Submitted { .. } | Outcome::Uncertain { .. } => {
                (Reason::RetryUnwritten, Reason::ExpiredHere, Some(now_ms))
            }
        };
        match next_at_ms {
            Some(at_ms) if at_ms < entry.payload.expires_ms && entry.attempt < AttemptNo::MAX => {
                self.settle_segment(entry, report, decision);
                self.next_attempt(entry, report, (reason, at_ms), decision);
            }
            Some(_) | None => self.decide_no_more(entry, report, recorded, decision),
        }
    }

    /// The present attempt was not taken and none follows. The message ends, unless an earlier attempt may have been taken: then it waits
    /// for evidence of that one.
    fn decide_no_more(
        &self,
        entry: &Entry,
        report: &OutcomeReport,
        reason: Reason,
        decision: &mut Decision,
    ) {
        let waits = entry
            .doubts
            .iter()
            .any(|doubt| doubt.segment != report.segment);
        if waits {
            let policy = self.limits.policy(report.carrier);
            let sequel = Sequel {
                deadline_ms: decision.now.wall_ms + policy.uncertain_deadline_ms,
                ..Sequel::default()
            };
            self.settle_segment(entry, report, decision);
            self.record_outcome(report, reason, sequel, decision);
            return;
        }
        self.record_outcome(report, reason, Sequel::default(), decision);
        let class = report.outcome.class();
        let tries = entry.tries_after(class);
        let policy = self.limits.policy(report.carrier);
        let verdict = entry.verdict_of(class, reason, (tries, policy));
        self.finish(report.segment.message, entry, verdict, decision);
    }

    /// An earlier, doubted attempt was not taken after all: the present attempt speaks for the message from here on, if it still can.
    fn decide_doubt_empty(&self, entry: &Entry, report: &OutcomeReport, decision: &mut Decision) {
        let reason = match report.outcome {
            Outcome::Rejected { reason, .. } => reason,
            Outcome::Throttled => Reason::RetryThrottled,
            Outcome::Unwritten | Outcome::Submitted { .. } | Outcome::Uncertain { .. } => {
                Reason::RetryUnwritten
            }
        };
        self.record_outcome(report, reason, Sequel::default(), decision);
        match entry.parked {
            Some(verdict) if entry.doubts.len() == 1 => {
                self.finish(report.segment.message, entry, verdict, decision);
            }
            Some(_) | None => self.settle_segment(entry, report, decision),
        }
    }

    /// A message whose next attempt was never made must end, and an earlier attempt is in doubt: it waits for evidence of that one.
    pub(crate) fn park_unsent(
        &self,
        id: MessageId,
        entry: &Entry,
        (doubt, reason): (UncertainAttempt, Reason),
        decision: &mut Decision,
    ) {
        let report = OutcomeReport {
            segment: crate::decide::first_segment(id, entry.attempt),
            carrier: None,
            outcome: Outcome::Unwritten,
            status: 0,
            session: 0,
        };
        let policy = self.limits.policy(doubt.carrier);
        let sequel = Sequel {
            deadline_ms: decision.now.wall_ms + policy.uncertain_deadline_ms,
            ..Sequel::default()
        };
        self.record_outcome(&report, reason, sequel, decision);
    }

    /// No answer within `uncertain_after`: the attempt counts as uncertain although its window slot stays taken until the response timeout.
    pub(crate) fn decide_overdue(&self, id: MessageId, entry: &Entry, decision: &mut Decision) {
        let report = OutcomeReport {
            segment: crate::decide::first_segment(id, entry.attempt),
            carrier: entry.carrier,
            outcome: Outcome::Uncertain {
                reason: Reason::AnswerOverdue,
            },
            status: 0,
            session: 0,
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
                if !entry.resent
                    && decision.now.wall_ms < entry.payload.expires_ms
                    && entry.attempt < AttemptNo::MAX =>
            {
                decision.effects.push(uncertain);
                self.next_attempt(entry, report, (reason, 0), decision);
            }
            OnUncertain::ResendOnce | OnUncertain::AwaitReceipt => {
                let sequel = Sequel {
                    deadline_ms: decision.now.wall_ms + policy.uncertain_deadline_ms,
                    ..Sequel::default()
                };
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

    /// The doubt about the reported segment, if there is one, is over.
    fn settle_segment(&self, entry: &Entry, report: &OutcomeReport, decision: &mut Decision) {
        for doubt in &entry.doubts {
            if doubt.segment == report.segment {
                self.settle(entry, doubt, decision);
            }
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
        let known = finished
            .taken
            .iter()
            .any(|taken| taken.segment == report.segment);
        let made = (1..=finished.view.attempt).contains(&report.segment.attempt);
        if known || !made || !state_may_rise(finished.view.state) {
            return;
        }
        self.record_outcome(report, Reason::LateAnswer, Sequel::default(), decision);
        if finished.receipt_wanted != ReceiptWanted::Never {
            expect(report, carrier_message_id, decision);
        } else if MessageState::Sent.rank() > finished.view.state.rank() {
            decision.records.push(Record::Final(record::Final {
                segment: report.segment.into(),
                state: u32::from(MessageState::Sent.number()),
                reason: u32::from(Reason::NoReceiptDue.number()),
                at_ms: decision.now.wall_ms,
            }));
        }
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
            outcome: u32::from(report.outcome.class().number()),
            reason: u32::from(reason.number()),
            status: report.status,
            carrier: report.carrier.map_or(0, |carrier| carrier.0),
            carrier_message_id,
            at_ms: decision.now.wall_ms,
            next_attempt: u32::from(sequel.next_attempt),
            next_at_ms: sequel.next_at_ms,
            deadline_ms: sequel.deadline_ms,
            session: report.session,
        }));
    }
}

impl Entry {
    /// Refused attempts that count, after this outcome of the present attempt.
    pub(crate) const fn tries_after(&self, outcome: OutcomeClass) -> u16 {
        match outcome {
            OutcomeClass::RejectedRetry | OutcomeClass::RejectedFinal => {
                self.tries.saturating_add(1)
            }
            OutcomeClass::Submitted
            | OutcomeClass::Throttled
            | OutcomeClass::Uncertain
            | OutcomeClass::Unwritten => self.tries,
        }
    }

    /// What the message ends as when its present attempt was not taken, after `tries` refusals, and none follows.
    pub(crate) fn verdict_of(
        &self,
        outcome: OutcomeClass,
        reason: Reason,
        (tries, policy): (u16, &Policy),
    ) -> (MessageState, Reason) {
        let exhausted =
            outcome == OutcomeClass::RejectedRetry && tries >= policy.retry.attempts_max;
        if reason == Reason::RouteRemoved {
            (MessageState::Failed, Reason::RouteRemoved)
        } else if outcome == OutcomeClass::RejectedFinal {
            (MessageState::Rejected, reason)
        } else if exhausted || self.attempt == AttemptNo::MAX {
            (MessageState::Failed, Reason::AttemptsExhausted)
        } else {
            (MessageState::Expired, Reason::ExpiredHere)
        }
    }
}

/// A receipt is awaited, if the carrier gave an id that it can name.
fn expect(report: &OutcomeReport, id: &CarrierMessageId, decision: &mut Decision) {
    if let (Some(carrier), false) = (report.carrier, id.as_bytes().is_empty()) {
        decision.effects.push(Effect::Expect {
            carrier,
            id: id.clone(),
            segment: report.segment,
        });
    }
}
