//! The journal with group commit: the seam, the configuration, and the handles on both sides of the writer thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use message::Now;

use crate::buffer::FrameBuffer;
use crate::file::{FileLayout, FileSet, FoundFiles};
use crate::names;
use crate::replay::{ReadLog, Reading};
use crate::shared::Shared;
use crate::stats::{BatchFigures, JournalStats};
use crate::stepped::SteppedJournal;
use crate::storage::{FileStorage, Storage, StorageLock};
use crate::writer::{self, Writer};
use crate::{
    AppendError, Failure, FailureStep, LogContents, OpenError, Placed, Position, Record,
    ReplayError, Replayed, frame,
};

/// Called by the writer thread after every batch and when the journal fails: something new is durable, room is free
/// again, or the state has changed. Must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Both clocks, read together. The journal reads no other: it dates files and measures the disk with it.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// What an engine needs of a journal; a simulator's fake stands in for the real one.
pub trait Append {
    /// Appends one record: `encode` extends the buffer with its payload and must leave the bytes before alone. Returns
    /// where the record will lie: it is durable once [`durable`](Append::durable) has reached its end.
    ///
    /// Nothing is written before [`commit`](Append::commit).
    ///
    /// # Errors
    /// [`AppendError`]; a refused record leaves nothing behind.
    fn append(
        &mut self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Placed, AppendError>;

    /// Lets what was appended go to the disk: once per turn, so that a turn's records share one sync. Does not wait.
    fn commit(&mut self);

    /// Everything up to here may be relied on, as far as the [`SyncPolicy`] goes.
    fn durable(&self) -> Position;

    /// Bytes that can be appended before [`AppendError::Full`]; a record takes its payload and
    /// [`frame::HEADER_BYTES`].
    fn room_bytes(&self) -> usize;

    /// Whether the journal still takes records.
    fn state(&self) -> JournalState;
}

/// Whether a journal still takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalState {
    /// It does.
    Healthy,
    /// It does, into the last space there is: what is in flight should be brought to its end, and nothing new begun.
    Reserve,
    /// There is no space. What was appended waits, nothing is lost, and it goes on by itself when there is space again.
    Full,
    /// It does not, for good.
    Failed {
        /// What went wrong.
        what: Failure,
    },
}

/// When a record may be relied on: what [`Append::durable`] means.
///
/// Under each of them a killed process loses nothing that was reported durable, files are synced when they are full and when
/// the journal is closed, and a journal that fails to write or sync fails for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When `fdatasync` has returned: a power cut loses nothing that was reported durable.
    #[default]
    Always,
    /// When the kernel has it; it is synced so long after it was written, at the latest. A power cut may cost what was
    /// reported durable in that time and in the time of one sync.
    Interval {
        /// 1 to 60,000.
        interval_ms: u32,
    },
    /// When the kernel has it. A power cut may cost whatever was reported durable since the last file was begun.
    None,
}

/// How much is kept of what recovery does not need any more. Whole files are deleted, when either limit is passed; the file being
/// written stays, and where there is no space for the next one, all of it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRetention {
    /// Bytes of its files, at most 16 TiB; 0 for no history.
    pub max_bytes: u64,
    /// Records older than this are deleted, in milliseconds. A file is closed after a sixteenth of it, at the earliest after a
    /// minute.
    pub max_age_ms: u64,
}

impl HistoryRetention {
    /// No history: files are deleted as soon as recovery does not need them.
    pub const NONE: HistoryRetention = HistoryRetention {
        max_bytes: 0,
        max_age_ms: 0,
    };
}

impl Default for HistoryRetention {
    /// 10 GiB, 24 hours.
    fn default() -> HistoryRetention {
        HistoryRetention {
            max_bytes: 10 << 30,
            max_age_ms: 86_400_000,
        }
    }
}

/// Where and how a journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Its directory, for it alone; made where it is missing.
    pub dir: PathBuf,
    /// A file that would grow beyond this is closed and the next one begun; 4 KiB to 4 GiB.
    pub file_max_bytes: u64,
    /// Bytes that may wait for the disk; 2 MiB to 1 GiB.
    pub buffer_max_bytes: usize,
    /// Bytes of records that are written and synced together, 4 KiB to 1 GiB; one record may be longer.
    pub batch_max_bytes: usize,
    /// Records that are written and synced together, at least 1.
    pub batch_max_records: u64,
    /// Space kept for what is in flight when the disk is full, at most 4 GiB; 0 for none.
    pub reserve_bytes: u64,
    /// When a batch counts as durable.
    pub sync: SyncPolicy,
    /// How much is kept of what recovery does not need any more.
    pub history: HistoryRetention,
}

