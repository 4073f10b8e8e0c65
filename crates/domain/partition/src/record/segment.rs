//! Ids of messages and segments as records carry them.

use message::{CarrierMessageId, MessageId, SegmentRef};

/// A segment's place: message, leg, attempt, segment.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Segment {
    /// The message id, high half.
    #[prost(fixed64, tag = "1")]
    pub id_high: u64,
    /// Low half.
    #[prost(fixed64, tag = "2")]
    pub id_low: u64,
    /// The leg.
    #[prost(uint32, tag = "3")]
    pub leg: u32,
    /// The attempt.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// The segment.
    #[prost(uint32, tag = "5")]
    pub segment: u32,
}

/// Splits an id into the halves that records carry.
#[must_use]
pub(crate) fn halves(id: MessageId) -> (u64, u64) {
    let octets = id.to_bytes();
    let half = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&octets[at..at + 8]);
        u64::from_be_bytes(word)
    };
    (half(0), half(8))
}

/// Joins the halves; `None` when they are not a message id, which in a checksummed record means it was made by no release of ours.
#[must_use]
pub fn joined(high: u64, low: u64) -> Option<MessageId> {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&high.to_be_bytes());
    octets[8..].copy_from_slice(&low.to_be_bytes());
    MessageId::from_bytes(&octets).ok()
}

impl From<SegmentRef> for Segment {
    fn from(segment: SegmentRef) -> Self {
        let (id_high, id_low) = halves(segment.message);
        Self {
            id_high,
            id_low,
            leg: u32::from(segment.leg),
            attempt: u32::from(segment.attempt),
            segment: u32::from(segment.segment),
        }
    }
}

impl Segment {
    /// The reference it stands for; `None` when a number is out of range.
    #[must_use]
    pub fn to_ref(self) -> Option<SegmentRef> {
        Some(SegmentRef {
            message: joined(self.id_high, self.id_low)?,
            leg: u8::try_from(self.leg).ok()?,
            attempt: u16::try_from(self.attempt).ok()?,
            segment: u8::try_from(self.segment).ok()?,
        })
    }
}

/// The octets of a carrier id, as records carry them.
#[must_use]
pub(crate) fn carrier_id_octets(id: &CarrierMessageId) -> Vec<u8> {
    id.as_bytes().to_vec()
}
