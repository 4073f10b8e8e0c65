//! One test for each arrow of the diagram above `SessionState`.

use smpp_codec::{CommandId, CommandStatus, Pdu};
use smpp_session::{
    BindType, CloseReason, ControlError, Role, Session, SessionConfig, SessionError, SessionState,
    SubmitError,
};

use crate::link::{
    SECOND_NS, Seen, bound, bound_esme, bound_mc, credentials, feed, fire, raw, submit_sm,
    submit_sm_resp, waiting, welcome, wire, write_all,
};

const BIND_TYPES: [BindType; 3] = [
    BindType::Transmitter,
    BindType::Receiver,
    BindType::Transceiver,
];

fn open(role: Role) -> Session {
    Session::new(SessionConfig::new(role), 0).unwrap()
}

#[test]
fn open_to_binding_to_bound_on_both_ends_for_each_type() {
    for bind_type in BIND_TYPES {
        let (mut esme, mut mc) = (open(Role::Esme), open(Role::Mc));
        assert_eq!(esme.bind(bind_type, credentials()).unwrap(), 1);
        assert_eq!(esme.state(), SessionState::Binding);
        let seen = feed(&mut mc, &write_all(&mut esme), 1);
        assert_eq!(seen, [Seen::BindRequested(bind_type, b"esme".to_vec())]);
        assert_eq!(mc.state(), SessionState::Binding);
        assert_eq!(mc.accept_bind(welcome(), 2).unwrap(), bind_type);
        assert_eq!(mc.state(), SessionState::Bound(bind_type));
        let seen = feed(&mut esme, &write_all(&mut mc), 3);
        assert_eq!(seen, [Seen::Bound(bind_type, b"mc".to_vec())]);
        assert_eq!(esme.state(), SessionState::Bound(bind_type));
    }
}

#[test]
fn a_refused_bind_leads_back_to_open_on_both_ends_and_may_be_tried_again() {
    let (mut esme, mut mc) = (open(Role::Esme), open(Role::Mc));
    esme.bind(BindType::Transmitter, credentials()).unwrap();
    feed(&mut mc, &write_all(&mut esme), 0);
    mc.refuse_bind(CommandStatus::InvalidPassword).unwrap();
    assert_eq!(mc.state(), SessionState::Open);
    let seen = feed(&mut esme, &write_all(&mut mc), 0);
    assert_eq!(seen, [Seen::BindRefused(CommandStatus::InvalidPassword)]);
    assert_eq!(esme.state(), SessionState::Open);
    assert_eq!(esme.bind(BindType::Transmitter, credentials()).unwrap(), 2);
}

#[test]
fn a_refusal_never_says_ok() {
    let (mut esme, mut mc) = (open(Role::Esme), open(Role::Mc));
    esme.bind(BindType::Transmitter, credentials()).unwrap();
    feed(&mut mc, &write_all(&mut esme), 0);
    mc.refuse_bind(CommandStatus::Ok).unwrap();
    assert_eq!(
        waiting(&mc),
        [(CommandId::BindTransmitterResp, CommandStatus::BindFailed, 1)]
    );
}

#[test]
fn a_nacked_bind_is_refused() {
    let mut esme = open(Role::Esme);
    let number = esme.bind(BindType::Receiver, credentials()).unwrap();
    let seen = feed(
        &mut esme,
        &wire(&Pdu::GenericNack, CommandStatus::InvalidCommandId, number),
        0,
    );
    assert_eq!(seen, [Seen::BindRefused(CommandStatus::InvalidCommandId)]);
}

#[test]
fn the_answer_of_another_bind_type_does_not_bind() {
    let mut esme = open(Role::Esme);
    let number = esme.bind(BindType::Receiver, credentials()).unwrap();
    let seen = feed(
        &mut esme,
        &wire(
            &Pdu::BindTransmitterResp(welcome()),
            CommandStatus::Ok,
            number,
        ),
        0,
    );
    assert_eq!((seen, esme.state()), (vec![], SessionState::Binding));
    assert_eq!(esme.counters().unsolicited_answers, 1);
}

