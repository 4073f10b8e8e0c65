//! Questions about single messages, and about the engine as a whole.

use message::{MessageId, TenantId};
use partition::{CancelVerdict, MessageView};
use tokio::sync::oneshot;

use crate::stats::EngineStats;

/// A request about something the shard owns. The answer may be dropped if nobody waits for it any more.
#[derive(Debug)]
pub(crate) enum Control {
    Find {
        tenant: TenantId,
        id: MessageId,
        answer: oneshot::Sender<Option<MessageView>>,
    },
    Cancel {
        tenant: TenantId,
        id: MessageId,
        answer: oneshot::Sender<CancelVerdict>,
    },
    AcknowledgeInbound {
        id: MessageId,
        answer: oneshot::Sender<bool>,
    },
    Stats {
        answer: oneshot::Sender<EngineStats>,
    },
}
