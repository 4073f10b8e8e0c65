//! One record that says everything about one live message.

use super::{Admitted, Segment};

/// A live message as it is: its older records are not needed any more. The message stays where it was, and nobody outside hears of it.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Carried {
    /// What it is, with the content and times that it has now; without its idempotency key, which has a life of its own, and without recipient
    /// key and labels, which nothing but the admission needs.
    #[prost(message, required, tag = "1")]
    pub message: Admitted,
    /// [`message::MessageState::number`].
    #[prost(uint32, tag = "2")]
    pub state: u32,
    /// [`message::Reason::number`].
    #[prost(uint32, tag = "3")]
    pub reason: u32,
    /// The last raw `command_status`.
    #[prost(uint32, tag = "4")]
    pub status: u32,
    /// Of its last event.
    #[prost(uint32, tag = "5")]
    pub sequence: u32,
    /// The attempt being made or to be made next. Whether it is claimed says `message`.
    #[prost(uint32, tag = "6")]
    pub attempt: u32,
    /// Refused attempts that count.
    #[prost(uint32, tag = "7")]
    pub tries: u32,
    /// Whether the one resend that policy may grant was used.
    #[prost(bool, tag = "8")]
    pub resent: bool,
    /// Whether any attempt was ever uncertain.
    #[prost(bool, tag = "9")]
    pub ever_uncertain: bool,
    /// Whether its credits were given back.
    #[prost(bool, tag = "10")]
    pub released: bool,
    /// Attempts that may have been taken.
    #[prost(message, repeated, tag = "11")]
    pub doubts: Vec<CarriedDoubt>,
    /// What it ends as should its doubts prove empty.
    #[prost(message, optional, tag = "12")]
    pub parked: Option<CarriedVerdict>,
    /// The carrier of the last attempt; 0 for none.
    #[prost(fixed32, tag = "13")]
    pub carrier: u32,
    /// What carriers took: each is the expectation of a receipt.
    #[prost(message, repeated, tag = "14")]
    pub taken: Vec<CarriedTaken>,
    /// A bit for each delivered segment, the first segment lowest; words of 0 at the end are left out.
    #[prost(fixed64, repeated, tag = "15")]
    pub delivered: Vec<u64>,
    /// [`message::ReceiptState::number`] of the failure that names the whole; 0 for none.
    #[prost(uint32, tag = "16")]
    pub failure: u32,
    /// When something must happen to it, in milliseconds since the epoch.
    #[prost(uint64, tag = "17")]
    pub due_ms: u64,
    /// When it last changed, in milliseconds since the epoch.
    #[prost(uint64, tag = "18")]
    pub changed_ms: u64,
    /// Where the record of its admission began: its place among all messages.
    #[prost(uint64, tag = "19")]
    pub admitted_at: u64,
    /// Whether it came with an idempotency key.
    #[prost(bool, tag = "20")]
    pub keyed: bool,
    /// When it was carried, in milliseconds since the epoch.
    #[prost(uint64, tag = "21")]
    pub at_ms: u64,
}

/// An attempt whose fate is unknown.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CarriedDoubt {
    /// The segment.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// The carrier; 0 when it may have gone over any.
    #[prost(fixed32, tag = "2")]
    pub carrier: u32,
}

/// Something a carrier took.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CarriedTaken {
    /// The segment.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// The carrier.
    #[prost(fixed32, tag = "2")]
    pub carrier: u32,
    /// The carrier's id; empty when it gave none.
    #[prost(bytes = "vec", tag = "3")]
    pub carrier_message_id: Vec<u8>,
}

/// How a message would end.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CarriedVerdict {
    /// [`message::MessageState::number`] of a final state.
    #[prost(uint32, tag = "1")]
    pub state: u32,
    /// [`message::Reason::number`].
    #[prost(uint32, tag = "2")]
    pub reason: u32,
}
