//! The hash that journals carry, and the one that tables use.

use std::hash::{BuildHasherDefault, Hasher};

/// A 64-bit hash that is the same on every machine, in every release: FNV-1a with a final avalanche.
///
/// It places messages in partitions and makes permanent numbers of permanent slugs, so it is written down in journals and may never
/// change. The standard library's hashers were refused because their algorithm is unspecified between releases. Parts are separated, so
/// that `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for octet in *part {
            hash = (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ 0x1ff).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// A hasher for keys that are already well mixed, such as [`crate::MessageId`]: it folds what it is given and multiplies once.
///
/// SipHash was refused here: ids are made by us, so nobody can choose colliding ones, and the table is consulted several times a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

/// Builds [`IdHasher`]s for a `HashMap`.
pub type IdBuildHasher = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u128(&mut self, word: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
        let (high, low) = ((word >> 64) as u64, word as u64);
        self.write_u64(high);
        self.write_u64(low);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_written_in_journals_never_changes() {
        assert_eq!(
            stable_hash(&[b"acme", b"819012345678"]),
            12_197_731_706_120_699_896
        );
    }

    #[test]
    fn parts_are_separated() {
        assert_ne!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"a", b"bc"]));
    }
}
