//! What real peers send, and what was decided about it: read if reading loses nothing, refuse with the right status if
//! the request cannot be understood, never write it ourselves.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should panic where it is"
)]

use bytes::BytesMut;
use smpp_codec::{
    Address, Bind, BindResp, COctetString, CommandStatus, DecodeError, DeliverSmResp, EncodeError,
    Field, FrameLimit, Npi, Pdu, SubmitSm, SubmitSmResp, TlvTag, TlvWriter, Tlvs, Ton, split_frame,
};

fn frame_bytes(command_id: u32, status: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    [
        &length.to_be_bytes()[..],
        &command_id.to_be_bytes(),
        &status.to_be_bytes(),
        &[0, 0, 0, 1],
        body,
    ]
    .concat()
}

/// Reads a body and hands the result to `check`.
fn read<R>(
    command_id: u32,
    status: u32,
    body: &[u8],
    check: impl FnOnce(Result<Pdu<'_>, DecodeError>) -> R,
) -> R {
    let input = frame_bytes(command_id, status, body);
    check(Pdu::decode(
        &split_frame(&input, FrameLimit::default()).unwrap().unwrap(),
    ))
}

fn refused(command_id: u32, body: &[u8]) -> DecodeError {
    read(command_id, 0, body, |result| {
        result.expect_err("this body must be refused")
    })
}

const SUBMIT_SM: u32 = 4;
const SUBMIT_SM_RESP: u32 = 0x8000_0004;

/// A submit_sm body up to sm_length, which the caller appends.
const SUBMIT_HEAD: &[u8] = b"\0\x01\x011\0\x01\x012\0\0\0\0\0\0\0\0\0\0";

#[test]
fn a_response_body_may_be_absent_a_lone_nul_or_full_whatever_the_status() {
    for status in [0, 0x58] {
        for (body, id) in [
            (&b""[..], &b""[..]),
            (b"\0", b""),
            (b"77\0", b"77"),
            (b"77", b"77"),
        ] {
            read(SUBMIT_SM_RESP, status, body, |pdu| {
                let resp = SubmitSmResp {
                    message_id: COctetString::new(id),
                    tlvs: Tlvs::EMPTY,
                };
                assert_eq!(pdu, Ok(Pdu::SubmitSmResp(resp)), "{status:#x} {body:?}");
            });
        }
    }
    for id in [0x8000_0001, 0x8000_0002, 0x8000_0009] {
        for status in [0, 0x0E] {
            read(id, status, b"", |pdu| match pdu {
                Ok(
                    Pdu::BindReceiverResp(resp)
                    | Pdu::BindTransmitterResp(resp)
                    | Pdu::BindTransceiverResp(resp),
                ) => assert_eq!(resp, BindResp::default()),
                other => panic!("{other:?}"),
            });
        }
    }
}

#[test]
fn an_error_response_keeps_its_optional_parameters() {
    read(
        SUBMIT_SM_RESP,
        0x58,
        b"\0\x04\x28\0\x01\x5F",
        |pdu| match pdu {
            Ok(Pdu::SubmitSmResp(resp)) => assert_eq!(resp.tlvs.congestion_state(), Some(95)),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn a_broken_tail_costs_a_response_its_tail_and_a_request_its_life() {
    read(
        SUBMIT_SM_RESP,
        0,
        b"77\0\x04\x28\0\x01\x0A\x04\x24\0",
        |pdu| match pdu {
            Ok(Pdu::SubmitSmResp(resp)) => {
                assert_eq!(resp.message_id.as_bytes(), b"77");
                assert_eq!(resp.tlvs.congestion_state(), Some(10));
            }
            other => panic!("{other:?}"),
        },
    );
    let error = refused(SUBMIT_SM, &[SUBMIT_HEAD, b"\x01x\x04\x24\0\x09hi"].concat());
    assert_eq!(
        error,
        DecodeError::TlvTruncated {
            tag: 0x0424,
            announced: 9,
            available: 2
        }
    );
    assert_eq!(
        error.command_status(),
        CommandStatus::InvalidOptionalParameterLength
    );
    let error = refused(SUBMIT_SM, &[SUBMIT_HEAD, b"\x01x\0\0"].concat());
    assert_eq!(error, DecodeError::TlvHeaderTruncated { octets: 2 });
}

#[test]
fn a_message_id_may_have_65_octets_to_read_and_64_to_write() {
    let long = [b'f'; 66];
    read(
        SUBMIT_SM_RESP,
        0,
        &[&long[..65], b"\0"].concat(),
        |pdu| match pdu {
            Ok(Pdu::SubmitSmResp(resp)) => assert_eq!(resp.message_id.len(), 65),
            other => panic!("{other:?}"),
        },
    );
    let error = refused(SUBMIT_SM_RESP, &[&long[..], b"\0"].concat());
    assert_eq!(
        error,
        DecodeError::FieldTooLong {
            field: Field::MessageId,
            max: 65
        }
    );
    let resp = |len| {
        Pdu::SubmitSmResp(SubmitSmResp {
            message_id: COctetString::new(&long[..len]),
            tlvs: Tlvs::EMPTY,
        })
    };
    let mut out = BytesMut::new();
    assert!(resp(64).encode(CommandStatus::Ok, 1, &mut out).is_ok());
    assert_eq!(
        resp(65).encode(CommandStatus::Ok, 1, &mut out),
        Err(EncodeError::FieldTooLong {
            field: Field::MessageId,
            len: 65,
            max: 64
        })
    );
}

#[test]
fn a_mandatory_string_needs_its_nul() {
    let error = refused(SUBMIT_SM, b"CMT");
    assert_eq!(
        error,
        DecodeError::MissingNul {
            field: Field::ServiceType
        }
    );
    assert_eq!(error.command_status(), CommandStatus::InvalidMessageLength);
    assert_eq!(
        refused(9, b"id\0pw"),
        DecodeError::MissingNul {
            field: Field::Password
        }
    );
}

#[test]
fn a_field_that_is_too_long_is_named_in_the_answer() {
    let long = [b'1'; 70];
    for (prefix, field, status) in [
        (
            &b""[..],
            Field::ServiceType,
            CommandStatus::InvalidServiceType,
        ),
        (
            b"\0\x01\x01",
            Field::SourceAddress,
            CommandStatus::InvalidSourceAddress,
        ),
        (
            b"\0\x01\x011\0\x01\x01",
            Field::DestinationAddress,
            CommandStatus::InvalidDestinationAddress,
        ),
        (
            b"\0\0\0\0\0\0\0\0\0\0",
            Field::ScheduleDeliveryTime,
            CommandStatus::InvalidSchedule,
        ),
        (
            b"\0\0\0\0\0\0\0\0\0\0\0",
            Field::ValidityPeriod,
            CommandStatus::InvalidValidityPeriod,
        ),
    ] {
        let error = refused(SUBMIT_SM, &[prefix, &long].concat());
        assert!(
            matches!(error, DecodeError::FieldTooLong { field: named, .. } if named == field),
            "{error:?}"
        );
        assert_eq!(error.command_status(), status);
    }
    assert_eq!(
        refused(9, &long).command_status(),
        CommandStatus::InvalidSystemId
    );
    assert_eq!(
        refused(9, &[b"id\0", &long[..]].concat()).command_status(),
        CommandStatus::InvalidPassword
    );
}

#[test]
fn a_long_password_is_read_and_written_and_noticed() {
    let password = [b'p'; 64];
    let bind = Bind {
        system_id: b"id".into(),
        password: COctetString::new(&password),
        ..Bind::default()
    };
    let mut out = BytesMut::new();
    Pdu::BindTransceiver(bind)
        .encode(CommandStatus::Ok, 1, &mut out)
        .unwrap();
    let frame = split_frame(&out, FrameLimit::default()).unwrap().unwrap();
    assert_eq!(Pdu::decode(&frame), Ok(Pdu::BindTransceiver(bind)));
    assert!(bind.password_exceeds_specification());
    assert!(
        !Bind {
            password: b"12345678".into(),
            ..bind
        }
        .password_exceeds_specification()
    );
}

#[test]
fn short_message_reads_to_255_octets_and_writes_to_254() {
    let body = [SUBMIT_HEAD, &[255], &[b'x'; 255]].concat();
    let text_len = read(SUBMIT_SM, 0, &body, |pdu| match pdu {
        Ok(Pdu::SubmitSm(message)) => message.body().len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(text_len, 255);
    let error = refused(SUBMIT_SM, &body[..body.len() - 5]);
    assert_eq!(
        error,
        DecodeError::Truncated {
            field: Field::ShortMessage,
            missing: 5
        }
    );
    let mut out = BytesMut::new();
    for (len, max) in [(255, 254), (70_000, 254)] {
        let text = vec![b'x'; len];
        let message = SubmitSm {
            short_message: &text,
            ..SubmitSm::default()
        };
        assert_eq!(
            Pdu::SubmitSm(message).encode(CommandStatus::Ok, 1, &mut out),
            Err(EncodeError::FieldTooLong {
                field: Field::ShortMessage,
                len,
                max
            })
        );
        assert!(out.is_empty());
    }
}

#[test]
fn the_payload_is_the_body_when_it_holds_something() {
    for (tail, expected) in [
        (&b"\x02hi"[..], &b"hi"[..]),
        (b"\x00\x04\x24\0\x03pay", b"pay"),
        (b"\x02hi\x04\x24\0\x03pay", b"pay"),
        (b"\x02hi\x04\x24\0\0", b"hi"),
    ] {
        read(
            SUBMIT_SM,
            0,
            &[SUBMIT_HEAD, tail].concat(),
            |pdu| match pdu {
                Ok(Pdu::SubmitSm(message)) => assert_eq!(message.body(), expected),
                other => panic!("{other:?}"),
            },
        );
    }
}

#[test]
fn what_breaks_the_specification_is_not_written() {
    let mut scratch = BytesMut::new();
    let mut writer = TlvWriter::new(&mut scratch);
    writer.message_payload(b"pay").unwrap();
    let payload = writer.finish();
    let plain = SubmitSm::default();
    let long = [b'1'; 21];
    let address = |addr| Address::new(Ton::International, Npi::Isdn, addr);
    let cases = [
        (
            SubmitSm {
                short_message: b"hi",
                tlvs: payload,
                ..plain
            },
            EncodeError::TwoBodies {
                short_message_len: 2,
            },
        ),
        (
            SubmitSm {
                validity_period: b"0500R".into(),
                ..plain
            },
            EncodeError::TimeLength {
                field: Field::ValidityPeriod,
                len: 5,
            },
        ),
        (
            SubmitSm {
                service_type: b"A\0B".into(),
                ..plain
            },
            EncodeError::ContainsNul {
                field: Field::ServiceType,
                position: 1,
            },
        ),
        (
            SubmitSm {
                destination: address(&long),
                ..plain
            },
            EncodeError::FieldTooLong {
                field: Field::DestinationAddress,
                len: 21,
                max: 20,
            },
        ),
    ];
    for (message, error) in cases {
        let mut out = BytesMut::from(&b"kept"[..]);
        assert_eq!(
            Pdu::SubmitSm(message).encode(CommandStatus::Ok, 1, &mut out),
            Err(error)
        );
        assert_eq!(&out[..], b"kept");
    }
}

#[test]
fn a_filled_deliver_sm_resp_is_not_written() {
    let filled = DeliverSmResp {
        message_id: b"1".into(),
        tlvs: Tlvs::EMPTY,
    };
    assert_eq!(
        Pdu::DeliverSmResp(filled).encode(CommandStatus::Ok, 1, &mut BytesMut::new()),
        Err(EncodeError::MustBeEmpty {
            field: Field::MessageId,
            len: 1
        })
    );
}

#[test]
fn an_error_status_sends_no_body() {
    let resp = SubmitSmResp {
        message_id: b"77".into(),
        tlvs: Tlvs::EMPTY,
    };
    let bind = BindResp {
        system_id: b"SMSC".into(),
        tlvs: Tlvs::EMPTY,
    };
    for pdu in [
        Pdu::SubmitSmResp(resp),
        Pdu::BindTransceiverResp(bind),
        Pdu::BindReceiverResp(bind),
    ] {
        let mut out = BytesMut::new();
        pdu.encode(CommandStatus::SystemError, 1, &mut out).unwrap();
        assert_eq!(out.len(), 16);
    }
}

#[test]
fn unknown_commands_are_told_apart_from_bad_bodies() {
    for id in [3, 0x0B, 0x21, 0x0001_0200, 0x8000_0021] {
        assert_eq!(refused(id, b"anything"), DecodeError::UnknownCommand(id));
    }
    assert_eq!(
        DecodeError::UnknownCommand(3).command_status(),
        CommandStatus::InvalidCommandId
    );
}

#[test]
fn pdus_without_a_body_ignore_one() {
    assert_eq!(
        read(0x15, 0, b"junk", |pdu| pdu.unwrap().command_id().to_u32()),
        0x15
    );
}

#[test]
fn debug_output_hides_secrets_numbers_and_texts() {
    let bind = Bind {
        system_id: b"account".into(),
        password: b"hunter2".into(),
        ..Bind::default()
    };
    let mut scratch = BytesMut::new();
    let mut writer = TlvWriter::new(&mut scratch);
    writer.push(TlvTag::CallbackNum, b"819012345678").unwrap();
    let message = SubmitSm {
        destination: Address::new(Ton::International, Npi::Isdn, b"819012345678"),
        short_message: b"code 5150",
        tlvs: writer.finish(),
        ..SubmitSm::default()
    };
    let shown = format!(
        "{:?} {:?}",
        Pdu::BindTransceiver(bind),
        Pdu::SubmitSm(message)
    );
    assert!(
        shown.contains("account") && shown.contains("<redacted>"),
        "{shown}"
    );
    for secret in ["hunter2", "345678", "5150", "code"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("short_message_len: 9"), "{shown}");
}
