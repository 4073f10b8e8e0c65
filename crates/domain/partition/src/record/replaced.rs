//! New content for a message that was not sent yet.

use bytes::Bytes;

use super::Segment;

/// A message got new content in place of the old, none of which was sent. The attempt it was to be made by is void; the one named here takes
/// its place and is not claimed.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Replaced {
    /// The message, and the attempt to be made.
    #[prost(message, required, tag = "1")]
    pub segment: Segment,
    /// As [`super::Admitted::sender_kind`].
    #[prost(uint32, tag = "2")]
    pub sender_kind: u32,
    /// From whom.
    #[prost(string, tag = "3")]
    pub sender: String,
    /// The text, UTF-8.
    #[prost(bytes = "bytes", tag = "4")]
    pub text: Bytes,
    /// Segments of an attempt.
    #[prost(uint32, tag = "5")]
    pub segments: u32,
    /// When it may no longer be sent, in milliseconds since the epoch.
    #[prost(uint64, tag = "6")]
    pub expires_ms: u64,
    /// Not before this time, in milliseconds since the epoch; 0 for at once.
    #[prost(uint64, tag = "7")]
    pub send_at_ms: u64,
    /// What it holds of the byte credits from now on.
    #[prost(uint32, tag = "8")]
    pub cost_bytes: u32,
    /// When, in milliseconds since the epoch.
    #[prost(uint64, tag = "9")]
    pub at_ms: u64,
}
