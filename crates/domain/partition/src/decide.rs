//! What follows from an event. Outcomes have a file of their own (`outcome`), and so have receipts (`receipt`).
//!
//! Limits: a decision makes at most a handful of records and effects, whatever the event.

use message::{
    AttemptNo, CarrierId, CarrierMessageId, MessageId, MessageState, Now, Reason, SegmentRef,
    TenantId,
};

use crate::admission::admitted_record;
use crate::effect::{Answer, CancelVerdict, Decision, Effect, Place};
use crate::entry::{Entry, Taken, UncertainAttempt};
use crate::event::{Admit, Claim, Event, InboundArrived};
use crate::idempotency::{KeyRoom, SubmittedKey, idempotency_record};
use crate::inbound::InboundView;
use crate::record::{self, Record};
use crate::state::Partition;

impl Partition {
    /// Decides what follows from `event`, into `decision` (which must be empty), without changing anything. The caller appends the records and
    /// gives each to [`Self::apply`], in order, before it decides the next event.
    pub fn decide(&self, event: Event, now: Now, decision: &mut Decision) {
        decision.now = now;
        match event {
            Event::Admit(admit) => self.decide_admit(*admit, decision),
            Event::Claim(id) => self.decide_claim(id, decision),
            Event::Outcome(report) => self.decide_outcome(&report, decision),
            Event::Receipt(report) => self.decide_receipt(&report, decision),
            Event::EarlyReceipt {
                carrier,
                id,
                state,
                error,
                address,
            } => {
                let record = record::EarlyReceipt {
                    carrier: carrier.0,
                    carrier_message_id: record::carrier_id_octets(&id),
                    state: u32::from(state.number()),
                    error: error.into(),
                    at_ms: decision.now.wall_ms,
                    until_ms: decision.now.wall_ms + self.limits.early_receipt_ms,
                    partition: u32::from(self.number),
                    address,
                };
                decision.records.push(Record::EarlyReceipt(record));
            }
            Event::EarlyReceiptLeaves { carrier, id } => {
                let record = self.early_leaves(carrier, &id, now);
                decision.records.push(Record::EarlyReceipt(record));
            }
            Event::Due(id) => self.decide_due(id, decision),
            Event::ExpiredInLane(id) => {
                if let Some(entry) = self.live.get(&id)
                    && entry.state == MessageState::Queued
                {
                    let verdict = (MessageState::Expired, Reason::ExpiredHere);
                    self.end_unsent(id, entry, verdict, decision);
                }
            }
            Event::RouteRemoved(id) => {
                if let Some(entry) = self.live.get(&id)
                    && matches!(entry.state, MessageState::Queued | MessageState::Scheduled)
                {
                    let verdict = (MessageState::Failed, Reason::RouteRemoved);
                    self.end_unsent(id, entry, verdict, decision);
                }
            }
            Event::Cancel { tenant, id } => self.decide_cancel(tenant, id, decision),
            Event::Replace {
                tenant,
                id,
                replacement,
            } => self.decide_replace((tenant, id), *replacement, decision),
            Event::Inbound(arrived) => self.decide_inbound(*arrived, decision),
            Event::InboundDone { id, acknowledged } => {
                let known = self.inbound.find(id).is_some();
                if known {
                    let (id_high, id_low) = record::halves(id);
                    decision
                        .records
                        .push(Record::InboundDone(record::InboundDone {
                            id_high,
                            id_low,
                            acknowledged,
                        }));
                }
                decision.answer = Answer::Known(known);
            }
        }
    }

    fn early_leaves(
        &self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        now: Now,
    ) -> record::EarlyReceipt {
        record::EarlyReceipt {
            carrier: carrier.0,
            carrier_message_id: record::carrier_id_octets(id),
            partition: u32::from(self.number),
            at_ms: now.wall_ms,
            ..record::EarlyReceipt::default()
        }
    }

