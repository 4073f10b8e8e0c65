//! What a handset wrote.

use std::fmt;

use bytes::Bytes;

/// A message from a handset, as its carrier handed it over. `Debug` shows neither numbers nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// The handset's number, as given.
    pub from: Box<str>,
    /// Our number or short code, as given.
    pub to: Box<str>,
    /// The text, decoded; characters that could not be decoded are U+FFFD.
    pub text: Box<str>,
    /// The octets as they came, for whoever knows better; at most 64 KiB.
    pub octets: Bytes,
    /// The alphabet as the carrier stated it (SMPP 3.4, 5.2.19).
    pub data_coding: u8,
}

impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("octets", &self.octets.len())
            .field("data_coding", &self.data_coding)
            .finish_non_exhaustive()
    }
}
