//! The deterministic heart.
//!
//! A partition owns a share of the recipients and everything durable about their messages. It is a single-threaded value with two
//! functions: [`Partition::decide`] turns an event into records and effects without changing anything, and [`Partition::apply`] folds one
//! record into the state. The journal holds the records, so the fold of the journal *is* the state, and live operation and replay run the
//! same `apply`.
//!
//! ```text
//! Event ──decide(now)──► Decision { records, effects, answer }
//!                            │         └── lanes, replies, acknowledgements: carried out by the engine,
//!                            │             "now" or "when durable" as each effect says
//!                            └── appended to the journal, then apply(record) ──► state, Change (for watchers)
//! ```
//!
//! Nothing here reads a clock, a file or a socket; random bits arrive with the event. Lanes, permits, windows and sessions are not here:
//! they are ephemeral and rebuilt.
//!
//! Limits: live messages are bounded by the intake credits, the awaited-receipts limit and, those that lie cold, the limit of the backlog, finished messages that [`Partition::find`]
//! still knows by [`Limits::finished`], idempotency keys by [`Limits::idempotency_keys`], early receipts by [`Limits::early_receipts`],
//! unacknowledged inbound messages by [`Limits::inbound`].

mod admission;
mod apply;
mod carry;
mod cold;
mod deadlines;
mod decide;
mod effect;
mod entry;
mod event;
mod finished;
mod idempotency;
mod inbound;
mod masked;
mod outcome;
mod policy;
mod receipt;
pub mod record;
mod recovery;
mod replace;
mod state;

pub use admission::{category_of, receipt_wanted_of};
pub use apply::{ApplyError, Change};
pub use carry::{Behind, BehindSearch, KeptCold, Whole};
pub use cold::{Glance, Warmed};
pub use effect::{Answer, CancelVerdict, Decision, Effect, Enqueue, Place, ReplaceVerdict, Timing};
pub use entry::{FIRST_SEQUENCE, MessageView};
pub use event::{
    Admit, Claim, Event, InboundArrived, Matched, OutcomeReport, ReceiptReport, Replacement,
};
pub use idempotency::{
    IdempotencyKey, KeyGeneration, KeyRoom, PriorKey, SubmittedKey, receipt_key,
};
pub use inbound::InboundView;
pub use policy::{Limits, OnUncertain, Policy, RetryPolicy};
pub use receipt::receipt_reason;
pub use record::Record;
pub use recovery::{Boot, Derived, Recovered};
pub use state::{Counts, Due, Partition};
