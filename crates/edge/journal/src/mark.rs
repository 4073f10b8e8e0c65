//! The replay mark: from which position on recovery must read.
//!
//! A file of its own, beside the journal's, of two slots, 4 KiB apart:
//!
//! ```text
//! 0 ── slot of even generations (64 bytes) ── 4096 ── slot of odd generations (64 bytes) ── 8192
//! ```
//!
//! A slot, little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `HKYKMARK` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | 0 |
//! | 16 | 8 | generation: how often the mark has moved, from 1 |
//! | 24 | 8 | the mark: start position of the first file that recovery must read |
//! | 32 | 8 | when it moved there, ms since the Unix epoch |
//! | 40 | 20 | 0 |
//! | 60 | 4 | CRC-32 of the 60 bytes before |
//!
//! A mark that is found may be one that an earlier process wrote and did not live to sync: a power cut would take it back. So it is written
//! again, the same bytes into its own slot, and synced, before it is moved or the first file before it is deleted.
//!
//! The mark moves by a write into the slot of the older generation and a sync; only then may files before it be deleted. It moves in
//! place, in space reserved once, because it is on a full disk that files must go. A file replaced by renaming was refused for that: it
//! needs space for the new one. A slot of zeros was never written; a torn write spoils the older slot only.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::names::mark_path;
use crate::storage::{Access, Storage, StorageFile};
use crate::{Failure, FailureStep, Position};

const MAGIC: [u8; 8] = *b"HKYKMARK";
const FORMAT: u32 = 1;
const SLOT_BYTES: usize = 64;
/// A slot to each page, so that a write that tears cannot touch the other.
const SLOT_EVERY: u64 = 4096;
const FILE_BYTES: u64 = 2 * SLOT_EVERY;

/// What was found of the replay mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkFound {
    /// There is none: the directory is new, or older than marks.
    Missing,
    /// Recovery must read from here on.
    At {
        /// Start position of a file.
        position: Position,
        /// How often the mark has moved.
        generation: u64,
        /// Whether the other slot is as it should be. If not, the mark may have moved on since: the files before where it then stood
        /// may be gone.
        other: OtherSlot,
    },
    /// Neither slot can be read.
    Damaged,
}

/// The slot that does not hold the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSlot {
    /// It holds the mark before, or was never written.
    Whole,
    /// It was half written, or its bytes have changed.
    Damaged,
}

/// One slot's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Blank,
    Bad,
    Set { generation: u64, position: Position },
}

/// The mark of a journal that is being written.
#[derive(Debug)]
pub(crate) struct ReplayMark {
    /// Opened, or made, at the first move.
    file: Option<Arc<dyn StorageFile>>,
    generation: u64,
    position: Position,
    /// Whether this process has made it durable, or there is none to be made so.
    is_sure: bool,
}

impl ReplayMark {
    /// A mark that stands at `begin`, of which the file says `found`.
    pub(crate) fn new(found: MarkFound, begin: Position) -> ReplayMark {
        let generation = match found {
            MarkFound::At { generation, .. } => generation,
            MarkFound::Missing | MarkFound::Damaged => 0,
        };
        ReplayMark {
            file: None,
            generation,
            position: begin,
            is_sure: generation == 0,
        }
    }

    /// Where the mark stands, durably. Without a mark on the disk: where the journal begins.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Moves the mark; it is durable on return. After an error it stands where it stood, and moving it again is possible.
    pub(crate) fn move_to(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        (position, now_ms): (Position, u64),
    ) -> Result<(), Failure> {
        self.make_sure(storage, dir)?;
        let generation = self.generation + 1;
        let bytes = encode(generation, position, now_ms);
        let moved = self.open(storage, dir).and_then(|file| {
            file.write_all_at(&bytes, SLOT_EVERY * (generation % 2))?;
            file.sync_data()
        });
        moved.map_err(|error| Failure::io(FailureStep::Mark, &mark_path(dir), &error))?;
        (self.generation, self.position) = (generation, position);
        Ok(())
    }

    /// Makes a mark durable that was found: files before it may be deleted on return.
    pub(crate) fn make_sure(&mut self, storage: &dyn Storage, dir: &Path) -> Result<(), Failure> {
        if self.is_sure {
            return Ok(());
        }
        let offset = SLOT_EVERY * (self.generation % 2);
        let written = self.open(storage, dir).and_then(|file| {
            let mut bytes = [0; SLOT_BYTES];
            file.read_at(&mut bytes, offset)?;
            // The very same bytes: a write of them cannot tear.
            file.write_all_at(&bytes, offset)?;
            file.sync_data()
        });
        written.map_err(|error| Failure::io(FailureStep::Mark, &mark_path(dir), &error))?;
        self.is_sure = true;
        Ok(())
    }

