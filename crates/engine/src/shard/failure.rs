//! What ends an engine that nobody has told to end: a log that takes no more, or a thread of its own that has died.
//!
//! All of them are loud: an engine that went on without one of its threads would look healthy, and some of its messages would never end.

/// Why the shard stopped before it was asked to.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShardFailure {
    /// The journal cannot be written: nothing more may be admitted or sent.
    #[error("the journal failed: {0}")]
    Journal(String),
    /// The Written log cannot be written: nothing more may be sent.
    #[error("the written log failed: {0}")]
    Written(String),
    /// The thread that files rows of awaited receipts has died.
    #[error(
        "the thread that files rows of awaited receipts has ended; this is a defect, please report it with the log"
    )]
    Receipts,
    /// The thread that files idempotency keys has died.
    #[error(
        "the thread that files idempotency keys has ended; this is a defect, please report it with the log"
    )]
    Keys,
    /// The thread that reads records back has died: cold messages would never be sent.
    #[error(
        "the thread that reads records back has ended; this is a defect, please report it with the log"
    )]
    Reader,
    /// The thread that writes events has died: watchers would see nothing more, and the journal could let nothing go.
    #[error(
        "the thread that writes events has ended; this is a defect, please report it with the log"
    )]
    Events,
}
