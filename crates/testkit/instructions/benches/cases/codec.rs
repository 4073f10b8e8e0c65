//! PDUs, written and read.

use std::hint::black_box;

use bytes::BytesMut;
use smpp_codec::receipt_text::ReceiptText;
use smpp_codec::{
    Address, COctetString, CommandStatus, FrameLimit, Npi, Pdu, ShortMessage, SubmitSmResp, Ton,
    split_frame,
};

use instructions::Case;

const TEXT: &[u8] = &[b'x'; 100];
const RECEIPT: &[u8] = b"id:0123456789 sub:001 dlvrd:001 submit date:2611220501 done date:2611220502 stat:DELIVRD err:000 text:Your code is";

pub(super) const SUBMIT_ENCODE: Case = Case {
    name: "codec: submit_sm, encode",
    rounds: 10_000,
    operations: 1,
    run: encode_submits,
};
pub(super) const SUBMIT_DECODE: Case = Case {
    name: "codec: submit_sm, split and decode",
    rounds: 10_000,
    operations: 1,
    run: |rounds| decode(rounds, &Pdu::SubmitSm(message(TEXT))),
};
pub(super) const ANSWER_DECODE: Case = Case {
    name: "codec: submit_sm_resp, split and decode",
    rounds: 10_000,
    operations: 1,
    run: |rounds| decode(rounds, &answer()),
};
pub(super) const DELIVER_DECODE: Case = Case {
    name: "codec: deliver_sm, split and decode",
    rounds: 10_000,
    operations: 1,
    run: |rounds| decode(rounds, &Pdu::DeliverSm(message(RECEIPT))),
};
pub(super) const RECEIPT_PARSE: Case = Case {
    name: "codec: receipt text, parse",
    rounds: 10_000,
    operations: 1,
    run: parse_receipts,
};

pub(super) fn message(body: &[u8]) -> ShortMessage<'_> {
    ShortMessage {
        source: Address::new(Ton::Alphanumeric, Npi::Unknown, b"Hikyaku"),
        destination: Address::new(Ton::International, Npi::Isdn, b"819012345678"),
        short_message: body,
        ..ShortMessage::default()
    }
}

pub(super) fn answer() -> Pdu<'static> {
    Pdu::SubmitSmResp(SubmitSmResp {
        message_id: COctetString::new(b"0123456789"),
        ..SubmitSmResp::default()
    })
}

pub(super) fn encode(pdu: &Pdu<'_>, sequence_number: u32, out: &mut BytesMut) {
    pdu.encode(CommandStatus::Ok, sequence_number, out)
        .expect("a PDU within the specification");
}

fn encode_submits(rounds: u64) {
    let submit = Pdu::SubmitSm(message(TEXT));
    let mut out = BytesMut::with_capacity(1_024);
    for _ in 0..rounds {
        out.clear();
        encode(black_box(&submit), 7, &mut out);
        black_box(&out);
    }
}

fn decode(rounds: u64, pdu: &Pdu<'_>) {
    let mut octets = BytesMut::new();
    encode(pdu, 7, &mut octets);
    for _ in 0..rounds {
        let frame = split_frame(black_box(&octets), FrameLimit::default());
        let frame = frame.expect("a sound frame").expect("a whole one");
        let decoded = Pdu::decode(&frame).expect("what was encoded");
        black_box(black_box(decoded).command_id());
    }
}

fn parse_receipts(rounds: u64) {
    for _ in 0..rounds {
        black_box(ReceiptText::parse(black_box(RECEIPT)));
    }
}
