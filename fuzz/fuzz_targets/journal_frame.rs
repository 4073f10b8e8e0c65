//! Journal frames: any bytes give a frame or a fault, a right checksum lets only whole frames through, and a flipped bit
//! never does.
#![no_main]

use journal::Position;
use journal::frame::{FrameFault, HEADER_BYTES, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((head, bytes)) = data.split_first_chunk::<8>() else {
        return;
    };
    let position = Position(u64::from_le_bytes(*head));
    let mut bytes = bytes.to_vec();
    // A fuzzer does not guess checksums: give it the right one and see what lies behind.
    if let Err(FrameFault::Checksum { computed, .. }) = split(&bytes, position) {
        bytes[..4].copy_from_slice(&computed.to_le_bytes());
    }
    let frame_bytes = match split(&bytes, position) {
        Ok(whole) => {
            assert_eq!(whole.frame_bytes, HEADER_BYTES + whole.frame.payload.len());
            assert!(whole.frame_bytes <= bytes.len());
            whole.frame_bytes
        }
        Err(FrameFault::Checksum { .. }) => panic!("the checksum that was asked for is refused"),
        Err(FrameFault::Short {
            frame_bytes,
            available_bytes,
        }) => {
            assert!(available_bytes == bytes.len() && frame_bytes > available_bytes);
            return;
        }
        Err(FrameFault::Magic { .. } | FrameFault::Flags { .. }) => return,
    };
    let flipped_bit = usize::from(head[0]) * 8 % (frame_bytes * 8);
    bytes[flipped_bit / 8] ^= 1 << (head[1] & 7);
    assert!(
        split(&bytes, position).is_err(),
        "a flipped bit went unseen"
    );
});
