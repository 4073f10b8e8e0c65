//! The fold: one record at a time into the state, live and on replay alike.

use message::{
    AttemptNo, CarrierId, CarrierMessageId, InboundMessage, MessageId, MessageState, Now,
    OutcomeClass, Reason, ReceiptState, ReceiptWanted, SegmentRef,
};
use thiserror::Error;

use crate::admission::entry_of;
use crate::decide::state_may_rise;
use crate::entry::{Entry, Taken, UncertainAttempt};
use crate::finished::Finished;
use crate::idempotency::{NewKey, PriorKey};
use crate::inbound::InboundView;
use crate::receipt::receipt_reason;
use crate::record::{self, Record};
use crate::state::Partition;

/// What a record changed about a message: the substance of an event for watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The message.
    pub id: MessageId,
    /// Rises with every change of the message.
    pub sequence: u32,
    /// The attempt it is about; 0 when about none.
    pub attempt: AttemptNo,
    /// The segment it is about.
    pub segment: u8,
    /// The state after it.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// The raw `command_status`.
    pub status: u32,
    /// The carrier it is about.
    pub carrier: Option<CarrierId>,
    /// Whether any attempt was ever uncertain.
    pub uncertain: bool,
    /// Whether it came after a final state.
    pub late: bool,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// A record whose payload decodes but says what no release of ours writes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("record kind {kind}: {field} is out of range")]
pub struct ApplyError {
    /// The record's kind.
    pub kind: u8,
    /// The field.
    pub field: &'static str,
}

impl Partition {
    /// Folds a record that was just made into the state: as [`Self::apply`], and a wait that begins with it is counted by the monotonic clock.
    ///
    /// # Errors
    /// As for [`Self::apply`].
    pub fn apply_new(
        &mut self,
        record: Record,
        position: u64,
        now: Now,
    ) -> Result<Option<Change>, ApplyError> {
        let moved = record.moves();
        let change = self.apply(record, position)?;
        if let Some(id) = moved {
            self.begin_wait(id, now);
        }
        Ok(change)
    }

    /// Folds one record into the state. `position` is where the record begins in the journal; it means nothing for a Written record, which
    /// lives in a file of its own. The message that the record [`Record::moves`] must not be cold.
    ///
    /// # Errors
    /// When a field is out of range; the state is unchanged then.
    pub fn apply(&mut self, record: Record, position: u64) -> Result<Option<Change>, ApplyError> {
        let kind = record.kind();
        let bad = |field| ApplyError { kind, field };
        match record {
            Record::Admitted(record) => self.apply_admitted(*record, position).map_err(bad),
            Record::Claimed(record) => {
                let segment = record.segment.to_ref().ok_or(bad("segment"))?;
                self.apply_claimed(segment);
                Ok(None)
            }
            Record::Written(record) => self.apply_written(record).map_err(bad),
            Record::Outcome(record) => self.apply_outcome(&record).map_err(bad),
            Record::Receipt(record) => self.apply_receipt(&record).map_err(bad),
            Record::Final(record) => self.apply_final(record).map_err(bad),
            Record::Replaced(record) => self.apply_replaced(&record).map_err(bad),
            Record::Carried(record) => self
                .apply_carried(*record, position)
                .map_err(bad)
                .map(|()| None),
            Record::EarlyReceipt(record) => self.apply_early(record, position).map_err(bad),
            Record::Inbound(record) => self.apply_inbound(*record, position).map_err(bad),
            Record::InboundDone(record) => {
                let id = record::joined(record.id_high, record.id_low).ok_or(bad("id"))?;
                if record.acknowledged {
                    self.inbound.acknowledged(id);
                } else {
                    self.inbound.expired(id);
                }
                Ok(None)
            }
            Record::KeyKept(record) => {
                let segment = record.segment.to_ref().ok_or(bad("segment"))?;
                let kept_ms = self.limits.idempotency_ms;
                let made_ms = record.idempotency.until_ms.saturating_sub(kept_ms);
                self.remember(record.idempotency, segment.message, (made_ms, position));
                Ok(None)
            }
        }
    }

