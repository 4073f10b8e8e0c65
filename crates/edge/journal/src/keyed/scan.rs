//! One file's frames from any frame on, read at offsets, so that a file that is being written can be read as far as it is whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::frame::{self, FrameFault, FrameRef};
use crate::header::{FileHeader, HEADER_BYTES};
use crate::storage::{Access, Storage, StorageFile};
use crate::{HeaderFault, Position};

/// Bytes asked of the kernel at a time.
const READ_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct FileScan {
    file: Arc<dyn StorageFile>,
    pub(super) path: PathBuf,
    pub(super) start: Position,
    bytes: Vec<u8>,
    head: usize,
    /// Position of `bytes[head]`.
    at: Position,
}

pub(super) enum Step<'a> {
    /// As far as it was to be read.
    End,
    Frame(FrameRef<'a>),
    Bad(FrameFault),
}

impl FileScan {
    pub(super) fn open(
        storage: &dyn Storage,
        path: &Path,
        start: Position,
    ) -> io::Result<FileScan> {
        Ok(FileScan {
            file: storage.open(path, Access::Read)?,
            path: path.to_owned(),
            start,
            bytes: Vec::new(),
            head: 0,
            at: start,
        })
    }

    pub(super) fn header(&self) -> io::Result<Result<FileHeader, HeaderFault>> {
        let mut header = [0; HEADER_BYTES];
        let filled = self.file.read_at(&mut header, 0)?;
        Ok(FileHeader::decode(&header[..filled], self.start))
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    /// Position of the next frame.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// Offset of the next frame in the file.
    pub(super) fn offset(&self) -> u64 {
        HEADER_BYTES as u64 + (self.at.0 - self.start.0)
    }

    /// The next frame that ends at or before `limit`.
    pub(super) fn next(&mut self, limit: Position) -> io::Result<Step<'_>> {
        if self.at >= limit || self.fill(frame::HEADER_BYTES, limit)? == 0 {
            return Ok(Step::End);
        }
        if let Ok(frame_bytes) = frame::announced_bytes(&self.bytes[self.head..]) {
            self.fill(frame_bytes, limit)?;
        }
        match frame::split(&self.bytes[self.head..], self.at) {
            Err(what) => Ok(Step::Bad(what)),
            Ok(split) => {
                self.head += split.frame_bytes;
                self.at = Position(self.at.0 + split.frame_bytes as u64);
                Ok(Step::Frame(split.frame))
            }
        }
    }

    /// Reads until `wanted` bytes lie ahead, or the file or what may be read of it ends; returns how many do.
    fn fill(&mut self, wanted: usize, limit: Position) -> io::Result<usize> {
        let ahead = self.bytes.len() - self.head;
        if ahead >= wanted {
            return Ok(ahead);
        }
        self.bytes.drain(..self.head);
        self.head = 0;
        let readable = usize::try_from(limit.0 - self.at.0).unwrap_or(usize::MAX);
        let offset = self.offset();
        let aim = wanted.max(READ_BYTES).min(readable);
        let filled = self.bytes.len();
        self.bytes.resize(aim.max(filled), 0);
        let read = self
            .file
            .read_at(&mut self.bytes[filled..], offset + filled as u64);
        self.bytes.truncate(filled + *read.as_ref().unwrap_or(&0));
        read.map(|read| filled + read)
    }
}
