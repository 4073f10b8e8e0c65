//! Bytes of a file, and what they say. Pure: the crate's head has the drawing.

use message::MessageId;

use crate::error::Damage;
use crate::filter::{self, Filter};

pub(crate) const FORMAT: u32 = 1;
pub(crate) const BLOCK_BYTES: usize = 4096;
pub(crate) const BLOCK_BYTES_U64: u64 = BLOCK_BYTES as u64;
pub(crate) const ROW_BYTES: usize = 48;
pub(crate) const ROWS_PER_BLOCK: usize = 85;
pub(crate) const INDEX_ENTRY_BYTES: usize = 16;

/// The most rows of a file: what an hour at a hundred thousand a second makes, a filter of half a gigabyte.
pub const ROWS_MAX: u64 = 360_000_000;

const MAGIC: [u8; 8] = *b"HKYKKEYS";
const CRC_AT: usize = BLOCK_BYTES - 4;
const ROWS_BYTES: usize = ROWS_PER_BLOCK * ROW_BYTES;

/// A key and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Hash of tenant, recipient key and key.
    pub key: u128,
    /// Hash of the body.
    pub body: u64,
    /// The message admitted under it.
    pub message: MessageId,
    /// Until when it is remembered, in milliseconds since the epoch.
    pub until_ms: u64,
}

/// The stretch of a journal whose keys are in a file: those of records that end behind `from` and not behind `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Before the first.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
}

impl Covered {
    /// Whether the key of a record that ends here is in the file.
    #[must_use]
    pub const fn holds(self, position: u64) -> bool {
        self.from < position && position <= self.to
    }

    /// The stretch from the beginning of the earlier to the end of the later.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) rows: u64,
    pub(crate) blocks: u32,
    pub(crate) filter_blocks: u32,
    pub(crate) tail_crc: u32,
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) covered: Covered,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(8, &FORMAT.to_le_bytes());
        put(12, &self.tail_crc.to_le_bytes());
        put(16, &self.rows.to_le_bytes());
        put(24, &self.blocks.to_le_bytes());
        put(28, &self.filter_blocks.to_le_bytes());
        put(32, &self.first_ms.to_le_bytes());
        put(40, &self.last_ms.to_le_bytes());
        put(48, &self.until_ms.to_le_bytes());
        put(56, &self.covered.from.to_le_bytes());
        put(64, &self.covered.to.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    /// Reads a header and holds its counts against the length of the file, so that nothing is allocated that the file cannot fill.
    pub(crate) fn decode(bytes: &[u8; BLOCK_BYTES], file_bytes: u64) -> Result<Self, Damage> {
        if bytes[..8] != MAGIC {
            return Err(Damage::Magic);
        }
        if !is_sealed(bytes) {
            return Err(Damage::Header);
        }
        let found = u32::from_le_bytes(field(bytes, 8));
        if found != FORMAT {
            return Err(Damage::Format { found });
        }
        let header = Self {
            tail_crc: u32::from_le_bytes(field(bytes, 12)),
            rows: u64::from_le_bytes(field(bytes, 16)),
            blocks: u32::from_le_bytes(field(bytes, 24)),
            filter_blocks: u32::from_le_bytes(field(bytes, 28)),
            first_ms: u64::from_le_bytes(field(bytes, 32)),
            last_ms: u64::from_le_bytes(field(bytes, 40)),
            until_ms: u64::from_le_bytes(field(bytes, 48)),
            covered: Covered {
                from: u64::from_le_bytes(field(bytes, 56)),
                to: u64::from_le_bytes(field(bytes, 64)),
            },
        };
        let promised = header.tail_at() + header.tail_bytes();
        let fits = header.rows.div_ceil(ROWS_PER_BLOCK as u64) == u64::from(header.blocks);
        if !fits || header.filter_blocks == 0 || promised != file_bytes {
            return Err(Damage::Length {
                promised,
                bytes: file_bytes,
            });
        }
        Ok(header)
    }

    pub(crate) fn tail_at(&self) -> u64 {
        BLOCK_BYTES_U64 * (1 + u64::from(self.blocks))
    }

    pub(crate) fn tail_bytes(&self) -> u64 {
        u64::from(self.blocks) * INDEX_ENTRY_BYTES as u64
            + u64::from(self.filter_blocks) * filter::BLOCK_BYTES as u64
    }
}

/// A block of rows being filled.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    bytes: [u8; BLOCK_BYTES],
    rows: usize,
}

