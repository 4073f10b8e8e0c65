//! The same bytes through this codec and through the independent crate `rusmpp`.
//!
//! Every kind of PDU that we write is read by `rusmpp`, and written by it again octet for octet: both codecs agree on
//! every field. The values keep to what both accept (ASCII strings, optional parameters of the right length).

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it is"
)]

mod samples;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use rusmpp::decode::DecodeWithLength;
use rusmpp::encode::{Encode, Length};
use rusmpp::tlvs::{MessageSubmissionRequestTlvValue, Tlv as PeerTlv};
use rusmpp::types::COctetString as PeerString;
use samples::{encoded, samples};
use smpp_codec::{CommandId, CommandStatus, FrameLimit, Pdu, TlvTag, split_frame};
use std::str::FromStr;

fn well_formed_tlv() -> BoxedStrategy<(u16, Vec<u8>)> {
    let two = proptest::sample::select(vec![0x0204_u16, 0x020A, 0x020B, 0x020C]);
    let one = proptest::sample::select(vec![0x020E_u16, 0x020F, 0x0427, 0x0428, 0x0426, 0x0210]);
    prop_oneof![
        (two, vec(any::<u8>(), 2)),
        (one, vec(any::<u8>(), 1)),
        (Just(0x0423_u16), vec(any::<u8>(), 3)),
        (Just(0x0017_u16), vec(any::<u8>(), 4)),
        (0x1400..=0x3FFF_u16, vec(any::<u8>(), 0..30)),
        (
            Just(0x001E_u16),
            vec(b'!'..=b'~', 0..30).prop_map(|mut id| {
                id.push(0);
                id
            })
        ),
    ]
    .boxed()
}

/// What `rusmpp` makes of a whole frame.
fn read_by_peer(frame: &[u8]) -> rusmpp::Command {
    let body_len = frame.len() - 4;
    let (command, read) = rusmpp::Command::decode(&mut BytesMut::from(&frame[4..]), body_len)
        .unwrap_or_else(|error| panic!("rusmpp refuses {frame:02x?}: {error:?}"));
    assert_eq!(read, body_len);
    command
}

/// The frame `rusmpp` writes.
fn written_by_peer(command: &rusmpp::Command) -> Vec<u8> {
    let mut frame = vec![0; 4 + command.length()];
    let length = u32::try_from(frame.len()).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(command.encode(&mut frame[4..]), command.length());
    frame
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_peer_reads_and_repeats_what_we_write(
        sample in samples(b'!'..=b'~', well_formed_tlv()), sequence in any::<u32>(),
    ) {
        let mut sample = sample;
        if sample.is_bind_resp() {
            // The peer reads one optional parameter there and drops the rest.
            sample.tlvs.retain(|(tag, _)| *tag == 0x0210);
            sample.tlvs.truncate(1);
        }
        sample.with_pdu(|pdu| {
            let ours = encoded(pdu, sequence);
            let command = read_by_peer(&ours);
            prop_assert_eq!(u32::from(command.id()), pdu.command_id().to_u32());
            prop_assert_eq!(command.sequence_number(), sequence);
            prop_assert!(command.pdu().is_some());
            prop_assert_eq!(written_by_peer(&command), ours.to_vec());
            Ok(())
        })?;
    }
}

#[test]
fn every_status_has_the_same_number() {
    for code in (0..=0x112).chain(0x400..=0x4FF) {
        let peer = rusmpp::CommandStatus::from(code);
        assert_eq!(u32::from(peer), CommandStatus::from_u32(code).to_u32());
        // Where both name the code, the names are the same words.
        // 0xC0 to 0xC4: the peer has the words of 5.0 ("TLV" for "optional parameter").
        let named = !matches!(CommandStatus::from_u32(code), CommandStatus::Other(_))
            && !(0xC0..=0xC4).contains(&code);
        let peer_name = format!("{peer:?}").to_lowercase();
        if named && !peer_name.starts_with("other") {
            let ours = CommandStatus::from_u32(code)
                .name()
                .replace('_', "")
                .to_lowercase();
            assert_eq!(ours, peer_name, "0x{code:X}");
        }
    }
}

