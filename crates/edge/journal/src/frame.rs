//! One record on disk.
//!
//! Little endian, no padding:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32 (IEEE) over the frame's start position (u64), then over every byte from offset 4 to the end |
//! | 4 | 4 | top 12 bits: magic `0xF1C`; low 20 bits: payload length in bytes |
//! | 8 | 1 | kind: what the payload is; the journal gives it no meaning |
//! | 9 | 1 | version of that kind's payload |
//! | 10 | 1 | key id the payload is encrypted with; 0 = clear |
//! | 11 | 1 | flags: bit 0 = opens a batch; the others are 0 |
//! | 12 | n | payload |
//!
//! The position is part of the checksum so that a frame is valid at one place only: a payload that happens to hold the
//! image of another frame, or a stale block of an older file, is never taken for a record.
//!
//! "Opens a batch" says that everything before this frame was synced before this frame was written. After a power cut
//! that is what tells a torn tail (the last batch, whose blocks may reach the disk in any order) from damage to records
//! that had been durable.

use crc32fast::Hasher;

use crate::Position;

/// Bytes in front of every payload.
pub const HEADER_BYTES: usize = 12;

/// The longest payload of one frame: what 20 bits of length can say, one byte short of 1 MiB.
pub const MAX_PAYLOAD_BYTES: usize = LENGTH_MASK as usize;

const MAGIC: u32 = 0xF1C;
const LENGTH_BITS: u32 = 20;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;
const FLAG_OPENS_BATCH: u8 = 1;

/// A record as it lies in a read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    /// What the payload is; numbered by whoever appends.
    pub kind: u8,
    /// Version of that kind's payload.
    pub version: u8,
    /// Key the payload is encrypted with; 0 = clear.
    pub key_id: u8,
    /// The record itself.
    pub payload: &'a [u8],
}

/// Where a frame stands in its group commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPlace {
    /// First of its batch: everything before it was durable before it was written.
    Opens,
    /// Written together with the frame before it, or in a log that is never synced.
    Continues,
}

/// One whole, valid frame at the head of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split<'a> {
    /// The record.
    pub frame: FrameRef<'a>,
    /// Whether it opens a batch.
    pub place: BatchPlace,
    /// Bytes of the whole frame; the next one starts there.
    pub frame_bytes: usize,
}

/// Why no frame could be taken from the head of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The bytes end inside the frame.
    #[error("the frame needs {frame_bytes} bytes and only {available_bytes} are there")]
    Short {
        /// Bytes the frame needs as far as is known: the header's length until the header is there.
        frame_bytes: usize,
        /// Bytes that are there.
        available_bytes: usize,
    },
    /// No frame starts here.
    #[error("no frame starts here: magic {found:#05x} instead of {MAGIC:#05x}")]
    Magic {
        /// The 12 bits found.
        found: u16,
    },
    /// The frame's bytes are not those that were written, or not at this position.
    #[error(
        "checksum {computed:#010x} instead of the stored {stored:#010x} in a frame of {frame_bytes} bytes"
    )]
    Checksum {
        /// As stored in the frame.
        stored: u32,
        /// As computed over the bytes found.
        computed: u32,
        /// Bytes of the frame that the header announces.
        frame_bytes: usize,
    },
    /// The frame is intact but uses flags of a newer format.
    #[error("flags {flags:#04x}: only bit 0 is known")]
    Flags {
        /// The flags found.
        flags: u8,
    },
}

/// Takes the frame that starts at `position` from the head of `bytes`.
///
/// Pure and total: any bytes give a frame or a fault, and nothing is allocated whatever a length field says.
///
/// # Errors
/// [`FrameFault::Short`] when more bytes could make it a frame; every other fault is final.
pub fn split(bytes: &[u8], position: Position) -> Result<Split<'_>, FrameFault> {
    let frame_bytes = announced_bytes(bytes)?;
    let Some(frame) = bytes.get(..frame_bytes) else {
        return Err(FrameFault::Short {
            frame_bytes,
            available_bytes: bytes.len(),
        });
    };
    let stored = word(frame, 0);
    let computed = checksum(position, &frame[4..]);
    if stored != computed {
        return Err(FrameFault::Checksum {
            stored,
            computed,
            frame_bytes,
        });
    }
    let flags = frame[11];
    let place = match flags {
        0 => BatchPlace::Continues,
        FLAG_OPENS_BATCH => BatchPlace::Opens,
        flags => return Err(FrameFault::Flags { flags }),
    };
    Ok(Split {
        frame: view(frame),
        place,
        frame_bytes,
    })
}

/// The record of a whole frame that [`split`] has checked before.
pub(crate) fn view(frame: &[u8]) -> FrameRef<'_> {
    FrameRef {
        kind: frame[8],
        version: frame[9],
        key_id: frame[10],
        payload: &frame[HEADER_BYTES..],
    }
}

/// Bytes of the whole frame that the header at the head of `bytes` announces; not checked by its checksum yet.
///
/// # Errors
/// [`FrameFault::Short`] when the header itself is incomplete, [`FrameFault::Magic`] when none starts here.
pub(crate) fn announced_bytes(bytes: &[u8]) -> Result<usize, FrameFault> {
    if bytes.len() < HEADER_BYTES {
        return Err(FrameFault::Short {
            frame_bytes: HEADER_BYTES,
            available_bytes: bytes.len(),
        });
    }
    let length_word = word(bytes, 4);
    if length_word >> LENGTH_BITS != MAGIC {
        let found = u16::try_from(length_word >> LENGTH_BITS).unwrap_or(u16::MAX);
        return Err(FrameFault::Magic { found });
    }
    Ok(HEADER_BYTES + (length_word & LENGTH_MASK) as usize)
}

