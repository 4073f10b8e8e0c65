//! The records of a log in order, followed while it is written.

use crate::log_reader::{Directory, OpenedFile};
use crate::reader::{Ahead, FrameReader};
use crate::{OpenError, Position, ReadError, Record};

/// Goes through a log's records from a position on; made by [`LogReader::cursor`](crate::LogReader::cursor).
///
/// It holds one file open and at most 256 KiB beyond one record in memory.
#[derive(Debug)]
pub struct LogCursor {
    directory: Directory,
    position: Position,
    open: Option<(OpenedFile, FrameReader)>,
}

impl LogCursor {
    pub(crate) fn new(directory: Directory, from: Position) -> LogCursor {
        LogCursor {
            directory,
            position: from,
            open: None,
        }
    }

    /// The next record that ends at or before `until`; none when there is no other. `until` must be durable
    /// ([`Append::durable`](crate::Append::durable)) and may rise from call to call.
    ///
    /// # Errors
    /// [`ReadError`]; the cursor stays where it is, so that asking again after a passing error is possible.
    pub fn next(&mut self, until: Position) -> Result<Option<Record<'_>>, ReadError> {
        if self.position >= until {
            return Ok(None);
        }
        let frame_bytes = self.look(until)?;
        let Some((file, reader)) = &mut self.open else {
            return Ok(None);
        };
        let start = self.position;
        let (end, frame) = reader.take(frame_bytes);
        self.position = end;
        Ok(Some(Record {
            start,
            position: end,
            written_in: file.written_in,
            frame,
        }))
    }

    /// The position of the next record.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Finds the record at the cursor, in the next file where this one has ended, and returns its length.
    fn look(&mut self, until: Position) -> Result<usize, ReadError> {
        loop {
            if self.open.is_none() {
                let file = self.directory.open_holding(self.position)?;
                let reader =
                    FrameReader::new(std::sync::Arc::clone(&file.file), file.start, self.position);
                self.open = Some((file, reader));
            }
            let Some((file, reader)) = &mut self.open else {
                continue;
            };
            reader.limit_to(until);
            let ahead = reader
                .look()
                .map_err(|error| OpenError::io("reading", &file.path, error))?;
            let what = match ahead {
                Ahead::Frame(frame_bytes, _) => return Ok(frame_bytes),
                Ahead::End => None,
                Ahead::Bad(what) => Some(what),
            };
            // Either this file has ended and the next one begins here, or there is no record.
            self.directory.refresh()?;
            if file.start == self.position
                || self.directory.known_start(self.position) != Some(self.position)
            {
                let file = file.path.clone();
                self.open = None;
                return Err(ReadError::NoRecord {
                    file,
                    position: self.position,
                    what,
                });
            }
            self.open = None;
        }
    }
}
