//! The nouns of dispatch.
//!
//! A *message* is what a client submitted; it has *legs* (one channel each), a leg has *attempts* (one try on one carrier) and an
//! attempt has *segments* (one SMS part). That nesting is in every id, record and event, even while there is one leg of one segment.
//!
//! This crate holds values only: no clock, no socket, no queue. Whoever needs the time takes a [`Now`].
//!
//! Limits: recipient 15 digits ([`Msisdn`]), sender 11 characters or 15 digits ([`SenderId`]), slug 32 octets ([`Slug`]), context
//! [`CONTEXT_MAX_BYTES`], idempotency key [`IDEMPOTENCY_KEY_MAX_BYTES`], batch id [`BATCH_ID_MAX_BYTES`], [`LABELS_MAX`] labels.

mod address;
mod category;
mod hash;
mod id;
mod inbound;
mod now;
mod outcome;
mod reason;
mod slug;
mod state;
mod submission;

pub use address::{AddressError, Msisdn, SenderId};
pub use category::{CATEGORIES, Category, LANES, Lane};
pub use hash::{IdBuildHasher, IdHasher, stable_hash};
pub use id::{
    AttemptNo, IdSource, LegNo, MessageId, MessageIdError, PARTITIONS_MAX, SegmentNo, SegmentRef,
};
pub use inbound::InboundMessage;
pub use now::Now;
pub use outcome::{CarrierMessageId, Outcome, OutcomeClass, ReceiptState, Rejection};
pub use reason::{ALL_REASONS, Reason, RefusalClass};
pub use slug::{CallerId, CarrierId, RouteGroupId, Slug, SlugError, TenantId};
pub use state::MessageState;
pub use submission::{
    BATCH_ID_MAX_BYTES, CONTEXT_MAX_BYTES, IDEMPOTENCY_KEY_MAX_BYTES, LABELS_MAX, Payload,
    ReceiptWanted, Submission, TEXT_MAX_BYTES,
};
