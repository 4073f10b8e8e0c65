//! A live message, and what a client may see of it.
//!
//! Limits: an entry has at most two doubts and as many taken attempts as it had attempts; its text is shared with the lanes, not copied.

use std::sync::Arc;

use bytes::Bytes;
use message::{
    AttemptNo, CallerId, CarrierId, CarrierMessageId, MessageId, MessageState, Payload, Reason,
    RouteGroupId, SegmentRef, TenantId,
};
use receipts::Fold;

use crate::deadlines::Wait;
use crate::effect::{Enqueue, Place};

/// The sequence of a message's first event.
pub const FIRST_SEQUENCE: u32 = 2;

/// Something a carrier took: the receipt may come under this id.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) segment: SegmentRef,
    pub(crate) carrier: CarrierId,
    pub(crate) id: CarrierMessageId,
}

/// An attempt whose fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UncertainAttempt {
    pub(crate) segment: SegmentRef,
    /// `None` when it may have gone over any.
    pub(crate) carrier: Option<CarrierId>,
}

/// Where an attempt stands when an outcome of it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Under way: its outcome decides what follows.
    Open,
    /// It may have been taken: an answer settles the doubt.
    Doubted,
    /// Its outcome is known, or the message was taken by other means.
    Settled,
}

impl Taken {
    /// Whether a receipt can be awaited: a carrier that gave no id can name none in a receipt.
    pub(crate) fn is_expected(&self) -> bool {
        !self.id.as_bytes().is_empty()
    }
}

/// A live message.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) caller: CallerId,
    pub(crate) group: RouteGroupId,
    pub(crate) payload: Arc<Payload>,
    pub(crate) sender_hash: u64,
    pub(crate) cost_bytes: u32,
    /// Where its Admitted record began: its place among all messages.
    pub(crate) admitted_at: u64,
    /// Where the record begins that the journal must be kept from for it: its Admitted or last Carried one.
    pub(crate) record_at: u64,
    /// Whether that record says everything about it.
    pub(crate) whole: bool,
    pub(crate) admitted_ms: u64,
    pub(crate) changed_ms: u64,
    pub(crate) state: MessageState,
    pub(crate) reason: Reason,
    pub(crate) status: u32,
    /// Twice the number of records so far: the odd numbers between are for the Written event, which replay may not see again.
    pub(crate) sequence: u32,
    /// The attempt being made or to be made next, from 1.
    pub(crate) attempt: AttemptNo,
    pub(crate) claimed: bool,
    /// Refused attempts that count.
    pub(crate) tries: u16,
    /// Whether the one resend that policy may grant was used.
    pub(crate) resent: bool,
    /// Attempts that may have been taken. At most two: the one that was sent again, and the one sent again.
    pub(crate) doubts: Vec<UncertainAttempt>,
    /// What the message ends as should its doubts prove empty; set when the present attempt is over and only doubts keep it alive.
    pub(crate) parked: Option<(MessageState, Reason)>,
    pub(crate) ever_uncertain: bool,
    pub(crate) carrier: Option<CarrierId>,
    pub(crate) taken: Vec<Taken>,
    pub(crate) fold: Fold,
    /// When something must happen, in milliseconds since the epoch; while it is in a wait, what the records say of that.
    pub(crate) due_ms: u64,
    /// The wait that is counted by the monotonic clock.
    pub(crate) wait: Option<Wait>,
    pub(crate) batch_id: Option<Arc<str>>,
    pub(crate) context: Bytes,
    pub(crate) config_version: u32,
    /// Whether its credits were given back.
    pub(crate) released: bool,
    /// Whether it came with an idempotency key.
    pub(crate) keyed: bool,
}

/// What a client may know about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub id: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// Where it is.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// Of its last event.
    pub sequence: u32,
    /// The last or present attempt.
    pub attempt: AttemptNo,
    /// Segments of an attempt.
    pub segments: u8,
    /// Whether any attempt was ever uncertain: there may be a copy.
    pub uncertain: bool,
    /// Whether evidence came after a final state.
    pub late: bool,
    /// The carrier of the last attempt.
    pub carrier: Option<CarrierId>,
    /// What that carrier calls it.
    pub carrier_message_id: Option<CarrierMessageId>,
    /// The last raw `command_status`.
    pub status: u32,
    /// When it was admitted, in milliseconds since the epoch.
    pub admitted_ms: u64,
    /// When it last changed, in milliseconds since the epoch.
    pub changed_ms: u64,
    /// When it may no longer be sent, in milliseconds since the epoch.
    pub expires_ms: u64,
    /// The batch it belongs to.
    pub batch_id: Option<Arc<str>>,
    /// The caller's context.
    pub context: Bytes,
    /// The configuration it was admitted under.
    pub config_version: u32,
}

impl Entry {
    pub(crate) fn view(&self, id: MessageId) -> MessageView {
        MessageView {
            id,
            tenant: self.tenant,
            caller: self.caller,
            state: self.state,
            reason: self.reason,
            sequence: self.sequence,
            attempt: self.attempt,
            segments: self.payload.segments,
            uncertain: self.ever_uncertain,
            late: false,
            carrier: self.carrier,
            carrier_message_id: self.taken.last().map(|taken| taken.id.clone()),
            status: self.status,
            admitted_ms: self.admitted_ms,
            changed_ms: self.changed_ms,
            expires_ms: self.payload.expires_ms,
            batch_id: self.batch_id.clone(),
            context: self.context.clone(),
            config_version: self.config_version,
        }
    }

    pub(crate) fn enqueue(&self, id: MessageId, attempt: AttemptNo, place: Place) -> Enqueue {
        Enqueue {
            id,
            attempt,
            claimed: self.claimed || attempt > self.attempt,
            payload: Arc::clone(&self.payload),
            group: self.group,
            tenant: self.tenant,
            sender_hash: self.sender_hash,
            cost_bytes: self.cost_bytes,
            place,
        }
    }

    /// Whether a segment may have been written and nothing is known of it yet.
    pub(crate) fn in_doubt(&self) -> bool {
        self.state == MessageState::Attempting || !self.doubts.is_empty()
    }

    /// Whether this very segment is in doubt.
    pub(crate) fn doubts_segment(&self, segment: SegmentRef) -> bool {
        self.doubts.iter().any(|doubt| doubt.segment == segment)
    }

    /// Whether nothing is under way and only evidence about doubted attempts can settle the message before its deadline.
    pub(crate) fn awaits_evidence(&self) -> bool {
        let present_doubted = || {
            self.doubts
                .iter()
                .any(|doubt| doubt.segment.attempt == self.attempt)
        };
        self.state == MessageState::Attempting && (self.parked.is_some() || present_doubted())
    }

    /// Where an outcome of this segment stands.
    pub(crate) fn standing(&self, segment: SegmentRef) -> Standing {
        let under_way = matches!(self.state, MessageState::Queued | MessageState::Attempting);
        if self.doubts_segment(segment) {
            Standing::Doubted
        } else if segment.attempt == self.attempt && under_way && self.parked.is_none() {
            Standing::Open
        } else {
            Standing::Settled
        }
    }
}
