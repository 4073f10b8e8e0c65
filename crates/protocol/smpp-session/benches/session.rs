//! What a request costs a session, from `submit` to the answer, without socket or codec of the other side: answers are encoded beforehand.
//!
//! ```text
//! cargo bench --package smpp-session
//! ```

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use smpp_codec::{Bind, BindResp, COctetString, CommandStatus, Pdu, ShortMessage, SubmitSmResp};
use smpp_session::{BindType, Event, Role, Session, SessionConfig};

const TEXT: &[u8] = &[b'x'; 100];

fn encode(pdu: &Pdu<'_>, sequence_number: u32, out: &mut BytesMut) {
    pdu.encode(CommandStatus::Ok, sequence_number, out)
        .expect("a PDU within the specification");
}

/// An ESME, bound, with nothing waiting.
fn bound(window_size: u32) -> Session {
    let config = SessionConfig {
        window_size,
        ..SessionConfig::new(Role::Esme)
    };
    let mut session = Session::new(config, 0).expect("a window within its range");
    let number = session
        .bind(BindType::Transceiver, Bind::default())
        .expect("a new session binds");
    let mut answer = BytesMut::new();
    encode(
        &Pdu::BindTransceiverResp(BindResp::default()),
        number,
        &mut answer,
    );
    session
        .handle_bytes(&answer, 0, &mut |_: Event<'_>| {})
        .expect("an answer to the bind");
    session.handle_transmitted(session.transmit().len());
    session
}

/// Fills the window, takes what would be written, and answers all of it in one read.
fn full_turn(session: &mut Session, pdu: &Pdu<'_>, answers: &mut BytesMut, now_ns: u64) -> u64 {
    answers.clear();
    let answer = Pdu::SubmitSmResp(SubmitSmResp {
        message_id: COctetString::new(b"0123456789"),
        ..SubmitSmResp::default()
    });
    for correlation in 0..u64::from(session.window_free()) {
        let number = session.submit(correlation, pdu, now_ns);
        encode(&answer, number.expect("a free place"), answers);
    }
    session.handle_transmitted(black_box(session.transmit()).len());
    let mut answered = 0;
    session
        .handle_bytes(answers, now_ns, &mut |event: Event<'_>| {
            answered += u64::from(matches!(event, Event::Answered(_)));
        })
        .expect("answers to what was asked");
    answered
}

fn session(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let pdu = Pdu::SubmitSm(ShortMessage {
        short_message: TEXT,
        ..ShortMessage::default()
    });
    for window_size in [10, 100, 1_000] {
        group.throughput(Throughput::Elements(u64::from(window_size)));
        let id = BenchmarkId::new("submit and answer, window", window_size);
        group.bench_function(id, |bencher| {
            let mut session = bound(window_size);
            let mut answers = BytesMut::new();
            let mut now_ns = 0;
            bencher.iter(|| {
                now_ns += 1_000;
                let answered = full_turn(&mut session, &pdu, &mut answers, now_ns);
                assert_eq!(answered, u64::from(window_size));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, session);
criterion_main!(benches);
