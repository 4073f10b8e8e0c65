//! Files of a log: names, headers, rotation, deletion.
//!
//! A file is named by the position of its first frame, in 16 hexadecimal digits, and opens with this header (64 bytes,
//! little endian):
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `HKYKJRNL` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 1 | contents: 1 = journal (group commit), 2 = written log |
//! | 13 | 3 | 0 |
//! | 16 | 8 | start position, as in the name |
//! | 24 | 16 | boot id of the machine when the file was made |
//! | 40 | 20 | 0 |
//! | 60 | 4 | CRC-32 of the 60 bytes before |
//!
//! A position counts frame bytes only, so file offset = 64 + (position − start). Every start of the process makes a new
//! file: the boot id in its header is then true for every record in it.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::HeaderFault;
use crate::{BootId, Failure, FailureStep, LogContents, OpenError, Position};

/// Bytes in front of a file's first frame.
pub(crate) const HEADER_BYTES: usize = 64;
const HEADER_BYTES_U64: u64 = HEADER_BYTES as u64;

const MAGIC: [u8; 8] = *b"HKYKJRNL";
const FORMAT: u32 = 1;
const SUFFIX: &str = "journal";
const LOCK_NAME: &str = "lock";

/// Records hold message bodies and numbers: nobody but the engine's user may read them.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) contents: LogContents,
    pub(crate) start: Position,
    pub(crate) boot: BootId,
}

impl FileHeader {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12] = self.contents.number();
        bytes[16..24].copy_from_slice(&self.start.0.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.boot.0);
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], named: Position) -> Result<FileHeader, HeaderFault> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderFault::Short { bytes: bytes.len() });
        };
        if header.iter().all(|byte| *byte == 0) {
            return Err(HeaderFault::Blank);
        }
        if header[..8] != MAGIC {
            return Err(HeaderFault::Magic);
        }
        if field::<4>(header, 60) != crc32fast::hash(&header[..60]).to_le_bytes() {
            return Err(HeaderFault::Checksum);
        }
        let format = u32::from_le_bytes(field(header, 8));
        if format != FORMAT {
            return Err(HeaderFault::Format {
                found: format,
                supported: FORMAT,
            });
        }
        let found = Position(u64::from_le_bytes(field(header, 16)));
        if found != named {
            return Err(HeaderFault::Start { found, named });
        }
        let contents = LogContents::from_number(header[12])
            .ok_or(HeaderFault::Contents { found: header[12] })?;
        Ok(FileHeader {
            contents,
            start: found,
            boot: BootId(field(header, 24)),
        })
    }
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

/// A file found in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) start: Position,
    pub(crate) path: PathBuf,
}

/// The directory's journal files in the order of their positions.
pub(crate) fn list(dir: &Path) -> Result<Vec<FoundFile>, OpenError> {
    let entries = fs::read_dir(dir).map_err(|error| OpenError::io("listing", dir, error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| OpenError::io("listing", dir, error))?
            .path();
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

/// The exclusive hold on a directory; ends with the process, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory where it is missing, and locks it.
    pub(crate) fn acquire(dir: &Path) -> Result<DirectoryLock, OpenError> {
        make_directory(dir)?;
        let path = dir.join(LOCK_NAME);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|error| OpenError::io("opening", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked {
                dir: dir.to_owned(),
            }),
            Err(fs::TryLockError::Error(error)) => Err(OpenError::io("locking", &path, error)),
        }
    }
}

/// Makes the directory and those above it that are missing, and their names durable: a synced file in a directory whose
/// own name a power cut took away is lost all the same.
fn make_directory(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<&Path> = dir
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(|error| OpenError::io("creating directory", dir, error))?;
    for made in missing {
        let parent = match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        sync_directory(parent).map_err(|error| OpenError::io("syncing", parent, error))?;
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
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
    active: File,
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
    ) -> Result<FileSet, (PathBuf, io::Error)> {
        let path = path_of(&layout.dir, end);
        let active = create(&layout, &path, end).map_err(|error| (path.clone(), error))?;
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
    pub(crate) fn write(&mut self, batch: &[u8]) -> Result<(), Failure> {
        let batch_bytes = batch.len() as u64;
        if self.active_bytes > 0 && self.active_bytes + batch_bytes > self.layout.file_max_bytes {
            self.rotate()?;
        }
        self.active
            .write_all(batch)
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
        while let Some(file) = self.sealed.front().filter(|file| file.end < oldest_needed) {
            let fail = |error: io::Error| Failure::io(FailureStep::Write, &file.path, &error);
            fs::remove_file(&file.path).map_err(fail)?;
            self.sealed_bytes -= file.bytes;
            self.sealed.pop_front();
            deleted += 1;
            if self.layout.durability == Durability::Synced {
                let dir = &self.layout.dir;
                sync_directory(dir).map_err(|error| Failure::io(FailureStep::Sync, dir, &error))?;
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

    fn rotate(&mut self) -> Result<(), Failure> {
        let end = Position(self.active_start.0 + self.active_bytes);
        let path = path_of(&self.layout.dir, end);
        let next = create(&self.layout, &path, end)
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
fn create(layout: &FileLayout, path: &Path, start: Position) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(FILE_MODE)
        .open(path)?;
    let header = FileHeader {
        contents: layout.contents,
        start,
        boot: layout.boot,
    };
    file.write_all(&header.encode())?;
    if layout.durability == Durability::Synced {
        file.sync_all()?;
        sync_directory(&layout.dir)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FileHeader = FileHeader {
        contents: LogContents::Journal,
        start: Position(0x1234),
        boot: BootId([7; 16]),
    };

    #[test]
    fn a_header_comes_back() {
        let bytes = HEADER.encode();
        assert_eq!(FileHeader::decode(&bytes, Position(0x1234)), Ok(HEADER));
        assert_eq!(&bytes[..16], b"HKYKJRNL\x01\0\0\0\x01\0\0\0");
    }

    #[test]
    fn every_flipped_byte_of_a_header_is_noticed() {
        for at in 0..HEADER_BYTES {
            let mut bytes = HEADER.encode();
            bytes[at] ^= 0x10;
            assert!(
                FileHeader::decode(&bytes, Position(0x1234)).is_err(),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_renamed_file_is_noticed() {
        let fault = FileHeader::decode(&HEADER.encode(), Position(1));
        assert_eq!(
            fault,
            Err(HeaderFault::Start {
                found: Position(0x1234),
                named: Position(1)
            })
        );
    }

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
