//! Where frames collect until they are written: one growing block of bytes, encoded in place, with a ceiling.

use crate::frame::{self, FrameHead};
use crate::{AppendError, Failure, FailureStep, Placed, Position};

/// Frames that wait for their write.
#[derive(Debug)]
pub(crate) struct FrameBuffer {
    bytes: Vec<u8>,
    /// How much of `bytes` is whole frames. An encoder that panics leaves more behind; the next append cuts it.
    filled: usize,
    records: u64,
    /// Position behind the last whole frame.
    end: u64,
    max_bytes: usize,
}

/// What a buffer handed over for writing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) records: u64,
    /// Position of the first frame.
    pub(crate) start: Position,
    /// Position behind the last frame.
    pub(crate) end: Position,
}

impl FrameBuffer {
    pub(crate) fn new(end: Position, max_bytes: usize) -> FrameBuffer {
        FrameBuffer {
            bytes: Vec::new(),
            filled: 0,
            records: 0,
            end: end.0,
            max_bytes,
        }
    }

    /// Appends one record; `encode` extends the buffer with the payload.
    pub(crate) fn append(
        &mut self,
        kind: u8,
        version: u8,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Placed, AppendError> {
        self.bytes.truncate(self.filled);
        let start = self.filled;
        let payload_start = start + frame::HEADER_BYTES;
        self.bytes.resize(payload_start, 0);
        encode(&mut self.bytes);
        let Some(payload_bytes) = self.bytes.len().checked_sub(payload_start) else {
            return Err(AppendError::Failed(Failure::without_file(
                FailureStep::Encode,
            )));
        };
        if payload_bytes > frame::MAX_PAYLOAD_BYTES {
            self.give_back();
            return Err(AppendError::PayloadTooLarge {
                payload_bytes,
                max_bytes: frame::MAX_PAYLOAD_BYTES,
            });
        }
        if self.bytes.len() > self.max_bytes {
            self.give_back();
            return Err(AppendError::Full {
                buffered_bytes: start,
                max_bytes: self.max_bytes,
            });
        }
        let head = FrameHead {
            kind,
            version,
            key_id: 0,
        };
        let placed_at = Position(self.end);
        frame::seal(&mut self.bytes[start..], placed_at, head);
        self.end += (self.bytes.len() - start) as u64;
        self.filled = self.bytes.len();
        self.records += 1;
        Ok(Placed {
            start: placed_at,
            end: Position(self.end),
        })
    }

    /// Swaps the whole frames into `batch` (whose old content is dropped, its memory kept for the next round).
    pub(crate) fn take(&mut self, batch: &mut Vec<u8>) -> Taken {
        self.bytes.truncate(self.filled);
        batch.clear();
        std::mem::swap(&mut self.bytes, batch);
        let start = Position(self.end - self.filled as u64);
        self.filled = 0;
        Taken {
            records: std::mem::take(&mut self.records),
            start,
            end: Position(self.end),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Bytes still free before [`AppendError::Full`].
    pub(crate) fn room_bytes(&self) -> usize {
        self.max_bytes - self.filled
    }

    /// Position behind the last record appended.
    pub(crate) fn end(&self) -> Position {
        Position(self.end)
    }

    /// Drops a refused payload, and the memory that an oversized one may have taken beyond the ceiling.
    fn give_back(&mut self) {
        self.bytes.truncate(self.filled);
        self.bytes.shrink_to(self.max_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(max_bytes: usize) -> FrameBuffer {
        FrameBuffer::new(Position(0), max_bytes)
    }

    #[test]
    fn a_refused_record_leaves_nothing_behind() {
        let mut buffer = buffer(40);
        let first = buffer
            .append(1, 1, &mut |out| out.extend_from_slice(&[1; 20]))
            .unwrap();
        assert_eq!((first.end, buffer.room_bytes()), (Position(32), 8));
        let refused = buffer.append(1, 1, &mut |out| out.extend_from_slice(&[2; 20]));
        assert_eq!(
            refused,
            Err(AppendError::Full {
                buffered_bytes: 32,
                max_bytes: 40
            })
        );
        let mut batch = Vec::new();
        let taken = buffer.take(&mut batch);
        assert_eq!(
            (taken.records, taken.end, batch.len()),
            (1, Position(32), 32)
        );
        assert_eq!(buffer.room_bytes(), 40);
    }

    #[test]
    fn a_payload_past_the_format_is_refused() {
        let mut buffer = buffer(16 << 20);
        let refused = buffer.append(1, 1, &mut |out| out.resize(out.len() + (1 << 20), 0));
        assert!(matches!(
            refused,
            Err(AppendError::PayloadTooLarge {
                payload_bytes: 1_048_576,
                ..
            })
        ));
        assert!(buffer.is_empty());
        assert!(
            buffer
                .append(1, 1, &mut |out| out.resize(out.len() + (1 << 20) - 1, 0))
                .is_ok()
        );
    }

    #[test]
    fn frames_follow_each_other_over_batches() {
        let mut buffer = buffer(1000);
        let mut batch = Vec::new();
        for _ in 0..2 {
            let start = buffer.end();
            let first = buffer.append(1, 1, &mut |out| out.push(1)).unwrap();
            let second = buffer.append(1, 1, &mut |out| out.push(2)).unwrap();
            assert_eq!((first.start, first.end), (start, second.start));
            let taken = buffer.take(&mut batch);
            assert_eq!((taken.start, taken.end), (start, second.end));
            let split = frame::split(&batch, start).unwrap();
            assert!(frame::split(&batch[split.frame_bytes..], second.start).is_ok());
        }
    }

    #[test]
    fn what_a_panicking_encoder_left_is_cut() {
        let mut buffer = buffer(1000);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = buffer.append(1, 1, &mut |out| {
                out.push(1);
                panic!("an encoder's bug");
            });
        }));
        assert!(panicked.is_err());
        let placed = buffer.append(2, 1, &mut |out| out.push(9)).unwrap();
        let mut batch = Vec::new();
        buffer.take(&mut batch);
        assert_eq!(placed.end, Position(13));
        assert_eq!(
            frame::split(&batch, Position(0)).unwrap().frame.payload,
            [9]
        );
    }

    #[test]
    fn an_encoder_that_eats_earlier_records_is_a_failure() {
        let mut buffer = buffer(1000);
        buffer.append(1, 1, &mut |out| out.push(1)).unwrap();
        let refused = buffer.append(1, 1, &mut |out| out.clear());
        assert!(
            matches!(refused, Err(AppendError::Failed(failure)) if failure.step == FailureStep::Encode)
        );
    }
}
