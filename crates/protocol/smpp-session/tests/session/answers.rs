//! Answers to our requests: in time, late, twice, stray, nacked, unreadable.

use smpp_codec::{CommandStatus, DecodeError, Pdu};
use smpp_session::{Answer, Event, RequestKind, Role, Session, SessionConfig};

use crate::link::{
    SECOND_NS, Seen, bound, bound_esme, bound_mc, deliver_sm, feed, fire, raw, submit_sm,
    submit_sm_resp, wire, write_all,
};

const OK: CommandStatus = CommandStatus::Ok;

fn ask(session: &mut Session, correlation: u64, now_ns: u64) -> u32 {
    let number = session
        .submit(correlation, &submit_sm(b"hello"), now_ns)
        .unwrap();
    write_all(session);
    number
}

fn ok_answer(number: u32) -> Vec<u8> {
    wire(&submit_sm_resp(b"id"), OK, number)
}

#[test]
fn an_answer_carries_correlation_status_body_and_send_time() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 42, 7);
    let mut found = 0;
    let bytes = wire(&submit_sm_resp(b"A1"), OK, number);
    esme.handle_bytes(&bytes, 9, &mut |event: Event<'_>| {
        let Event::Answered(Answer {
            correlation,
            sequence_number,
            request,
            status,
            response,
            sent_at_ns,
        }) = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(
            (correlation, sequence_number, request),
            (42, number, RequestKind::SubmitSm)
        );
        assert_eq!((status, sent_at_ns), (OK, 7));
        assert_eq!(response, Ok(submit_sm_resp(b"A1")));
        found += 1;
    })
    .unwrap();
    assert_eq!((found, esme.in_flight()), (1, 0));
}

#[test]
fn many_answers_in_one_read_settle_in_any_order() {
    let mut esme = bound_esme();
    let numbers: Vec<u32> = (0..5).map(|id| ask(&mut esme, id, 0)).collect();
    let bytes: Vec<u8> = numbers
        .iter()
        .rev()
        .flat_map(|number| ok_answer(*number))
        .collect();
    let order: Vec<Seen> = (0..5).rev().map(|id| Seen::Answered(id, OK)).collect();
    assert_eq!(feed(&mut esme, &bytes, 1), order);
}

#[test]
fn every_split_of_the_stream_gives_the_same_events() {
    for cut in 0..40 {
        let mut esme = bound_esme();
        let bytes: Vec<u8> = (0..2)
            .map(|id| ask(&mut esme, id, 0))
            .flat_map(ok_answer)
            .collect();
        let mut seen = Vec::new();
        let mut handler = |event: Event<'_>| seen.push(Seen::from(event));
        let cut = cut.min(bytes.len());
        let consumed = esme.handle_bytes(&bytes[..cut], 1, &mut handler).unwrap();
        let rest = esme
            .handle_bytes(&bytes[consumed..], 2, &mut handler)
            .unwrap();
        assert_eq!(consumed + rest, bytes.len());
        assert_eq!(seen, [Seen::Answered(0, OK), Seen::Answered(1, OK)]);
    }
}

#[test]
fn a_duplicate_is_counted_and_silent() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 1, 0);
    feed(&mut esme, &ok_answer(number), 0);
    assert_eq!(feed(&mut esme, &ok_answer(number), 0), []);
    let counters = esme.counters();
    assert_eq!(
        (counters.duplicate_answers, counters.unsolicited_answers),
        (1, 0)
    );
}

#[test]
fn a_stray_number_is_counted_and_silent() {
    let mut esme = bound_esme();
    for number in [0, 99, 0x7FFF_FFFF, 0x8000_0001, u32::MAX] {
        assert_eq!(feed(&mut esme, &ok_answer(number), 0), []);
    }
    assert_eq!(feed(&mut esme, &wire(&Pdu::UnbindResp, OK, 5), 0), []);
    assert_eq!(feed(&mut esme, &wire(&Pdu::EnquireLinkResp, OK, 5), 0), []);
    assert_eq!(feed(&mut esme, &wire(&Pdu::GenericNack, OK, 5), 0), []);
    assert_eq!(feed(&mut esme, &raw(0x8000_0003, 0, 5, b"x"), 0), []);
    assert_eq!(esme.counters().unsolicited_answers, 9);
    assert_eq!(esme.transmit(), b"", "an answer is never answered");
}

#[test]
fn an_answer_of_another_kind_settles_nothing() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 1, 0);
    assert_eq!(
        feed(&mut esme, &raw(0x8000_0103, 0, number, b"id\0"), 0),
        []
    );
    assert_eq!(
        (esme.in_flight(), esme.counters().unsolicited_answers),
        (1, 1)
    );
    assert_eq!(
        feed(&mut esme, &ok_answer(number), 0),
        [Seen::Answered(1, OK)]
    );
}

