//! The writing end: one thread appends, writes whole batches, rotates and deletes; syncs are jobs for another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::{KeyedFile, KeyedIndex};
use super::mark::{Before, MARK_KIND, MARK_VERSION, Mark, RECORD_KIND, encode_key};
use super::{Key, KeyedConfig};
use crate::frame::{self, FrameHead};
use crate::header::{FileHeader, HEADER_BYTES};
use crate::names::path_of;
use crate::storage::{Storage, StorageFile, StorageLock};
use crate::{AppendError, BootId, Failure, FailureStep, LogContents, Position};

/// Bytes that may wait for [`KeyedLog::write_batch`].
pub const BATCH_MAX_BYTES: usize = 4 << 20;
/// However rarely something is written, a file is closed when it is older than this part of the age at which it is deleted.
const FILES_PER_AGE: u64 = 16;

/// The writing end of a keyed log.
#[derive(Debug)]
pub struct KeyedLog {
    storage: Arc<dyn Storage>,
    config: KeyedConfig,
    boot: BootId,
    index: KeyedIndex,
    active: Active,
    batch: Vec<u8>,
    /// Position behind the last frame of the batch.
    end: Position,
    /// Every key up to here was appended or is covered by a mark.
    through: Key,
    /// Files that are not synced beside the active one.
    sealed: Vec<(PathBuf, Arc<dyn StorageFile>)>,
    /// The log's own position up to which it was synced.
    synced: Position,
    note: [u64; 2],
    failure: Option<Failure>,
    _lock: Box<dyn StorageLock>,
}

#[derive(Debug)]
struct Active {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    start: Position,
    /// Position behind what was written to it.
    written: Position,
    made_ms: u64,
}

/// What a file of the log begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) start: Position,
    pub(super) through: Key,
    pub(super) before: Before,
    pub(super) synced: Position,
    pub(super) note: [u64; 2],
    pub(super) now_ms: u64,
}

/// A sync of everything written so far; run it on a thread that may wait, then hand it to [`KeyedLog::synced`].
#[derive(Debug)]
pub struct SyncJob {
    storage: Arc<dyn Storage>,
    files: Vec<(PathBuf, Arc<dyn StorageFile>)>,
    dir: PathBuf,
    end: Position,
    through: Key,
}

impl SyncJob {
    /// Syncs. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses. What was written may be lost by a power cut, and a later sync would prove nothing.
    pub fn run(&self) -> Result<(), Failure> {
        for (path, file) in &self.files {
            file.sync_data()
                .map_err(|error| Failure::io(FailureStep::Sync, path, &error))?;
        }
        self.storage
            .sync_directory(&self.dir)
            .map_err(|error| Failure::io(FailureStep::Sync, &self.dir, &error))
    }

    /// Every key up to here survives a power cut once the job has run.
    #[must_use]
    pub fn through(&self) -> Key {
        self.through
    }
}

impl KeyedLog {
    /// Begins a new file behind what `index` lists.
    pub(super) fn begin(
        config: KeyedConfig,
        (boot, lock): (BootId, Box<dyn StorageLock>),
        index: KeyedIndex,
        beginning: &Beginning,
    ) -> Result<Self, Failure> {
        let storage = Arc::clone(&index.storage);
        let active = create(&*storage, &config.dir, boot, beginning)?;
        let log = Self {
            storage,
            config,
            boot,
            index,
            end: active.written,
            active,
            batch: Vec::new(),
            through: beginning.through,
            sealed: Vec::new(),
            synced: beginning.synced,
            note: beginning.note,
            failure: None,
            _lock: lock,
        };
        log.list_active(beginning.through);
        Ok(log)
    }

    /// What readers read by.
    #[must_use]
    pub fn index(&self) -> KeyedIndex {
        self.index.clone()
    }

    /// Every key up to here was appended or let go of; the next must be larger.
    #[must_use]
    pub fn through(&self) -> Key {
        self.through
    }

    /// Two words for the marks to come.
    pub fn set_note(&mut self, note: [u64; 2]) {
        self.note = note;
    }

    /// The words of the marks to come.
    #[must_use]
    pub fn note(&self) -> [u64; 2] {
        self.note
    }

