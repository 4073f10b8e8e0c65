//! Files of a log: names, rotation, deletion.
//!
//! A file is named by the position of its first frame, in 16 hexadecimal digits, and opens with a [header](crate::header).
//! A position counts frame bytes only, so file offset = 64 + (position − start). Every start of the process makes a new
//! file: the boot id in its header is then true for every record in it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::header::{FileHeader, HEADER_BYTES_U64};
use crate::storage::{Locked, Storage, StorageFile, StorageLock};
use crate::{BootId, Failure, FailureStep, LogContents, OpenError, Position};

const SUFFIX: &str = "journal";
const LOCK_NAME: &str = "lock";

/// A file found in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) start: Position,
    pub(crate) path: PathBuf,
}

/// The directory's journal files in the order of their positions.
pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<FoundFile>, OpenError> {
    let paths = storage
        .list(dir)
        .map_err(|error| OpenError::io("listing", dir, error))?;
    let mut found = Vec::new();
    for path in paths {
        if path
            .extension()
            .is_some_and(|extension| extension == SUFFIX)
        {
            let start = position_in_name(&path)
                .ok_or_else(|| OpenError::FileName { file: path.clone() })?;
            found.push(FoundFile { start, path });
        }
    }
    found.sort_by_key(|file| file.start);
    Ok(found)
}

fn position_in_name(path: &Path) -> Option<Position> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == 16
        && stem
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits
        .then(|| u64::from_str_radix(stem, 16).ok().map(Position))
        .flatten()
}

fn path_of(dir: &Path, start: Position) -> PathBuf {
    dir.join(format!("{:016x}.{SUFFIX}", start.0))
}

/// Makes the directory where it is missing, and takes the exclusive hold on it, which ends with the process, however it
/// ends.
pub(crate) fn lock_directory(
    storage: &dyn Storage,
    dir: &Path,
) -> Result<Box<dyn StorageLock>, OpenError> {
    storage
        .make_directory(dir)
        .map_err(|error| OpenError::io("creating directory", dir, error))?;
    let path = dir.join(LOCK_NAME);
    match storage.lock(&path) {
        Ok(Locked::Held(lock)) => Ok(lock),
        Ok(Locked::Taken) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(error) => Err(OpenError::io("locking", &path, error)),
    }
}

/// Whether a log's bytes are forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Header, name and every batch are synced before they are relied on.
    Synced,
    /// The kernel writes back when it likes: a killed process loses nothing, a power cut may.
    PageCache,
}

/// How a log's files are laid out.
#[derive(Debug, Clone)]
pub(crate) struct FileLayout {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) contents: LogContents,
    pub(crate) boot: BootId,
    pub(crate) durability: Durability,
    pub(crate) file_max_bytes: u64,
}

/// A file that takes no more frames.
#[derive(Debug)]
pub(crate) struct SealedFile {
    pub(crate) path: PathBuf,
    pub(crate) end: Position,
    pub(crate) bytes: u64,
}

/// The files of one log, the last of which is being written.
#[derive(Debug)]
pub(crate) struct FileSet {
    layout: FileLayout,
    sealed: VecDeque<SealedFile>,
    sealed_bytes: u64,
    active: Arc<dyn StorageFile>,
    active_path: PathBuf,
    active_start: Position,
    active_bytes: u64,
}

impl FileSet {
    /// Begins a new file at `end`, behind `sealed`.
    pub(crate) fn begin(
        layout: FileLayout,
        sealed: VecDeque<SealedFile>,
        end: Position,
        now_ms: u64,
    ) -> Result<FileSet, (PathBuf, io::Error)> {
        let path = path_of(&layout.dir, end);
        let active = create(&layout, &path, end, now_ms).map_err(|error| (path.clone(), error))?;
        let sealed_bytes = sealed.iter().map(|file| file.bytes).sum();
        Ok(FileSet {
            layout,
            sealed,
            sealed_bytes,
            active,
            active_path: path,
            active_start: end,
            active_bytes: 0,
        })
    }

