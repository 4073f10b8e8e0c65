//! Making a file: under a name of its own until it is whole and on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::KeyTableError;
use crate::filter::Filter;
use crate::format::{
    BLOCK_BYTES, BlockWriter, Covered, Header, KeyRow, ROWS_MAX, ROWS_PER_BLOCK, Tail,
};

/// What is written between two syncs while a file is made, in bytes: another file's sync, such as the journal's, may have to wait for that
/// much and no more.
pub const SYNC_EVERY_BYTES: usize = 4 << 20;

/// Keys belong to nobody but the engine's user.
const FILE_MODE: u32 = 0o600;

/// What of a file is known before its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline {
    /// At most so many rows.
    pub(crate) rows_max: u64,
    /// When its first and its last key were made.
    pub(crate) made_ms: (u64, u64),
    /// The journal whose keys it holds.
    pub(crate) covered: Covered,
}

/// A file being made. Dropped before [`Self::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    header: Header,
    index: Vec<u128>,
    filter: Filter,
    block: BlockWriter,
    last_key: Option<u128>,
    unwritten: Vec<u8>,
    finished: bool,
}

impl Writer {
    pub(crate) fn create(path: PathBuf, outline: &Outline) -> Result<Self, KeyTableError> {
        if outline.rows_max > ROWS_MAX {
            return Err(KeyTableError::TooMany {
                rows: outline.rows_max,
            });
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(failed(&path, "creating"))?;
        let mut writer = Self {
            path,
            file,
            header: Header {
                first_ms: outline.made_ms.0,
                last_ms: outline.made_ms.1,
                covered: outline.covered,
                ..Header::default()
            },
            index: Vec::new(),
            filter: Filter::for_keys(outline.rows_max),
            block: BlockWriter::new(),
            last_key: None,
            unwritten: Vec::with_capacity(SYNC_EVERY_BYTES + BLOCK_BYTES),
            finished: false,
        };
        // The header is written last; until then its place says nothing.
        writer.unwritten.resize(BLOCK_BYTES, 0);
        Ok(writer)
    }

    /// Adds a row. Keys must rise; a key that was just added is passed over.
    pub(crate) fn push(&mut self, row: &KeyRow) -> Result<(), KeyTableError> {
        debug_assert!(self.last_key.is_none_or(|last| last <= row.key));
        if self.last_key == Some(row.key) {
            return Ok(());
        }
        self.last_key = Some(row.key);
        if self.block.rows() == 0 {
            self.index.push(row.key);
        }
        self.block.push(row);
        self.filter.insert(row.key);
        self.header.rows += 1;
        self.header.until_ms = self.header.until_ms.max(row.until_ms);
        if self.block.rows() == ROWS_PER_BLOCK {
            self.end_block()?;
        }
        Ok(())
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.header.rows
    }

    fn end_block(&mut self) -> Result<(), KeyTableError> {
        let number = self.header.blocks;
        self.header.blocks += 1;
        let block = self.block.take(number);
        self.unwritten.extend_from_slice(&block);
        if self.unwritten.len() >= SYNC_EVERY_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), KeyTableError> {
        self.file
            .write_all(&self.unwritten)
            .map_err(failed(&self.path, "writing"))?;
        self.unwritten.clear();
        self.file.sync_data().map_err(failed(&self.path, "syncing"))
    }

    /// Completes the file, syncs it, gives it its name and syncs the directory.
    pub(crate) fn finish(mut self, name: &Path) -> Result<(), KeyTableError> {
        if self.block.rows() > 0 {
            self.end_block()?;
        }
        let tail = Tail {
            index: std::mem::take(&mut self.index).into_boxed_slice(),
            filter: std::mem::replace(&mut self.filter, Filter::for_keys(0)),
        };
        let tail_bytes = tail.encode();
        self.header.tail_crc = crc32fast::hash(&tail_bytes);
        self.header.filter_blocks =
            u32::try_from(tail.filter.blocks()).expect("ROWS_MAX needs fewer blocks");
        for part in tail_bytes.chunks(SYNC_EVERY_BYTES) {
            self.unwritten.extend_from_slice(part);
            self.write_out()?;
        }
        let header = self.header.encode();
        self.file
            .write_all_at(&header, 0)
            .and_then(|()| self.file.sync_all())
            .map_err(failed(&self.path, "writing the header and syncing"))?;
        fs::rename(&self.path, name).map_err(failed(name, "renaming the finished file to this"))?;
        self.finished = true;
        sync_dir(name)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever stays is removed when the directory is opened next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes what was done to names beside this file durable.
pub(crate) fn sync_dir(file: &Path) -> Result<(), KeyTableError> {
    let parent = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = parent.unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed(dir, "syncing the directory"))
}

/// An error of the operating system about this path.
pub(crate) fn failed(
    path: &Path,
    doing: &'static str,
) -> impl FnOnce(io::Error) -> KeyTableError + use<> {
    let path = path.to_owned();
    move |source| KeyTableError::Io {
        path,
        doing,
        source,
    }
}