    /// Adds a record to the next batch; `encode` extends the buffer with its payload. A key that does not rise is ignored: the record
    /// is in the log.
    ///
    /// # Errors
    /// [`AppendError::Full`] until the batch is written; a payload beyond the format; a log that has failed.
    pub fn append(
        &mut self,
        key: Key,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), AppendError> {
        if key <= self.through {
            return Ok(());
        }
        self.push_frame(RECORD_KIND, version, &mut |out| {
            encode_key(key, out);
            encode(out);
        })?;
        self.through = key;
        Ok(())
    }

    /// Adds a mark to the next batch: every record up to `through` was appended.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn mark(&mut self, through: Key, now_ms: u64) -> Result<(), AppendError> {
        let through = through.max(self.through);
        let mark = Mark {
            through,
            before: Before::Complete,
            synced: self.synced,
            made_ms: now_ms,
            note: self.note,
        };
        self.push_frame(MARK_KIND, MARK_VERSION, &mut |out| mark.encode(out))?;
        self.through = through;
        Ok(())
    }

    fn push_frame(
        &mut self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), AppendError> {
        if let Some(failure) = &self.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        let start = self.batch.len();
        self.batch.resize(start + frame::HEADER_BYTES, 0);
        encode(&mut self.batch);
        let payload_bytes = self.batch.len() - start - frame::HEADER_BYTES;
        let refused = if payload_bytes > frame::MAX_PAYLOAD_BYTES {
            Some(AppendError::PayloadTooLarge {
                payload_bytes,
                max_bytes: frame::MAX_PAYLOAD_BYTES,
            })
        } else if self.batch.len() > BATCH_MAX_BYTES && start > 0 {
            Some(AppendError::Full {
                buffered_bytes: start,
                max_bytes: BATCH_MAX_BYTES,
            })
        } else {
            None
        };
        if let Some(refused) = refused {
            self.batch.truncate(start);
            return Err(refused);
        }
        let head = FrameHead {
            kind,
            version,
            key_id: 0,
        };
        frame::seal(&mut self.batch[start..], self.end, head);
        self.end = Position(self.end.0 + (self.batch.len() - start) as u64);
        Ok(())
    }

    /// Hands the batch to the kernel with one `write(2)`, shows it to readers, and closes a file that is full or old.
    ///
    /// # Errors
    /// [`Failure`]: the log has failed, now or before.
    pub fn write_batch(&mut self, now_ms: u64) -> Result<(), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let written = self.write_and_rotate(now_ms);
        if let Err(failure) = &written {
            self.failure = Some(failure.clone());
        }
        written
    }

    fn write_and_rotate(&mut self, now_ms: u64) -> Result<(), Failure> {
        if !self.batch.is_empty() {
            let active = &mut self.active;
            let offset = HEADER_BYTES as u64 + (active.written.0 - active.start.0);
            active
                .file
                .write_all_at(&self.batch, offset)
                .map_err(|error| Failure::io(FailureStep::Write, &active.path, &error))?;
            active.written = self.end;
            self.batch.clear();
            let mut files = self.index.lock();
            files.written = self.end;
            files.last = self.through;
        }
        let active = &self.active;
        let bytes = active.written.0 - active.start.0;
        let age_ms = now_ms.saturating_sub(active.made_ms);
        let old = age_ms > self.config.max_age_ms / FILES_PER_AGE;
        if bytes >= self.config.file_max_bytes || (old && bytes > first_frame_bytes()) {
            self.rotate(Before::Complete, now_ms)?;
        }
        Ok(())
    }

    fn rotate(&mut self, before: Before, now_ms: u64) -> Result<(), Failure> {
        let beginning = Beginning {
            start: self.end,
            through: self.through,
            before,
            synced: self.synced,
            note: self.note,
            now_ms,
        };
        let next =
            create(&*self.storage, &self.config.dir, self.boot, &beginning).map_err(|failure| {
                Failure {
                    step: FailureStep::Rotate,
                    ..failure
                }
            })?;
        self.end = next.written;
        let sealed = std::mem::replace(&mut self.active, next);
        if let Some(file) = self.index.lock().files.back_mut() {
            file.bytes = HEADER_BYTES as u64 + (sealed.written.0 - sealed.start.0);
        }
        self.sealed.push((sealed.path, sealed.file));
        self.list_active(self.through);
        Ok(())
    }

    fn list_active(&self, through: Key) {
        let mut files = self.index.lock();
        files.files.push_back(KeyedFile {
            path: self.active.path.clone(),
            start: self.active.start,
            through,
            made_ms: self.active.made_ms,
            bytes: HEADER_BYTES as u64,
        });
        files.written = self.active.written;
        files.last = through;
    }

    /// Closed files that no sync was asked for yet: ask before there are many, each holds a descriptor.
    #[must_use]
    pub fn unsynced_files(&self) -> usize {
        self.sealed.len()
    }

    /// A sync of everything that [`write_batch`](Self::write_batch) has written.
    #[must_use]
    pub fn sync_job(&mut self) -> SyncJob {
        let mut files = std::mem::take(&mut self.sealed);
        files.push((self.active.path.clone(), Arc::clone(&self.active.file)));
        SyncJob {
            storage: Arc::clone(&self.storage),
            files,
            dir: self.config.dir.clone(),
            end: self.active.written,
            through: self.index.last(),
        }
    }

    /// A job has run.
    pub fn synced(&mut self, job: &SyncJob) {
        self.synced = self.synced.max(job.end);
    }

    /// A job has failed: what was written may be lost, and no later sync proves otherwise.
    pub fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Deletes the oldest files beyond the limits. One that cannot be deleted is forgotten and found again at the next start.
    ///
    /// # Errors
    /// When a file could not be deleted; the others were.
    pub fn retain(&mut self, now_ms: u64) -> Result<(), Failure> {
        let mut refused = Ok(());
        while let Some(path) = self.take_surplus(now_ms) {
            let removed = self.storage.remove(&path);
            if let Err(error) = removed {
                refused = Err(Failure::io(FailureStep::Write, &path, &error));
            }
        }
        refused
    }

    /// Takes the oldest file from the index if it is beyond a limit: readers must not begin with a file that is about to go.
    fn take_surplus(&self, now_ms: u64) -> Option<PathBuf> {
        let over = self.index.disk_bytes() > self.config.max_bytes;
        let mut files = self.index.lock();
        let next = files.files.get(1)?;
        let old = now_ms.saturating_sub(next.made_ms) > self.config.max_age_ms;
        if !over && !old {
            return None;
        }
        files.files.pop_front().map(|file| file.path)
    }

    /// After a failure, or when records are missing that nobody can append any more: begins a new file of which nothing is said to lie
    /// before, and deletes what there was. `through` is the last key that is
    /// missing; keys go on after it, even where there were larger ones.
    ///
    /// # Errors
    /// When no file can be made; the log stays failed.
    pub fn begin_anew(&mut self, through: Key, now_ms: u64) -> Result<(), Failure> {
        self.through = through;
        self.batch.clear();
        let begun = self.rotate(Before::Gap, now_ms);
        if let Err(failure) = begun {
            self.failure = Some(failure.clone());
            return Err(failure);
        }
        self.failure = None;
        self.sealed.clear();
        let worthless: Vec<_> = {
            let mut files = self.index.lock();
            let count = files.files.len() - 1;
            files.files.drain(..count).map(|file| file.path).collect()
        };
        for path in worthless {
            // What cannot be deleted lies before a gap and is found again, and tried again, at the next start.
            let _ = self.storage.remove(&path);
        }
        Ok(())
    }
}