    fn apply_admitted(
        &mut self,
        record: record::Admitted,
        position: u64,
    ) -> Result<Option<Change>, &'static str> {
        let id = record::joined(record.id_high, record.id_low).ok_or("id")?;
        let at_ms = record.admitted_ms;
        let idempotency = record.idempotency;
        let entry = entry_of(record, position)?;
        self.ids.observe(id);
        if let Some(idempotency) = idempotency {
            self.remember(idempotency, id, (at_ms, position));
        }
        let change = Change {
            id,
            sequence: entry.sequence,
            attempt: 0,
            segment: 0,
            state: if entry.state == MessageState::Scheduled {
                MessageState::Scheduled
            } else {
                MessageState::Admitted
            },
            reason: entry.reason,
            status: 0,
            carrier: None,
            uncertain: false,
            late: false,
            at_ms,
        };
        self.pins.pin(position);
        self.insert_live(id, entry);
        Ok(Some(change))
    }

    pub(crate) fn remember(
        &mut self,
        idempotency: record::Idempotency,
        message: MessageId,
        (made_ms, position): (u64, u64),
    ) {
        self.idempotency.remember(NewKey {
            key: (u128::from(idempotency.key_high) << 64) | u128::from(idempotency.key_low),
            prior: PriorKey {
                body: idempotency.body,
                message,
                until_ms: idempotency.until_ms,
            },
            made_ms,
            position,
        });
    }

    /// A claim proves that the message was released into its lane, which has no record of its own.
    fn apply_claimed(&mut self, segment: SegmentRef) {
        let Some(entry) = self.live.get_mut(&segment.message) else {
            return;
        };
        if entry.attempt != segment.attempt {
            return;
        }
        entry.claimed = true;
        entry.whole = false;
        if entry.state == MessageState::Scheduled {
            entry.state = MessageState::Queued;
            let expires_ms = entry.payload.expires_ms;
            self.set_due(segment.message, expires_ms);
        }
    }

    fn apply_written(&mut self, record: record::Written) -> Result<Option<Change>, &'static str> {
        let segment = record.segment.to_ref().ok_or("segment")?;
        let Some(entry) = self.live.get_mut(&segment.message) else {
            return Ok(None);
        };
        let may_be_sent = matches!(entry.state, MessageState::Queued | MessageState::Scheduled);
        if entry.attempt != segment.attempt || !may_be_sent {
            return Ok(None);
        }
        let carrier = CarrierId(record.carrier);
        entry.whole = false;
        entry.state = MessageState::Attempting;
        entry.reason = Reason::Written;
        entry.carrier = Some(carrier);
        entry.changed_ms = record.at_ms;
        let change = entry.change(segment, record.at_ms, entry.sequence + 1);
        let wait_ms = self.limits.policy(carrier).uncertain_after_ms[entry.payload.lane.index()];
        self.set_due(segment.message, record.at_ms + wait_ms);
        Ok(Some(change))
    }

    fn apply_outcome(&mut self, record: &record::Outcome) -> Result<Option<Change>, &'static str> {
        let segment = record.segment.to_ref().ok_or("segment")?;
        let reason = reason_of(record.reason)?;
        let carrier = record.known_carrier();
        let Some(entry) = self.live.get_mut(&segment.message) else {
            return Ok(self.apply_outcome_after_end(record, segment, reason));
        };
        let next_attempt = AttemptNo::try_from(record.next_attempt).map_err(|_| "next_attempt")?;
        let class = u8::try_from(record.outcome)
            .ok()
            .and_then(OutcomeClass::from_number)
            .ok_or("outcome")?;
        entry.whole = false;
        entry.sequence += 2;
        entry.reason = reason;
        entry.status = record.status;
        entry.changed_ms = record.at_ms;
        let mut due_ms = entry.due_ms;
        let present = segment.attempt == entry.attempt;
        if (present || class == OutcomeClass::Submitted) && carrier.is_some() {
            entry.carrier = carrier;
        }
        match class {
            OutcomeClass::Submitted => {
                entry.taken.push(Taken {
                    segment,
                    carrier: carrier.ok_or("carrier")?,
                    id: CarrierMessageId::new(&record.carrier_message_id),
                });
                entry.state = MessageState::Submitted;
                entry.doubts.clear();
                entry.parked = None;
                entry.released = true;
            }
            OutcomeClass::Uncertain => {
                entry.doubts.push(UncertainAttempt { segment, carrier });
                entry.ever_uncertain = true;
                entry.state = MessageState::Attempting;
                entry.resent |= next_attempt != 0;
            }
            OutcomeClass::Throttled
            | OutcomeClass::RejectedRetry
            | OutcomeClass::RejectedFinal
            | OutcomeClass::Unwritten => {
                entry.doubts.retain(|doubt| doubt.segment != segment);
                if present {
                    entry.tries = entry.tries_after(class);
                    let policy = self.limits.policy(carrier);
                    let verdict = entry.verdict_of(class, reason, (entry.tries, policy));
                    entry.parked = (next_attempt == 0).then_some(verdict);
                    entry.state = MessageState::Attempting;
                }
            }
        }
        if record.deadline_ms != 0 {
            due_ms = record.deadline_ms;
        }
        if next_attempt != 0 {
            due_ms = entry.order(next_attempt, record);
        }
        let change = entry.change(segment, record.at_ms, entry.sequence);
        self.set_due(segment.message, due_ms);
        Ok(Some(change))
    }

    fn apply_outcome_after_end(
        &mut self,
        record: &record::Outcome,
        segment: SegmentRef,
        reason: Reason,
    ) -> Option<Change> {
        let finished = self.finished.find_mut(segment.message)?;
        let carrier = CarrierId(record.carrier);
        let id = CarrierMessageId::new(&record.carrier_message_id);
        finished.view.sequence += 2;
        finished.view.late = true;
        finished.view.carrier = Some(carrier);
        finished.view.carrier_message_id = Some(id.clone());
        if finished.receipt_wanted != ReceiptWanted::Never {
            finished.taken.push(Taken {
                segment,
                carrier,
                id,
            });
        }
        Some(finished.change(segment, record.at_ms, reason))
    }

    fn apply_receipt(&mut self, record: &record::Receipt) -> Result<Option<Change>, &'static str> {
        let segment = record.segment.to_ref().ok_or("segment")?;
        let state = u8::try_from(record.state)
            .ok()
            .and_then(ReceiptState::from_number)
            .ok_or("state")?;
        let reason = receipt_reason(state, record.by_address);
        if let Some(entry) = self.live.get_mut(&segment.message) {
            entry.whole = false;
            entry.sequence += 2;
            entry.fold.add(segment.segment, state);
            entry.changed_ms = record.at_ms;
            if entry.taken.is_empty() {
                // Where the attempt under way went is in no record that replay is sure to see.
                entry.carrier = Some(CarrierId(record.carrier));
            }
            if entry.fold.verdict(entry.payload.segments).is_some() {
                // The Final record that this receipt calls for is the event; watchers need not hear the same twice.
                return Ok(None);
            }
            let mut change = entry.change(segment, record.at_ms, entry.sequence);
            change.reason = reason;
            return Ok(Some(change));
        }
        Ok(self.finished.find_mut(segment.message).map(|finished| {
            finished.view.sequence += 2;
            finished.view.late = true;
            finished.change(segment, record.at_ms, reason)
        }))
    }

    fn apply_final(&mut self, record: record::Final) -> Result<Option<Change>, &'static str> {
        let segment = record.segment.to_ref().ok_or("segment")?;
        let reason = reason_of(record.reason)?;
        let state = u8::try_from(record.state)
            .ok()
            .and_then(MessageState::from_number)
            .filter(|state| state.is_final())
            .ok_or("state")?;
        let id = segment.message;
        self.set_due(id, 0);
        let Some(mut entry) = self.live.remove(&id) else {
            return Ok(self.finished.find_mut(id).map(|finished| {
                finished.view.sequence += 2;
                finished.view.state = state;
                finished.view.reason = reason;
                finished.view.changed_ms = record.at_ms;
                finished.view.late = true;
                if !state_may_rise(state) {
                    finished.taken.clear();
                }
                finished.change(segment, record.at_ms, reason)
            }));
        };
        self.pins.unpin(entry.record_at);
        entry.sequence += 2;
        entry.state = state;
        entry.reason = reason;
        entry.changed_ms = record.at_ms;
        let change = entry.change(segment, record.at_ms, entry.sequence);
        let view = entry.view(id);
        let taken = if state_may_rise(state) {
            entry.taken
        } else {
            Vec::new()
        };
        let orphaned = self.finished.push(Finished {
            view,
            taken,
            receipt_wanted: entry.payload.receipt_wanted,
        });
        self.orphaned.extend(orphaned);
        Ok(Some(change))
    }

    fn apply_early(
        &mut self,
        record: record::EarlyReceipt,
        position: u64,
    ) -> Result<Option<Change>, &'static str> {
        let carrier = CarrierId(record.carrier);
        let id = CarrierMessageId::new(&record.carrier_message_id);
        if record.state == 0 {
            self.early.take(carrier, &id);
            return Ok(None);
        }
        let state = u8::try_from(record.state)
            .ok()
            .and_then(ReceiptState::from_number)
            .ok_or("state")?;
        let receipt = receipts::EarlyReceipt {
            state,
            error: record.error.into(),
            received_ms: record.at_ms,
            address: record.address,
        };
        self.early
            .keep((carrier, id), receipt, record.until_ms, position);
        Ok(None)
    }

    fn apply_inbound(
        &mut self,
        record: record::Inbound,
        position: u64,
    ) -> Result<Option<Change>, &'static str> {
        let id = record::joined(record.id_high, record.id_low).ok_or("id")?;
        let first_at = record.first_at.unwrap_or(position);
        let view = InboundView {
            id,
            carrier: CarrierId(record.carrier),
            message: InboundMessage {
                from: record.from.into(),
                to: record.to.into(),
                text: record.text.into(),
                octets: record.octets,
                data_coding: u8::try_from(record.data_coding).map_err(|_| "data_coding")?,
            },
            received_ms: record.at_ms,
        };
        self.ids.observe(id);
        self.inbound.keep(view, first_at, position);
        Ok(None)
    }
}

