//! What replay needs to know of an Admitted record to keep its message cold: a few fields, the others are skipped unread.

use message::{MessageId, stable_hash};
use prost::Message as _;

use crate::record::{self, Idempotency, RECORD_VERSION, RecordError};

/// The part of an [`record::Admitted`] that says where the message waits and until when. Field numbers are those of the whole.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
#[expect(
    missing_docs,
    reason = "each field is what the field of record::Admitted with its number is"
)]
pub struct Glance {
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    #[prost(fixed32, tag = "3")]
    pub tenant: u32,
    #[prost(fixed32, tag = "5")]
    pub group: u32,
    #[prost(uint32, tag = "7")]
    pub lane: u32,
    #[prost(string, tag = "11")]
    pub sender: String,
    #[prost(uint64, tag = "14")]
    pub admitted_ms: u64,
    #[prost(uint64, tag = "15")]
    pub expires_ms: u64,
    #[prost(uint64, tag = "16")]
    pub send_at_ms: u64,
    #[prost(message, optional, tag = "17")]
    pub idempotency: Option<Idempotency>,
    #[prost(bool, tag = "21")]
    pub claimed: bool,
}

impl std::fmt::Debug for Glance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Glance")
            .field("id", &self.id())
            .field("group", &self.group)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl Glance {
    /// Looks at the payload of a frame if it is an Admitted record's. The text that `self` holds from the last look is reused.
    ///
    /// # Errors
    /// When version or payload are not what the kind says.
    pub fn look(&mut self, kind: u8, version: u8, payload: &[u8]) -> Result<bool, RecordError> {
        if kind != super::ADMITTED {
            return Ok(false);
        }
        if version != RECORD_VERSION {
            return Err(RecordError::Version { kind, version });
        }
        self.clear();
        self.merge(payload).map_err(|error| RecordError::Payload {
            kind,
            what: error.to_string(),
        })?;
        Ok(true)
    }

    /// The message; `None` when it is none of ours.
    #[must_use]
    pub fn id(&self) -> Option<MessageId> {
        record::joined(self.id_high, self.id_low)
    }

    /// Whether the message went into a lane when it was admitted and waits there unclaimed, unless a later record says otherwise.
    #[must_use]
    pub fn may_be_cold(&self) -> bool {
        !self.claimed
            && self.send_at_ms <= self.admitted_ms
            && self.id().is_some_and(|id| id.ordinal().is_some())
    }

    /// Whose turn it is inside the tenant, as [`crate::Enqueue::sender_hash`].
    #[must_use]
    pub fn sender_hash(&self) -> u64 {
        stable_hash(&[self.sender.as_bytes()])
    }
}