impl JournalConfig {
    /// The defaults: files of 64 MiB, 16 MiB of buffer, batches of at most 2 MiB and 16,384 records, each synced, and a
    /// reserve of 16 MiB; 24 hours or 10 GiB of history.
    #[must_use]
    pub fn new(dir: PathBuf) -> JournalConfig {
        JournalConfig {
            dir,
            file_max_bytes: 64 << 20,
            buffer_max_bytes: 16 << 20,
            batch_max_bytes: 2 << 20,
            batch_max_records: 16_384,
            reserve_bytes: 16 << 20,
            sync: SyncPolicy::Always,
            history: HistoryRetention::default(),
        }
    }

    fn check(&self) -> Result<(), OpenError> {
        check_limit("file_max_bytes", self.file_max_bytes, 4 << 10, 4 << 30)?;
        check_limit(
            "buffer_max_bytes",
            self.buffer_max_bytes as u64,
            BUFFER_MIN_BYTES,
            1 << 30,
        )?;
        check_limit(
            "batch_max_bytes",
            self.batch_max_bytes as u64,
            4 << 10,
            1 << 30,
        )?;
        check_limit("batch_max_records", self.batch_max_records, 1, u64::MAX)?;
        check_limit("reserve_bytes", self.reserve_bytes, 0, 4 << 30)?;
        check_limit("history max_bytes", self.history.max_bytes, 0, 16 << 40)?;
        match self.sync {
            SyncPolicy::Always | SyncPolicy::None => Ok(()),
            SyncPolicy::Interval { interval_ms } => {
                check_limit("sync interval_ms", u64::from(interval_ms), 1, 60_000)
            }
        }
    }
}

/// Room for one record of the largest size, and some.
const BUFFER_MIN_BYTES: u64 = 2 * (frame::MAX_PAYLOAD_BYTES as u64 + 1);

pub(crate) fn check_limit(
    field: &'static str,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), OpenError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(OpenError::Limit {
        field,
        value,
        min,
        max,
    })
}

/// A locked directory whose records have not been taken over yet.
///
/// [`replay`](Recovery::replay), then [`start`](Recovery::start).
#[derive(Debug)]
pub struct Recovery {
    config: JournalConfig,
    reading: Reading,
    lock: Box<dyn StorageLock>,
    read: Option<ReadLog>,
}

impl Recovery {
    /// Hands every record from the replay mark on to `each`, oldest first; then cuts a torn tail. Of the files before the mark,
    /// which are history, only the headers are read.
    ///
    /// # Errors
    /// [`ReplayError::Log`] when the log cannot be read or is damaged, [`ReplayError::Record`] when `each` refused a
    /// record. Nothing was cut then.
    pub fn replay<E>(
        &mut self,
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Replayed, ReplayError<E>> {
        let read = self.reading.run(&mut each)?;
        let replayed = read.replayed.clone();
        self.read = Some(read);
        Ok(replayed)
    }

    /// Begins a new file behind what is there and starts the writer thread. Where nobody called
    /// [`replay`](Recovery::replay), the records are checked but handed to nobody.
    ///
    /// # Errors
    /// [`OpenError`]: as for the replay, or the new file or the thread could not be made.
    pub fn start(self, wake: Wake, clock: Clock) -> Result<FileJournal, OpenError> {
        let dir = self.config.dir.clone();
        let (writer, lock) = self.writer(wake, clock)?;
        let shared = Arc::clone(writer.shared());
        let thread = writer::spawn(writer)
            .map_err(|error| OpenError::io("starting the writer thread of", &dir, error))?;
        Ok(FileJournal {
            appender: Appender::new(shared),
            thread: Some(thread),
            _lock: lock,
        })
    }

    /// The same without a thread: the caller lets the writer do one thing at a time, which is how a simulator drives it.
    ///
    /// # Errors
    /// [`OpenError`]: as for the replay, or the new file could not be made.
    pub fn start_stepped(self, wake: Wake, clock: Clock) -> Result<SteppedJournal, OpenError> {
        let (writer, lock) = self.writer(wake, clock)?;
        Ok(SteppedJournal::new(writer, lock))
    }

    fn writer(
        mut self,
        wake: Wake,
        clock: Clock,
    ) -> Result<(Writer, Box<dyn StorageLock>), OpenError> {
        let ReadLog {
            replayed,
            sealed,
            mark,
        } = match self.read.take() {
            Some(read) => read,
            None => self.reading.check()?,
        };
        let layout = FileLayout {
            storage: self.reading.storage,
            dir: self.config.dir.clone(),
            contents: LogContents::Journal,
            boot: self.reading.boot,
            file_max_bytes: self.config.file_max_bytes,
            reserve_bytes: self.config.reserve_bytes,
            history: self.config.history,
        };
        let found = FoundFiles {
            sealed,
            end: replayed.end,
            mark,
        };
        let files = FileSet::begin(layout, found, clock().wall_ms)?;
        let buffer = FrameBuffer::new(replayed.end, self.config.buffer_max_bytes);
        let shared = Arc::new(Shared::new(buffer, &files, wake));
        Ok((Writer::new(shared, files, clock, &self.config), self.lock))
    }
}

/// The journal on disk. Dropping it writes and syncs what was appended, as [`close`](FileJournal::close) does.
#[derive(Debug)]
pub struct FileJournal {
    appender: Appender,
    thread: Option<JoinHandle<()>>,
    /// Released after the thread has been joined.
    _lock: Box<dyn StorageLock>,
}

impl FileJournal {
    /// Locks the directory on the real disk.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when somebody has it, [`OpenError::Limit`] for a limit out of range, [`OpenError::Io`].
    pub fn open(config: JournalConfig) -> Result<Recovery, OpenError> {
        FileJournal::open_on(FileStorage::shared(), config)
    }

