//! The records of a partition: what is durable about messages.
//!
//! Payloads are protobuf messages, so that a newer release reads what an older one wrote; kind and version stand in the journal's frame.
//! Kinds and field numbers are permanent. Ids are two fixed 64-bit halves: a bytes field would cost an allocation per record.

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

mod carried;
mod replaced;
mod segment;
pub use carried::{Carried, CarriedDoubt, CarriedTaken, CarriedVerdict};
pub use replaced::Replaced;
pub use segment::{Segment, joined};
pub(crate) use segment::{carrier_id_octets, halves};

/// The version every kind has in this release.
pub const RECORD_VERSION: u8 = 1;

/// A message was admitted.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
#[expect(
    missing_docs,
    reason = "each field is what the Submission or Payload field of its name says"
)]
pub struct Admitted {
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    #[prost(fixed32, tag = "3")]
    pub tenant: u32,
    #[prost(fixed32, tag = "4")]
    pub caller: u32,
    #[prost(fixed32, tag = "5")]
    pub group: u32,
    #[prost(uint32, tag = "6")]
    pub category: u32,
    #[prost(uint32, tag = "7")]
    pub lane: u32,
    #[prost(uint64, tag = "8")]
    pub recipient: u64,
    #[prost(string, tag = "9")]
    pub recipient_key: String,
    #[prost(uint32, tag = "10")]
    pub sender_kind: u32,
    #[prost(string, tag = "11")]
    pub sender: String,
    #[prost(bytes = "bytes", tag = "12")]
    pub text: Bytes,
    #[prost(uint32, tag = "13")]
    pub receipt_wanted: u32,
    #[prost(uint64, tag = "14")]
    pub admitted_ms: u64,
    #[prost(uint64, tag = "15")]
    pub expires_ms: u64,
    #[prost(uint64, tag = "16")]
    pub send_at_ms: u64,
    #[prost(message, optional, tag = "17")]
    pub idempotency: Option<Idempotency>,
    #[prost(string, tag = "18")]
    pub batch_id: String,
    #[prost(bytes = "bytes", tag = "19")]
    pub context: Bytes,
    #[prost(message, repeated, tag = "20")]
    pub labels: Vec<Label>,
    /// Whether the first attempt is claimed herewith.
    #[prost(bool, tag = "21")]
    pub claimed: bool,
    #[prost(uint32, tag = "22")]
    pub segments: u32,
    /// The configuration it was admitted under.
    #[prost(uint32, tag = "23")]
    pub config_version: u32,
    /// What it holds of the byte credits.
    #[prost(uint32, tag = "24")]
    pub cost_bytes: u32,
}

/// An idempotency key, by hash, and what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Idempotency {
    /// Hash of tenant, recipient key and key, high half.
    #[prost(fixed64, tag = "1")]
    pub key_high: u64,
    /// Low half.
    #[prost(fixed64, tag = "2")]
    pub key_low: u64,
    /// Hash of the body, 64 bits.
    #[prost(fixed64, tag = "3")]
    pub body: u64,
    /// Until when the key is remembered, in milliseconds since the epoch.
    #[prost(uint64, tag = "4")]
    pub until_ms: u64,
}

/// A caller's label.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// An attempt may be sent next. Never names a carrier: that is decided at the pull.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Claimed {
    /// The message.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
}

/// A segment was handed to a session: written to the page cache before its first byte goes to the socket.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Written {
    /// The segment.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// The session's number in its process.
    #[prost(uint32, tag = "2")]
    pub session: u32,
    /// The carrier.
    #[prost(fixed32, tag = "3")]
    pub carrier: u32,
    /// When, in milliseconds since the epoch.
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}

/// What became of an attempt, and what follows from it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Outcome {
    /// The segment.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// [`message::OutcomeClass::number`].
    #[prost(uint32, tag = "2")]
    pub outcome: u32,
    /// [`message::Reason::number`].
    #[prost(uint32, tag = "3")]
    pub reason: u32,
    /// The raw `command_status`.
    #[prost(uint32, tag = "4")]
    pub status: u32,
    /// The carrier.
    #[prost(fixed32, tag = "5")]
    pub carrier: u32,
    /// The carrier's id, canonical: with it, the outcome is the expectation of a receipt.
    #[prost(bytes = "vec", tag = "6")]
    pub carrier_message_id: Vec<u8>,
    /// When, in milliseconds since the epoch.
    #[prost(uint64, tag = "7")]
    pub at_ms: u64,
    /// The next attempt, 0 when none follows; claimed herewith if it may be made at once.
    #[prost(uint32, tag = "8")]
    pub next_attempt: u32,
    /// Not before this time; 0 for at once.
    #[prost(uint64, tag = "9")]
    pub next_at_ms: u64,
    /// When waiting ends (for a receipt, or for evidence about an uncertain attempt); 0 when nothing is awaited.
    #[prost(uint64, tag = "10")]
    pub deadline_ms: u64,
    /// The session's number in the process that wrote this record; 0 when the outcome is not the word of one.
    #[prost(uint32, tag = "11")]
    pub session: u32,
}

