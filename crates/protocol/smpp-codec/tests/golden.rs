//! Golden frames: one test per kind of PDU, bytes written out by hand from the specification's tables.
//!
//! Each frame is read, checked field by field, and written again to the same octets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it is"
)]

use bytes::BytesMut;
use smpp_codec::{
    Address, Bind, BindResp, COctetString, CommandId, CommandStatus, DataCoding, DataSm,
    DataSmResp, DeliverSmResp, EsmClass, FrameLimit, InterfaceVersion, MessageStateValue,
    MessageType, NetworkErrorCode, Npi, Pdu, RegisteredDelivery, SubmitSm, SubmitSmResp, TlvTag,
    Tlvs, Ton, split_frame,
};

/// Octets of hexadecimal text; blanks are skipped.
fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    assert_eq!(digits.len() % 2, 0, "an octet has two digits");
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Reads the frame, compares it with `expected`, and writes it again.
fn check(hex: &str, sequence_number: u32, expected: Pdu<'_>) {
    let input = octets(hex);
    let frame = split_frame(&input, FrameLimit::default())
        .unwrap()
        .expect("the frame is whole");
    assert_eq!(frame.len(), input.len());
    assert_eq!(frame.header.sequence_number, sequence_number);
    let pdu = Pdu::decode(&frame).unwrap();
    assert_eq!(pdu, expected);
    assert_eq!(pdu.command_id(), frame.header.command_id);
    let mut out = BytesMut::new();
    pdu.encode(frame.header.command_status, sequence_number, &mut out)
        .unwrap();
    assert_eq!(out[..], input[..]);
}

#[test]
fn generic_nack() {
    check("00000010 80000000 00000003 0000002a", 42, Pdu::GenericNack);
}

#[test]
fn bind_transmitter() {
    // The example of the specification's chapter 3, with version 3.4.
    let bind = Bind {
        system_id: b"SMPP3TEST".into(),
        password: b"secret08".into(),
        system_type: b"SUBMIT1".into(),
        interface_version: InterfaceVersion::V3_4,
        address_range: Address::new(Ton::International, Npi::Isdn, b""),
    };
    let hex = "0000002f 00000002 00000000 00000001
        534d5050335445535400 7365637265743038 00 5355424d49543100 34 01 01 00";
    check(hex, 1, Pdu::BindTransmitter(bind));
}

#[test]
fn bind_receiver() {
    let bind = Bind {
        system_id: b"rx".into(),
        address_range: Address::new(Ton::Unknown, Npi::Unknown, b"^8190"),
        ..Bind::default()
    };
    let hex = "0000001e 00000001 00000000 00000002 727800 00 00 34 00 00 5e3831393000";
    check(hex, 2, Pdu::BindReceiver(bind));
}

#[test]
fn bind_transceiver() {
    let bind = Bind {
        system_id: b"trx".into(),
        password: b"pw".into(),
        ..Bind::default()
    };
    check(
        "0000001c 00000009 00000000 7fffffff 74727800 707700 00 34 00 00 00",
        0x7FFF_FFFF,
        Pdu::BindTransceiver(Bind {
            interface_version: InterfaceVersion::V3_4,
            ..bind
        }),
    );
}

#[test]
fn bind_responses() {
    let tlvs = octets("0210 0001 34");
    let resp = BindResp {
        system_id: b"SMSC".into(),
        tlvs: Tlvs::parse(&tlvs).unwrap(),
    };
    assert_eq!(
        resp.tlvs.sc_interface_version(),
        Some(InterfaceVersion::V3_4)
    );
    let body = "534d534300 0210 0001 34";
    check(
        &format!("0000001a 80000002 00000000 00000001 {body}"),
        1,
        Pdu::BindTransmitterResp(resp),
    );
    check(
        &format!("0000001a 80000001 00000000 00000001 {body}"),
        1,
        Pdu::BindReceiverResp(resp),
    );
    check(
        &format!("0000001a 80000009 00000000 00000001 {body}"),
        1,
        Pdu::BindTransceiverResp(resp),
    );
}

#[test]
fn unbind_and_enquire_link() {
    check("00000010 00000006 00000000 00000005", 5, Pdu::Unbind);
    check("00000010 80000006 00000000 00000005", 5, Pdu::UnbindResp);
    check("00000010 00000015 00000000 00000006", 6, Pdu::EnquireLink);
    check(
        "00000010 80000015 00000000 00000006",
        6,
        Pdu::EnquireLinkResp,
    );
}

