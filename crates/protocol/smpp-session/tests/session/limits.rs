//! The bounds: window, outbound buffer, sequence numbers; and what a lost link leaves behind.

use smpp_codec::{CommandId, CommandStatus, EncodeError, Pdu};
use smpp_session::{
    BindType, ControlError, Lost, RespondError, Retry, Role, SEQUENCE_NUMBER_MAX, Session,
    SessionConfig, SessionError, SessionState, SubmitError,
};

use crate::link::{
    SECOND_NS, Seen, bound, bound_esme, bound_mc, credentials, feed, fire, submit_sm,
    submit_sm_resp, waiting, wire, write_all,
};

const OK: CommandStatus = CommandStatus::Ok;

fn esme_with_window(window_size: u32) -> Session {
    bound(
        SessionConfig {
            window_size,
            ..SessionConfig::new(Role::Esme)
        },
        BindType::Transceiver,
    )
}

#[test]
fn the_window_is_a_hard_cap_and_an_answer_frees_a_slot() {
    for window_size in [1, 2, 10, 100] {
        let mut esme = esme_with_window(window_size);
        let numbers: Vec<u32> = (0..window_size)
            .map(|id| esme.submit(u64::from(id), &submit_sm(b"x"), 0).unwrap())
            .collect();
        assert_eq!((esme.window_free(), esme.in_flight()), (0, window_size));
        let before = esme.transmit().len();
        let full = esme.submit(999, &submit_sm(b"x"), 0).unwrap_err();
        assert!(matches!(full, SubmitError::WindowFull { .. }));
        assert_eq!(
            (full.retry(), esme.transmit().len()),
            (Retry::AfterAnswer, before)
        );
        write_all(&mut esme);
        feed(&mut esme, &wire(&submit_sm_resp(b"1"), OK, numbers[0]), 0);
        assert_eq!(esme.window_free(), 1);
        esme.submit(999, &submit_sm(b"x"), 0).unwrap();
        assert_eq!(esme.window_free(), 0);
    }
}

#[test]
fn control_requests_and_answers_never_wait_for_the_window() {
    let mut esme = esme_with_window(1);
    esme.submit(1, &submit_sm(b"x"), 25 * SECOND_NS).unwrap();
    write_all(&mut esme);
    fire(&mut esme, 30 * SECOND_NS);
    feed(&mut esme, &wire(&Pdu::EnquireLink, OK, 9), 31 * SECOND_NS);
    esme.unbind(32 * SECOND_NS).unwrap();
    let written: Vec<CommandId> = waiting(&esme).into_iter().map(|pdu| pdu.0).collect();
    assert_eq!(
        written,
        [
            CommandId::EnquireLink,
            CommandId::EnquireLinkResp,
            CommandId::Unbind
        ]
    );
}

#[test]
fn a_request_without_a_form_on_the_wire_takes_nothing() {
    let mut esme = bound_esme();
    let result = esme.submit(1, &submit_sm(&[0; 255]), 0);
    assert!(matches!(
        result,
        Err(SubmitError::Encode(EncodeError::FieldTooLong { .. }))
    ));
    assert_eq!(
        (esme.in_flight(), esme.transmit(), esme.poll_timeout()),
        (0, b"".as_slice(), Some(30 * SECOND_NS))
    );
}

#[test]
fn requests_stop_at_the_first_bound_and_go_on_after_a_write() {
    let config = SessionConfig {
        transmit_max_bytes: 50,
        ..SessionConfig::new(Role::Esme)
    };
    let mut esme = bound(config, BindType::Transceiver);
    esme.submit(1, &submit_sm(b"x"), 0).unwrap();
    esme.submit(2, &submit_sm(b"x"), 0).unwrap();
    let full = esme.submit(3, &submit_sm(b"x"), 0).unwrap_err();
    assert!(matches!(
        full,
        SubmitError::TransmitFull { max_bytes: 50, .. }
    ));
    assert_eq!((full.retry(), esme.in_flight()), (Retry::AfterWrite, 2));
    feed(&mut esme, &wire(&Pdu::EnquireLink, OK, 9), 0);
    assert_eq!(waiting(&esme).len(), 3, "answers go on");
    esme.handle_transmitted(40);
    esme.submit(3, &submit_sm(b"x"), 0).unwrap();
}

