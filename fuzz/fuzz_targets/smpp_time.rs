//! Time fields: what reads can be written, and what was written reads as the same time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smpp_codec::receipt_text::parse_receipt_date;
use smpp_codec::time::SmppTime;

const NOW_UNIX_S: i64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let _ = parse_receipt_date(data, NOW_UNIX_S);
    let Ok(time) = SmppTime::parse(data) else {
        return;
    };
    let _ = time.to_unix_ms(NOW_UNIX_S * 1000);
    let text = match &time {
        SmppTime::Absolute(absolute) => absolute.to_text(),
        SmppTime::Relative(relative) => relative.to_text(),
    };
    assert_eq!(SmppTime::parse(text.as_bytes()), Ok(time));
});
