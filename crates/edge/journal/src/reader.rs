//! One file's frames, read through a bounded buffer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::Position;
use crate::error::HeaderFault;
use crate::file::{FileHeader, HEADER_BYTES};
use crate::frame::{self, BatchPlace, FrameFault, FrameRef, Split};

/// Bytes asked of the kernel at a time.
const READ_BYTES: usize = 256 << 10;

/// What to look for behind a bad spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    AnyFrame,
    /// A frame that says that all before it was durable.
    BatchStart,
}

pub(crate) enum Step<'a> {
    End,
    Frame { end: Position, frame: FrameRef<'a> },
    Bad(FrameFault),
}

/// One file's bytes, read ahead by at most [`READ_BYTES`] beyond one frame.
pub(crate) struct FrameReader {
    file: File,
    bytes: Vec<u8>,
    head: usize,
    /// Position of `bytes[head]`.
    position: Position,
    at_end: bool,
}

impl FrameReader {
    pub(crate) fn open(path: &Path, start: Position) -> io::Result<FrameReader> {
        Ok(FrameReader {
            file: File::open(path)?,
            bytes: Vec::new(),
            head: 0,
            position: start,
            at_end: false,
        })
    }

    pub(crate) fn header(
        &mut self,
        named: Position,
    ) -> io::Result<Result<FileHeader, HeaderFault>> {
        self.fill(HEADER_BYTES)?;
        let header = FileHeader::decode(&self.bytes, named);
        self.head = HEADER_BYTES.min(self.bytes.len());
        Ok(header)
    }

    pub(crate) fn next(&mut self) -> io::Result<Step<'_>> {
        if self.fill(frame::HEADER_BYTES)? == 0 {
            return Ok(Step::End);
        }
        if let Ok(frame_bytes) = frame::announced_bytes(&self.bytes[self.head..]) {
            self.fill(frame_bytes)?;
        }
        match frame::split(&self.bytes[self.head..], self.position) {
            Err(what) => Ok(Step::Bad(what)),
            Ok(Split {
                frame, frame_bytes, ..
            }) => {
                self.head += frame_bytes;
                self.position = Position(self.position.0 + frame_bytes as u64);
                Ok(Step::Frame {
                    end: self.position,
                    frame,
                })
            }
        }
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
            self.head += 1;
            self.position = Position(self.position.0 + 1);
        }
        Ok(None)
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
            let asked = READ_BYTES.max(wanted - self.bytes.len()) as u64;
            let read = self
                .file
                .by_ref()
                .take(asked)
                .read_to_end(&mut self.bytes)?;
            self.at_end = read == 0;
        }
        Ok(self.bytes.len())
    }
}
