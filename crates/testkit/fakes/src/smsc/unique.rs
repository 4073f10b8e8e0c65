//! Which messages were taken, and how often.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use smpp_codec::ShortMessage;

use super::stamp::Stamp;

/// Copies beyond the first are listed for this many messages; further ones are only counted.
pub(crate) const COPIES_LISTED_MAX: usize = 100_000;
/// The table is cut in so many parts, since a part that grows holds up every connection while it moves its entries.
const PARTS: usize = 256;

/// What makes two submits the same message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKey {
    /// The message id of the stamp (TLV 0x3FF0).
    Stamped([u8; 16]),
    /// Without a stamp: 128 bits of hash over source, destination and body. The parts themselves would cost ten times the memory.
    Content([u8; 16]),
}

impl MessageKey {
    pub(crate) fn of(message: &ShortMessage<'_>, stamp: Option<Stamp>) -> Self {
        stamp.map_or_else(
            || Self::of_content(message),
            |s| Self::Stamped(s.message_id),
        )
    }

    fn of_content(message: &ShortMessage<'_>) -> Self {
        let parts = [
            message.source.addr.as_bytes(),
            message.destination.addr.as_bytes(),
            message.body(),
        ];
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish().to_be_bytes()
        };
        let mut bits = [0; 16];
        bits[..8].copy_from_slice(&hash(0));
        bits[8..].copy_from_slice(&hash(1));
        Self::Content(bits)
    }

    fn part(&self) -> usize {
        let (Self::Stamped(bytes) | Self::Content(bytes)) = self;
        usize::from(bytes.iter().fold(0, |all, byte| all ^ byte)) % PARTS
    }
}

/// Hexadecimal; content keys say so.
impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self {
            Self::Stamped(bytes) => bytes,
            Self::Content(bytes) => {
                f.write_str("content:")?;
                bytes
            }
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a submit was, seen against all taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    First,
    Copy,
    /// The table is full and does not know this one.
    Untracked,
}

/// Counts by message.
pub(crate) struct UniqueMessages {
    parts: Vec<HashMap<MessageKey, u32>>,
    known: usize,
    known_max: usize,
    copies: HashMap<MessageKey, u32>,
    copies_unlisted: u64,
}

impl UniqueMessages {
    pub(crate) fn with_max(known_max: usize) -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashMap::new()).collect(),
            known: 0,
            known_max,
            copies: HashMap::new(),
            copies_unlisted: 0,
        }
    }

    /// Notes that a message was taken.
    pub(crate) fn note(&mut self, key: MessageKey) -> Novelty {
        let part = &mut self.parts[key.part()];
        if let Some(times) = part.get_mut(&key) {
            *times = times.saturating_add(1);
            let copies = *times - 1;
            self.list_copy(key, copies);
            return Novelty::Copy;
        }
        if self.known >= self.known_max {
            return Novelty::Untracked;
        }
        part.insert(key, 1);
        self.known += 1;
        Novelty::First
    }

    fn list_copy(&mut self, key: MessageKey, copies: u32) {
        if let Some(listed) = self.copies.get_mut(&key) {
            *listed = copies;
        } else if self.copies.len() < COPIES_LISTED_MAX {
            self.copies.insert(key, copies);
        } else {
            self.copies_unlisted += 1;
        }
    }

    /// How often a message was taken.
    pub(crate) fn times(&self, key: &MessageKey) -> u32 {
        self.parts[key.part()].get(key).copied().unwrap_or(0)
    }

    /// Messages taken more than once with their copies beyond the first, by key.
    pub(crate) fn copies(&self) -> Vec<(MessageKey, u32)> {
        let mut all: Vec<_> = self.copies.iter().map(|(key, n)| (*key, *n)).collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn copies_unlisted(&self) -> u64 {
        self.copies_unlisted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smpp_codec::{Address, Npi, Ton};

    #[test]
    fn copies_are_told_from_firsts_up_to_the_limit() {
        let mut unique = UniqueMessages::with_max(2);
        let [a, b, c] = [1, 2, 3].map(|n| MessageKey::Stamped([n; 16]));
        assert_eq!(unique.note(a), Novelty::First);
        assert_eq!(unique.note(b), Novelty::First);
        assert_eq!(unique.note(a), Novelty::Copy);
        assert_eq!(unique.note(a), Novelty::Copy);
        assert_eq!(unique.note(c), Novelty::Untracked);
        assert_eq!((unique.times(&a), unique.times(&c)), (3, 0));
        assert_eq!(unique.copies(), [(a, 2)]);
        assert_eq!(unique.copies_unlisted(), 0);
    }

    #[test]
    fn without_a_stamp_all_three_parts_count() {
        let message = |source: &'static [u8], body: &'static [u8]| ShortMessage {
            source: Address::new(Ton::Alphanumeric, Npi::Unknown, source),
            short_message: body,
            ..ShortMessage::default()
        };
        let keys = [(b"ab", b"c"), (b"ab", b"d"), (b"ax", b"c")]
            .map(|(source, body)| MessageKey::of(&message(source, body), None));
        assert_eq!(keys[0], MessageKey::of(&message(b"ab", b"c"), None));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
        assert_ne!(
            MessageKey::of(&message(b"a", b"bc"), None),
            keys[0],
            "lengths are hashed too"
        );
        assert!(keys[0].to_string().starts_with("content:"));
    }
}