/// Bytes of the mark that opens a file.
fn first_frame_bytes() -> u64 {
    (frame::HEADER_BYTES + super::mark::MARK_BYTES) as u64
}

/// Makes a file with its header and first mark in one write; neither is synced.
fn create(
    storage: &dyn Storage,
    dir: &Path,
    boot: BootId,
    beginning: &Beginning,
) -> Result<Active, Failure> {
    let start = beginning.start;
    let path = path_of(dir, start);
    let header = FileHeader {
        contents: LogContents::Keyed,
        start,
        boot,
        made_at_ms: beginning.now_ms,
    };
    let mark = Mark {
        through: beginning.through,
        before: beginning.before,
        synced: beginning.synced,
        made_ms: beginning.now_ms,
        note: beginning.note,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(HEADER_BYTES + frame::HEADER_BYTES, 0);
    mark.encode(&mut bytes);
    let head = FrameHead {
        kind: MARK_KIND,
        version: MARK_VERSION,
        key_id: 0,
    };
    frame::seal(&mut bytes[HEADER_BYTES..], start, head);
    let failed = |error| Failure::io(FailureStep::Write, &path, &error);
    let file = storage.create(&path).map_err(failed)?;
    file.write_all_at(&bytes, 0).map_err(failed)?;
    Ok(Active {
        file,
        path,
        start,
        written: Position(start.0 + first_frame_bytes()),
        made_ms: beginning.now_ms,
    })
}
