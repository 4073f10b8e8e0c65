//! The one seam every channel implements.
//!
//! A connector speaks to one carrier. The engine owns the order of things; the connector owns the wire: it says where a free place is,
//! takes batches, judges its own answers and reports them as events. Nothing here waits: no async, no engine type. Everything is called
//! from the one thread that owns the connector.
//!
//! ```text
//! poll_slot ──► (engine takes permit, pops, records Written) ──► submit ──► … ──► drain_events: Outcome
//!                                                   carrier ──► drain_events: Receipt | Inbound ──► (record) ──► acknowledge
//! ```
//!
//! Limits: a connector holds at most the sum of its windows in flight, and at most its receipt window unacknowledged; what it cannot hold
//! it refuses towards the carrier with a temporary error, never by dropping.

use std::sync::Arc;

use message::{CarrierMessageId, InboundMessage, Now, Outcome, Payload, ReceiptState, SegmentRef};

/// A session of this process, numbered from 1 in the order they were opened over all carriers; never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionNo(pub u32);

/// A session that can take segments now: its socket is ready and its window has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The session.
    pub session: SessionNo,
    /// Places that any lane may take.
    pub free: u32,
    /// Further places that only the otp lane may take.
    pub free_otp: u32,
}

/// One segment on its way to a carrier.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Which segment of which attempt.
    pub segment: SegmentRef,
    /// The session that must carry it: the one of the slot.
    pub session: SessionNo,
    /// What to send.
    pub payload: Arc<Payload>,
    /// Monotonic time of admission, for the stamp our own tools read; 0 when it was before this boot.
    pub admitted_ns: u64,
    /// How long it may still live, in milliseconds: the carrier gets no longer.
    pub validity_left_ms: u64,
}

/// Names something a carrier sent that wants an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceiptHandle {
    /// The session it came over; the answer must go the same way.
    pub session: SessionNo,
    /// The carrier's sequence number.
    pub sequence: u32,
}

/// What to tell the carrier about something it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Durable here; do not send it again.
    Taken,
    /// Not kept; send it again later.
    TemporaryError,
}

/// A delivery receipt, parsed and canonical. `Debug` shows no addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The carrier's id by its rule for receipts; empty when the receipt has none.
    pub carrier_message_id: CarrierMessageId,
    /// What it says.
    pub state: ReceiptState,
    /// The carrier's error code as text, at most 16 octets; empty when none.
    pub error: Box<str>,
    /// The number the message went to, digits only, as the receipt gives it (its source address); may be empty or reformatted.
    pub recipient: Box<str>,
    /// Who the message was from, as the receipt gives it (its destination address).
    pub sender: Box<str>,
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("carrier_message_id", &self.carrier_message_id)
            .field("state", &self.state)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What a connector has to say.
#[derive(Clone, Debug)]
pub enum ConnectorEvent {
    /// An attempt's segment was answered, timed out or was lost.
    Outcome {
        /// Which.
        segment: SegmentRef,
        /// Over which session.
        session: SessionNo,
        /// What became of it.
        outcome: Outcome,
        /// The raw `command_status`; 0 when there was no answer.
        status: u32,
        /// Monotonic time of the write; 0 when nothing was written.
        written_ns: u64,
        /// Monotonic time of the answer or of giving up.
        settled_ns: u64,
    },
    /// A receipt that waits for [`Connector::acknowledge`].
    Receipt {
        /// For the acknowledgement.
        handle: ReceiptHandle,
        /// What it says.
        receipt: Receipt,
    },
    /// A message from a handset that waits for [`Connector::acknowledge`].
    Inbound {
        /// For the acknowledgement.
        handle: ReceiptHandle,
        /// What it says.
        inbound: InboundMessage,
    },
    /// A session is bound and may carry segments or receipts.
    SessionUp {
        /// Which.
        session: SessionNo,
    },
    /// A session ended. Its segments were reported before, its unacknowledged receipts are void.
    SessionDown {
        /// Which.
        session: SessionNo,
    },
}

/// Counts for operators; plain numbers, read at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// Sessions configured.
    pub sessions_configured: u32,
    /// Sessions that may carry segments now.
    pub sessions_bound: u32,
    /// Sessions that may carry receipts now.
    pub sessions_receiving: u32,
    /// Segments in flight.
    pub in_flight: u32,
    /// Window places over all bound sessions.
    pub window: u32,
    /// Connection attempts that followed a lost or refused session.
    pub reconnects: u64,
    /// Whether segments can go out while their receipts cannot come in: a transmitter without its receiver.
    pub receiver_missing: bool,
    /// Whether the carrier refused our credentials, so that only a slow probe goes on.
    pub bind_fatal: bool,
    /// What peers did that a well-behaved one does not, over all sessions since the start.
    pub irregularities: Irregularities,
}

/// What peers did that a well-behaved one does not. Counts, which only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Irregularities {
    /// Answers that came after their time was over.
    pub late_answers: u64,
    /// Requests without an answer that were forgotten: an answer would find nothing any more.
    pub late_forgotten: u64,
    /// Answers to nothing that was asked.
    pub unsolicited_answers: u64,
    /// Answers to what was answered before.
    pub duplicate_answers: u64,
    /// Requests that could not be understood and were answered as such.
    pub not_understood: u64,
    /// Requests that could be understood in their head only.
    pub malformed: u64,
    /// Requests that the state of the session forbids.
    pub forbidden: u64,
}

/// Speaks to one carrier.
pub trait Connector {
    /// A session with a ready socket and a place in its window, the one with most places first; `None` when there is none.
    fn poll_slot(&mut self, now: Now) -> Option<Slot>;

    /// Takes every dispatch of the batch, encodes and writes them; the batch is empty afterwards. A dispatch whose session ended meanwhile is
    /// reported as [`Outcome::Unwritten`]; one that cannot be encoded as a final rejection.
    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now);

    /// Moves what happened since the last call to the end of `events`.
    fn drain_events(&mut self, events: &mut Vec<ConnectorEvent>);

    /// Names every segment that was taken and has no outcome yet, in no order; segments whose outcome may still be corrected by a late
    /// answer may be among them.
    fn in_flight(&self, each: &mut dyn FnMut(SegmentRef));

    /// Answers a receipt or an inbound message; ignored when its session has ended.
    fn acknowledge(&mut self, handle: ReceiptHandle, verdict: Verdict, now: Now);

    /// Begins the end: no slot is offered any more, sessions unbind as soon as nothing is in flight on them.
    fn drain(&mut self, now: Now);

    /// Whether every session has ended after [`Self::drain`].
    fn is_drained(&self) -> bool;

    /// Counts for operators.
    fn status(&self) -> ConnectorStatus;
}
