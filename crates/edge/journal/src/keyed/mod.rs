//! A log whose records carry a rising key and can be read from any key on: what follows from the journal's records and is wanted
//! again later, such as the events that watchers see.
//!
//! **It is derived.** Nothing in it is the only copy until the journal lets go of the record it came from. So it is written without
//! a sync and off everybody's way, and whatever a crash took from its end is appended again from the journal's replay. Whoever lets
//! go of journal records syncs this log first ([`KeyedLog::sync_job`]).
//!
//! **Format.** Files and frames are those of the journal ([`mod@crate::frame`]; contents 3 in the file's header). A frame is of one
//! of two kinds, little endian:
//!
//! | kind | payload |
//! |---|---|
//! | 1, a mark | key through (8 + 4), flags (4; bit 0: events up to there may be missing), log position known to be synced (8), wall time in ms (8), two words for whoever writes (16) |
//! | 2, a record | key: position (8), ordinal (4); then the payload |
//!
//! A mark says that every record with a key up to *through* lies before it, or was let go of, or (bit 0) is missing. Each file opens
//! with one, so that the first record of a file need not be read to know where it begins.
//!
//! **Limits.** A file: [`KeyedConfig::file_max_bytes`] and one batch. A batch: [`BATCH_MAX_BYTES`]. All files:
//! [`KeyedConfig::max_bytes`] and [`KeyedConfig::max_age_ms`], by whole files, oldest first. A reader holds one buffer of at most
//! two frames or 256 KiB.
//!
//! **Recovery.** Of what was written in this boot of the machine only the last file is read; after a power cut everything behind the
//! position that the last mark says was synced. The first bad frame and all behind it are cut off and reported: the records are in
//! the journal still. A file that does not begin where the one before it ends makes everything before it worthless; that is deleted
//! and reported.
//!
//! **Failure.** An error while writing fails the log: it takes nothing more until [`KeyedLog::begin_anew`], which lets go of
//! everything before.

mod index;
mod log;
mod mark;
mod reader;
mod recover;
mod scan;

pub use index::KeyedIndex;
pub use log::{BATCH_MAX_BYTES, KeyedLog, SyncJob};
pub use reader::{KeyedReader, ReadEnd, ReadFault};
pub use recover::{Cut, KeyedRecovery};

use std::path::PathBuf;

use mark::{Before, MARK_KIND, RECORD_KIND};

use crate::Position;
use crate::frame::FrameRef;

/// Names a record: the place in the journal it came from, and its number among those that came from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Behind the journal record.
    pub position: Position,
    /// 0 for what follows from that record, from 1 for what happened before the next.
    pub ordinal: u32,
}

impl Key {
    /// The `ordinal`th key at a journal position.
    #[must_use]
    pub const fn new(position: u64, ordinal: u32) -> Self {
        Self {
            position: Position(position),
            ordinal,
        }
    }

    /// The key of what follows from the journal record that ends at `position`.
    #[must_use]
    pub const fn of_record(position: Position) -> Self {
        Self {
            position,
            ordinal: 0,
        }
    }

    /// The last key before that of the journal record that ends at `position`.
    #[must_use]
    pub const fn before(position: Position) -> Self {
        match position.0.checked_sub(1) {
            Some(before) => Self {
                position: Position(before),
                ordinal: u32::MAX,
            },
            None => Self {
                position: Position(0),
                ordinal: 0,
            },
        }
    }
}

/// Where a keyed log is kept, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedConfig {
    /// Its directory, for it alone; made where it is missing.
    pub dir: PathBuf,
    /// A file that has grown to this is closed and the next one begun; 4 KiB to 1 GiB.
    pub file_max_bytes: u64,
    /// All files together; the oldest are deleted beyond it. At least twice `file_max_bytes`.
    pub max_bytes: u64,
    /// A file all of whose records are older than this is deleted, in milliseconds.
    pub max_age_ms: u64,
}

impl KeyedConfig {
    /// The defaults: files of 16 MiB, 4 GiB or 24 hours of them.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            file_max_bytes: 16 << 20,
            max_bytes: 4 << 30,
            max_age_ms: 86_400_000,
        }
    }
}

/// What one frame of a keyed log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// How far the log is complete.
    Mark(EntryMark),
    /// A record.
    Record {
        /// Its key.
        key: Key,
        /// What was appended.
        payload: &'a [u8],
    },
}

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryMark {
    /// Every record up to here lies before the mark, or was let go of.
    pub through: Key,
    /// Records up to the mark are missing: nobody can read on over it.
    pub is_gap: bool,
    /// The log's own position up to which it is known to be synced.
    pub synced: Position,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_ms: u64,
    /// The words of whoever writes the log.
    pub note: [u64; 2],
}

/// The entry in a frame; none when it is not one that a release of ours writes.
#[must_use]
pub fn entry(frame: FrameRef<'_>) -> Option<Entry<'_>> {
    match frame.kind {
        MARK_KIND => {
            let mark = mark::Mark::decode(frame.payload)?;
            Some(Entry::Mark(EntryMark {
                through: mark.through,
                is_gap: mark.before == Before::Gap,
                synced: mark.synced,
                made_ms: mark.made_ms,
                note: mark.note,
            }))
        }
        RECORD_KIND => {
            let (key, payload) = mark::split_key(frame.payload)?;
            Some(Entry::Record { key, payload })
        }
        _ => None,
    }
}
