//! What a decision asks of the engine, and when it may be carried out.

use std::sync::Arc;

use message::{
    AttemptNo, CarrierId, CarrierMessageId, MessageId, MessageState, Now, Payload, Reason,
    RouteGroupId, SegmentRef, TenantId,
};

use crate::record::Record;

/// Where in its lane a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind those of its sub-queue.
    Back,
    /// Before them: it was popped already, or it was first before a restart.
    Front,
}

/// A message for the lanes.
#[derive(Clone, Debug)]
pub struct Enqueue {
    /// The message.
    pub id: MessageId,
    /// The attempt that is to be made.
    pub attempt: AttemptNo,
    /// Whether that attempt is claimed: it may be sent as soon as it is popped.
    pub claimed: bool,
    /// What to send.
    pub payload: Arc<Payload>,
    /// Which carriers may pull it.
    pub group: RouteGroupId,
    /// Whose it is, for fairness.
    pub tenant: TenantId,
    /// Whose turn inside the tenant: a hash of the sender.
    pub sender_hash: u64,
    /// What it holds of the byte credits.
    pub cost_bytes: u32,
    /// Where.
    pub place: Place,
}

/// When an effect may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// At once: it only touches what a crash forgets.
    Now,
    /// When the records of its decision are durable: somebody outside will rely on it.
    Durable,
}

/// What the engine is to do about a decision.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Put a message into its lane.
    Enqueue(Enqueue),
    /// The attempt the cell wanted may be sent.
    ClaimGranted(MessageId),
    /// Whatever the lanes hold of this message is void.
    Withdraw(MessageId),
    /// Whatever the lanes hold of this message for an earlier attempt is void; it holds one place.
    Supersede {
        /// The message.
        id: MessageId,
        /// The attempt to be made now.
        attempt: AttemptNo,
    },
    /// The message holds another share of the byte credits.
    Recost {
        /// What is to be sent, for its lane.
        payload: Arc<Payload>,
        /// What it held.
        from_bytes: u32,
        /// What it holds from now on.
        to_bytes: u32,
    },
    /// A receipt is awaited.
    Expect {
        /// From this carrier.
        carrier: CarrierId,
        /// For this id.
        id: CarrierMessageId,
        /// For this segment.
        segment: SegmentRef,
    },
    /// No receipt is awaited any more.
    Forget {
        /// From this carrier.
        carrier: CarrierId,
        /// For this id.
        id: CarrierMessageId,
        /// For this segment.
        segment: SegmentRef,
    },
    /// An attempt is uncertain.
    Uncertain {
        /// At this carrier; `None` when it may have gone over any.
        carrier: Option<CarrierId>,
        /// Which.
        segment: SegmentRef,
        /// What was sent: its addresses may lead a receipt here.
        payload: Arc<Payload>,
    },
    /// An attempt is uncertain no more.
    Certain {
        /// At this carrier; `None` when it may have gone over any.
        carrier: Option<CarrierId>,
        /// Which.
        segment: SegmentRef,
        /// What was sent.
        payload: Arc<Payload>,
    },
    /// The message has left the lanes for good: give back its credits.
    Release {
        /// The message.
        id: MessageId,
        /// Whose it was.
        tenant: TenantId,
        /// What was sent, for its lane.
        payload: Arc<Payload>,
        /// What it held.
        cost_bytes: u32,
    },
}

impl Effect {
    /// When the effect may be carried out.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        match self {
            Self::Enqueue(_) | Self::ClaimGranted(_) => Timing::Durable,
            Self::Withdraw(_)
            | Self::Supersede { .. }
            | Self::Recost { .. }
            | Self::Expect { .. }
            | Self::Forget { .. }
            | Self::Uncertain { .. }
            | Self::Certain { .. }
            | Self::Release { .. } => Timing::Now,
        }
    }
}

/// The answer to an event that somebody waits for; valid when the records are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nobody waits.
    #[default]
    None,
    /// Admitted under this id.
    Admitted(MessageId),
    /// The same submission was admitted before, under this id.
    Repeat(MessageId),
    /// Not admitted.
    Refused {
        /// Why.
        reason: Reason,
        /// The message that stands in the way.
        existing: Option<MessageId>,
    },
    /// What became of a cancellation.
    Cancel(CancelVerdict),
    /// What became of a replacement.
    Replace(ReplaceVerdict),
    /// An inbound message was kept under this id.
    Inbound(MessageId),
    /// Whether an inbound message was there to be acknowledged.
    Known(bool),
}

/// The definite answer to a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelVerdict {
    /// It will not be sent.
    Cancelled,
    /// A segment was written before, or the message is done with.
    TooLate {
        /// Its state.
        state: MessageState,
    },
    /// No such message, or no longer known.
    Unknown,
}

/// The definite answer to a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceVerdict {
    /// The new content will be sent, the old will not.
    Replaced,
    /// A segment may have been written before, or the message is done with.
    TooLate {
        /// Its state.
        state: MessageState,
    },
    /// No such message, or no longer known.
    Unknown,
}

/// What a partition decided: records for the journal, effects for the engine, an answer for whoever asked. Reused from event to event.
#[derive(Debug, Default)]
pub struct Decision {
    /// When it was made.
    pub now: Now,
    /// In the order in which they must be appended and applied.
    pub records: Vec<Record>,
    /// In the order in which they must be carried out.
    pub effects: Vec<Effect>,
    /// For whoever asked.
    pub answer: Answer,
}

impl Decision {
    /// Makes it empty, keeping its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.effects.clear();
        self.answer = Answer::None;
    }
}
