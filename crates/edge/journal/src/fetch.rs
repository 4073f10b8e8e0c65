//! Single records, read by the position at which they start.

use crate::frame::{self, FrameFault};
use crate::header::HEADER_BYTES_U64;
use crate::log_reader::{Directory, OpenedFile};
use crate::reader::READ_BYTES;
use crate::{OpenError, Position, ReadError, Record, WrittenIn};

/// Files kept open between two fetches.
const OPEN_FILES_MAX: usize = 16;

/// Bytes read for one record on its own: most records fit, and a page is what the disk reads anyhow.
const ALONE_BYTES: usize = 4 << 10;

/// A fetch at most so far behind the one before counts as reading on.
const NEAR_BYTES: u64 = 64 << 10;

/// Reads records by their start; made by [`LogReader::fetcher`](crate::LogReader::fetcher).
///
/// One `pread` a record, mostly; fetches at rising positions close to each other double what is read ahead, up to 256 KiB, and
/// are then served from memory. At most 16 files stay open.
#[derive(Debug)]
pub struct RecordFetcher {
    directory: Directory,
    /// The one used last stands last.
    open: Vec<OpenedFile>,
    window: Window,
    ahead_bytes: usize,
}

/// Bytes of one file that were read last.
#[derive(Debug)]
struct Window {
    bytes: Vec<u8>,
    /// Position of the first byte.
    begin: Position,
    written_in: WrittenIn,
}

impl Window {
    fn from(&self, position: Position) -> &[u8] {
        let offset = position.0.checked_sub(self.begin.0);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        offset
            .and_then(|offset| self.bytes.get(offset..))
            .unwrap_or(&[])
    }
}

impl RecordFetcher {
    pub(crate) fn new(directory: Directory) -> RecordFetcher {
        RecordFetcher {
            directory,
            open: Vec::new(),
            window: Window {
                bytes: Vec::new(),
                begin: Position(0),
                written_in: WrittenIn::EarlierBoot,
            },
            ahead_bytes: ALONE_BYTES,
        }
    }

    /// Reads the record that starts at `start`, which must be durable.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when it was let go, [`ReadError::NoRecord`] when none starts there, [`ReadError::Log`] when the
    /// file cannot be read.
    pub fn fetch(&mut self, start: Position) -> Result<Record<'_>, ReadError> {
        let frame_bytes = match frame::split(self.window.from(start), start) {
            Ok(split) => split.frame_bytes,
            Err(_) => self.read(start)?,
        };
        let frame = &self.window.from(start)[..frame_bytes];
        Ok(Record {
            start,
            position: Position(start.0 + frame_bytes as u64),
            written_in: self.window.written_in,
            frame: frame::view(frame),
        })
    }

    /// Reads the record at `start` into the window and returns its length.
    fn read(&mut self, start: Position) -> Result<usize, ReadError> {
        self.set_ahead(start);
        match self.read_listed(start)? {
            Ok(frame_bytes) => Ok(frame_bytes),
            Err(_) => {
                // The file that was the last at the last listing may have a successor by now.
                self.directory.refresh()?;
                self.read_listed(start)?.map_err(|what| {
                    let file = self.open.last().map(|file| file.path.clone());
                    ReadError::NoRecord {
                        file: file.unwrap_or_default(),
                        position: start,
                        what: Some(what),
                    }
                })
            }
        }
    }

    /// How much to read: more the longer the positions keep rising.
    fn set_ahead(&mut self, start: Position) {
        let near = self.window.begin <= start
            && start.0 <= self.window.begin.0 + self.window.bytes.len() as u64 + NEAR_BYTES;
        self.ahead_bytes = if near {
            (self.ahead_bytes * 2).min(READ_BYTES)
        } else {
            ALONE_BYTES
        };
    }

    fn read_listed(&mut self, start: Position) -> Result<Result<usize, FrameFault>, ReadError> {
        let at = self.bring_forward(start)?;
        let file = &self.open[at];
        let offset = HEADER_BYTES_U64 + (start.0 - file.start.0);
        let mut asked = self.ahead_bytes;
        loop {
            self.window.bytes.resize(asked, 0);
            let read = file.file.read_at(&mut self.window.bytes, offset);
            let read = read.map_err(|error| OpenError::io("reading", &file.path, error))?;
            self.window.bytes.truncate(read);
            self.window.begin = start;
            self.window.written_in = file.written_in;
            match frame::split(&self.window.bytes, start) {
                Ok(split) => return Ok(Ok(split.frame_bytes)),
                Err(FrameFault::Short { frame_bytes, .. }) if frame_bytes > asked => {
                    asked = frame_bytes;
                }
                Err(what) => return Ok(Err(what)),
            }
        }
    }

    /// Puts the file that holds `start` last among the open ones, and returns its place.
    fn bring_forward(&mut self, start: Position) -> Result<usize, ReadError> {
        let known = self.directory.known_start(start);
        let opened = known.and_then(|known| self.open.iter().position(|file| file.start == known));
        if let Some(at) = opened {
            self.open[at..].rotate_left(1);
            return Ok(self.open.len() - 1);
        }
        let file = self.directory.open_holding(start)?;
        if self.open.len() == OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push(file);
        Ok(self.open.len() - 1)
    }
}