    fn decide_admit(&self, admit: Admit, decision: &mut Decision) {
        let key = admit.key;
        if let Some(answer) = key.and_then(|key| self.known_key(key, decision.now)) {
            decision.answer = answer;
            return;
        }
        if admit.expires_ms <= decision.now.wall_ms {
            decision.answer = Answer::Refused {
                reason: Reason::AlreadyExpired,
                existing: None,
            };
            return;
        }
        let id = self.ids.peek(decision.now.wall_ms, admit.random);
        let until_ms = decision.now.wall_ms + self.limits.idempotency_ms;
        let idempotency = key.map(|key| idempotency_record(key.key, until_ms));
        let scheduled = admit
            .submission
            .send_at_ms
            .is_some_and(|send_at_ms| send_at_ms > decision.now.wall_ms);
        let claimed = admit.claim == Claim::Now && !scheduled;
        let record = admitted_record(id, admit, idempotency, claimed, decision.now);
        decision.records.push(Record::Admitted(Box::new(record)));
        decision.answer = Answer::Admitted(id);
    }

    /// What a known idempotency key answers, or that no further key can be remembered. What the partition remembers is younger than what
    /// files know.
    fn known_key(&self, submitted: SubmittedKey, now: Now) -> Option<Answer> {
        let refused = |reason, existing| Some(Answer::Refused { reason, existing });
        let prior = submitted.prior.filter(|prior| prior.until_ms > now.wall_ms);
        let SubmittedKey { key, room, .. } = submitted;
        match self.idempotency.find(key.key, now.wall_ms).or(prior) {
            Some(known) if known.body == key.body => Some(Answer::Repeat(known.message)),
            Some(known) => refused(Reason::IdempotencyConflict, Some(known.message)),
            None if room == KeyRoom::Full || self.idempotency.is_full() => {
                refused(Reason::IdempotencyFull, None)
            }
            None => None,
        }
    }

    /// The lane effect of a message that was just admitted; the engine asks after it applied the Admitted record.
    #[must_use]
    pub fn enqueue_admitted(&self, id: MessageId) -> Option<crate::effect::Enqueue> {
        let entry = self.live.get(&id)?;
        (entry.state == MessageState::Queued).then(|| entry.enqueue(id, entry.attempt, Place::Back))
    }

    fn decide_claim(&self, id: MessageId, decision: &mut Decision) {
        // A message that was cancelled or expired meanwhile is granted too: the lane holds a withdrawal for it and skips it at the pop.
        decision.effects.push(Effect::ClaimGranted(id));
        if let Some(entry) = self.live.get(&id)
            && entry.state == MessageState::Queued
            && !entry.claimed
        {
            decision.records.push(Record::Claimed(record::Claimed {
                segment: first_segment(id, entry.attempt).into(),
            }));
        }
    }

    fn decide_due(&self, id: MessageId, decision: &mut Decision) {
        let Some(entry) = self.live.get(&id) else {
            return;
        };
        match entry.state {
            MessageState::Admitted | MessageState::Scheduled | MessageState::Queued => {
                let verdict = (MessageState::Expired, Reason::ExpiredHere);
                self.end_unsent(id, entry, verdict, decision);
            }
            MessageState::Attempting if entry.awaits_evidence() => {
                self.finish(
                    id,
                    entry,
                    (MessageState::Unknown, Reason::UncertainDeadline),
                    decision,
                );
            }
            MessageState::Attempting => self.decide_overdue(id, entry, decision),
            MessageState::Submitted => {
                self.finish(
                    id,
                    entry,
                    (MessageState::Unknown, Reason::ReceiptDeadline),
                    decision,
                );
            }
            MessageState::Delivered
            | MessageState::Sent
            | MessageState::Undeliverable
            | MessageState::Rejected
            | MessageState::Expired
            | MessageState::Cancelled
            | MessageState::Failed
            | MessageState::Unknown => {}
        }
    }

    /// Ends a message that waits in a lane or for its time. While an earlier attempt is in doubt nobody can say that it was not sent, so
    /// it waits for evidence instead, as after any last attempt.
    fn end_unsent(
        &self,
        id: MessageId,
        entry: &Entry,
        verdict: (MessageState, Reason),
        decision: &mut Decision,
    ) {
        if entry.state == MessageState::Queued {
            decision.effects.push(Effect::Withdraw(id));
        }
        match entry.doubts.first().copied() {
            Some(doubt) => self.park_unsent(id, entry, (doubt, verdict.1), decision),
            None => self.finish(id, entry, verdict, decision),
        }
    }

