//! One file's frames, read through a bounded buffer.

use std::io;
use std::sync::Arc;

use crate::Position;
use crate::frame::{self, BatchPlace, FrameFault, FrameRef};
use crate::header::HEADER_BYTES_U64;
use crate::storage::StorageFile;

/// Bytes asked of the kernel at a time.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// What to look for behind a bad spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    AnyFrame,
    /// A frame that says that all before it was durable.
    BatchStart,
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    End,
    /// A whole, valid frame of so many bytes, and where in its batch it stands.
    Frame(usize, BatchPlace),
    Bad(FrameFault),
}

/// One file's bytes, read ahead by at most [`READ_BYTES`] beyond one frame.
#[derive(Debug)]
pub(crate) struct FrameReader {
    file: Arc<dyn StorageFile>,
    /// Position of the file's first frame.
    start: Position,
    bytes: Vec<u8>,
    head: usize,
    /// Position of `bytes[head]`.
    position: Position,
    /// Nothing at or behind this offset is read.
    limit: u64,
    at_end: bool,
}

impl FrameReader {
    /// Reads from `position` on, which is a frame's start; `start` is where the file begins.
    pub(crate) fn new(
        file: Arc<dyn StorageFile>,
        start: Position,
        position: Position,
    ) -> FrameReader {
        FrameReader {
            file,
            start,
            bytes: Vec::new(),
            head: 0,
            position,
            limit: u64::MAX,
            at_end: false,
        }
    }

    /// From here on nothing behind `until` is read, which may rise from call to call: what a writer has not finished yet is
    /// then never in the buffer.
    pub(crate) fn limit_to(&mut self, until: Position) {
        let limit = HEADER_BYTES_U64 + until.0.saturating_sub(self.start.0);
        if limit > self.limit {
            self.at_end = false;
        }
        self.limit = limit;
    }

    /// Looks at what comes next and checks it.
    pub(crate) fn look(&mut self) -> io::Result<Ahead> {
        if self.fill(frame::HEADER_BYTES)? == 0 {
            return Ok(Ahead::End);
        }
        if let Ok(frame_bytes) = frame::announced_bytes(&self.bytes[self.head..]) {
            self.fill(frame_bytes)?;
        }
        match frame::split(&self.bytes[self.head..], self.position) {
            Ok(split) => Ok(Ahead::Frame(split.frame_bytes, split.place)),
            Err(what) => Ok(Ahead::Bad(what)),
        }
    }

    /// Takes the frame that [`look`](FrameReader::look) has just found, with the position behind it.
    pub(crate) fn take(&mut self, frame_bytes: usize) -> (Position, FrameRef<'_>) {
        let end = Position(self.position.0 + frame_bytes as u64);
        (end, frame::view(self.take_bytes(frame_bytes)))
    }

    /// The same as it lies in the file, header and payload.
    pub(crate) fn take_bytes(&mut self, frame_bytes: usize) -> &[u8] {
        let begin = self.head;
        self.head += frame_bytes;
        self.position = Position(self.position.0 + frame_bytes as u64);
        &self.bytes[begin..self.head]
    }

    /// The first frame of the sought sort that starts at any byte from here on.
    pub(crate) fn find(&mut self, sought: Sought) -> io::Result<Option<Position>> {
        while self.fill(frame::HEADER_BYTES)? >= frame::HEADER_BYTES {
            if let Ok(frame_bytes) = frame::announced_bytes(&self.bytes[self.head..]) {
                self.fill(frame_bytes)?;
                if let Ok(split) = frame::split(&self.bytes[self.head..], self.position)
                    && (sought == Sought::AnyFrame || split.place == BatchPlace::Opens)
                {
                    return Ok(Some(self.position));
                }
            }
            let skipped = self.bytes[self.head..]
                .iter()
                .position(|byte| *byte != 0)
                .map_or(self.bytes.len() - self.head, |first| first)
                // The magic of a frame, which is not zero, ends with its eighth byte.
                .saturating_sub(7)
                .max(1);
            self.head += skipped;
            self.position = Position(self.position.0 + skipped as u64);
        }
        Ok(None)
    }

    /// Position behind the last byte, from here to the end of the file, that is not zero; none where all are.
    pub(crate) fn end_of_data(&self) -> io::Result<Option<Position>> {
        let offset = self.offset_of(self.position);
        let bytes = data_bytes(&*self.file, offset)?;
        Ok((bytes > 0).then_some(Position(self.position.0 + bytes)))
    }

    fn offset_of(&self, position: Position) -> u64 {
        HEADER_BYTES_U64 + (position.0 - self.start.0)
    }

    /// Position of the next frame, or of the spot where none is.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Reads until `wanted` bytes lie ahead or the file ends; returns how many do.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        let ahead = self.bytes.len() - self.head;
        if ahead >= wanted || self.at_end {
            return Ok(ahead);
        }
        self.bytes.drain(..self.head);
        self.head = 0;
        while self.bytes.len() < wanted && !self.at_end {
            let held = self.bytes.len();
            let offset = self.offset_of(self.position) + held as u64;
            let left = self.limit.saturating_sub(offset);
            let asked = READ_BYTES.max(wanted - held);
            let asked = usize::try_from(left).map_or(asked, |left| asked.min(left));
            self.bytes.resize(held + asked, 0);
            let read = self.file.read_at(&mut self.bytes[held..], offset)?;
            self.bytes.truncate(held + read);
            self.at_end = read < asked || asked == 0;
        }
        Ok(self.bytes.len())
    }
}

/// Bytes from `offset` up to the last one in the file that is not zero.
pub(crate) fn data_bytes(file: &dyn StorageFile, offset: u64) -> io::Result<u64> {
    let mut chunk = vec![0; READ_BYTES];
    let mut seen = 0;
    let mut data = 0;
    loop {
        let read = file.read_at(&mut chunk, offset + seen)?;
        let last = chunk[..read].iter().rposition(|byte| *byte != 0);
        data = last.map_or(data, |last| seen + last as u64 + 1);
        seen += read as u64;
        if read < chunk.len() {
            return Ok(data);
        }
    }
}
