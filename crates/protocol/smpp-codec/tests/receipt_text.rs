//! Receipts as carriers write them: each test is a known way of not following Appendix B.

use bytes::BytesMut;
use smpp_codec::receipt_text::{ReceiptStat, ReceiptText};

fn parse(text: &str) -> ReceiptText<'_> {
    ReceiptText::parse(text.as_bytes())
}

fn bytes(text: &str) -> Option<&[u8]> {
    Some(text.as_bytes())
}

#[test]
fn appendix_b_is_read_in_full() {
    let receipt = parse(
        "id:0123456789 sub:001 dlvrd:001 submit date:2404051930 done date:2404051934 stat:DELIVRD err:000 Text:Hello there id:9",
    );
    assert_eq!(receipt.id, bytes("0123456789"));
    assert_eq!((receipt.sub, receipt.dlvrd), (bytes("001"), bytes("001")));
    assert_eq!(
        (receipt.submit_date, receipt.done_date),
        (bytes("2404051930"), bytes("2404051934"))
    );
    assert_eq!(
        (receipt.stat, receipt.stat_text),
        (Some(ReceiptStat::Delivered), bytes("DELIVRD"))
    );
    assert_eq!(receipt.err, bytes("000"));
    assert_eq!(
        receipt.text,
        bytes("Hello there id:9"),
        "labels in the sender's own text mean nothing"
    );
}

#[test]
fn labels_come_in_any_case_and_order_and_may_be_missing() {
    let receipt = parse("STAT:undeliv ERR:1A ID:c0ffee-42 DONE DATE:20240405193400");
    assert_eq!(receipt.id, bytes("c0ffee-42"));
    assert_eq!(receipt.stat, Some(ReceiptStat::Undeliverable));
    assert_eq!(receipt.err, bytes("1A"));
    assert_eq!(receipt.done_date, bytes("20240405193400"));
    assert_eq!(
        (
            receipt.sub,
            receipt.dlvrd,
            receipt.submit_date,
            receipt.text
        ),
        (None, None, None, None)
    );
}

#[test]
fn blanks_around_values_and_blank_values_are_fine() {
    let receipt = parse("id: 77  sub : 001 submit date: done date: stat : EXPIRED err:\0");
    assert_eq!((receipt.id, receipt.sub), (bytes("77"), bytes("001")));
    assert_eq!(
        (receipt.submit_date, receipt.done_date, receipt.err),
        (None, None, None)
    );
    assert_eq!(receipt.stat, Some(ReceiptStat::Expired));
}

#[test]
fn a_status_without_its_label_is_found_but_not_inside_the_text() {
    assert_eq!(
        parse("id:5 sub:001 DELIVRD err:000").stat,
        Some(ReceiptStat::Delivered)
    );
    assert_eq!(parse("5 BUFFERD").stat, Some(ReceiptStat::Buffered));
    let receipt = parse("id:5 err:000 text:DELIVRD");
    assert_eq!((receipt.stat, receipt.text), (None, bytes("DELIVRD")));
}

#[test]
fn an_unknown_status_is_kept_as_text() {
    let receipt = parse("id:5 stat:LIMBO err:9");
    assert_eq!((receipt.stat, receipt.stat_text), (None, bytes("LIMBO")));
    assert!(!receipt.looks_like_receipt());
}

#[test]
fn the_first_value_wins() {
    assert_eq!(parse("id:1 id:2 stat:DELIVRD stat:EXPIRED").id, bytes("1"));
    assert_eq!(
        parse("id:1 id:2 stat:DELIVRD stat:EXPIRED").stat,
        Some(ReceiptStat::Delivered)
    );
}

#[test]
fn a_label_inside_a_word_is_no_label() {
    let receipt = parse("valid:1 grid:2 substat:DELIVRD id:3 stat:ACCEPTD");
    assert_eq!(
        (receipt.id, receipt.stat),
        (bytes("3"), Some(ReceiptStat::Accepted))
    );
    assert_eq!(parse("message_id:8 status:REJECTED").id, bytes("8"));
    assert_eq!(
        parse("message_id:8 status:REJECTED").stat,
        Some(ReceiptStat::Rejected)
    );
}

#[test]
fn other_spellings_of_the_dates() {
    let receipt = parse("id:1 submit_date:1712345640 donedate:2404051934");
    assert_eq!(
        (receipt.submit_date, receipt.done_date),
        (bytes("1712345640"), bytes("2404051934"))
    );
}

#[test]
fn an_ordinary_message_is_no_receipt() {
    for text in [
        "",
        ":",
        "::::",
        "see you at 10:30",
        "my id: unclear",
        "text:",
    ] {
        assert!(!parse(text).looks_like_receipt(), "{text}");
    }
}

#[test]
fn a_receipt_is_written_as_in_appendix_b() {
    let receipt = ReceiptText {
        id: bytes("0123456789"),
        submit_date: bytes("2404051930"),
        done_date: bytes("2404051934"),
        stat: Some(ReceiptStat::Delivered),
        text: bytes("a text of more than twenty octets"),
        ..ReceiptText::default()
    };
    let mut out = BytesMut::new();
    receipt.write(&mut out);
    let expected = "id:0123456789 sub:001 dlvrd:001 submit date:2404051930 done date:2404051934 stat:DELIVRD err:000 text:a text of more than ";
    assert_eq!(out, expected);
}

#[test]
fn debug_hides_the_text() {
    let shown = format!("{:?}", parse("id:1 stat:DELIVRD text:code 5150"));
    assert!(
        shown.contains("text_len: Some(9)") && !shown.contains("5150"),
        "{shown}"
    );
}

#[test]
fn a_nul_ends_a_word_as_a_space_does() {
    let receipt = ReceiptText::parse(b"id:123\0\0junk stat:DELIVRD\0");
    assert_eq!(receipt.id, Some(&b"123"[..]));
    assert_eq!(receipt.stat, Some(ReceiptStat::Delivered));
}
