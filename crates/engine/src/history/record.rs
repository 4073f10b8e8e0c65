//! A record as an explanation shows it.

use message::{
    AttemptNo, CarrierId, CarrierMessageId, LegNo, MessageId, MessageState, OutcomeClass, Reason,
    ReceiptState, SegmentNo,
};
use partition::Record;
use partition::record::{self, Segment, joined};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// The message was admitted.
    Admitted,
    /// An attempt may be sent next.
    Claimed,
    /// A segment was handed to a session.
    Written,
    /// What became of an attempt, and what follows.
    Outcome,
    /// A receipt.
    Receipt,
    /// The message ended, or late evidence raised its final state.
    Final,
    /// The idempotency key was carried forward.
    KeyKept,
    /// The message got new content.
    Replaced,
    /// Everything about the message was written once more; nothing happened to it.
    Carried,
}

/// One record of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Where it begins in the journal; for [`RecordKind::Written`] in the written log.
    pub position: u64,
    /// What it is about.
    pub kind: RecordKind,
    /// When it was made, in milliseconds since the epoch; 0 when the record does not say.
    pub at_ms: u64,
    /// The leg.
    pub leg: LegNo,
    /// The attempt; 0 when it is about none.
    pub attempt: AttemptNo,
    /// The segment.
    pub segment: SegmentNo,
    /// Why.
    pub reason: Reason,
    /// Where the message is after it, where the record says so by itself.
    pub state: Option<MessageState>,
    /// What became of the attempt.
    pub outcome: Option<OutcomeClass>,
    /// The carrier it is about.
    pub carrier: Option<CarrierId>,
    /// The session's number in its process; 0 when it is about none.
    pub session: u32,
    /// The raw `command_status`.
    pub status: u32,
    /// What the carrier calls it; empty when it has not said.
    pub carrier_message_id: Vec<u8>,
    /// The attempt that follows; 0 for none.
    pub next_attempt: AttemptNo,
    /// Not before this time, in milliseconds since the epoch; 0 for at once.
    pub next_at_ms: u64,
    /// Not to be sent after, from this record on, in milliseconds since the epoch; 0 where the record leaves that as it was.
    pub expires_ms: u64,
    /// Until when evidence is awaited, in milliseconds since the epoch; 0 when none is.
    pub deadline_ms: u64,
    /// What the receipt says.
    pub receipt: Option<ReceiptState>,
    /// The carrier's error code in the receipt.
    pub receipt_error: String,
    /// Whether the receipt was matched by carrier, sender and recipient rather than by the carrier's id.
    pub by_address: bool,
    /// Whether it came after the end.
    pub late: bool,
}

/// The message a record is about; `None` for those that are about none.
pub(crate) fn message_of(record: &Record) -> Option<MessageId> {
    let of = |segment: &Segment| joined(segment.id_high, segment.id_low);
    match record {
        Record::Admitted(record) => joined(record.id_high, record.id_low),
        Record::Claimed(record) => of(&record.segment),
        Record::Written(record) => of(&record.segment),
        Record::Outcome(record) => of(&record.segment),
        Record::Receipt(record) => of(&record.segment),
        Record::Final(record) => of(&record.segment),
        Record::KeyKept(record) => of(&record.segment),
        Record::Replaced(record) => of(&record.segment),
        Record::Carried(record) => joined(record.message.id_high, record.message.id_low),
        Record::EarlyReceipt(_) | Record::Inbound(_) | Record::InboundDone(_) => None,
    }
}

pub(crate) const fn carrier_of(number: u32) -> Option<CarrierId> {
    match number {
        0 => None,
        known => Some(CarrierId(known)),
    }
}

/// The reason of a record's number; a number of a newer release is shown as none.
pub(crate) fn reason_of(number: u32) -> Reason {
    let known = u16::try_from(number).ok().and_then(Reason::from_number);
    known.unwrap_or(Reason::None)
}

pub(crate) fn state_of(number: u32) -> Option<MessageState> {
    let number = u8::try_from(number).ok()?;
    MessageState::from_number(number)
}

pub(crate) fn class_of(number: u32) -> Option<OutcomeClass> {
    let number = u8::try_from(number).ok()?;
    OutcomeClass::from_number(number)
}

/// Where an admission leaves the message.
pub(crate) const fn admitted_state(record: &record::Admitted) -> (MessageState, Reason) {
    if record.send_at_ms > record.admitted_ms {
        (MessageState::Scheduled, Reason::SendAtPending)
    } else {
        (MessageState::Queued, Reason::Admitted)
    }
}

/// Where a replacement leaves the message.
pub(crate) const fn replaced_state(record: &record::Replaced) -> (MessageState, Reason) {
    let state = if record.send_at_ms > record.at_ms {
        MessageState::Scheduled
    } else {
        MessageState::Queued
    };
    (state, Reason::ReplacedByCaller)
}