#[test]
fn session_init_ends_open_and_binding_on_both_ends() {
    let mut waiting_for_answer = open(Role::Esme);
    waiting_for_answer
        .bind(BindType::Transmitter, credentials())
        .unwrap();
    let mut undecided = open(Role::Mc);
    feed(
        &mut undecided,
        &wire(&Pdu::BindReceiver(credentials()), CommandStatus::Ok, 9),
        0,
    );
    for mut session in [
        open(Role::Esme),
        open(Role::Mc),
        waiting_for_answer,
        undecided,
    ] {
        assert_eq!(session.poll_timeout(), Some(10 * SECOND_NS));
        assert_eq!(fire(&mut session, 10 * SECOND_NS - 1), []);
        assert_eq!(
            fire(&mut session, 10 * SECOND_NS),
            [Seen::CloseDue(CloseReason::SessionInitExpired)]
        );
        assert_eq!(
            (session.state(), session.poll_timeout()),
            (SessionState::Closed, None)
        );
        assert_eq!(fire(&mut session, u64::MAX), [], "comes once");
    }
}

#[test]
fn bound_to_unbinding_to_closed_on_both_ends() {
    let (mut esme, mut mc) = (bound_esme(), bound_mc());
    assert_eq!(esme.unbind(0).unwrap(), 2);
    assert_eq!(esme.state(), SessionState::Unbinding(BindType::Transceiver));
    assert!(matches!(
        esme.submit(1, &submit_sm(b"x"), 0),
        Err(SubmitError::NotBound { .. })
    ));
    assert_eq!(
        feed(&mut mc, &write_all(&mut esme), 0),
        [Seen::UnbindRequested]
    );
    assert_eq!(mc.state(), SessionState::Closed);
    assert_eq!(
        waiting(&mc),
        [(CommandId::UnbindResp, CommandStatus::Ok, 2)]
    );
    assert_eq!(feed(&mut esme, &write_all(&mut mc), 0), [Seen::Unbound]);
    assert_eq!(
        (esme.state(), esme.poll_timeout()),
        (SessionState::Closed, None)
    );
}

#[test]
fn the_mc_may_unbind_too_and_crossing_unbinds_end_both() {
    let (mut esme, mut mc) = (bound_esme(), bound_mc());
    esme.unbind(0).unwrap();
    mc.unbind(0).unwrap();
    let (from_esme, from_mc) = (write_all(&mut esme), write_all(&mut mc));
    assert_eq!(feed(&mut esme, &from_mc, 0), [Seen::UnbindRequested]);
    assert_eq!(feed(&mut mc, &from_esme, 0), [Seen::UnbindRequested]);
    assert_eq!(feed(&mut esme, &write_all(&mut mc), 0), [], "over already");
    assert_eq!(esme.counters().unsolicited_answers, 0);
}

#[test]
fn an_unanswered_unbind_ends_by_the_response_timer() {
    let mut esme = bound_esme();
    esme.unbind(SECOND_NS).unwrap();
    assert_eq!(esme.poll_timeout(), Some(31 * SECOND_NS));
    assert_eq!(
        fire(&mut esme, 31 * SECOND_NS),
        [Seen::CloseDue(CloseReason::UnbindUnanswered)]
    );
}

#[test]
fn a_nacked_unbind_is_an_answered_unbind() {
    let mut esme = bound_esme();
    let number = esme.unbind(0).unwrap();
    let nack = wire(&Pdu::GenericNack, CommandStatus::InvalidCommandId, number);
    assert_eq!(feed(&mut esme, &nack, 0), [Seen::Unbound]);
}

#[test]
fn answers_still_settle_while_unbinding_and_after_the_end() {
    let mut esme = bound_esme();
    let numbers: Vec<u32> = (0..3)
        .map(|id| esme.submit(id, &submit_sm(b"x"), 0).unwrap())
        .collect();
    esme.unbind(0).unwrap();
    write_all(&mut esme);
    let answer = |number: u32| wire(&submit_sm_resp(b"id"), CommandStatus::Ok, number);
    assert_eq!(
        feed(&mut esme, &answer(numbers[0]), 0),
        [Seen::Answered(0, CommandStatus::Ok)]
    );
    assert_eq!(
        feed(&mut esme, &wire(&Pdu::Unbind, CommandStatus::Ok, 7), 0),
        [Seen::UnbindRequested]
    );
    assert_eq!(
        feed(&mut esme, &answer(numbers[1]), 0),
        [Seen::Answered(1, CommandStatus::Ok)]
    );
    assert_eq!(esme.close().uncertain, [2]);
}

