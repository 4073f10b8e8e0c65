//! Receipt texts: nothing panics, every value is a piece of the input, and a written receipt reads back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smpp_codec::receipt_text::{ReceiptText, parse_receipt_date};

const NOW_UNIX_S: i64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let receipt = ReceiptText::parse(data);
    let _ = format!("{receipt:?}");
    let words = [
        receipt.id,
        receipt.sub,
        receipt.dlvrd,
        receipt.submit_date,
        receipt.done_date,
        receipt.stat_text,
        receipt.err,
        receipt.text,
    ];
    for word in words.into_iter().flatten() {
        assert!(
            data.as_ptr_range().contains(&word.as_ptr()),
            "a value points into the input"
        );
        assert!(!word.is_empty());
    }
    for date in [receipt.submit_date, receipt.done_date]
        .into_iter()
        .flatten()
    {
        let _ = parse_receipt_date(date, NOW_UNIX_S);
    }
    let mut out = BytesMut::new();
    receipt.write(&mut out);
    let again = ReceiptText::parse(&out);
    // A value with a colon can spell a label once others stand before it; carriers' ids and codes hold none.
    let plain = words.iter().flatten().all(|word| !word.contains(&b':'));
    if plain && receipt.looks_like_receipt() {
        assert_eq!((again.id, again.stat), (receipt.id, receipt.stat));
    }
});
