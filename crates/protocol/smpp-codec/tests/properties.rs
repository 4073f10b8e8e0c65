//! What holds for every PDU and for all bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it is"
)]

mod samples;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use samples::{encoded, samples};
use smpp_codec::receipt_text::{ReceiptText, parse_receipt_date};
use smpp_codec::time::{AbsoluteTime, RelativeTime, SmppTime};
use smpp_codec::{CommandStatus, DecodeError, FrameLimit, Pdu, Tlvs, split_frame};

fn any_tlv() -> BoxedStrategy<(u16, Vec<u8>)> {
    (
        any::<u16>().prop_filter("only the payload of the sample", |tag| *tag != 0x0424),
        vec(any::<u8>(), 0..40),
    )
        .boxed()
}

/// Octets that are likely to get past the first checks: a known command id, an honest length.
fn plausible_frame() -> impl Strategy<Value = Vec<u8>> {
    let ids = [0, 1, 2, 4, 5, 6, 9, 0x15, 0x103, 3, 0x21].map(|id: u32| id.to_be_bytes());
    let id = (proptest::sample::select(ids.to_vec()), any::<bool>());
    let octet = prop_oneof![3 => Just(0_u8), 2 => 0..=6_u8, 2 => any::<u8>()];
    (id, any::<[u8; 8]>(), vec(octet, 0..120)).prop_map(|((mut id, response), rest, body)| {
        id[0] |= if response { 0x80 } else { 0 };
        let length = u32::try_from(16 + body.len()).unwrap().to_be_bytes();
        [&length[..], &id, &rest, &body].concat()
    })
}

