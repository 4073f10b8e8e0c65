//! What a message waits for.

use message::{MessageState, Reason};
use partition::MessageView;

/// What a message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// Nothing: it has ended.
    Nothing,
    /// Its time.
    SendAt,
    /// The end of the delay before another attempt.
    Retry,
    /// A carrier with a free place and a permit.
    Carrier,
    /// The carrier's answer.
    Answer,
    /// Evidence about an uncertain attempt.
    Evidence,
    /// The carrier's receipt.
    Receipt,
}

impl Awaited {
    /// What a message that the engine holds waits for, until `due_ms`.
    pub(crate) const fn of(view: &MessageView, due_ms: u64) -> Self {
        match (view.state, view.reason) {
            // Let into its lane, which has no record: it stays scheduled until it is claimed, and what is due is the end of its validity.
            (MessageState::Scheduled, _) if due_ms == view.expires_ms => Self::Carrier,
            (MessageState::Scheduled, Reason::SendAtPending) => Self::SendAt,
            (MessageState::Scheduled, _) => Self::Retry,
            (MessageState::Admitted | MessageState::Queued, _) => Self::Carrier,
            (MessageState::Attempting, Reason::Written) => Self::Answer,
            (MessageState::Attempting, _) => Self::Evidence,
            (MessageState::Submitted, _) => Self::Receipt,
            (
                MessageState::Delivered
                | MessageState::Sent
                | MessageState::Undeliverable
                | MessageState::Rejected
                | MessageState::Expired
                | MessageState::Cancelled
                | MessageState::Failed
                | MessageState::Unknown,
                _,
            ) => Self::Nothing,
        }
    }
}
