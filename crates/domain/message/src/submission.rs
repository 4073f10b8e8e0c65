//! What a client hands in, and what an attempt needs of it.

use bytes::Bytes;

use crate::{Category, Lane, Msisdn, SenderId};

/// Most octets of caller context that ride along with a message.
pub const CONTEXT_MAX_BYTES: usize = 4096;
/// Most octets of an idempotency key.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 128;
/// Most octets of a batch id.
pub const BATCH_ID_MAX_BYTES: usize = 64;
/// Most labels on a message; each key and value has at most 64 octets.
pub const LABELS_MAX: usize = 16;
/// Most octets of UTF-8 text a submission may carry: 255 segments of 153 septets, each at most 3 octets of UTF-8. The number of
/// segments is a limit of its own.
pub const TEXT_MAX_BYTES: usize = 255 * 153 * 3;

/// When the client wants to hear from the carrier after it took the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReceiptWanted {
    /// Success or failure.
    #[default]
    Always,
    /// Failure only; without one by the deadline the message ends as unknown.
    OnFailure,
    /// Never: taken is final.
    Never,
}

/// What a client asks for, each field parsed and in range, not yet admitted.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// Where to.
    pub recipient: Msisdn,
    /// The caller's own key for the person, for partitioning and idempotency; the number stands in when absent.
    pub recipient_key: Option<Box<str>>,
    /// From whom.
    pub sender: SenderId,
    /// What it is.
    pub category: Category,
    /// The text, UTF-8.
    pub text: Bytes,
    /// Which receipts.
    pub receipt_wanted: ReceiptWanted,
    /// How long it is worth sending, in milliseconds from admission; the category's default when absent.
    pub valid_for_ms: Option<u64>,
    /// Not before this wall time, in milliseconds since the epoch.
    pub send_at_ms: Option<u64>,
    /// Makes a repeat harmless.
    pub idempotency_key: Option<Box<str>>,
    /// Groups messages for watching.
    pub batch_id: Option<Box<str>>,
    /// Handed back with every event, unread.
    pub context: Bytes,
    /// For the caller's own filters.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

/// What an attempt needs of a message. Shared by the partition that owns the message and the lane it waits in, so that neither copies
/// the text; it is dropped when no attempt can follow.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Where to.
    pub recipient: Msisdn,
    /// From whom.
    pub sender: SenderId,
    /// What the client said it is.
    pub category: Category,
    /// The lane configuration gave it at admission.
    pub lane: Lane,
    /// The text, UTF-8.
    pub text: Bytes,
    /// Which receipts.
    pub receipt_wanted: ReceiptWanted,
    /// When it may no longer be sent, in milliseconds since the epoch.
    pub expires_ms: u64,
    /// How many segments an attempt has.
    pub segments: u8,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("recipient", &self.recipient)
            .field("lane", &self.lane)
            .field("text_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl Submission {
    /// What the message holds of the byte credits while it waits: its variable parts and a fixed share for the tables.
    #[must_use]
    pub fn cost_bytes(&self) -> u64 {
        const TABLES: usize = 384;
        let labels: usize = self
            .labels
            .iter()
            .map(|(k, v)| k.len() + v.len() + 32)
            .sum();
        (TABLES + self.text.len() + self.context.len() + labels) as u64
    }
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("recipient", &self.recipient)
            .field("category", &self.category)
            .field("text_bytes", &self.text.len())
            .field("batch_id", &self.batch_id)
            .finish_non_exhaustive()
    }
}