/// Everything a reader can do with a frame, so that no path is left out of "never panics".
fn exercise(input: &[u8]) {
    let Ok(Some(frame)) = split_frame(input, FrameLimit::default()) else {
        return;
    };
    assert!(frame.len() <= input.len());
    match Pdu::decode(&frame) {
        Ok(pdu) => {
            let _ = format!("{pdu:?} {frame:?}");
            let mut out = BytesMut::new();
            if pdu
                .encode(frame.header.command_status, 1, &mut out)
                .is_err()
            {
                assert!(out.is_empty(), "a refused PDU leaves nothing behind");
            }
            if let Pdu::SubmitSm(message) | Pdu::DeliverSm(message) = pdu {
                let _ = format!("{:?}", ReceiptText::parse(message.body()));
            }
        }
        Err(error) => {
            let _ = error.to_string();
            assert_ne!(error.command_status(), CommandStatus::Ok);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(sample in samples(1..=255, any_tlv()), sequence in any::<u32>()) {
        sample.with_pdu(|pdu| {
            let out = encoded(pdu, sequence);
            let frame = split_frame(&out, FrameLimit::default()).unwrap().unwrap();
            prop_assert_eq!(frame.len(), out.len());
            prop_assert_eq!(frame.header.sequence_number, sequence);
            prop_assert_eq!(frame.header.command_id, pdu.command_id());
            prop_assert_eq!(&Pdu::decode(&frame).unwrap(), pdu);
            Ok(())
        })?;
    }

    #[test]
    fn any_prefix_of_a_frame_needs_more(sample in samples(1..=255, any_tlv()), cut in any::<prop::sample::Index>()) {
        sample.with_pdu(|pdu| {
            let out = encoded(pdu, 1);
            prop_assert_eq!(split_frame(&out[..cut.index(out.len())], FrameLimit::default()), Ok(None));
            Ok(())
        })?;
    }

    #[test]
    fn a_cut_body_never_reads_as_a_whole_request(sample in samples(1..=255, any_tlv()), cut in any::<prop::sample::Index>()) {
        sample.with_pdu(|pdu| {
            let mut out = encoded(pdu, 1);
            if out.len() == 16 || pdu.command_id().is_response() {
                return Ok(());
            }
            out.truncate(16 + cut.index(out.len() - 16));
            let length = u32::try_from(out.len()).unwrap().to_be_bytes();
            out[..4].copy_from_slice(&length);
            let frame = split_frame(&out, FrameLimit::default()).unwrap().unwrap();
            match Pdu::decode(&frame) {
                // A cut between two optional parameters leaves a shorter, whole request.
                Ok(read) => prop_assert_eq!(encoded(&read, 1), out),
                Err(error) => prop_assert!(!matches!(error, DecodeError::UnknownCommand(_))),
            }
            Ok(())
        })?;
    }

    #[test]
    fn encoding_appends(sample in samples(1..=255, any_tlv())) {
        sample.with_pdu(|pdu| {
            let mut out = BytesMut::from(&b"before"[..]);
            pdu.encode(CommandStatus::Ok, 9, &mut out).unwrap();
            prop_assert_eq!(&out[..6], b"before");
            prop_assert_eq!(&out[6..], &encoded(pdu, 9)[..]);
            Ok(())
        })?;
    }

    #[test]
    fn a_response_reads_with_any_body_when_its_status_is_an_error(body in vec(any::<u8>(), 0..100), id in 0..6_usize) {
        let ids: [u32; 6] = [0x8000_0001, 0x8000_0002, 0x8000_0009, 0x8000_0004, 0x8000_0005, 0x8000_0103];
        let length = u32::try_from(16 + body.len()).unwrap().to_be_bytes();
        let input = [&length[..], &ids[id].to_be_bytes(), &[0, 0, 0, 0x58, 0, 0, 0, 1], &body].concat();
        let frame = split_frame(&input, FrameLimit::default()).unwrap().unwrap();
        prop_assert!(Pdu::decode(&frame).is_ok());
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in vec(any::<u8>(), 0..200)) {
        exercise(&input);
        let _ = Tlvs::parse(&input);
        let receipt = ReceiptText::parse(&input);
        let _ = format!("{receipt:?}");
        let _ = SmppTime::parse(&input);
        let _ = parse_receipt_date(&input, i64::MIN);
    }

    #[test]
    fn plausible_frames_never_panic(input in plausible_frame()) {
        exercise(&input);
    }

    #[test]
    fn a_tolerant_prefix_is_valid_and_as_long_as_possible(input in vec(prop_oneof![Just(0_u8), 0..=4_u8], 0..60)) {
        let prefix = Tlvs::parse_prefix(&input);
        prop_assert_eq!(Tlvs::parse(prefix.as_bytes()), Ok(prefix));
        prop_assert_eq!(Tlvs::parse(&input).is_ok(), prefix.as_bytes().len() == input.len());
        prop_assert_eq!(prefix.iter().map(|tlv| 4 + tlv.value.len()).sum::<usize>(), prefix.as_bytes().len());
    }

    #[test]
    fn receipts_written_read_back(
        id in "[0-9a-fA-F-]{1,40}", err in "[0-9A-Z]{1,4}", date in "[0-9]{10}", state in 0..10_u8, text in "[!-~]{0,20}",
    ) {
        use smpp_codec::{MessageStateValue, receipt_text::ReceiptStat};
        let written = ReceiptText {
            id: Some(id.as_bytes()),
            err: Some(err.as_bytes()),
            done_date: Some(date.as_bytes()),
            stat: Some(ReceiptStat::from_message_state(MessageStateValue::from_u8(state))),
            text: Some(text.as_bytes()).filter(|text| !text.is_empty()),
            ..ReceiptText::default()
        };
        let mut out = BytesMut::new();
        written.write(&mut out);
        let read = ReceiptText::parse(&out);
        prop_assert_eq!((read.id, read.err, read.done_date), (written.id, written.err, written.done_date));
        prop_assert_eq!((read.stat, read.text), (written.stat, written.text));
        prop_assert!(read.looks_like_receipt());
    }

    #[test]
    fn an_instant_survives_its_text(unix_ms in -1_009_843_200_000..2_145_916_800_000_i64) {
        let absolute = AbsoluteTime::from_unix_ms(unix_ms).unwrap();
        prop_assert_eq!(absolute.to_unix_ms(), unix_ms.div_euclid(100) * 100);
        let text = absolute.to_text();
        prop_assert_eq!(SmppTime::parse(text.as_bytes()), Ok(SmppTime::Absolute(absolute)));
    }

    #[test]
    fn a_span_never_lasts_longer_than_asked(seconds in 0..4_000_000_000_u64) {
        let relative = RelativeTime::from_seconds(seconds);
        prop_assert!(relative.max_seconds() <= seconds.max(1));
        prop_assert!(relative.max_seconds() > 0);
        if seconds < 31 * 86_400 {
            prop_assert_eq!(relative.max_seconds(), seconds.max(1));
            prop_assert_eq!((relative.years, relative.months), (0, 0));
        }
        let text = relative.to_text();
        prop_assert_eq!(SmppTime::parse(text.as_bytes()), Ok(SmppTime::Relative(relative)));
    }
}