#[test]
fn an_unbind_before_the_bind_is_answered() {
    for role in [Role::Esme, Role::Mc] {
        let mut session = open(role);
        assert_eq!(
            feed(&mut session, &wire(&Pdu::Unbind, CommandStatus::Ok, 3), 0),
            [Seen::UnbindRequested]
        );
        assert_eq!(
            waiting(&session),
            [(CommandId::UnbindResp, CommandStatus::Ok, 3)]
        );
    }
}

#[test]
fn a_silent_link_is_probed_then_given_up() {
    let mut esme = bound_esme();
    assert_eq!(esme.poll_timeout(), Some(30 * SECOND_NS));
    assert_eq!(fire(&mut esme, 30 * SECOND_NS), []);
    assert_eq!(
        waiting(&esme),
        [(CommandId::EnquireLink, CommandStatus::Ok, 2)]
    );
    assert_eq!(esme.poll_timeout(), Some(60 * SECOND_NS));
    assert_eq!(
        fire(&mut esme, 60 * SECOND_NS),
        [Seen::CloseDue(CloseReason::LinkSilent)]
    );
    assert_eq!(esme.state(), SessionState::Closed);
}

#[test]
fn an_answered_probe_keeps_the_session() {
    let mut esme = bound_esme();
    fire(&mut esme, 30 * SECOND_NS);
    feed(
        &mut esme,
        &wire(&Pdu::EnquireLinkResp, CommandStatus::Ok, 2),
        31 * SECOND_NS,
    );
    assert_eq!(esme.poll_timeout(), Some(61 * SECOND_NS));
    fire(&mut esme, 61 * SECOND_NS);
    assert_eq!(
        (
            esme.counters().enquire_links_sent,
            esme.counters().unsolicited_answers
        ),
        (2, 0)
    );
    assert_eq!(esme.state(), SessionState::Bound(BindType::Transceiver));
}

#[test]
fn any_pdu_proves_life_and_the_probe_may_be_answered_after_it() {
    let mut esme = bound_esme();
    fire(&mut esme, 30 * SECOND_NS);
    feed(
        &mut esme,
        &wire(&Pdu::EnquireLink, CommandStatus::Ok, 77),
        40 * SECOND_NS,
    );
    assert_eq!(
        fire(&mut esme, 60 * SECOND_NS),
        [],
        "the probe's own deadline has no meaning any more"
    );
    feed(
        &mut esme,
        &wire(&Pdu::EnquireLinkResp, CommandStatus::Ok, 2),
        61 * SECOND_NS,
    );
    assert_eq!(esme.counters().unsolicited_answers, 0);
    let mut slow = bound_esme();
    fire(&mut slow, 30 * SECOND_NS);
    feed(
        &mut slow,
        &wire(&Pdu::EnquireLink, CommandStatus::Ok, 77),
        40 * SECOND_NS,
    );
    assert_eq!(
        fire(&mut slow, 70 * SECOND_NS),
        [],
        "the first probe was overtaken, so a second one goes out"
    );
    assert_eq!(slow.counters().enquire_links_sent, 2);
    assert_eq!(
        fire(&mut slow, 100 * SECOND_NS),
        [Seen::CloseDue(CloseReason::LinkSilent)]
    );
}

#[test]
fn part_of_a_pdu_proves_nothing() {
    let mut esme = bound_esme();
    let bytes = wire(&Pdu::EnquireLink, CommandStatus::Ok, 77);
    let consumed = esme
        .handle_bytes(
            &bytes[..15],
            20 * SECOND_NS,
            &mut |_: smpp_session::Event<'_>| {},
        )
        .unwrap();
    assert_eq!((consumed, esme.poll_timeout()), (0, Some(30 * SECOND_NS)));
}

#[test]
fn inactivity_ends_a_session_that_only_keeps_the_link() {
    let config = SessionConfig {
        inactivity_ns: 40 * SECOND_NS,
        ..SessionConfig::new(Role::Mc)
    };
    let mut mc = bound(config, BindType::Transceiver);
    feed(
        &mut mc,
        &wire(&submit_sm(b"x"), CommandStatus::Ok, 2),
        10 * SECOND_NS,
    );
    feed(
        &mut mc,
        &wire(&Pdu::EnquireLink, CommandStatus::Ok, 3),
        39 * SECOND_NS,
    );
    assert_eq!(mc.poll_timeout(), Some(50 * SECOND_NS));
    assert_eq!(
        fire(&mut mc, 50 * SECOND_NS),
        [Seen::CloseDue(CloseReason::Inactive)]
    );
}