impl BlockWriter {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; BLOCK_BYTES],
            rows: 0,
        }
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row; there must be room.
    pub(crate) fn push(&mut self, row: &KeyRow) {
        let at = self.rows * ROW_BYTES;
        let mut put = |offset: usize, field: &[u8]| {
            self.bytes[at + offset..at + offset + field.len()].copy_from_slice(field);
        };
        put(0, &row.key.to_le_bytes());
        put(16, &row.body.to_le_bytes());
        put(24, &row.message.to_bytes());
        put(40, &row.until_ms.to_le_bytes());
        self.rows += 1;
    }

    /// Finishes the block and begins an empty one.
    pub(crate) fn take(&mut self, number: u32) -> [u8; BLOCK_BYTES] {
        let mut bytes = std::mem::replace(&mut self.bytes, [0; BLOCK_BYTES]);
        let rows = u32::try_from(self.rows).expect("a block has at most 85 rows");
        self.rows = 0;
        bytes[ROWS_BYTES..ROWS_BYTES + 4].copy_from_slice(&number.to_le_bytes());
        bytes[ROWS_BYTES + 4..ROWS_BYTES + 8].copy_from_slice(&rows.to_le_bytes());
        seal(&mut bytes);
        bytes
    }
}

/// A block whose checksum and number are right.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8; BLOCK_BYTES],
    rows: usize,
    number: u32,
}

impl<'a> Block<'a> {
    pub(crate) fn decode(bytes: &'a [u8; BLOCK_BYTES], number: u32) -> Result<Self, Damage> {
        let rows = u32::from_le_bytes(field(bytes, ROWS_BYTES + 4));
        let named = u32::from_le_bytes(field(bytes, ROWS_BYTES));
        let rows = usize::try_from(rows).ok();
        match rows.filter(|rows| (1..=ROWS_PER_BLOCK).contains(rows)) {
            Some(rows) if named == number && is_sealed(bytes) => Ok(Self {
                bytes,
                rows,
                number,
            }),
            Some(_) | None => Err(Damage::Block { number }),
        }
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    fn key(&self, nth: usize) -> u128 {
        u128::from_le_bytes(field(self.bytes, nth * ROW_BYTES))
    }

    /// The row at this place; damage when its id is none of ours.
    pub(crate) fn row(&self, nth: usize) -> Result<KeyRow, Damage> {
        let at = nth * ROW_BYTES;
        let message = MessageId::from_bytes(&field::<16>(self.bytes, at + 24));
        Ok(KeyRow {
            key: self.key(nth),
            body: u64::from_le_bytes(field(self.bytes, at + 16)),
            message: message.map_err(|_| Damage::Block {
                number: self.number,
            })?,
            until_ms: u64::from_le_bytes(field(self.bytes, at + 40)),
        })
    }

    /// The row of a key.
    pub(crate) fn find(&self, key: u128) -> Result<Option<KeyRow>, Damage> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.key(middle).cmp(&key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return self.row(middle).map(Some),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

/// Index and filter: what of a file is held in memory.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) index: Box<[u128]>,
    pub(crate) filter: Filter,
}

impl Tail {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let filter_bytes = self.filter.blocks() * filter::BLOCK_BYTES;
        let mut bytes = Vec::with_capacity(self.index.len() * INDEX_ENTRY_BYTES + filter_bytes);
        for first in &self.index {
            bytes.extend_from_slice(&first.to_le_bytes());
        }
        self.filter.encode(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], header: &Header) -> Result<Self, Damage> {
        if crc32fast::hash(bytes) != header.tail_crc {
            return Err(Damage::Tail);
        }
        let index_bytes = header.blocks as usize * INDEX_ENTRY_BYTES;
        let (index, filter) = bytes.split_at_checked(index_bytes).ok_or(Damage::Tail)?;
        let (entries, _) = index.as_chunks::<INDEX_ENTRY_BYTES>();
        let index: Box<[u128]> = entries.iter().map(|it| u128::from_le_bytes(*it)).collect();
        if !index.is_sorted() {
            return Err(Damage::Tail);
        }
        let filter = Filter::decode(filter).ok_or(Damage::Tail)?;
        Ok(Self { index, filter })
    }

    /// The only block that can hold the key; `None` when it lies before all.
    pub(crate) fn block_of(&self, key: u128) -> Option<u32> {
        let before = self.index.partition_point(|first| *first <= key);
        u32::try_from(before.checked_sub(1)?).ok()
    }
}

fn field<const N: usize>(bytes: &[u8; BLOCK_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn seal(bytes: &mut [u8; BLOCK_BYTES]) {
    let crc = crc32fast::hash(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
}

fn is_sealed(bytes: &[u8; BLOCK_BYTES]) -> bool {
    crc32fast::hash(&bytes[..CRC_AT]).to_le_bytes() == bytes[CRC_AT..]
}
