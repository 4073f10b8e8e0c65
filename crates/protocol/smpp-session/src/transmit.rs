//! The outbound buffer: everything this end writes, in order, with two bounds.
//!
//! Positions are absolute offsets in the outbound stream. A request is unwritten exactly when its first byte lies at or
//! beyond what the kernel has taken.

use std::fmt;

use bytes::{Buf, BytesMut};
use smpp_codec::{CommandStatus, EncodeError, HEADER_LEN, Pdu};

/// Bytes waiting to be written.
pub(crate) struct Transmit {
    buffer: BytesMut,
    written_bytes: u64,
    max_bytes: usize,
    hard_max_bytes: usize,
}

/// The buffer holds as much as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Transmit {
    pub(crate) fn with_bounds(max_bytes: usize, hard_max_bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            written_bytes: 0,
            max_bytes,
            hard_max_bytes,
        }
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether a data request may be added.
    pub(crate) fn room_for_request(&self) -> Result<(), Full> {
        if self.buffer.len() < self.max_bytes {
            Ok(())
        } else {
            Err(Full)
        }
    }

    /// Whether an answer or a control request may be added.
    pub(crate) fn room_for_answer(&self) -> Result<(), Full> {
        if self.buffer.len() < self.hard_max_bytes {
            Ok(())
        } else {
            Err(Full)
        }
    }

    /// Adds a PDU and returns the position of its first byte. On an error nothing was added.
    pub(crate) fn push(
        &mut self,
        pdu: &Pdu<'_>,
        status: CommandStatus,
        sequence_number: u32,
    ) -> Result<u64, EncodeError> {
        let before = self.buffer.len();
        match pdu.encode(status, sequence_number, &mut self.buffer) {
            Ok(()) => Ok(self.written_bytes + before as u64),
            Err(error) => {
                self.buffer.truncate(before);
                Err(error)
            }
        }
    }

    /// Adds a PDU that is a header alone, which needs no encoder and cannot fail.
    pub(crate) fn push_header(&mut self, header: &[u8; HEADER_LEN]) {
        self.buffer.extend_from_slice(header);
    }

    /// The kernel took `bytes` from the front, at most what was waiting.
    pub(crate) fn advance(&mut self, bytes: usize) {
        let taken = bytes.min(self.buffer.len());
        self.buffer.advance(taken);
        self.written_bytes += taken as u64;
    }

    /// Whether the kernel has not taken the byte at this position.
    pub(crate) fn is_unwritten(&self, position: u64) -> bool {
        position >= self.written_bytes
    }

    /// Drops what is waiting.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }
}

/// Passwords and message bodies wait here: only their number is shown.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("waiting_bytes", &self.buffer.len())
            .field("written_bytes", &self.written_bytes)
            .finish_non_exhaustive()
    }
}