#[test]
fn submit_sm() {
    let tlvs = octets("0204 0002 0007  3ff0 0003 010203");
    let message = SubmitSm {
        service_type: b"CMT".into(),
        source: Address::new(Ton::Alphanumeric, Npi::Unknown, b"Hikyaku"),
        destination: Address::new(Ton::International, Npi::Isdn, b"819012345678"),
        esm_class: EsmClass(0x03),
        protocol_id: 0,
        priority_flag: 1,
        schedule_delivery_time: COctetString::EMPTY,
        validity_period: b"000000000500000R".into(),
        registered_delivery: RegisteredDelivery::FINAL,
        replace_if_present: 0,
        data_coding: DataCoding::DEFAULT,
        sm_default_msg_id: 0,
        short_message: b"OTP 1234",
        tlvs: Tlvs::parse(&tlvs).unwrap(),
    };
    let hex = "0000005c 00000004 00000000 00000003
        434d5400 05 00 48696b79616b7500 01 01 38313930313233343536373800 03 00 01 00
        3030303030303030303530303030305200 01 00 00 00 08 4f54502031323334
        0204 0002 0007 3ff0 0003 010203";
    check(hex, 3, Pdu::SubmitSm(message));
    assert_eq!(message.body(), b"OTP 1234");
    assert_eq!(message.tlvs.user_message_reference(), Some(7));
    assert_eq!(
        message.tlvs.find(TlvTag::Vendor(0x3FF0)),
        Some([1, 2, 3].as_slice())
    );
}

#[test]
fn submit_sm_resp() {
    let resp = SubmitSmResp {
        message_id: b"0A1B2C".into(),
        tlvs: Tlvs::EMPTY,
    };
    check(
        "00000017 80000004 00000000 00000003 30413142324300",
        3,
        Pdu::SubmitSmResp(resp),
    );
    check(
        "00000010 80000004 00000058 00000003",
        3,
        Pdu::SubmitSmResp(SubmitSmResp::default()),
    );
}

#[test]
fn deliver_sm_with_a_receipt() {
    let tlvs = octets("001e 0003 343200  0427 0001 02  0423 0003 030000");
    let message = SubmitSm {
        source: Address::new(Ton::International, Npi::Isdn, b"8190"),
        destination: Address::new(Ton::Unknown, Npi::Unknown, b"77"),
        esm_class: EsmClass::DELIVERY_RECEIPT,
        short_message: b"id:42 stat:DELIVRD",
        tlvs: Tlvs::parse(&tlvs).unwrap(),
        ..SubmitSm::default()
    };
    let hex = "0000004c 00000005 00000000 ffffffff
        00 01 01 3831393000 00 00 373700 04 00 00 00 00 00 00 00 00
        12 69643a343220737461743a44454c49565244
        001e 0003 343200 0427 0001 02 0423 0003 030000";
    check(hex, u32::MAX, Pdu::DeliverSm(message));
    assert_eq!(
        message.esm_class.message_type(),
        MessageType::DeliveryReceipt
    );
    assert_eq!(message.tlvs.receipted_message_id(), Some(b"42".into()));
    assert_eq!(
        message.tlvs.message_state(),
        Some(MessageStateValue::Delivered)
    );
    assert_eq!(
        message.tlvs.network_error_code(),
        Some(NetworkErrorCode {
            network_type: 3,
            code: 0
        })
    );
}

#[test]
fn deliver_sm_resp() {
    check(
        "00000011 80000005 00000000 00000009 00",
        9,
        Pdu::DeliverSmResp(DeliverSmResp::default()),
    );
    check(
        "00000011 80000005 00000064 00000009 00",
        9,
        Pdu::DeliverSmResp(DeliverSmResp::default()),
    );
}

#[test]
fn data_sm() {
    let tlvs = octets("0424 0002 6869");
    let message = DataSm {
        source: Address::new(Ton::NetworkSpecific, Npi::Private, b"5"),
        destination: Address::new(Ton::International, Npi::Isdn, b"44"),
        registered_delivery: RegisteredDelivery::ON_FAILURE,
        data_coding: DataCoding::LATIN1,
        tlvs: Tlvs::parse(&tlvs).unwrap(),
        ..DataSm::default()
    };
    let hex =
        "00000023 00000103 00000000 00000004 00 03 09 3500 01 01 343400 00 02 03 0424 0002 6869";
    check(hex, 4, Pdu::DataSm(message));
    assert_eq!(message.body(), b"hi");
}

#[test]
fn data_sm_resp() {
    let tlvs = octets("0425 0001 02");
    let resp = DataSmResp {
        message_id: b"7".into(),
        tlvs: Tlvs::parse(&tlvs).unwrap(),
    };
    check(
        "00000017 80000103 000000fe 00000004 3700 0425 0001 02",
        4,
        Pdu::DataSmResp(resp),
    );
    assert_eq!(resp.tlvs.delivery_failure_reason(), Some(2));
}

#[test]
fn the_header_stands_alone() {
    let input = octets("00000010 00000103 00000058 80000001");
    let header = split_frame(&input, FrameLimit::default())
        .unwrap()
        .unwrap()
        .header;
    assert_eq!(header.command_id, CommandId::DataSm);
    assert_eq!(header.command_status, CommandStatus::Throttled);
    assert_eq!(header.encode()[..], input[..]);
}