#[test]
fn every_tag_has_the_same_number() {
    for tag in 0..=u16::MAX {
        let peer = format!("{:?}", rusmpp::tlvs::TlvTag::from(tag))
            .to_lowercase()
            .replace("destport", "destinationport");
        let ours = TlvTag::from_u16(tag);
        if !matches!(ours, TlvTag::Vendor(_) | TlvTag::Other(_)) {
            assert_eq!(format!("{ours:?}").to_lowercase(), peer, "0x{tag:04X}");
        }
    }
}

#[test]
fn we_read_what_the_peer_builds() {
    let submit = rusmpp::pdus::SubmitSm::builder()
        .source_addr_ton(rusmpp::values::Ton::Alphanumeric)
        .source_addr(PeerString::from_str("HIKYAKU").unwrap())
        .dest_addr_ton(rusmpp::values::Ton::International)
        .dest_addr_npi(rusmpp::values::Npi::Isdn)
        .destination_addr(PeerString::from_str("819012345678").unwrap())
        .short_message(rusmpp::types::OctetString::from_str("hello").unwrap())
        .push_tlv(MessageSubmissionRequestTlvValue::SarTotalSegments(3))
        .build();
    let frame_bytes = written_by_peer(&rusmpp::Command::new(
        rusmpp::CommandStatus::EsmeRok,
        7,
        submit,
    ));
    let frame = split_frame(&frame_bytes, FrameLimit::default())
        .unwrap()
        .unwrap();
    let Pdu::SubmitSm(message) = Pdu::decode(&frame).unwrap() else {
        panic!("a submit_sm reads as {:?}", frame.header.command_id);
    };
    assert_eq!(message.source.ton, smpp_codec::Ton::Alphanumeric);
    assert_eq!(message.source.addr.as_bytes(), b"HIKYAKU");
    assert_eq!(message.destination.npi, smpp_codec::Npi::Isdn);
    assert_eq!(message.destination.addr.as_bytes(), b"819012345678");
    assert_eq!(message.body(), b"hello");
    assert_eq!(message.tlvs.sar_total_segments(), Some(3));
    assert_eq!(encoded(&Pdu::SubmitSm(message), 7), frame_bytes);
}

#[test]
fn the_peer_finds_our_fields_under_their_names() {
    let message = smpp_codec::SubmitSm {
        source: smpp_codec::Address::new(
            smpp_codec::Ton::NetworkSpecific,
            smpp_codec::Npi::Private,
            b"5150",
        ),
        destination: smpp_codec::Address::new(
            smpp_codec::Ton::International,
            smpp_codec::Npi::Isdn,
            b"4479460001",
        ),
        data_coding: smpp_codec::DataCoding::UCS2,
        short_message: &[0x30, 0x42],
        ..smpp_codec::SubmitSm::default()
    };
    let command = read_by_peer(&encoded(&Pdu::SubmitSm(message), 1));
    let Some(rusmpp::Pdu::SubmitSm(peer)) = command.pdu() else {
        panic!("a submit_sm reads as {command:?}");
    };
    assert_eq!(peer.source_addr.to_string(), "5150");
    assert_eq!(peer.source_addr_npi, rusmpp::values::Npi::Private);
    assert_eq!(peer.destination_addr.to_string(), "4479460001");
    assert_eq!(peer.data_coding, rusmpp::values::DataCoding::Ucs2);
    assert_eq!(peer.short_message().as_ref(), [0x30, 0x42]);
    assert_eq!(peer.tlvs(), [] as [PeerTlv; 0]);
    assert_eq!(
        CommandId::from_u32(command.id().into()),
        CommandId::SubmitSm
    );
}
