//! Durable records: group commit, replay, retention.
//!
//! The journal stores opaque frames (kind, version, payload: see [`mod@frame`]) in the order in which they were appended and
//! says when they are durable. It knows nothing of messages.
//!
//! **Two logs.** [`FileJournal`] is the engine's memory: one writer thread takes everything that waits, writes it at
//! once, syncs once, and publishes how far the records are durable. While a sync runs the next batch collects, so that
//! the slower the disk, the larger the batches. [`WrittenLog`] is a cell's note of what it is about to put on the wire:
//! one unsynced `write(2)` per batch on the caller's thread, which outlives the process but not a power cut.
//!
//! A third kind, the [keyed log](mod@keyed), holds what follows from the journal and is wanted later from any place on.
//!
//! **Positions.** A [`Position`] counts frame bytes since the log's first record, across files and restarts, and never
//! goes back. A record is named by the position *behind* it: the record is durable when [`Append::durable`] has reached it,
//! and [`Appender::retain_from`] keeps the record with that end and all after it. The position of its first byte is what a
//! [`RecordFetcher`] asks for. [`Append::append`] and replay hand out both.
//!
//! **Readers.** While a writer is at work, any number of [`LogReader`]s may read what is durable: a [`LogCursor`] goes
//! through the records in order and follows the writer, a [`RecordFetcher`] reads single ones. A [`LogAudit`] needs not even
//! that: it goes through every file as far as it is whole and says what is wrong with it.
//!
//! **Format.** `docs/journal-format.md`; byte tables of a file's header and of a frame stand in their modules.
//!
//! **Limits.** A payload: [`frame::MAX_PAYLOAD_BYTES`]. What waits for the disk: [`JournalConfig::buffer_max_bytes`]
//! (twice that in memory while a batch is being written), beyond it [`AppendError::Full`]. A file:
//! [`JournalConfig::file_max_bytes`] or one batch, whichever is larger; its space is reserved when it is
//! made. A batch: [`JournalConfig::batch_max_bytes`], [`JournalConfig::batch_max_records`], and in time the one sync before it.
//! Replay reads through a buffer of two frames at most. Disk: [`HistoryRetention`] for what recovery does not need; unbounded for
//! what it does, which the caller sees to ([`Appender::retain_from`], [`Appender::replay_from`]).
//!
//! **Two retentions.** Recovery reads from the *replay mark* on; the caller moves it as records cease to be needed. What
//! lies before is *history*: kept for readers by whole files, deleted oldest first over its limits, and where space is short before
//! anything else is.
//!
//! **Recovery.** Opening takes an exclusive lock on the directory, finds the mark, looks over the headers of the files before it, and
//! reads every file from it on in order. Without a mark it reads them all; a mark that is damaged or fits no file it reports, and reads
//! them all.
//! - The *torn tail* of the last file, what a crash left half written, is cut off, synced and reported.
//! - Everything else that is not a valid frame is *damage*: an error with file and offset, nothing skipped, nothing
//!   changed. The two are told apart by the boot id in the file's header and by the frames behind the spot. In the boot
//!   that wrote the file, a killed process leaves a clean prefix, so only a frame that ends in zeros, or in the end of the file, is torn.
//!   After a power cut the blocks of the last, unsynced batch may be there in any combination, so a bad spot is torn
//!   unless a later frame says that all before it was durable ([`frame::BatchPlace::Opens`]).
//! - Zeros from behind a frame to the end of the file are reserved space: a clean end.
//! - A missing file, or one shorter than its successor's name says, is a gap: an error as well.
//!
//! The written log is never synced, so after another boot a bad spot or a gap anywhere cuts all behind it, unless this
//! boot has already appended behind it.
//!
//! **No space.** Space is asked for when a file is begun, and nowhere else. Where there is none, a reserve becomes the next file
//! ([`JournalState::Reserve`]); when that is full, too, what was appended waits ([`JournalState::Full`]). The writer looks for
//! space four times a second and goes on by itself.
//!
//! **Failure.** An I/O error while writing or syncing fails the journal for good: [`AppendError::Failed`] from then on,
//! nothing is retried, because a kernel that failed a sync may have dropped the pages, and the next sync would succeed
//! without them.

mod audit;
mod boot;
mod buffer;
mod chain;
mod cursor;
mod error;
mod fetch;
mod file;
pub mod frame;
mod header;
mod journal;
pub mod keyed;
mod log_reader;
mod mark;
mod names;
mod reader;
mod replay;
mod shared;
mod stats;
mod stepped;
pub mod storage;
mod writer;
mod written;

pub use audit::{FileAudit, FileFinding, FileOrigin, LogAudit};
pub use boot::BootId;
pub use chain::{Distrust, HistoryDamage, HistoryFault, ReplayedFrom};
pub use cursor::LogCursor;
pub use error::{
    AppendError, Failure, FailureStep, Fault, HeaderFault, OpenError, ReadError, ReplayError, Retry,
};
pub use fetch::RecordFetcher;
pub use frame::FrameRef;
pub use journal::{
    Append, Appender, Clock, FileJournal, HistoryHeld, HistoryRetention, JournalConfig,
    JournalState, Recovery, SyncPolicy, Wake,
};
pub use log_reader::{FileState, LogFile, LogReader};
pub use mark::{MarkFound, OtherSlot};
pub use replay::{Record, Replayed, TornTail, WrittenIn};
pub use stats::{BatchFigures, JournalStats};
pub use stepped::SteppedJournal;
pub use storage::{FileStorage, Storage};
pub use writer::Step;
pub use written::{WrittenConfig, WrittenLog, WrittenRecovery, WrittenRoom};

/// A place in a log: how many bytes of frames lie before it, since the log's first record.
///
/// Rises over files and restarts and never goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The position of its first byte, by which [`RecordFetcher::fetch`] finds it again.
    pub start: Position,
    /// The position behind it, by which it is named: durable once [`Append::durable`] has reached this.
    pub end: Position,
}

/// Which log a file belongs to; written into its header, so that one log never opens the other's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogContents {
    /// The journal with group commit.
    Journal,
    /// A cell's written log.
    Written,
    /// A keyed log.
    Keyed,
}

impl LogContents {
    fn number(self) -> u8 {
        match self {
            LogContents::Journal => 1,
            LogContents::Written => 2,
            LogContents::Keyed => 3,
        }
    }

    fn from_number(number: u8) -> Option<LogContents> {
        match number {
            1 => Some(LogContents::Journal),
            2 => Some(LogContents::Written),
            3 => Some(LogContents::Keyed),
            _ => None,
        }
    }
}