#[test]
fn a_nack_answers_with_its_status_and_never_with_ok() {
    let mut esme = bound_esme();
    for (id, sent, expected) in [
        (
            1,
            CommandStatus::InvalidCommandId,
            CommandStatus::InvalidCommandId,
        ),
        (2, CommandStatus::Throttled, CommandStatus::Throttled),
        (3, OK, CommandStatus::UnknownError),
    ] {
        let number = ask(&mut esme, id, 0);
        let seen = feed(&mut esme, &wire(&Pdu::GenericNack, sent, number), 0);
        assert_eq!(seen, [Seen::Answered(id, expected)]);
    }
}

#[test]
fn an_unreadable_body_still_answers() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 8, 0);
    let bytes = raw(0x8000_0004, 0, number, &[b'9'; 200]);
    let mut found = 0;
    esme.handle_bytes(&bytes, 0, &mut |event: Event<'_>| {
        let Event::Answered(answer) = event else {
            panic!("{event:?}")
        };
        assert_eq!((answer.correlation, answer.status), (8, OK));
        assert!(matches!(
            answer.response,
            Err(DecodeError::FieldTooLong { .. })
        ));
        found += 1;
    })
    .unwrap();
    assert_eq!((found, esme.in_flight()), (1, 0));
}

#[test]
fn a_timed_out_request_is_told_once_and_its_late_answer_once() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 1, SECOND_NS);
    assert_eq!(fire(&mut esme, 31 * SECOND_NS - 1), []);
    assert_eq!(fire(&mut esme, 31 * SECOND_NS), [Seen::TimedOut(1)]);
    assert_eq!((esme.in_flight(), esme.late_awaited()), (0, 1));
    assert_eq!(fire(&mut esme, 32 * SECOND_NS), []);
    let late = feed(&mut esme, &ok_answer(number), 33 * SECOND_NS);
    assert_eq!(late, [Seen::AnsweredLate(1, OK)]);
    assert_eq!(feed(&mut esme, &ok_answer(number), 34 * SECOND_NS), []);
    let counters = esme.counters();
    assert_eq!(
        (
            counters.late_answers,
            counters.duplicate_answers,
            esme.late_awaited()
        ),
        (1, 1, 0)
    );
    assert_eq!(
        esme.close(),
        smpp_session::Lost::default(),
        "told before, so not lost again"
    );
}

#[test]
fn a_late_answer_must_be_of_the_right_kind_or_a_nack() {
    let mut esme = bound_esme();
    let number = ask(&mut esme, 1, 0);
    fire(&mut esme, 30 * SECOND_NS);
    assert_eq!(
        feed(
            &mut esme,
            &raw(0x8000_0103, 0, number, b"id\0"),
            31 * SECOND_NS
        ),
        []
    );
    let nack = wire(&Pdu::GenericNack, CommandStatus::SystemError, number);
    let seen = feed(&mut esme, &nack, 31 * SECOND_NS);
    assert_eq!(seen, [Seen::AnsweredLate(1, CommandStatus::SystemError)]);
}

#[test]
fn the_oldest_timed_out_number_drops_out_at_the_limit() {
    let config = SessionConfig {
        late_answers_max: 2,
        ..SessionConfig::new(Role::Esme)
    };
    let mut esme = bound(config, smpp_session::BindType::Transceiver);
    let numbers: Vec<u32> = (0..3).map(|id| ask(&mut esme, id, 0)).collect();
    let told = fire(&mut esme, 30 * SECOND_NS);
    assert_eq!(
        told,
        [Seen::TimedOut(0), Seen::TimedOut(1), Seen::TimedOut(2)]
    );
    assert_eq!(
        (esme.late_awaited(), esme.counters().late_forgotten),
        (2, 1)
    );
    let bytes: Vec<u8> = numbers.into_iter().flat_map(ok_answer).collect();
    let seen = feed(&mut esme, &bytes, 30 * SECOND_NS);
    assert_eq!(seen, [Seen::AnsweredLate(1, OK), Seen::AnsweredLate(2, OK)]);
}

#[test]
fn each_request_has_its_own_deadline() {
    let mut esme = bound_esme();
    let first = ask(&mut esme, 1, 0);
    ask(&mut esme, 2, 5 * SECOND_NS);
    ask(&mut esme, 3, 6 * SECOND_NS);
    feed(&mut esme, &ok_answer(first), 7 * SECOND_NS);
    assert_eq!(esme.poll_timeout(), Some(35 * SECOND_NS));
    assert_eq!(fire(&mut esme, 35 * SECOND_NS), [Seen::TimedOut(2)]);
    assert_eq!(esme.poll_timeout(), Some(36 * SECOND_NS));
}

#[test]
fn the_mc_has_a_window_of_its_own() {
    let mut mc = bound_mc();
    let number = mc.submit(3, &deliver_sm(b"receipt"), 0).unwrap();
    assert_eq!((number, mc.in_flight()), (1, 1));
    write_all(&mut mc);
    let seen = feed(&mut mc, &raw(0x8000_0005, 0, number, b"\0"), 0);
    assert_eq!(seen, [Seen::Answered(3, OK)]);
}
