//! What a PDU costs to write and to read: the four that a message with a receipt takes.
//!
//! ```text
//! cargo bench --package smpp-codec
//! ```

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smpp_codec::receipt_text::ReceiptText;
use smpp_codec::{
    Address, COctetString, CommandStatus, FrameLimit, Npi, Pdu, ShortMessage, SubmitSmResp, Ton,
    split_frame,
};

const TEXT: &[u8] = &[b'x'; 100];
const RECEIPT: &[u8] = b"id:0123456789 sub:001 dlvrd:001 submit date:2611220501 done date:2611220502 stat:DELIVRD err:000 text:Your code is";

fn message(body: &[u8]) -> ShortMessage<'_> {
    ShortMessage {
        source: Address::new(Ton::Alphanumeric, Npi::Unknown, b"Hikyaku"),
        destination: Address::new(Ton::International, Npi::Isdn, b"819012345678"),
        short_message: body,
        ..ShortMessage::default()
    }
}

fn encoded(pdu: &Pdu<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    pdu.encode(CommandStatus::Ok, 7, &mut out)
        .expect("a PDU within the specification");
    out
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    let submit = Pdu::SubmitSm(message(TEXT));
    let mut out = BytesMut::with_capacity(1_024);
    group.bench_function("submit_sm, encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            let written = black_box(&submit).encode(CommandStatus::Ok, 7, &mut out);
            written.expect("a PDU within the specification");
            out.len()
        });
    });
    let answer = Pdu::SubmitSmResp(SubmitSmResp {
        message_id: COctetString::new(b"0123456789"),
        ..SubmitSmResp::default()
    });
    for (name, pdu) in [
        ("submit_sm, split and decode", &submit),
        ("submit_sm_resp, split and decode", &answer),
        (
            "deliver_sm, split and decode",
            &Pdu::DeliverSm(message(RECEIPT)),
        ),
    ] {
        let octets = encoded(pdu);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let frame = split_frame(black_box(&octets), FrameLimit::default());
                let frame = frame.expect("a sound frame").expect("a whole one");
                black_box(Pdu::decode(&frame).expect("what was encoded")).command_id()
            });
        });
    }
    group.bench_function("receipt text, parse", |bencher| {
        bencher.iter(|| black_box(ReceiptText::parse(black_box(RECEIPT))));
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
