//! Questions about single messages, and about the engine as a whole.

use message::{MessageId, TenantId};
use partition::{CancelVerdict, MessageView, ReplaceVerdict, Replacement};
use tokio::sync::oneshot;

use crate::stats::EngineStats;

/// A request about something the shard owns. The answer may be dropped if nobody waits for it any more.
#[derive(Debug)]
pub(crate) enum Control {
    Find {
        tenant: TenantId,
        id: MessageId,
        /// With it, when something must happen to it next, in milliseconds since the epoch; 0 when nothing must.
        answer: oneshot::Sender<Option<(MessageView, u64)>>,
    },
    Cancel {
        tenant: TenantId,
        id: MessageId,
        answer: oneshot::Sender<CancelVerdict>,
    },
    Replace {
        tenant: TenantId,
        id: MessageId,
        replacement: Box<Replacement>,
        answer: oneshot::Sender<ReplaceVerdict>,
    },
    AcknowledgeInbound {
        id: MessageId,
        answer: oneshot::Sender<bool>,
    },
    Stats {
        answer: oneshot::Sender<EngineStats>,
    },
}

impl Control {
    /// Answers a question for a message that lies on the disk with what was found, and when something must happen to it; whoever asked may
    /// have gone.
    pub(crate) fn found(self, view: MessageView, due_ms: u64) {
        if let Self::Find { answer, .. } = self {
            let _ = answer.send(Some((view, due_ms)));
        }
    }

    /// The message it is about, which must not be cold when it is served.
    pub(crate) const fn message(&self) -> Option<MessageId> {
        match self {
            Self::Find { id, .. } | Self::Cancel { id, .. } | Self::Replace { id, .. } => Some(*id),
            Self::AcknowledgeInbound { .. } | Self::Stats { .. } => None,
        }
    }
}
