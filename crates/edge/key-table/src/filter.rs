//! Which keys a file may hold: a Bloom filter split into blocks.
//!
//! A key sets eight bits, one in each 32-bit word of one block of 32 bytes, so that a question touches one cache line and a filter can be built
//! from a stream of rows, whose number need only be estimated. At [`BITS_PER_KEY`] it says "perhaps" for about 1 key in 200 that it does not
//! hold. A fuse filter would need a third fewer bits for that, but all keys in memory at once while it is built, several times over.
//!
//! The keys are hashes already (128 bits of SHA-256), so that their own bits choose block and bits: nothing is hashed again.

/// Bits of a filter for each key.
pub const BITS_PER_KEY: u64 = 12;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 32;

const WORDS: usize = 8;
const BLOCK_BITS: u64 = 256;

/// Odd numbers that turn the low half of a key into one bit of each word; the fractional digits of square roots of small primes.
const SALTS: [u32; WORDS] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f373,
    0xa54f_f53b,
    0x510e_527f,
    0x9b05_688d,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The filter of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    blocks: Box<[[u32; WORDS]]>,
}

impl Filter {
    /// An empty filter for so many keys.
    #[must_use]
    pub fn for_keys(keys: u64) -> Self {
        let blocks = keys
            .saturating_mul(BITS_PER_KEY)
            .div_ceil(BLOCK_BITS)
            .max(1);
        let blocks = usize::try_from(blocks).expect("a file's rows are limited far below this");
        Self {
            blocks: vec![[0; WORDS]; blocks].into_boxed_slice(),
        }
    }

    /// Notes a key.
    pub fn insert(&mut self, key: u128) {
        let block = &mut self.blocks[place(key, self.blocks.len())];
        for (word, bit) in block.iter_mut().zip(bits(key)) {
            *word |= bit;
        }
    }

    /// Whether the key may be in the file; `false` is certain.
    #[must_use]
    pub fn may_hold(&self, key: u128) -> bool {
        let block = &self.blocks[place(key, self.blocks.len())];
        block
            .iter()
            .zip(bits(key))
            .all(|(word, bit)| word & bit != 0)
    }

    /// How many blocks it has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Appends its bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for word in self.blocks.iter().flatten() {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// The filter of these bytes; `None` when they are not one block at least, and whole blocks.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let block = |bytes: &[u8; BLOCK_BYTES]| {
            let mut words = [0; WORDS];
            for (word, four) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*four);
            }
            words
        };
        Some(Self {
            blocks: blocks.iter().map(block).collect(),
        })
    }
}

/// The block of a key: the high half scaled to the number of blocks, without a division.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's high half is below the number of blocks, which is a usize"
)]
fn place(key: u128, blocks: usize) -> usize {
    (((key >> 64) * blocks as u128) >> 64) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are meant")]
fn bits(key: u128) -> [u32; WORDS] {
    SALTS.map(|salt| 1 << ((key as u32).wrapping_mul(salt | 1) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk through keys as spread as hashes are.
    fn keys(seed: u128) -> impl Iterator<Item = u128> {
        (1..).map(move |nth: u128| {
            let mut bits =
                (nth ^ (seed << 96)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            bits ^= bits >> 61;
            bits = bits.wrapping_mul(0xd134_2543_de82_ef95_94d0_49bb_1331_11eb);
            bits ^ (bits >> 67)
        })
    }

    #[test]
    fn what_was_noted_is_never_denied_and_little_else_is_affirmed() {
        let count = 100_000;
        let mut filter = Filter::for_keys(count);
        for key in keys(1).take(100_000) {
            filter.insert(key);
        }
        assert!(keys(1).take(100_000).all(|key| filter.may_hold(key)));
        let wrong = keys(2)
            .take(200_000)
            .filter(|key| filter.may_hold(*key))
            .count();
        assert!(
            wrong < 2_000,
            "{wrong} of 200,000 strangers pass, more than 1 %"
        );
        assert_eq!(filter.blocks() as u64, (count * BITS_PER_KEY).div_ceil(256));
    }

    #[test]
    fn its_bytes_are_the_filter() {
        let mut filter = Filter::for_keys(300);
        keys(3).take(300).for_each(|key| filter.insert(key));
        let mut bytes = Vec::new();
        filter.encode(&mut bytes);
        assert_eq!(bytes.len(), filter.blocks() * BLOCK_BYTES);
        assert_eq!(Filter::decode(&bytes), Some(filter));
        assert_eq!(Filter::decode(&bytes[1..]), None);
        assert_eq!(Filter::decode(&[]), None);
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        let filter = Filter::for_keys(0);
        assert!(keys(4).take(1_000).all(|key| !filter.may_hold(key)));
    }
}