    /// Writes whole frames at the end, into a new file where the current one is full. A batch is never divided, so a
    /// file is at most as long as the larger of its limit and one batch.
    pub(crate) fn write(&mut self, batch: &[u8], now_ms: u64) -> Result<(), Failure> {
        let batch_bytes = batch.len() as u64;
        if self.active_bytes > 0 && self.active_bytes + batch_bytes > self.layout.file_max_bytes {
            self.rotate(now_ms)?;
        }
        self.active
            .write_all_at(batch, HEADER_BYTES_U64 + self.active_bytes)
            .map_err(|error| Failure::io(FailureStep::Write, &self.active_path, &error))?;
        self.active_bytes += batch_bytes;
        Ok(())
    }

    /// Forces what was written to the disk.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.active
            .sync_data()
            .map_err(|error| Failure::io(FailureStep::Sync, &self.active_path, &error))
    }

    /// Deletes, oldest first, the sealed files that end before `oldest_needed`; returns how many.
    ///
    /// Each deletion is made durable before the next, because a file system may otherwise keep them in another order
    /// over a power cut, and a hole between two files looks like loss.
    pub(crate) fn retain_from(&mut self, oldest_needed: Position) -> Result<usize, Failure> {
        let mut deleted = 0;
        let storage = &self.layout.storage;
        while let Some(file) = self.sealed.front().filter(|file| file.end < oldest_needed) {
            storage
                .remove(&file.path)
                .map_err(|error| Failure::io(FailureStep::Write, &file.path, &error))?;
            self.sealed_bytes -= file.bytes;
            self.sealed.pop_front();
            deleted += 1;
            if self.layout.durability == Durability::Synced {
                let dir = &self.layout.dir;
                storage
                    .sync_directory(dir)
                    .map_err(|error| Failure::io(FailureStep::Sync, dir, &error))?;
            }
        }
        Ok(deleted)
    }

    pub(crate) fn files(&self) -> u64 {
        self.sealed.len() as u64 + 1
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.sealed_bytes + HEADER_BYTES_U64 + self.active_bytes
    }

    fn rotate(&mut self, now_ms: u64) -> Result<(), Failure> {
        let end = Position(self.active_start.0 + self.active_bytes);
        let path = path_of(&self.layout.dir, end);
        let next = create(&self.layout, &path, end, now_ms)
            .map_err(|error| Failure::io(FailureStep::Rotate, &path, &error))?;
        let bytes = HEADER_BYTES_U64 + self.active_bytes;
        let sealed_path = std::mem::replace(&mut self.active_path, path);
        self.sealed.push_back(SealedFile {
            path: sealed_path,
            end,
            bytes,
        });
        self.sealed_bytes += bytes;
        self.active = next;
        self.active_start = end;
        self.active_bytes = 0;
        Ok(())
    }
}

/// Makes a file with its header; where the log is synced, both it and its name are durable on return.
fn create(
    layout: &FileLayout,
    path: &Path,
    start: Position,
    made_at_ms: u64,
) -> io::Result<Arc<dyn StorageFile>> {
    let file = layout.storage.create(path)?;
    let header = FileHeader {
        contents: layout.contents,
        start,
        boot: layout.boot,
        made_at_ms,
    };
    file.write_all_at(&header.encode(), 0)?;
    if layout.durability == Durability::Synced {
        file.sync_all()?;
        layout.storage.sync_directory(&layout.dir)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_positions() {
        let path = path_of(Path::new("d"), Position(0xabc));
        assert_eq!(path, Path::new("d/0000000000000abc.journal"));
        assert_eq!(position_in_name(&path), Some(Position(0xabc)));
        for name in [
            "abc.journal",
            "0000000000000ABC.journal",
            "000000000000000g.journal",
            "+000000000000abc.journal",
        ] {
            assert_eq!(position_in_name(Path::new(name)), None, "{name}");
        }
    }
}
