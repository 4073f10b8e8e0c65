//! Reading from a key on, while the log is written and its oldest files are deleted.

use std::io;
use std::path::{Path, PathBuf};

use super::Key;
use super::index::{FileEnd, KeyedIndex};
use super::mark::{MARK_KIND, Mark, RECORD_KIND, split_key};
use super::scan::{FileScan, Step};
use crate::Position;
use crate::frame::{self, FrameFault};

/// A place in a keyed log.
#[derive(Debug)]
pub struct KeyedReader {
    index: KeyedIndex,
    after: Key,
    open: Option<FileScan>,
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// Nothing more has been written.
    CaughtUp,
    /// As many records as were asked for.
    More,
}

/// Why nothing more can be read from here.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// What follows has been deleted, or was never written.
    #[error("records after this place are gone; the oldest left come after {oldest:?}")]
    Lost {
        /// The oldest key after which everything can be read.
        oldest: Key,
    },
    /// A file is not what was written.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Damage {
        /// The file.
        file: PathBuf,
        /// Of the bad frame.
        offset: u64,
        /// What is wrong there.
        what: FrameFault,
        /// The key after which reading can go on: where the next file begins.
        next: Key,
    },
    /// The file system refused.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KeyedReader {
    pub(super) fn new(index: KeyedIndex, after: Key) -> Self {
        Self {
            index,
            after,
            open: None,
        }
    }

    /// The key up to which everything was handed out.
    #[must_use]
    pub fn after(&self) -> Key {
        self.after
    }

    /// Goes on after another key.
    pub fn seek(&mut self, after: Key) {
        self.after = after;
        self.open = None;
    }

    /// Hands the next records to `each`, at most `records_max`: key, version, payload. Blocks on the disk.
    ///
    /// # Errors
    /// [`ReadFault`]; what was handed out before stays so.
    pub fn read(
        &mut self,
        records_max: usize,
        each: &mut dyn FnMut(Key, u8, &[u8]),
    ) -> Result<ReadEnd, ReadFault> {
        let mut records = 0;
        while records < records_max {
            let Some(limit) = self.limit()? else {
                return Ok(ReadEnd::CaughtUp);
            };
            records += self.read_file(limit, records_max - records, each)?;
        }
        Ok(ReadEnd::More)
    }

    /// Opens the file that holds what follows, if none is open; returns how far it may be read, or nothing when all was.
    fn limit(&mut self) -> Result<Option<Position>, ReadFault> {
        loop {
            let files = self.index.lock();
            let Some(scan) = &self.open else {
                let oldest = files
                    .files
                    .front()
                    .map_or(Key::default(), |file| file.through);
                let file = files
                    .holding(self.after)
                    .ok_or(ReadFault::Lost { oldest })?;
                let (path, start) = (file.path.clone(), file.start);
                drop(files);
                self.open = self.open_file(&path, start)?;
                continue;
            };
            match files.end_of(scan.start) {
                Some(FileEnd::Written(end)) if scan.at() >= end => return Ok(None),
                Some(FileEnd::Written(end)) => return Ok(Some(end)),
                Some(FileEnd::Sealed(end, _)) if scan.at() < end => return Ok(Some(end)),
                // Read to its end, or deleted: what follows is in the next file, if that is there.
                Some(FileEnd::Sealed(_, through)) => {
                    self.after = self.after.max(through);
                    drop(files);
                    self.open = None;
                }
                None => {
                    drop(files);
                    self.open = None;
                }
            }
        }
    }

    fn read_file(
        &mut self,
        limit: Position,
        records_max: usize,
        each: &mut dyn FnMut(Key, u8, &[u8]),
    ) -> Result<usize, ReadFault> {
        let Some(scan) = &mut self.open else {
            return Ok(0);
        };
        let mut records = 0;
        while records < records_max {
            let offset = scan.offset();
            let frame = match scan.next(limit) {
                Ok(Step::Frame(frame)) => frame,
                Ok(Step::End) => {
                    if scan.at() >= limit {
                        break;
                    }
                    let nothing = FrameFault::Short {
                        frame_bytes: frame::HEADER_BYTES,
                        available_bytes: 0,
                    };
                    return Err(self.damage(offset, nothing));
                }
                Ok(Step::Bad(what)) => return Err(self.damage(offset, what)),
                Err(source) => {
                    let file = scan.path.clone();
                    return Err(ReadFault::Io { file, source });
                }
            };
            if frame.kind == RECORD_KIND
                && let Some((key, payload)) = split_key(frame.payload)
                && key > self.after
            {
                self.after = key;
                records += 1;
                each(key, frame.version, payload);
            } else if frame.kind == MARK_KIND
                && let Some(mark) = Mark::decode(frame.payload)
            {
                self.after = self.after.max(mark.through);
            }
        }
        Ok(records)
    }

    /// None when retention has deleted the file in this moment.
    fn open_file(&self, path: &Path, start: Position) -> Result<Option<FileScan>, ReadFault> {
        FileScan::open(&*self.index.storage, path, start)
            .map(Some)
            .or_else(|source| {
                let listed = self.index.lock().end_of(start).is_some();
                if source.kind() == io::ErrorKind::NotFound && !listed {
                    return Ok(None);
                }
                let file = path.to_owned();
                Err(ReadFault::Io { file, source })
            })
    }

    /// What the open file holds at `offset` is no frame.
    fn damage(&self, offset: u64, what: FrameFault) -> ReadFault {
        let (file, start) = match &self.open {
            Some(scan) => (scan.path.clone(), scan.start),
            None => (PathBuf::new(), Position(0)),
        };
        let files = self.index.lock();
        let next = match files.end_of(start) {
            Some(FileEnd::Sealed(_, through)) => through,
            Some(FileEnd::Written(_)) | None => files.last,
        };
        ReadFault::Damage {
            file,
            offset,
            what,
            next,
        }
    }
}