#[test]
fn a_time_out_is_no_activity() {
    let config = SessionConfig {
        inactivity_ns: 40 * SECOND_NS,
        ..SessionConfig::new(Role::Esme)
    };
    let mut esme = bound(config, BindType::Transceiver);
    esme.submit(1, &submit_sm(b"x"), 0).unwrap();
    write_all(&mut esme);
    assert_eq!(fire(&mut esme, 30 * SECOND_NS), [Seen::TimedOut(1)]);
    assert_eq!(esme.poll_timeout(), Some(40 * SECOND_NS));
}

#[test]
fn a_request_that_cannot_be_written_ends_the_session_and_stays_unwritten() {
    let mut esme = bound_esme();
    esme.submit(5, &submit_sm(b"x"), 0).unwrap();
    feed(
        &mut esme,
        &wire(&Pdu::EnquireLink, CommandStatus::Ok, 1),
        20 * SECOND_NS,
    );
    assert_eq!(
        fire(&mut esme, 30 * SECOND_NS),
        [Seen::CloseDue(CloseReason::TransmitStalled)]
    );
    assert_eq!(esme.close().unwritten, [5]);
}

#[test]
fn lost_framing_is_nacked_and_ends_the_session() {
    for header_bytes in [4, 16] {
        let mut mc = bound_mc();
        let mut bytes = wire(&submit_sm(b"before"), CommandStatus::Ok, 8);
        bytes.extend(&raw(0x04, 0, 0x1234, &[])[..header_bytes]);
        let length_at = bytes.len() - header_bytes;
        bytes[length_at..length_at + 4].copy_from_slice(&[0xFF; 4]);
        let mut seen = Vec::new();
        let result = mc.handle_bytes(&bytes, 0, &mut |event: smpp_session::Event<'_>| {
            seen.push(Seen::from(event))
        });
        assert!(matches!(result, Err(SessionError::Framing(_))));
        assert_eq!(seen.len(), 1, "the PDU before it was delivered");
        let number = if header_bytes == 16 { 0x1234 } else { 0 };
        assert_eq!(
            waiting(&mc),
            [(
                CommandId::GenericNack,
                CommandStatus::InvalidCommandLength,
                number
            )]
        );
        assert_eq!(
            (mc.state(), mc.counters().nacks_sent),
            (SessionState::Closed, 1)
        );
        let again = mc.handle_bytes(&bytes[length_at..], 0, &mut |_: smpp_session::Event<'_>| {});
        assert!(matches!(again, Err(SessionError::Framing(_))));
        assert_eq!(mc.counters().nacks_sent, 1, "one nack is enough");
    }
}

#[test]
fn close_ends_every_state() {
    let mut binding = open(Role::Esme);
    binding.bind(BindType::Receiver, credentials()).unwrap();
    let mut unbinding = bound_esme();
    unbinding.unbind(0).unwrap();
    for mut session in [open(Role::Esme), binding, bound_mc(), unbinding] {
        assert_eq!(session.close(), smpp_session::Lost::default());
        assert_eq!(
            (session.state(), session.poll_timeout()),
            (SessionState::Closed, None)
        );
        assert_eq!(session.transmit(), b"");
    }
}

#[test]
fn commands_out_of_place_are_refused_and_write_nothing() {
    let mut esme = open(Role::Esme);
    assert!(matches!(
        esme.unbind(0),
        Err(ControlError::WrongState { .. })
    ));
    assert!(matches!(
        esme.accept_bind(welcome(), 0),
        Err(ControlError::WrongRole { role: Role::Esme })
    ));
    let mut mc = open(Role::Mc);
    assert!(matches!(
        mc.bind(BindType::Receiver, credentials()),
        Err(ControlError::WrongRole { role: Role::Mc })
    ));
    assert!(matches!(
        mc.accept_bind(welcome(), 0),
        Err(ControlError::WrongState { .. })
    ));
    assert!(matches!(
        mc.refuse_bind(CommandStatus::BindFailed),
        Err(ControlError::WrongState { .. })
    ));
    assert_eq!(
        (esme.transmit(), mc.transmit()),
        (b"".as_slice(), b"".as_slice())
    );
    let mut bound = bound_esme();
    assert!(matches!(
        bound.bind(BindType::Receiver, credentials()),
        Err(ControlError::WrongState { .. })
    ));
}
