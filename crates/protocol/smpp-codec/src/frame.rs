//! Framing: cutting a byte stream into PDUs.
//!
//! The length field is the only thing that keeps both ends in step. A length below 16 or above the limit therefore
//! ends the session: there is no way to find the next PDU. It is refused as soon as its four octets are there, before
//! anything waits for, or buffers, a body that a hostile peer announced.

use crate::{CommandStatus, FrameError, HEADER_LEN, Header};

/// Longest `command_length` accepted by default: a full message_payload (64 KiB) and 1 KiB for everything else.
const DEFAULT_MAX_BYTES: u32 = 64 * 1024 + 1024;

/// Shortest `command_length` there is: a header alone.
const MIN_BYTES: u32 = 16;

/// Longest `command_length` a reader accepts, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimit(u32);

impl FrameLimit {
    /// A limit of `max_bytes` octets, raised to 16 when it is lower, since no PDU is shorter than its header.
    #[must_use]
    pub const fn new(max_bytes: u32) -> Self {
        Self(if max_bytes < MIN_BYTES {
            MIN_BYTES
        } else {
            max_bytes
        })
    }

    /// The limit in octets.
    #[must_use]
    pub const fn max_bytes(self) -> u32 {
        self.0
    }
}

impl Default for FrameLimit {
    fn default() -> Self {
        Self(DEFAULT_MAX_BYTES)
    }
}

/// One whole PDU, still unread behind its header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// Everything after the header: `command_length - 16` octets.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Octets this PDU takes in the input; what the caller advances by.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame is never empty: it has a header"
    )]
    pub const fn len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }
}

impl std::fmt::Debug for Frame<'_> {
    /// The body may hold passwords and texts, so only its length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("header", &self.header)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Looks for one whole PDU at the start of `input`.
///
/// `Ok(None)` means that more bytes are needed; call again with the same bytes and more.
///
/// # Errors
/// The announced length is below 16 or above `limit`. The peer is at fault and framing is lost: answer with
/// [`FrameError::generic_nack`] and close the connection. A retry on the same connection cannot help.
pub fn split_frame(input: &[u8], limit: FrameLimit) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(length_octets) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let command_length = u32::from_be_bytes(*length_octets);
    let header_octets = input.first_chunk::<HEADER_LEN>();
    let sequence_number = || header_octets.map(|octets| Header::decode(octets).sequence_number);
    if command_length < MIN_BYTES {
        return Err(FrameError::TooShort {
            command_length,
            sequence_number: sequence_number(),
        });
    }
    if command_length > limit.0 {
        let max_bytes = limit.0;
        return Err(FrameError::TooLong {
            command_length,
            max_bytes,
            sequence_number: sequence_number(),
        });
    }
    let (Some(octets), Ok(frame_len)) = (header_octets, usize::try_from(command_length)) else {
        return Ok(None);
    };
    let body = input.get(HEADER_LEN..frame_len);
    Ok(body.map(|body| Frame {
        header: Header::decode(octets),
        body,
    }))
}

impl FrameError {
    /// The `generic_nack` that tells the peer about the bad length, ready for the wire: status 0x02 and the peer's
    /// sequence number, or 0 when too few octets had come to know it. Close the connection after writing it.
    #[must_use]
    pub fn generic_nack(&self) -> [u8; HEADER_LEN] {
        let (Self::TooShort {
            sequence_number, ..
        }
        | Self::TooLong {
            sequence_number, ..
        }) = self;
        Header {
            command_length: MIN_BYTES,
            command_id: crate::CommandId::GenericNack,
            command_status: CommandStatus::InvalidCommandLength,
            sequence_number: sequence_number.unwrap_or(0),
        }
        .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandId;

    const ENQUIRE_LINK: [u8; 16] = [0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 7];

    #[test]
    fn two_frames_in_one_read_come_out_one_by_one() {
        let mut input = ENQUIRE_LINK.to_vec();
        input.extend([
            0, 0, 0, 18, 0x80, 0, 0, 0x04, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE, b'7', 0,
        ]);
        let first = split_frame(&input, FrameLimit::default()).unwrap().unwrap();
        assert_eq!(
            (first.len(), first.header.command_id),
            (16, CommandId::EnquireLink)
        );
        let second = split_frame(&input[first.len()..], FrameLimit::default())
            .unwrap()
            .unwrap();
        assert_eq!((second.len(), second.body), (18, b"7\0".as_slice()));
        assert_eq!(second.header.sequence_number, 0xFFFF_FFFE);
        assert_eq!(split_frame(&input[34..], FrameLimit::default()), Ok(None));
    }

    #[test]
    fn every_prefix_needs_more() {
        for end in 0..16 {
            assert_eq!(
                split_frame(&ENQUIRE_LINK[..end], FrameLimit::default()),
                Ok(None)
            );
        }
    }

    #[test]
    fn a_hostile_length_is_refused_at_four_octets() {
        let error = split_frame(&[0xFF, 0xFF, 0xFF, 0xFF], FrameLimit::default()).unwrap_err();
        assert_eq!(
            error,
            FrameError::TooLong {
                command_length: u32::MAX,
                max_bytes: 66_560,
                sequence_number: None
            }
        );
        assert_eq!(
            error.generic_nack(),
            [0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
        );
        let error = split_frame(&[0, 0, 0, 15], FrameLimit::default()).unwrap_err();
        assert_eq!(
            error,
            FrameError::TooShort {
                command_length: 15,
                sequence_number: None
            }
        );
    }

    #[test]
    fn the_refusal_names_the_sequence_number_when_it_is_known() {
        let mut input = ENQUIRE_LINK;
        input[3] = 17;
        let error = split_frame(&input, FrameLimit::new(0)).unwrap_err();
        assert_eq!(error.generic_nack()[12..], [0, 0, 0, 7]);
    }

    #[test]
    fn the_limit_is_inclusive_and_never_below_a_header() {
        assert_eq!(FrameLimit::new(3).max_bytes(), 16);
        assert!(
            split_frame(&ENQUIRE_LINK, FrameLimit::new(16))
                .unwrap()
                .is_some()
        );
        let edge = 66_560_u32.to_be_bytes();
        assert_eq!(split_frame(&edge, FrameLimit::default()), Ok(None));
        assert!(split_frame(&66_561_u32.to_be_bytes(), FrameLimit::default()).is_err());
    }
}
