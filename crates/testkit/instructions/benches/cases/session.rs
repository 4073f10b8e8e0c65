//! A request from `submit` to its answer, without socket.

use std::hint::black_box;

use bytes::BytesMut;
use smpp_codec::{Bind, BindResp, Pdu, ShortMessage};
use smpp_session::{BindType, Event, Role, Session, SessionConfig};

use super::codec::{answer, encode};
use instructions::Case;

pub(super) const WINDOW_OF_10: Case = Case {
    name: "session: submit and answer, window 10",
    rounds: 500,
    operations: 10,
    run: |rounds| turns(rounds, 10),
};
pub(super) const WINDOW_OF_1000: Case = Case {
    name: "session: submit and answer, window 1,000",
    rounds: 10,
    operations: 1_000,
    run: |rounds| turns(rounds, 1_000),
};

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
    let bound = Pdu::BindTransceiverResp(BindResp::default());
    encode(&bound, number, &mut answer);
    session
        .handle_bytes(&answer, 0, &mut |_: Event<'_>| {})
        .expect("an answer to the bind");
    session.handle_transmitted(session.transmit().len());
    session
}

/// Each fills the window, takes what would be written, and answers all of it in one read.
fn turns(rounds: u64, window_size: u32) {
    let mut session = bound(window_size);
    let mut answers = BytesMut::new();
    let pdu = Pdu::SubmitSm(ShortMessage {
        short_message: &[b'x'; 100],
        ..ShortMessage::default()
    });
    let answer = answer();
    for round in 0..rounds {
        let now_ns = (round + 1) * 1_000;
        answers.clear();
        for correlation in 0..u64::from(session.window_free()) {
            let number = session.submit(correlation, &pdu, now_ns);
            encode(&answer, number.expect("a free place"), &mut answers);
        }
        session.handle_transmitted(black_box(session.transmit()).len());
        let mut answered = 0;
        session
            .handle_bytes(&answers, now_ns, &mut |event: Event<'_>| {
                answered += u32::from(matches!(event, Event::Answered(_)));
            })
            .expect("answers to what was asked");
        assert_eq!(answered, window_size);
    }
}