impl HistoryRecord {
    pub(super) fn new(
        position: u64,
        kind: RecordKind,
        at_ms: u64,
        segment: Option<Segment>,
    ) -> Self {
        let segment = segment.and_then(Segment::to_ref);
        Self {
            position,
            kind,
            at_ms,
            leg: segment.map_or(0, |segment| segment.leg),
            attempt: segment.map_or(0, |segment| segment.attempt),
            segment: segment.map_or(0, |segment| segment.segment),
            reason: Reason::None,
            state: None,
            outcome: None,
            carrier: None,
            session: 0,
            status: 0,
            carrier_message_id: Vec::new(),
            next_attempt: 0,
            next_at_ms: 0,
            expires_ms: 0,
            deadline_ms: 0,
            receipt: None,
            receipt_error: String::new(),
            by_address: false,
            late: false,
        }
    }

    /// The record that begins at `position`; `None` when it is about no message.
    pub(crate) fn of(position: u64, record: &Record) -> Option<Self> {
        let of = |kind, at_ms, segment: Segment| Self::new(position, kind, at_ms, Some(segment));
        Some(match record {
            Record::Admitted(record) => {
                let (state, reason) = admitted_state(record);
                Self {
                    state: Some(state),
                    reason,
                    expires_ms: record.expires_ms,
                    ..Self::new(position, RecordKind::Admitted, record.admitted_ms, None)
                }
            }
            Record::Claimed(record) => of(RecordKind::Claimed, 0, record.segment),
            Record::Written(record) => Self {
                reason: Reason::Written,
                carrier: carrier_of(record.carrier),
                session: record.session,
                ..of(RecordKind::Written, record.at_ms, record.segment)
            },
            Record::Outcome(record) => Self::of_outcome(position, record),
            Record::Receipt(record) => Self::of_receipt(position, record),
            Record::Final(record) => Self {
                state: state_of(record.state),
                reason: reason_of(record.reason),
                ..of(RecordKind::Final, record.at_ms, record.segment)
            },
            Record::KeyKept(record) => of(RecordKind::KeyKept, 0, record.segment),
            Record::Replaced(record) => {
                let (state, reason) = replaced_state(record);
                Self {
                    state: Some(state),
                    reason,
                    next_at_ms: record.send_at_ms,
                    expires_ms: record.expires_ms,
                    ..of(RecordKind::Replaced, record.at_ms, record.segment)
                }
            }
            Record::Carried(record) => Self::of_carried(position, record),
            Record::EarlyReceipt(_) | Record::Inbound(_) | Record::InboundDone(_) => return None,
        })
    }

    fn of_carried(position: u64, record: &record::Carried) -> Self {
        let state = state_of(record.state);
        let waits_for_time = state == Some(MessageState::Scheduled);
        let last = record.taken.last();
        Self {
            reason: reason_of(record.reason),
            state,
            attempt: AttemptNo::try_from(record.attempt).unwrap_or(AttemptNo::MAX),
            carrier: carrier_of(record.carrier),
            status: record.status,
            carrier_message_id: last
                .map_or_else(Vec::new, |taken| taken.carrier_message_id.clone()),
            next_at_ms: if waits_for_time { record.due_ms } else { 0 },
            deadline_ms: if waits_for_time { 0 } else { record.due_ms },
            ..Self::new(position, RecordKind::Carried, record.at_ms, None)
        }
    }

    fn of_outcome(position: u64, record: &record::Outcome) -> Self {
        let segment = Some(record.segment);
        Self {
            reason: reason_of(record.reason),
            outcome: class_of(record.outcome),
            carrier: carrier_of(record.carrier),
            session: record.session,
            status: record.status,
            carrier_message_id: record.carrier_message_id.clone(),
            next_attempt: AttemptNo::try_from(record.next_attempt).unwrap_or(AttemptNo::MAX),
            next_at_ms: record.next_at_ms,
            deadline_ms: record.deadline_ms,
            ..Self::new(position, RecordKind::Outcome, record.at_ms, segment)
        }
    }

    fn of_receipt(position: u64, record: &record::Receipt) -> Self {
        let state = u8::try_from(record.state)
            .ok()
            .and_then(ReceiptState::from_number);
        let segment = Some(record.segment);
        Self {
            reason: state.map_or(Reason::None, |state| {
                partition::receipt_reason(state, record.by_address)
            }),
            carrier: carrier_of(record.carrier),
            carrier_message_id: record.carrier_message_id.clone(),
            receipt: state,
            receipt_error: record.error.clone(),
            by_address: record.by_address,
            late: record.late,
            ..Self::new(position, RecordKind::Receipt, record.at_ms, segment)
        }
    }

    /// What the carrier calls it, as text; `None` when it has not said.
    #[must_use]
    pub fn carrier_id(&self) -> Option<CarrierMessageId> {
        (!self.carrier_message_id.is_empty())
            .then(|| CarrierMessageId::new(&self.carrier_message_id))
    }
}
