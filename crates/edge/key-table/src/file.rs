//! One file: its index and filter in memory, its blocks read when asked for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

use crate::error::Damage;
use crate::format::{BLOCK_BYTES, BLOCK_BYTES_U64, Block, Covered, Header, KeyRow, Tail};

/// Where a file's bytes come from: the disk, or memory in tests.
pub trait ReadAt {
    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// When they are not there or cannot be read.
    fn fill_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// When the operating system cannot say.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn fill_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for &[u8] {
    fn fill_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = from.saturating_add(into.len());
        let bytes = self.get(from..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(bytes);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A file of keys, opened. Never changes; safe to ask from any thread.
#[derive(Debug)]
pub struct KeyFile<S = File> {
    source: S,
    header: Header,
    tail: Tail,
    /// The first damage met while reading.
    damage: OnceLock<Damage>,
}

impl<S: ReadAt> KeyFile<S> {
    /// Reads header, index and filter.
    ///
    /// # Errors
    /// The [`Damage`] that makes the whole file unreadable.
    pub fn open(source: S) -> Result<Self, Damage> {
        let file_bytes = source.length().map_err(unread)?;
        if file_bytes < BLOCK_BYTES_U64 {
            return Err(Damage::Short { bytes: file_bytes });
        }
        let mut head = [0; BLOCK_BYTES];
        source.fill_at(&mut head, 0).map_err(unread)?;
        let header = Header::decode(&head, file_bytes)?;
        let tail_bytes = usize::try_from(header.tail_bytes()).map_err(|_| Damage::Tail)?;
        let mut tail = vec![0; tail_bytes];
        source
            .fill_at(&mut tail, header.tail_at())
            .map_err(unread)?;
        Ok(Self {
            source,
            tail: Tail::decode(&tail, &header)?,
            header,
            damage: OnceLock::new(),
        })
    }

    /// Whether the key may be in the file; `false` is certain and costs no read.
    #[must_use]
    pub fn may_hold(&self, key: u128) -> bool {
        self.tail.filter.may_hold(key)
    }

    /// Looks the key up in the one block that can hold it, with one read. Ask [`Self::may_hold`] first.
    ///
    /// # Errors
    /// The [`Damage`] of that block; remembered, see [`Self::damage`].
    pub fn find(&self, key: u128) -> Result<Option<KeyRow>, Damage> {
        let Some(number) = self.tail.block_of(key) else {
            return Ok(None);
        };
        let mut bytes = [0; BLOCK_BYTES];
        let found = self
            .read_block(number, &mut bytes)
            .and_then(|()| Block::decode(&bytes, number)?.find(key));
        found.map_err(|damage| self.note(damage))
    }

    /// The rows of a block, in order; `into` is emptied first.
    pub(crate) fn rows_of(&self, number: u32, into: &mut Vec<KeyRow>) -> Result<(), Damage> {
        into.clear();
        let mut bytes = [0; BLOCK_BYTES];
        let read = self.read_block(number, &mut bytes).and_then(|()| {
            let block = Block::decode(&bytes, number)?;
            (0..block.rows()).try_for_each(|nth| {
                let row = block.row(nth)?;
                let rises = into.last().is_none_or(|before| before.key < row.key);
                into.push(row);
                rises.then_some(()).ok_or(Damage::Block { number })
            })
        });
        read.map_err(|damage| self.note(damage))
    }

    /// Reads every block: its checksum, the order of its rows over all blocks, and that index and filter know them.
    ///
    /// # Errors
    /// The first [`Damage`] met.
    pub fn check(&self) -> Result<(), Damage> {
        let mut rows = Vec::new();
        let mut before = None;
        let mut count = 0;
        for number in 0..self.blocks() {
            self.rows_of(number, &mut rows)?;
            for row in &rows {
                let known = self.may_hold(row.key) && self.tail.block_of(row.key) == Some(number);
                if before.is_some_and(|key| key >= row.key) || !known {
                    return Err(self.note(Damage::Block { number }));
                }
                before = Some(row.key);
            }
            count += rows.len() as u64;
        }
        if count == self.rows() {
            return Ok(());
        }
        Err(self.note(Damage::Block {
            number: self.blocks().saturating_sub(1),
        }))
    }

    fn read_block(&self, number: u32, into: &mut [u8; BLOCK_BYTES]) -> Result<(), Damage> {
        let offset = BLOCK_BYTES_U64 * (1 + u64::from(number));
        self.source.fill_at(into, offset).map_err(unread)
    }

    fn note(&self, damage: Damage) -> Damage {
        *self.damage.get_or_init(|| damage)
    }

    /// The first damage met while reading it, if any: keys of it may be missing.
    #[must_use]
    pub fn damage(&self) -> Option<Damage> {
        self.damage.get().copied()
    }

    /// How many keys it has.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.header.rows
    }

    pub(crate) const fn blocks(&self) -> u32 {
        self.header.blocks
    }

    /// When the first and the last of its keys were made, in milliseconds since the epoch.
    #[must_use]
    pub const fn made_ms(&self) -> (u64, u64) {
        (self.header.first_ms, self.header.last_ms)
    }

    /// When the time of its last key is over, in milliseconds since the epoch.
    #[must_use]
    pub const fn until_ms(&self) -> u64 {
        self.header.until_ms
    }

    /// The stretch of the journal whose keys it holds.
    #[must_use]
    pub const fn covered(&self) -> Covered {
        self.header.covered
    }
}

fn unread(error: io::Error) -> Damage {
    Damage::Read(error.kind())
}
