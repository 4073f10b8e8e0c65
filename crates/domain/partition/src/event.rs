//! What a partition is asked to decide about.

use bytes::Bytes;
use message::{
    CallerId, CarrierId, CarrierMessageId, InboundMessage, Lane, MessageId, Outcome, ReceiptState,
    RouteGroupId, SegmentRef, SenderId, Submission, TenantId,
};

use crate::idempotency::SubmittedKey;

/// A submission that intake let pass: routed, measured, its credits reserved.
#[derive(Clone, Debug)]
pub struct Admit {
    /// What the client asks for.
    pub submission: Submission,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// Which carriers may pull it.
    pub group: RouteGroupId,
    /// The lane its category maps to.
    pub lane: Lane,
    /// When it may no longer be sent, in milliseconds since the epoch.
    pub expires_ms: u64,
    /// Segments of an attempt.
    pub segments: u8,
    /// Whether the first attempt is claimed with the admission: otp and alert, while their lane is short.
    pub claim: Claim,
    /// The configuration in force.
    pub config_version: u32,
    /// Its idempotency key, looked up where the partition cannot look.
    pub key: Option<SubmittedKey>,
    /// Random bits for the id.
    pub random: u64,
}

/// New content for a message that has not been sent.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The text, UTF-8.
    pub text: Bytes,
    /// From whom.
    pub sender: SenderId,
    /// Segments of an attempt.
    pub segments: u8,
    /// How long it may be sent, in milliseconds from when it may be sent first; as long as before when left out.
    pub valid_for_ms: Option<u64>,
    /// Not before this time, in milliseconds since the epoch; as before when left out.
    pub send_at_ms: Option<u64>,
}

/// When the first attempt of an admitted message is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// With the admission, so that it pays no second sync.
    Now,
    /// Later, by [`Event::Claim`].
    Later,
}

/// What a connector reported about an attempt.
#[derive(Clone, Debug)]
pub struct OutcomeReport {
    /// Which segment.
    pub segment: SegmentRef,
    /// The carrier; `None` where nobody knows: what was claimed before a power cut may have gone over any.
    pub carrier: Option<CarrierId>,
    /// What became of it.
    pub outcome: Outcome,
    /// The raw `command_status`; 0 when there was no answer.
    pub status: u32,
    /// The session's number in its process; 0 when the report is not of one (no answer in time, found after a restart).
    pub session: u32,
}

/// A receipt that led to a segment.
#[derive(Clone, Debug)]
pub struct ReceiptReport {
    /// The segment it is about.
    pub segment: SegmentRef,
    /// The carrier.
    pub carrier: CarrierId,
    /// The carrier's id; empty when matched by address.
    pub carrier_message_id: CarrierMessageId,
    /// What it says.
    pub state: ReceiptState,
    /// The carrier's error code.
    pub error: Box<str>,
    /// What led to the segment.
    pub matched: Matched,
}

/// What led from a receipt to its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The carrier's id.
    ById,
    /// Carrier, sender and recipient, which fit exactly one uncertain attempt.
    ByAddress,
}

/// A message from a handset.
#[derive(Clone, Debug)]
pub struct InboundArrived {
    /// The carrier it came from.
    pub carrier: CarrierId,
    /// What it says.
    pub message: InboundMessage,
    /// Random bits for the id.
    pub random: u64,
}

/// What may happen to a partition.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client submits.
    Admit(Box<Admit>),
    /// The cell wants to send a message next.
    Claim(MessageId),
    /// A connector reported an outcome.
    Outcome(OutcomeReport),
    /// A receipt found its segment.
    Receipt(ReceiptReport),
    /// A receipt found nothing; this partition keeps it.
    EarlyReceipt {
        /// The carrier.
        carrier: CarrierId,
        /// The carrier's id.
        id: CarrierMessageId,
        /// What it says.
        state: ReceiptState,
        /// The carrier's error code.
        error: Box<str>,
        /// [`receipts::address_hash`] of whom it is about; 0 when it does not say.
        address: u64,
    },
    /// The early receipts of this id are handed over, or their time is over.
    EarlyReceiptLeaves {
        /// The carrier.
        carrier: CarrierId,
        /// The carrier's id.
        id: CarrierMessageId,
    },
    /// A message's deadline has come; see [`crate::Partition::take_due`].
    Due(MessageId),
    /// The cell met an expired message in a lane.
    ExpiredInLane(MessageId),
    /// After a restart, no configured group may pull the message any more and no route leads elsewhere.
    RouteRemoved(MessageId),
    /// A client cancels.
    Cancel {
        /// Who asks: another tenant's messages are unknown to it.
        tenant: TenantId,
        /// Which message.
        id: MessageId,
    },
    /// A client gives a message new content.
    Replace {
        /// Who asks: another tenant's messages are unknown to it.
        tenant: TenantId,
        /// Which message.
        id: MessageId,
        /// What takes the place of its content.
        replacement: Box<Replacement>,
    },
    /// A handset wrote.
    Inbound(Box<InboundArrived>),
    /// A client has an inbound message, or its time is over.
    InboundDone {
        /// Which.
        id: MessageId,
        /// Whether a client acknowledged it.
        acknowledged: bool,
    },
}
