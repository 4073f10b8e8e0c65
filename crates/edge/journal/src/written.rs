//! A cell's own note of what it is about to write to a socket: in the page cache before the first byte leaves.

use std::path::PathBuf;
use std::sync::Arc;

use crate::buffer::FrameBuffer;
use crate::file::{FileLayout, FileSet, FoundFiles, Room};
use crate::journal::{HistoryRetention, check_limit};
use crate::names;
use crate::replay::{ReadLog, Reading};
use crate::storage::{Storage, StorageLock};
use crate::{
    AppendError, Clock, Failure, FailureStep, JournalState, LogContents, OpenError, Placed,
    Position, Record, ReplayError, Replayed,
};

/// Bytes that may wait for [`WrittenLog::write_batch`]: far more than the frames of one socket write.
const BATCH_MAX_BYTES: usize = 4 << 20;

/// How often space is looked for while there is none.
const LOOK_FOR_SPACE_NS: u64 = 250_000_000;

/// Whether records can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenRoom {
    /// They can.
    Made,
    /// There is no space at present.
    None,
}

/// Where a written log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenConfig {
    /// Its directory, for it alone; made where it is missing.
    pub dir: PathBuf,
    /// A file that would grow beyond this is closed and the next one begun; 4 KiB to 4 GiB. Small files are deleted
    /// sooner and faster, and deleting happens on the cell's thread.
    pub file_max_bytes: u64,
}

impl WrittenConfig {
    /// The default: files of 8 MiB.
    #[must_use]
    pub fn new(dir: PathBuf) -> WrittenConfig {
        WrittenConfig {
            dir,
            file_max_bytes: 8 << 20,
        }
    }
}

/// A locked written log whose records have not been taken over yet.
#[derive(Debug)]
pub struct WrittenRecovery {
    config: WrittenConfig,
    reading: Reading,
    lock: Box<dyn StorageLock>,
    read: Option<ReadLog>,
}

impl WrittenRecovery {
    /// Hands every record to `each`, oldest first; then cuts a torn tail. After another
    /// boot the tail may begin anywhere, since this log is never synced.
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

    /// Begins a new file behind what is there. The clock dates files.
    ///
    /// # Errors
    /// [`OpenError`]: as for the replay, or the new file could not be made.
    pub fn start(mut self, clock: Clock) -> Result<WrittenLog, OpenError> {
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
            dir: self.config.dir,
            contents: LogContents::Written,
            boot: self.reading.boot,
            file_max_bytes: self.config.file_max_bytes,
            reserve_bytes: 0,
            history: HistoryRetention::NONE,
        };
        let found = FoundFiles {
            sealed,
            end: replayed.end,
            mark,
        };
        let files = FileSet::begin(layout, found, clock().wall_ms)?;
        Ok(WrittenLog {
            frames: FrameBuffer::new(replayed.end, BATCH_MAX_BYTES),
            batch: Vec::new(),
            files,
            written: replayed.end,
            failure: None,
            deletions_failed: 0,
            look_ns: 0,
            clock,
            _lock: self.lock,
        })
    }
}

/// The log of what was handed to sockets: `append` for every PDU of a write, then one [`write_batch`], then the socket.
///
/// Everything happens on the caller's thread; nothing is ever synced.
///
/// [`write_batch`]: WrittenLog::write_batch
pub struct WrittenLog {
    frames: FrameBuffer,
    /// The other half of the double buffer, kept for its memory.
    batch: Vec<u8>,
    files: FileSet,
    written: Position,
    failure: Option<Failure>,
    deletions_failed: u64,
    /// When to look for space again.
    look_ns: u64,
    clock: Clock,
    _lock: Box<dyn StorageLock>,
}