/// Says in a sealed frame, the first of its batch, that all before it is durable.
pub(crate) fn mark_opening(frame: &mut [u8], position: Position) {
    frame[11] |= FLAG_OPENS_BATCH;
    let crc = checksum(position, &frame[4..]);
    frame[..4].copy_from_slice(&crc.to_le_bytes());
}

/// What stands in a frame's header beside length and checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) kind: u8,
    pub(crate) version: u8,
    pub(crate) key_id: u8,
}

/// Writes the header of the frame that starts at `position` into the first [`HEADER_BYTES`] of `frame`, whose payload
/// is already in place and at most [`MAX_PAYLOAD_BYTES`] long.
pub(crate) fn seal(frame: &mut [u8], position: Position, head: FrameHead) {
    let payload_bytes = frame.len() - HEADER_BYTES;
    debug_assert!(
        payload_bytes <= MAX_PAYLOAD_BYTES,
        "callers check the length"
    );
    let length = u32::try_from(payload_bytes).unwrap_or(u32::MAX) & LENGTH_MASK;
    frame[4..8].copy_from_slice(&(MAGIC << LENGTH_BITS | length).to_le_bytes());
    frame[8] = head.kind;
    frame[9] = head.version;
    frame[10] = head.key_id;
    frame[11] = 0;
    let crc = checksum(position, &frame[4..]);
    frame[..4].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(position: Position, covered: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&position.0.to_le_bytes());
    hasher.update(covered);
    hasher.finalize()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(payload: &[u8], position: u64, place: BatchPlace) -> Vec<u8> {
        let mut frame = vec![0; HEADER_BYTES];
        frame.extend_from_slice(payload);
        seal(
            &mut frame,
            Position(position),
            FrameHead {
                kind: 7,
                version: 3,
                key_id: 0,
            },
        );
        if place == BatchPlace::Opens {
            mark_opening(&mut frame, Position(position));
        }
        frame
    }

    #[test]
    fn the_layout_is_pinned() {
        let frame = sealed(b"abc", 0x1122, BatchPlace::Opens);
        assert_eq!(
            frame[4..],
            [0x03, 0x00, 0xc0, 0xf1, 7, 3, 0, 1, b'a', b'b', b'c']
        );
        let mut hasher = Hasher::new();
        hasher.update(&0x1122_u64.to_le_bytes());
        hasher.update(&frame[4..]);
        assert_eq!(frame[..4], hasher.finalize().to_le_bytes());
    }

    #[test]
    fn a_frame_is_valid_at_its_own_position_only() {
        let frame = sealed(b"abc", 100, BatchPlace::Continues);
        assert_eq!(
            split(&frame, Position(100)).map(|split| split.frame_bytes),
            Ok(frame.len())
        );
        assert!(matches!(
            split(&frame, Position(101)),
            Err(FrameFault::Checksum { .. })
        ));
    }

    #[test]
    fn zeroes_are_no_frame() {
        assert_eq!(
            split(&[0; 64], Position(0)),
            Err(FrameFault::Magic { found: 0 })
        );
    }

    #[test]
    fn unknown_flags_are_refused_although_the_checksum_fits() {
        let mut frame = sealed(b"", 5, BatchPlace::Continues);
        frame[11] = 2;
        let crc = checksum(Position(5), &frame[4..]);
        frame[..4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            split(&frame, Position(5)),
            Err(FrameFault::Flags { flags: 2 })
        );
    }

    proptest! {
        #[test]
        fn split_returns_what_was_sealed(
            payload in proptest::collection::vec(any::<u8>(), 0..600),
            position in any::<u64>(),
            opens in any::<bool>(),
            rest in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let place = if opens { BatchPlace::Opens } else { BatchPlace::Continues };
            let mut bytes = sealed(&payload, position, place);
            let frame_bytes = bytes.len();
            bytes.extend_from_slice(&rest);
            let expected = Split {
                frame: FrameRef { kind: 7, version: 3, key_id: 0, payload: &payload },
                place,
                frame_bytes,
            };
            prop_assert_eq!(split(&bytes, Position(position)), Ok(expected));
        }

        #[test]
        fn every_proper_prefix_asks_for_more(payload in proptest::collection::vec(any::<u8>(), 0..64), cut in 0_usize..76) {
            let frame = sealed(&payload, 9, BatchPlace::Opens);
            let cut = cut.min(frame.len() - 1);
            let short = matches!(split(&frame[..cut], Position(9)), Err(FrameFault::Short { .. }));
            prop_assert!(short);
        }

        #[test]
        fn a_flipped_bit_is_never_a_frame(payload in proptest::collection::vec(any::<u8>(), 0..64), bit in any::<usize>()) {
            let mut frame = sealed(&payload, 9, BatchPlace::Opens);
            let bit = bit % (frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(split(&frame, Position(9)).is_err());
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), position in any::<u64>()) {
            if let Ok(split) = split(&bytes, Position(position)) {
                prop_assert!(split.frame_bytes <= bytes.len());
            }
        }
    }
}