    fn decide_cancel(&self, tenant: TenantId, id: MessageId, decision: &mut Decision) {
        let Some(entry) = self.live.get(&id).filter(|entry| entry.tenant == tenant) else {
            let finished = self
                .finished
                .find(id)
                .filter(|known| known.view.tenant == tenant);
            decision.answer = Answer::Cancel(match finished {
                Some(known) if known.view.state == MessageState::Cancelled => {
                    CancelVerdict::Cancelled
                }
                Some(known) => CancelVerdict::TooLate {
                    state: known.view.state,
                },
                None => CancelVerdict::Unknown,
            });
            return;
        };
        let unsent = matches!(entry.state, MessageState::Queued | MessageState::Scheduled);
        if !unsent || !entry.doubts.is_empty() {
            decision.answer = Answer::Cancel(CancelVerdict::TooLate { state: entry.state });
            return;
        }
        if entry.state == MessageState::Queued {
            decision.effects.push(Effect::Withdraw(id));
        }
        let verdict = (MessageState::Cancelled, Reason::CancelledByCaller);
        self.finish(id, entry, verdict, decision);
        decision.answer = Answer::Cancel(CancelVerdict::Cancelled);
    }

    fn decide_inbound(&self, arrived: InboundArrived, decision: &mut Decision) {
        if self.inbound.len() >= self.limits.inbound {
            decision.answer = Answer::Refused {
                reason: Reason::ReceiptsFull,
                existing: None,
            };
            return;
        }
        let id = self.ids.peek(decision.now.wall_ms, arrived.random);
        let view = InboundView {
            id,
            carrier: arrived.carrier,
            message: arrived.message,
            received_ms: decision.now.wall_ms,
        };
        let record = Box::new(view.record());
        decision.records.push(Record::Inbound(record));
        decision.answer = Answer::Inbound(id);
    }

    /// Ends a live message: the Final record, and what the engine must let go of.
    pub(crate) fn finish(
        &self,
        id: MessageId,
        entry: &Entry,
        (state, reason): (MessageState, Reason),
        decision: &mut Decision,
    ) {
        decision.records.push(Record::Final(record::Final {
            segment: first_segment(id, entry.attempt).into(),
            state: u32::from(state.number()),
            reason: u32::from(reason.number()),
            at_ms: decision.now.wall_ms,
        }));
        self.let_go(id, entry, decision);
        if !state_may_rise(state) {
            forget_all(&entry.taken, decision);
        }
    }

    /// An attempt is in doubt no more.
    pub(crate) fn settle(&self, entry: &Entry, doubt: &UncertainAttempt, decision: &mut Decision) {
        decision.effects.push(Effect::Certain {
            carrier: doubt.carrier,
            segment: doubt.segment,
            payload: std::sync::Arc::clone(&entry.payload),
        });
    }

    /// The effects of leaving the lanes for good and of no longer being in doubt.
    pub(crate) fn let_go(&self, id: MessageId, entry: &Entry, decision: &mut Decision) {
        if !entry.released {
            decision.effects.push(Effect::Release {
                id,
                tenant: entry.tenant,
                payload: std::sync::Arc::clone(&entry.payload),
                cost_bytes: entry.cost_bytes,
            });
        }
        for doubt in &entry.doubts {
            self.settle(entry, doubt, decision);
        }
    }
}

/// Whether later evidence may raise this final state, so that its expectations stay open as long as the message is remembered.
pub(crate) const fn state_may_rise(state: MessageState) -> bool {
    match state {
        MessageState::Expired | MessageState::Unknown | MessageState::Failed => true,
        MessageState::Admitted
        | MessageState::Scheduled
        | MessageState::Queued
        | MessageState::Attempting
        | MessageState::Submitted
        | MessageState::Delivered
        | MessageState::Sent
        | MessageState::Undeliverable
        | MessageState::Rejected
        | MessageState::Cancelled => false,
    }
}

/// Ends the expectations of a message that no evidence can change any more.
pub(crate) fn forget_all(taken: &[Taken], decision: &mut Decision) {
    let expected = taken.iter().filter(|taken| taken.is_expected());
    decision
        .effects
        .extend(expected.map(|taken| Effect::Forget {
            carrier: taken.carrier,
            id: taken.id.clone(),
            segment: taken.segment,
        }));
}

/// The first segment of an attempt: what records about a whole attempt name.
pub(crate) const fn first_segment(id: MessageId, attempt: AttemptNo) -> SegmentRef {
    SegmentRef {
        message: id,
        leg: 0,
        attempt,
        segment: 0,
    }
}