impl std::fmt::Debug for WrittenLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrittenLog")
            .field("written", &self.written)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl WrittenLog {
    /// Locks the directory.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when somebody has it, [`OpenError::Limit`] for a limit out of range, [`OpenError::Io`].
    pub fn open(
        storage: Arc<dyn Storage>,
        config: WrittenConfig,
    ) -> Result<WrittenRecovery, OpenError> {
        check_limit("file_max_bytes", config.file_max_bytes, 4 << 10, 4 << 30)?;
        let lock = names::lock_directory(&*storage, &config.dir)?;
        let reading = Reading::new(storage, config.dir.clone(), LogContents::Written)?;
        Ok(WrittenRecovery {
            config,
            reading,
            lock,
            read: None,
        })
    }

    /// Adds one record to the next batch; `encode` extends the buffer with its payload. Returns where it will lie.
    ///
    /// # Errors
    /// [`AppendError`]; a refused record leaves nothing behind.
    pub fn append(
        &mut self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Placed, AppendError> {
        if let Some(failure) = &self.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        let appended = self.frames.append(kind, version, encode);
        if let Err(AppendError::Failed(failure)) = &appended {
            self.failure = Some(failure.clone());
        }
        appended
    }

    /// Hands the batch to the kernel with one `write(2)`. Only then may the PDUs go to the socket. Returns the position
    /// behind the batch; without records it does nothing.
    ///
    /// # Errors
    /// [`Failure`], now or before: the log has failed for good, and none of the batch's PDUs may be written.
    pub fn write_batch(&mut self) -> Result<Position, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.frames.is_empty() {
            return Ok(self.written);
        }
        let taken = self.frames.take(&mut self.batch);
        if let Err(failure) = self.write_taken() {
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        self.written = taken.end;
        Ok(self.written)
    }

    fn write_taken(&mut self) -> Result<(), Failure> {
        let now = (self.clock)();
        match self.files.make_room(self.batch.len() as u64, now.wall_ms)? {
            Room::Made => self.files.append(&self.batch),
            // Whoever asks for room before a batch does not come here.
            Room::NoSpace => Err(Failure::without_file(FailureStep::NoSpace)),
        }
    }

    /// Sees to it that the next `bytes` bytes of records can be written, frame headers included. Where there is no space it
    /// says so, and looks again at most every 250 ms however often it is asked.
    ///
    /// # Errors
    /// [`Failure`], now or before: the log has failed for good.
    pub fn make_room(&mut self, bytes: usize) -> Result<WrittenRoom, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let now = (self.clock)();
        if now.mono_ns < self.look_ns {
            return Ok(WrittenRoom::None);
        }
        match self.files.make_room(bytes as u64, now.wall_ms) {
            Ok(Room::Made) => Ok(WrittenRoom::Made),
            Ok(Room::NoSpace) => {
                self.look_ns = now.mono_ns + LOOK_FOR_SPACE_NS;
                Ok(WrittenRoom::None)
            }
            Err(failure) => {
                self.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Position behind the last record that is in the page cache.
    #[must_use]
    pub fn written(&self) -> Position {
        self.written
    }

    /// Whether the log still takes records.
    #[must_use]
    pub fn state(&self) -> JournalState {
        match &self.failure {
            None => JournalState::Healthy,
            Some(what) => JournalState::Failed { what: what.clone() },
        }
    }

    /// Lets go of records: deletes the files that hold nothing but records before the one that ends at
    /// `oldest_needed`. The file being written stays. A file that cannot be deleted is counted and tried again at the
    /// next call.
    pub fn retain_from(&mut self, oldest_needed: Position) {
        if self.files.retain_from(oldest_needed).is_err() {
            self.deletions_failed += 1;
        }
    }

    /// Files in the directory.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.files()
    }

    /// Bytes in them.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.files.disk_bytes()
    }

    /// Deletions the file system refused.
    #[must_use]
    pub fn deletions_failed(&self) -> u64 {
        self.deletions_failed
    }
}

/// Gives back the space that was reserved and not used.
impl Drop for WrittenLog {
    fn drop(&mut self) {
        // Should it fail, zeros stay behind the last frame, which a replay takes for the end.
        let _ = self.files.give_back();
    }
}
