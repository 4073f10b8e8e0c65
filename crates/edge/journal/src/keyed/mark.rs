//! The frames that are no records: how far the log is complete.

use super::Key;
use crate::Position;

pub(super) const MARK_KIND: u8 = 1;
pub(super) const RECORD_KIND: u8 = 2;
pub(super) const MARK_VERSION: u8 = 1;

/// Bytes of a mark's payload.
pub(super) const MARK_BYTES: usize = 48;
const FLAG_GAP: u32 = 1;

/// Whether everything up to a mark was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Complete,
    /// Records up to the mark are missing: nobody can read on over it.
    Gap,
}

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Every record up to here lies before the mark.
    pub(super) through: Key,
    pub(super) before: Before,
    /// The log's own position up to which it was synced.
    pub(super) synced: Position,
    pub(super) made_ms: u64,
    /// For whoever writes the log.
    pub(super) note: [u64; 2],
}

impl Mark {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flags = match self.before {
            Before::Complete => 0,
            Before::Gap => FLAG_GAP,
        };
        encode_key(self.through, out);
        out.extend_from_slice(&u32::to_le_bytes(flags));
        for word in [self.synced.0, self.made_ms, self.note[0], self.note[1]] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// The mark in a frame's payload; none when it is not as long as one or says what no release of ours writes.
    pub(super) fn decode(payload: &[u8]) -> Option<Mark> {
        if payload.len() != MARK_BYTES {
            return None;
        }
        let (through, rest) = split_key(payload)?;
        let (flags, words) = rest.split_first_chunk::<4>()?;
        let before = match u32::from_le_bytes(*flags) {
            0 => Before::Complete,
            FLAG_GAP => Before::Gap,
            2.. => return None,
        };
        let (words, _) = words.as_chunks::<8>();
        let &[synced, made_ms, first, second] = words else {
            return None;
        };
        Some(Mark {
            through,
            before,
            synced: Position(u64::from_le_bytes(synced)),
            made_ms: u64::from_le_bytes(made_ms),
            note: [u64::from_le_bytes(first), u64::from_le_bytes(second)],
        })
    }
}

pub(super) fn encode_key(key: Key, out: &mut Vec<u8>) {
    out.extend_from_slice(&key.position.0.to_le_bytes());
    out.extend_from_slice(&key.ordinal.to_le_bytes());
}

/// A key and what follows it; none when there are too few bytes.
pub(super) fn split_key(payload: &[u8]) -> Option<(Key, &[u8])> {
    let (position, rest) = payload.split_first_chunk::<8>()?;
    let (ordinal, rest) = rest.split_first_chunk::<4>()?;
    let key = Key {
        position: Position(u64::from_le_bytes(*position)),
        ordinal: u32::from_le_bytes(*ordinal),
    };
    Some((key, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mark_comes_back(
            words in any::<[u64; 5]>(),
            ordinal in any::<u32>(),
            gap in any::<bool>(),
        ) {
            let mark = Mark {
                through: Key { position: Position(words[0]), ordinal },
                before: if gap { Before::Gap } else { Before::Complete },
                synced: Position(words[1]),
                made_ms: words[2],
                note: [words[3], words[4]],
            };
            let mut bytes = Vec::new();
            mark.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), MARK_BYTES);
            prop_assert_eq!(Mark::decode(&bytes), Some(mark));
            prop_assert_eq!(Mark::decode(&bytes[1..]), None);
            bytes[12] |= 2;
            prop_assert_eq!(Mark::decode(&bytes), None);
        }
    }
}