    fn open(&mut self, storage: &dyn Storage, dir: &Path) -> io::Result<Arc<dyn StorageFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let path = mark_path(dir);
        let file = match storage.open(&path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => storage.create(&path)?,
            opened => opened?,
        };
        file.allocate(FILE_BYTES)?;
        file.sync_all()?;
        storage.sync_directory(dir)?;
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// Reads the mark of the journal in `dir`.
pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> io::Result<MarkFound> {
    let file = match storage.open(&mark_path(dir), Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(MarkFound::Missing),
        opened => opened?,
    };
    let mut slots = [Slot::Blank; 2];
    for (offset, slot) in [0, SLOT_EVERY].into_iter().zip(&mut slots) {
        let mut bytes = [0; SLOT_BYTES];
        file.read_at(&mut bytes, offset)?;
        *slot = decode(&bytes);
    }
    Ok(judge(slots))
}

fn judge([even, odd]: [Slot; 2]) -> MarkFound {
    let at = |position, generation, other| MarkFound::At {
        position,
        generation,
        other,
    };
    match (even, odd) {
        (Slot::Blank, Slot::Blank) => MarkFound::Missing,
        // The slot of generation 1 is the odd one, and a blank even slot may follow it only.
        (Slot::Bad, Slot::Bad | Slot::Blank) | (Slot::Blank, Slot::Bad) => MarkFound::Damaged,
        (
            Slot::Set {
                generation: first,
                position: from,
            },
            Slot::Set {
                generation: second,
                position: to,
            },
        ) => {
            if first > second {
                at(from, first, OtherSlot::Whole)
            } else {
                at(to, second, OtherSlot::Whole)
            }
        }
        (
            Slot::Set {
                generation,
                position,
            },
            other,
        )
        | (
            other,
            Slot::Set {
                generation,
                position,
            },
        ) => {
            let other = match other {
                Slot::Blank | Slot::Set { .. } => OtherSlot::Whole,
                Slot::Bad => OtherSlot::Damaged,
            };
            at(position, generation, other)
        }
    }
}

fn encode(generation: u64, position: Position, now_ms: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&generation.to_le_bytes());
    bytes[24..32].copy_from_slice(&position.0.to_le_bytes());
    bytes[32..40].copy_from_slice(&now_ms.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Blank;
    }
    let crc = crc32fast::hash(&bytes[..60]).to_le_bytes();
    if bytes[..8] != MAGIC || bytes[8..12] != FORMAT.to_le_bytes() || bytes[60..] != crc {
        return Slot::Bad;
    }
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    Slot::Set {
        generation: word(16),
        position: Position(word(24)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::FileStorage;

    const DAMAGED: OtherSlot = OtherSlot::Damaged;

    fn at(position: u64, generation: u64, other: OtherSlot) -> MarkFound {
        MarkFound::At {
            position: Position(position),
            generation,
            other,
        }
    }

    #[test]
    fn the_mark_moves_slot_by_slot_and_survives_a_spoilt_one() {
        let dir = std::env::temp_dir().join(format!("journal-mark-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let storage = FileStorage::shared();
        let found = || read(&*storage, &dir).unwrap();
        assert_eq!(found(), MarkFound::Missing);

        let mut mark = ReplayMark::new(MarkFound::Missing, Position(7));
        assert_eq!(mark.position(), Position(7));
        for (generation, position) in [(1, 100), (2, 200), (3, 300)] {
            mark.move_to(&*storage, &dir, (Position(position), 5))
                .unwrap();
            assert_eq!(found(), at(position, generation, OtherSlot::Whole));
        }
        // Another start goes on counting.
        let mut mark = ReplayMark::new(found(), Position(300));
        mark.move_to(&*storage, &dir, (Position(400), 5)).unwrap();
        assert_eq!(found(), at(400, 4, OtherSlot::Whole));

        let path = mark_path(&dir);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, FILE_BYTES);
        for byte in 0..SLOT_BYTES {
            let mut spoilt = whole.clone();
            spoilt[byte] ^= 4;
            std::fs::write(&path, &spoilt).unwrap();
            assert_eq!(found(), at(300, 3, DAMAGED), "byte {byte} of the newer");
            spoilt[4096 + byte] ^= 4;
            std::fs::write(&path, &spoilt).unwrap();
            assert_eq!(found(), MarkFound::Damaged, "byte {byte} of both");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_mark_that_was_found_is_written_again_once() {
        let name = format!("journal-mark-found-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let storage = FileStorage::shared();
        let mut mark = ReplayMark::new(MarkFound::Missing, Position(7));
        assert!(mark.is_sure);
        mark.move_to(&*storage, &dir, (Position(100), 1)).unwrap();
        assert!(mark.is_sure);
        let bytes = || std::fs::read(mark_path(&dir)).unwrap();
        let moved = bytes();

        let found = read(&*storage, &dir).unwrap();
        let mut mark = ReplayMark::new(found, Position(100));
        assert!(!mark.is_sure, "nobody knows whether it was synced");
        mark.make_sure(&*storage, &dir).unwrap();
        assert!(mark.is_sure);
        assert_eq!(bytes(), moved, "a write of other bytes could tear");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_first_move_that_tears_is_no_missing_mark() {
        let whole = encode(1, Position(9), 1);
        for written in 1..SLOT_BYTES {
            let mut torn = [0; SLOT_BYTES];
            torn[..written].copy_from_slice(&whole[..written]);
            assert_eq!(judge([Slot::Blank, decode(&torn)]), MarkFound::Damaged);
        }
        assert_eq!(
            judge([Slot::Blank, decode(&whole)]),
            at(9, 1, OtherSlot::Whole)
        );
    }
}