impl record::Outcome {
    fn known_carrier(&self) -> Option<CarrierId> {
        (self.carrier != 0).then_some(CarrierId(self.carrier))
    }
}

impl Entry {
    /// Takes the next attempt that an outcome orders; returns when something must happen next. A delayed attempt is claimed when it is
    /// released: claimed here, every message that waits for a retry would be in doubt after a power cut.
    fn order(&mut self, next_attempt: AttemptNo, record: &record::Outcome) -> u64 {
        let later = record.next_at_ms > record.at_ms;
        self.attempt = next_attempt;
        self.claimed = !later;
        self.parked = None;
        if later {
            self.state = MessageState::Scheduled;
            record.next_at_ms
        } else {
            self.state = MessageState::Queued;
            self.payload.expires_ms
        }
    }

    pub(crate) fn change(&self, segment: SegmentRef, at_ms: u64, sequence: u32) -> Change {
        Change {
            id: segment.message,
            sequence,
            attempt: segment.attempt,
            segment: segment.segment,
            state: self.state,
            reason: self.reason,
            status: self.status,
            carrier: self.carrier,
            uncertain: self.ever_uncertain,
            late: false,
            at_ms,
        }
    }
}

impl Finished {
    fn change(&self, segment: SegmentRef, at_ms: u64, reason: Reason) -> Change {
        Change {
            id: segment.message,
            sequence: self.view.sequence,
            attempt: segment.attempt,
            segment: segment.segment,
            state: self.view.state,
            reason,
            status: self.view.status,
            carrier: self.view.carrier,
            uncertain: self.view.uncertain,
            late: true,
            at_ms,
        }
    }
}

fn reason_of(number: u32) -> Result<Reason, &'static str> {
    u16::try_from(number)
        .ok()
        .and_then(Reason::from_number)
        .ok_or("reason")
}