/// A receipt that found its message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Receipt {
    /// The segment it is about.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// The carrier.
    #[prost(fixed32, tag = "2")]
    pub carrier: u32,
    /// The carrier's id; empty when it was matched by address.
    #[prost(bytes = "vec", tag = "3")]
    pub carrier_message_id: Vec<u8>,
    /// [`message::ReceiptState::number`].
    #[prost(uint32, tag = "4")]
    pub state: u32,
    /// The carrier's error code.
    #[prost(string, tag = "5")]
    pub error: String,
    /// When it came, in milliseconds since the epoch.
    #[prost(uint64, tag = "6")]
    pub at_ms: u64,
    /// Whether carrier, sender and recipient led to it rather than the carrier's id.
    #[prost(bool, tag = "7")]
    pub by_address: bool,
    /// Whether the message was final before.
    #[prost(bool, tag = "8")]
    pub late: bool,
}

/// A message is done with, or evidence came late and raised its final state.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Final {
    /// The message.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// [`message::MessageState::number`].
    #[prost(uint32, tag = "2")]
    pub state: u32,
    /// [`message::Reason::number`].
    #[prost(uint32, tag = "3")]
    pub reason: u32,
    /// When, in milliseconds since the epoch.
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}

/// A receipt that found nothing yet; a record of partition hash(carrier, carrier message id).
#[derive(Clone, PartialEq, prost::Message)]
pub struct EarlyReceipt {
    /// The carrier.
    #[prost(fixed32, tag = "1")]
    pub carrier: u32,
    /// The carrier's id.
    #[prost(bytes = "vec", tag = "2")]
    pub carrier_message_id: Vec<u8>,
    /// [`message::ReceiptState::number`]; 0 when this record says that the receipts of this id have left.
    #[prost(uint32, tag = "3")]
    pub state: u32,
    /// The carrier's error code.
    #[prost(string, tag = "4")]
    pub error: String,
    /// When it came, in milliseconds since the epoch.
    #[prost(uint64, tag = "5")]
    pub at_ms: u64,
    /// Until when it waits, in milliseconds since the epoch.
    #[prost(uint64, tag = "6")]
    pub until_ms: u64,
    /// The partition whose record this is.
    #[prost(uint32, tag = "7")]
    pub partition: u32,
    /// [`receipts::address_hash`] of whom it is about; 0 when it does not say.
    #[prost(fixed64, tag = "8")]
    pub address: u64,
}

/// A message from a handset.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
#[expect(
    missing_docs,
    reason = "each field is what message::InboundMessage says of its name"
)]
pub struct Inbound {
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    #[prost(fixed32, tag = "3")]
    pub carrier: u32,
    #[prost(string, tag = "4")]
    pub from: String,
    #[prost(string, tag = "5")]
    pub to: String,
    #[prost(string, tag = "6")]
    pub text: String,
    #[prost(bytes = "bytes", tag = "7")]
    pub octets: Bytes,
    #[prost(uint32, tag = "8")]
    pub data_coding: u32,
    #[prost(uint64, tag = "9")]
    pub at_ms: u64,
    /// Where its first record began, if this one repeats it so that the journal need not be kept for that.
    #[prost(uint64, optional, tag = "10")]
    pub first_at: Option<u64>,
}

/// An inbound message was acknowledged by a client, or its time is over.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InboundDone {
    /// Its id, high half.
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    /// Low half.
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    /// Whether a client acknowledged it; otherwise its time was over.
    #[prost(bool, tag = "3")]
    pub acknowledged: bool,
}

/// An idempotency key carried forward, because the file with its message was about to be deleted. Read, but no longer written: keys outlive
/// the journal in files of their own.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct KeyKept {
    /// The message it stands for.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// The key.
    #[prost(message, required, tag = "2")]
    pub idempotency: Idempotency,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the payload of its name")]
pub enum Record {
    Admitted(Box<Admitted>),
    Claimed(Claimed),
    Written(Written),
    Outcome(Outcome),
    Receipt(Receipt),
    Final(Final),
    EarlyReceipt(EarlyReceipt),
    Inbound(Box<Inbound>),
    InboundDone(InboundDone),
    KeyKept(KeyKept),
    Replaced(Box<Replaced>),
    Carried(Box<Carried>),
}

