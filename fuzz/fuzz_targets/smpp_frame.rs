//! Framing: any bytes give frames, "need more" or a named error; what was decided on a prefix stays decided.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smpp_codec::{FrameLimit, split_frame};

fuzz_target!(|data: &[u8]| {
    let limit = FrameLimit::new(4096);
    let mut rest = data;
    loop {
        match split_frame(rest, limit) {
            Ok(Some(frame)) => {
                assert!(frame.len() <= 4096 && frame.len() <= rest.len());
                for cut in [0, 4, 15, frame.len() - 1] {
                    let prefix = split_frame(&rest[..cut.min(frame.len() - 1)], limit);
                    assert_eq!(prefix, Ok(None), "a shorter prefix must ask for more");
                }
                rest = &rest[frame.len()..];
            }
            Ok(None) => {
                assert!(
                    rest.len() < 4096,
                    "a full limit of bytes must be a frame or an error"
                );
                break;
            }
            Err(error) => {
                assert_eq!(error.generic_nack().len(), 16);
                break;
            }
        }
    }
});
