//! Reading a log while somebody writes it.
//!
//! Readers share nothing with the writer but the files: they list the directory, open what they need, and never look behind
//! the position that the caller says is durable. Retention may delete a file under them; what they have open they can go on
//! reading, and what they have not is [`ReadError::Gone`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::HeaderFault;
use crate::header::{FileHeader, HEADER_BYTES};
use crate::mark::{self, MarkFound};
use crate::names::{self, FoundFile};
use crate::replay::Reading;
use crate::storage::{Access, Storage, StorageFile};
use crate::{LogContents, LogCursor, OpenError, Position, ReadError, RecordFetcher, WrittenIn};

/// Opens cursors and fetchers on a log's directory; takes no lock and changes nothing.
#[derive(Debug, Clone)]
pub struct LogReader {
    reading: Reading,
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Position of its first record.
    pub start: Position,
    /// Whether more can be written to it.
    pub state: FileState,
    /// When it was made, ms since the Unix epoch; none where a release that did not note it made the file.
    pub made_at_ms: Option<u64>,
    /// Whether this boot of the machine made it.
    pub written_in: WrittenIn,
    /// Its length, reserved space included.
    pub bytes: u64,
}

/// Whether a file is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It takes no more records.
    Sealed {
        /// The position behind its last record, where the next file starts.
        end: Position,
    },
    /// The last file: a writer may be at work in it.
    Last,
}

impl LogReader {
    /// A reader of the log in `dir`.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the storage does not say which boot of the machine this is.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        contents: LogContents,
    ) -> Result<LogReader, OpenError> {
        Ok(LogReader {
            reading: Reading::new(storage, dir, contents)?,
        })
    }

    /// The files, oldest first. The header of each is read and checked.
    ///
    /// # Errors
    /// [`OpenError`]: the directory or a file cannot be read, or is not of this log. A file that is deleted meanwhile is
    /// left out.
    pub fn files(&self) -> Result<Vec<LogFile>, OpenError> {
        let mut directory = Directory::new(self.reading.clone());
        directory.refresh()?;
        let mut files = Vec::with_capacity(directory.found.len());
        for (at, found) in directory.found.iter().enumerate() {
            let opened = match directory.open(found) {
                Ok(opened) => opened,
                Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                // The writer makes a file and then its header.
                Err(OpenError::Header { what, .. })
                    if at + 1 == directory.found.len() && is_unwritten(what) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let next = directory.found.get(at + 1);
            files.push(LogFile {
                path: found.path.clone(),
                start: found.start,
                state: next.map_or(FileState::Last, |next| FileState::Sealed {
                    end: next.start,
                }),
                made_at_ms: Some(opened.header.made_at_ms).filter(|ms| *ms != 0),
                written_in: opened.written_in,
                bytes: opened
                    .file
                    .length()
                    .map_err(|error| OpenError::io("reading", &found.path, error))?,
            });
        }
        Ok(files)
    }

    /// From where on recovery would read: what lies before is history. For the journal; other logs have no mark.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the mark's file cannot be read.
    pub fn mark(&self) -> Result<MarkFound, OpenError> {
        let Reading { storage, dir, .. } = &self.reading;
        mark::read(&**storage, dir)
            .map_err(|error| OpenError::io("reading the mark in", dir, error))
    }

    /// Goes through the records in order, from the one that starts at `from`.
    #[must_use]
    pub fn cursor(&self, from: Position) -> LogCursor {
        LogCursor::new(Directory::new(self.reading.clone()), from)
    }

    /// Reads single records.
    #[must_use]
    pub fn fetcher(&self) -> RecordFetcher {
        RecordFetcher::new(Directory::new(self.reading.clone()))
    }
}

fn is_unwritten(what: HeaderFault) -> bool {
    matches!(what, HeaderFault::Short { .. } | HeaderFault::Blank)
}

/// The files of a log as last listed.
#[derive(Debug)]
pub(crate) struct Directory {
    reading: Reading,
    found: Vec<FoundFile>,
}

/// A file that was opened and whose header was checked.
#[derive(Debug, Clone)]
pub(crate) struct OpenedFile {
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) path: PathBuf,
    pub(crate) start: Position,
    pub(crate) written_in: WrittenIn,
    header: FileHeader,
}

impl Directory {
    fn new(reading: Reading) -> Directory {
        Directory {
            reading,
            found: Vec::new(),
        }
    }

    /// Lists the directory again.
    pub(crate) fn refresh(&mut self) -> Result<(), OpenError> {
        self.found = names::list(&*self.reading.storage, &self.reading.dir)?;
        Ok(())
    }

    /// Start of the file that holds `position`, as far as is known without another listing.
    pub(crate) fn known_start(&self, position: Position) -> Option<Position> {
        self.holding(position).map(|file| file.start)
    }

    /// Opens the file that holds `position`. Its successor may have been made since the last listing, so whoever finds
    /// nothing in the last file [refreshes](Directory::refresh) and asks again.
    pub(crate) fn open_holding(&mut self, position: Position) -> Result<OpenedFile, ReadError> {
        for _ in 0..2 {
            if let Some(file) = self.holding(position) {
                match self.open(file) {
                    Ok(opened) => return Ok(opened),
                    Err(OpenError::Io { source, .. })
                        if source.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.refresh()?;
        }
        let oldest = self.found.first().map_or(Position(0), |file| file.start);
        Err(ReadError::Gone {
            wanted: position,
            oldest,
        })
    }

    fn holding(&self, position: Position) -> Option<&FoundFile> {
        let behind = self.found.partition_point(|file| file.start <= position);
        self.found[..behind].last()
    }

    fn open(&self, found: &FoundFile) -> Result<OpenedFile, OpenError> {
        let reading = |error| OpenError::io("reading", &found.path, error);
        let file = self
            .reading
            .storage
            .open(&found.path, Access::Read)
            .map_err(reading)?;
        let header = read_header(&*file, found.start)
            .map_err(reading)?
            .map_err(|what| OpenError::Header {
                file: found.path.clone(),
                what,
            })?;
        self.reading.check_contents(&found.path, &header)?;
        Ok(OpenedFile {
            file,
            path: found.path.clone(),
            start: found.start,
            written_in: self.reading.written_in(header.boot),
            header,
        })
    }
}

/// Reads the header of the file that is named by `named`.
pub(crate) fn read_header(
    file: &dyn StorageFile,
    named: Position,
) -> io::Result<Result<FileHeader, HeaderFault>> {
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    Ok(FileHeader::decode(&bytes[..read], named))
}

impl Reading {
    pub(crate) fn check_contents(&self, file: &Path, header: &FileHeader) -> Result<(), OpenError> {
        if header.contents == self.contents {
            return Ok(());
        }
        Err(OpenError::Contents {
            file: file.to_owned(),
            found: header.contents,
            expected: self.contents,
        })
    }
}