/// Why a frame is not a record of ours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// A kind this release does not know: a newer release wrote it.
    #[error("record kind {0} is unknown to this release; a newer one wrote this journal")]
    Kind(u8),
    /// A version this release does not know.
    #[error("record kind {kind} has version {version}, this release reads up to {RECORD_VERSION}")]
    Version {
        /// The kind.
        kind: u8,
        /// The version found.
        version: u8,
    },
    /// The payload is not what its kind says.
    #[error("record kind {kind}: {what}")]
    Payload {
        /// The kind.
        kind: u8,
        /// What the decoder says.
        what: String,
    },
}

/// The lowest kind a partition uses; the engine's own records lie below.
pub const KIND_MIN: u8 = 16;

impl Record {
    /// The kind that stands in the frame; permanent.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Admitted(_) => 16,
            Self::Claimed(_) => 17,
            Self::Written(_) => 18,
            Self::Outcome(_) => 19,
            Self::Receipt(_) => 20,
            Self::Final(_) => 21,
            Self::EarlyReceipt(_) => 22,
            Self::Inbound(_) => 23,
            Self::InboundDone(_) => 24,
            Self::KeyKept(_) => 25,
            Self::Carried(_) => 26,
            Self::Replaced(_) => 27,
        }
    }

    /// The partition whose record it is.
    #[must_use]
    pub fn partition(&self) -> u16 {
        let of_high = |high: u64| (high & 0xfff) as u16;
        match self {
            Self::Admitted(record) => of_high(record.id_high),
            Self::Claimed(record) => of_high(record.segment.id_high),
            Self::Written(record) => of_high(record.segment.id_high),
            Self::Outcome(record) => of_high(record.segment.id_high),
            Self::Receipt(record) => of_high(record.segment.id_high),
            Self::Final(record) => of_high(record.segment.id_high),
            Self::EarlyReceipt(record) => (record.partition & 0xfff) as u16,
            Self::Inbound(record) => of_high(record.id_high),
            Self::InboundDone(record) => of_high(record.id_high),
            Self::KeyKept(record) => of_high(record.segment.id_high),
            Self::Replaced(record) => of_high(record.segment.id_high),
            Self::Carried(record) => of_high(record.message.id_high),
        }
    }

    /// Appends the payload to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Admitted(record) => record.encode_raw(out),
            Self::Claimed(record) => record.encode_raw(out),
            Self::Written(record) => record.encode_raw(out),
            Self::Outcome(record) => record.encode_raw(out),
            Self::Receipt(record) => record.encode_raw(out),
            Self::Final(record) => record.encode_raw(out),
            Self::EarlyReceipt(record) => record.encode_raw(out),
            Self::Inbound(record) => record.encode_raw(out),
            Self::InboundDone(record) => record.encode_raw(out),
            Self::KeyKept(record) => record.encode_raw(out),
            Self::Replaced(record) => record.encode_raw(out),
            Self::Carried(record) => record.encode_raw(out),
        }
    }

    /// The record of a frame.
    ///
    /// # Errors
    /// When kind or version are unknown or the payload is not what they say.
    pub fn decode(kind: u8, version: u8, payload: &[u8]) -> Result<Self, RecordError> {
        if version != RECORD_VERSION {
            return Err(RecordError::Version { kind, version });
        }
        let record = match kind {
            16 => Admitted::decode(payload).map(|record| Self::Admitted(Box::new(record))),
            17 => Claimed::decode(payload).map(Self::Claimed),
            18 => Written::decode(payload).map(Self::Written),
            19 => Outcome::decode(payload).map(Self::Outcome),
            20 => Receipt::decode(payload).map(Self::Receipt),
            21 => Final::decode(payload).map(Self::Final),
            22 => EarlyReceipt::decode(payload).map(Self::EarlyReceipt),
            23 => Inbound::decode(payload).map(|record| Self::Inbound(Box::new(record))),
            24 => InboundDone::decode(payload).map(Self::InboundDone),
            25 => KeyKept::decode(payload).map(Self::KeyKept),
            26 => Carried::decode(payload).map(|record| Self::Carried(Box::new(record))),
            27 => Replaced::decode(payload).map(|record| Self::Replaced(Box::new(record))),
            unknown => return Err(RecordError::Kind(unknown)),
        };
        record.map_err(|error| RecordError::Payload {
            kind,
            what: error.to_string(),
        })
    }
}