#[test]
fn a_peer_that_asks_and_never_reads_ends_at_the_second_bound() {
    let config = SessionConfig {
        transmit_max_bytes: 16,
        transmit_hard_max_bytes: 160,
        ..SessionConfig::new(Role::Mc)
    };
    let mut mc = bound(config.clone(), BindType::Transceiver);
    let flood: Vec<u8> = (0..1_000)
        .flat_map(|number| wire(&Pdu::EnquireLink, OK, number))
        .collect();
    let result = mc.handle_bytes(&flood, 0, &mut |_: smpp_session::Event<'_>| {});
    assert!(matches!(
        result,
        Err(SessionError::TransmitOverflow {
            waiting_bytes: 160,
            hard_max_bytes: 160
        })
    ));
    assert_eq!(
        (mc.state(), mc.transmit().len()),
        (SessionState::Closed, 160)
    );
    let mut mc = bound(config, BindType::Transceiver);
    let refused = (0..1_000).find_map(|number| mc.respond(number, OK, &Pdu::GenericNack, 0).err());
    assert!(matches!(
        refused,
        Some(RespondError::TransmitOverflow { .. })
    ));
    assert_eq!(mc.state(), SessionState::Closed);
}

#[test]
fn a_peer_that_binds_and_never_reads_its_refusals_ends_too() {
    let config = SessionConfig {
        transmit_max_bytes: 16,
        transmit_hard_max_bytes: 64,
        ..SessionConfig::new(Role::Mc)
    };
    let mut mc = Session::new(config, 0).unwrap();
    let bind = wire(&Pdu::BindReceiver(credentials()), OK, 1);
    for _ in 0..4 {
        assert_eq!(feed(&mut mc, &bind, 0).len(), 1);
        mc.refuse_bind(CommandStatus::InvalidPassword).unwrap();
    }
    assert_eq!(feed(&mut mc, &bind, 0).len(), 1);
    let refused = mc.refuse_bind(CommandStatus::InvalidPassword);
    assert!(matches!(
        refused,
        Err(ControlError::TransmitOverflow {
            waiting_bytes: 64,
            ..
        })
    ));
    assert_eq!(mc.state(), SessionState::Closed);
}

#[test]
fn numbers_wrap_to_one_and_still_find_their_requests() {
    let first_sequence_number = SEQUENCE_NUMBER_MAX - 5;
    let config = SessionConfig {
        first_sequence_number,
        window_size: 4,
        ..SessionConfig::new(Role::Esme)
    };
    let mut esme = bound(config, BindType::Transceiver);
    let mut numbers = Vec::new();
    for id in 0..12 {
        if esme.window_free() == 0 {
            let (answered, oldest) = (id - 4, numbers[numbers.len() - 4]);
            let seen = feed(&mut esme, &wire(&submit_sm_resp(b"1"), OK, oldest), 0);
            assert_eq!(seen, [Seen::Answered(answered, OK)]);
        }
        numbers.push(esme.submit(id, &submit_sm(b"x"), 0).unwrap());
        write_all(&mut esme);
    }
    let max = SEQUENCE_NUMBER_MAX;
    assert_eq!(
        numbers,
        [max - 4, max - 3, max - 2, max - 1, max, 1, 2, 3, 4, 5, 6, 7]
    );
}

#[test]
fn a_number_whose_place_is_taken_is_passed_over() {
    let mut esme = esme_with_window(2);
    let stuck = esme.submit(0, &submit_sm(b"x"), 0).unwrap();
    assert_eq!(stuck, 2, "the bind was 1");
    let mut numbers = Vec::new();
    for id in 1..8 {
        let number = esme.submit(id, &submit_sm(b"x"), 0).unwrap();
        write_all(&mut esme);
        feed(&mut esme, &wire(&submit_sm_resp(b"1"), OK, number), 0);
        numbers.push(number);
    }
    assert_eq!(numbers, [3, 4, 5, 7, 8, 9, 11]);
}

#[test]
fn one_byte_makes_a_request_uncertain() {
    let mut esme = bound_esme();
    let mut ends = Vec::new();
    for id in 0..3 {
        esme.submit(id, &submit_sm(b"x"), 0).unwrap();
        ends.push(esme.transmit().len());
    }
    let lost_after = |written: usize| {
        let mut esme = bound_esme();
        for id in 0..3 {
            esme.submit(id, &submit_sm(b"x"), 0).unwrap();
        }
        esme.handle_transmitted(written);
        esme.close()
    };
    let lost = |unwritten: &[u64], uncertain: &[u64]| Lost {
        unwritten: unwritten.into(),
        uncertain: uncertain.into(),
    };
    assert_eq!(lost_after(0), lost(&[0, 1, 2], &[]));
    assert_eq!(lost_after(1), lost(&[1, 2], &[0]));
    assert_eq!(lost_after(ends[0]), lost(&[1, 2], &[0]));
    assert_eq!(lost_after(ends[0] + 1), lost(&[2], &[0, 1]));
    assert_eq!(lost_after(ends[2]), lost(&[], &[0, 1, 2]));
}

#[test]
fn closing_twice_hands_back_nothing_twice() {
    let mut mc = bound_mc();
    mc.submit(4, &crate::link::deliver_sm(b"x"), 0).unwrap();
    assert_eq!(mc.close().unwritten, [4]);
    assert_eq!(mc.close(), Lost::default());
}

#[test]
fn debug_shows_neither_password_nor_body() {
    let mut esme = Session::new(SessionConfig::new(Role::Esme), 0).unwrap();
    esme.bind(BindType::Transceiver, credentials()).unwrap();
    let text = format!("{esme:?}");
    assert!(
        !text.contains("secret") && text.contains("waiting_bytes"),
        "{text}"
    );
    let mut esme = bound_esme();
    esme.submit(1, &submit_sm(b"your code is 4711"), 0).unwrap();
    assert!(!format!("{esme:?}").contains("4711"));
}