    /// Locks the directory on this storage.
    ///
    /// # Errors
    /// As for [`open`](FileJournal::open).
    pub fn open_on(
        storage: Arc<dyn Storage>,
        config: JournalConfig,
    ) -> Result<Recovery, OpenError> {
        config.check()?;
        let lock = names::lock_directory(&*storage, &config.dir)?;
        let reading = Reading::new(storage, config.dir.clone(), LogContents::Journal)?;
        Ok(Recovery {
            config,
            reading,
            lock,
            read: None,
        })
    }

    /// A handle to append with; as many as there are threads that append.
    #[must_use]
    pub fn appender(&self) -> Appender {
        self.appender.clone()
    }

    /// Writes and syncs everything appended, ends the writer thread, and returns how far the records are durable.
    ///
    /// # Errors
    /// [`Failure`] when the journal has failed, now or before: records beyond [`Append::durable`] are lost.
    pub fn close(mut self) -> Result<Position, Failure> {
        self.stop();
        match self.appender.state() {
            JournalState::Healthy | JournalState::Reserve | JournalState::Full => {
                Ok(self.appender.durable())
            }
            JournalState::Failed { what } => Err(what),
        }
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.appender.shared.close();
        if thread.join().is_err() {
            self.appender
                .shared
                .fail(Failure::without_file(FailureStep::Thread));
        }
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a journal holds before the replay mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryHeld {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// When the oldest record that is held at all was written, at the earliest, in milliseconds since the epoch; 0 where it is
    /// unknown.
    pub since_ms: u64,
}

/// A handle on a journal: appends, watches, and tells what is no longer needed. Cheap to clone.
///
/// After the journal was closed it refuses with [`AppendError::Closed`].
#[derive(Debug, Clone)]
pub struct Appender {
    shared: Arc<Shared>,
}

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>) -> Appender {
        Appender { shared }
    }

    /// Says that recovery needs the record that ends at `oldest_needed` and all after it, and nothing before. The writer moves the
    /// replay mark to the beginning of the file that holds it, and deletes history that is over its limits; a call with the same
    /// position does the latter only, so this is called now and then. Positions that go back are ignored.
    ///
    /// Whatever makes the records before dispensable must be [`synced`](Appender::synced) already.
    pub fn retain_from(&self, oldest_needed: Position) {
        self.shared.retain_from(oldest_needed);
    }

    /// Says up to where a reader of the history has read: files behind are kept over the limits of history by a quarter of them. Nobody
    /// reads until this is called, or after it was called with the largest position.
    pub fn note_read(&self, position: Position) {
        self.shared.note_read(position);
    }

    /// The replay mark: recovery would begin here.
    #[must_use]
    pub fn replay_from(&self) -> Position {
        self.shared.marks().0
    }

    /// Where the replay mark can move next: the end of the oldest file that recovery must read, the largest position while that is the
    /// file being written.
    #[must_use]
    pub fn next_replay_from(&self) -> Position {
        self.shared.marks().1
    }

    /// What is there of history.
    #[must_use]
    pub fn history(&self) -> HistoryHeld {
        self.shared.history()
    }

    /// Position behind the last record that no power cut can take: [`Append::durable`] where every batch is synced.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.shared.synced()
    }

    /// Position behind the last record appended.
    #[must_use]
    pub fn appended(&self) -> Position {
        self.shared.appended()
    }

    /// Files in the directory.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.shared.files()
    }

    /// Bytes in them.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.shared.disk_bytes()
    }

    /// Totals since the start.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        self.shared.counters().totals()
    }

    /// Hands out the figures of the batches since the last call, of at most the last 1,024.
    pub fn drain_figures(&self, mut each: impl FnMut(BatchFigures)) {
        self.shared.counters().drain(&mut each);
    }
}

impl Append for Appender {
    fn append(
        &mut self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Placed, AppendError> {
        self.shared.append(kind, version, encode)
    }

    fn commit(&mut self) {
        self.shared.commit();
    }

    fn durable(&self) -> Position {
        self.shared.durable()
    }

    fn room_bytes(&self) -> usize {
        self.shared.room_bytes()
    }

    fn state(&self) -> JournalState {
        self.shared.state()
    }
}
