//! What readers must know of the files: which there are, where each begins, how far the last one is whole.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Key, KeyedReader};
use crate::Position;
use crate::storage::Storage;

/// The files of a keyed log, for readers on any thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyedIndex {
    files: Arc<Mutex<Files>>,
    pub(super) storage: Arc<dyn Storage>,
}

/// Oldest first, never empty.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) files: VecDeque<KeyedFile>,
    /// The log's own position up to which the last file may be read.
    pub(super) written: Position,
    /// Every record up to here can be read.
    pub(super) last: Key,
}

#[derive(Debug, Clone)]
pub(super) struct KeyedFile {
    pub(super) path: PathBuf,
    pub(super) start: Position,
    /// Every record up to here lies before the file.
    pub(super) through: Key,
    pub(super) made_ms: u64,
    /// Header included; of the last file, when it was begun.
    pub(super) bytes: u64,
}

impl KeyedIndex {
    pub(super) fn new(storage: Arc<dyn Storage>, files: Files) -> Self {
        Self {
            files: Arc::new(Mutex::new(files)),
            storage,
        }
    }

    /// The oldest key after which everything can still be read.
    #[must_use]
    pub fn oldest(&self) -> Key {
        self.lock()
            .files
            .front()
            .map_or_else(Key::default, |file| file.through)
    }

    /// The key up to which everything can be read.
    #[must_use]
    pub fn last(&self) -> Key {
        self.lock().last
    }

    /// When the oldest file was begun, in milliseconds since the epoch.
    #[must_use]
    pub fn oldest_ms(&self) -> u64 {
        self.lock().files.front().map_or(0, |file| file.made_ms)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let files = self.lock();
        let Some(active) = files.files.back() else {
            return 0;
        };
        let begun: u64 = files.files.iter().map(|file| file.bytes).sum();
        begun + files.written.0.saturating_sub(active.start.0)
    }

    /// Reads what comes after `after`.
    #[must_use]
    pub fn reader(&self, after: Key) -> KeyedReader {
        KeyedReader::new(self.clone(), after)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Files> {
        // Every change is made whole between lock and unlock.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// The last file that begins at or before `after`, hence holds what follows it. None when that is gone.
    pub(super) fn holding(&self, after: Key) -> Option<&KeyedFile> {
        let count = self.files.partition_point(|file| file.through <= after);
        self.files.get(count.checked_sub(1)?)
    }

    /// Where the file that starts at `start` ends: at the start of the next, or as far as it is written. None when it is gone.
    pub(super) fn end_of(&self, start: Position) -> Option<FileEnd> {
        let at = self
            .files
            .binary_search_by_key(&start, |file| file.start)
            .ok()?;
        Some(match self.files.get(at + 1) {
            Some(next) => FileEnd::Sealed(next.start, next.through),
            None => FileEnd::Written(self.written),
        })
    }
}

/// How far a file can be read.
#[derive(Debug, Clone, Copy)]
pub(super) enum FileEnd {
    /// To its end; and where the next file begins.
    Sealed(Position, Key),
    /// It is being written.
    Written(Position),
}
