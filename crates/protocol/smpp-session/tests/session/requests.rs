//! The peer's requests: which reach the caller, how the rest is answered, what the caller answers.

use smpp_codec::{CommandId, CommandStatus, DataSmResp, DeliverSmResp, Pdu};
use smpp_session::{
    BindType, RequestKind, RespondError, Role, Session, SessionConfig, SubmitError,
};

use crate::link::{
    SECOND_NS, Seen, bound, bound_esme, bound_mc, credentials, deliver_sm, feed, raw, submit_sm,
    submit_sm_resp, waiting, wire, write_all,
};

const OK: CommandStatus = CommandStatus::Ok;

#[test]
fn requests_arrive_in_order_and_are_answered_in_any() {
    let mut mc = bound_mc();
    let bytes: Vec<u8> = [7, 0xFFFF_FFFF, 0]
        .iter()
        .flat_map(|number| wire(&submit_sm(b"hi"), OK, *number))
        .collect();
    let request = |number| Seen::Request(number, RequestKind::SubmitSm, b"hi".to_vec());
    assert_eq!(
        feed(&mut mc, &bytes, 0),
        [request(7), request(0xFFFF_FFFF), request(0)]
    );
    mc.respond(0, OK, &submit_sm_resp(b"c"), 1).unwrap();
    mc.respond(
        0xFFFF_FFFF,
        CommandStatus::Throttled,
        &submit_sm_resp(b""),
        SECOND_NS,
    )
    .unwrap();
    mc.refuse(
        7,
        RequestKind::SubmitSm,
        CommandStatus::MessageQueueFull,
        9 * SECOND_NS,
    )
    .unwrap();
    let answers = [
        (CommandId::SubmitSmResp, OK, 0),
        (
            CommandId::SubmitSmResp,
            CommandStatus::Throttled,
            0xFFFF_FFFF,
        ),
        (CommandId::SubmitSmResp, CommandStatus::MessageQueueFull, 7),
    ];
    assert_eq!(waiting(&mc), answers);
}

#[test]
fn deliver_and_data_reach_the_esme_and_take_their_answers() {
    let mut esme = bound_esme();
    let mut bytes = wire(&deliver_sm(b"mo"), OK, 5);
    bytes.extend(wire(&Pdu::DataSm(smpp_codec::DataSm::default()), OK, 6));
    let seen = feed(&mut esme, &bytes, 0);
    let expected = [
        Seen::Request(5, RequestKind::DeliverSm, b"mo".to_vec()),
        Seen::Request(6, RequestKind::DataSm, vec![]),
    ];
    assert_eq!(seen, expected);
    esme.respond(5, OK, &Pdu::DeliverSmResp(DeliverSmResp::default()), 0)
        .unwrap();
    esme.respond(6, OK, &Pdu::DataSmResp(DataSmResp::default()), 0)
        .unwrap();
    esme.respond(6, CommandStatus::SystemError, &Pdu::GenericNack, 0)
        .unwrap();
    assert_eq!(waiting(&esme).len(), 3);
    assert_eq!(esme.counters().nacks_sent, 1);
}

#[test]
fn an_enquire_link_is_answered_in_every_state_but_closed() {
    let open = Session::new(SessionConfig::new(Role::Mc), 0).unwrap();
    let mut unbinding = bound_esme();
    unbinding.unbind(0).unwrap();
    write_all(&mut unbinding);
    for mut session in [open, bound_mc(), unbinding] {
        feed(&mut session, &wire(&Pdu::EnquireLink, OK, 0x8000_0009), 0);
        assert_eq!(
            waiting(&session),
            [(CommandId::EnquireLinkResp, OK, 0x8000_0009)]
        );
        assert_eq!(session.counters().enquire_links_received, 1);
        session.close();
        feed(&mut session, &wire(&Pdu::EnquireLink, OK, 1), 0);
        assert_eq!(waiting(&session), []);
    }
}

#[test]
fn data_before_the_bind_is_refused() {
    for role in [Role::Esme, Role::Mc] {
        let mut session = Session::new(SessionConfig::new(role), 0).unwrap();
        let bytes: Vec<u8> = [0x04, 0x05, 0x103]
            .iter()
            .flat_map(|command| raw(*command, 0, 3, b"junk"))
            .collect();
        assert_eq!(feed(&mut session, &bytes, 0), []);
        let refused = [
            CommandId::SubmitSmResp,
            CommandId::DeliverSmResp,
            CommandId::DataSmResp,
        ]
        .map(|command_id| (command_id, CommandStatus::InvalidBindStatus, 3));
        assert_eq!(waiting(&session), refused);
        assert_eq!(session.counters().requests_refused_by_state, 3);
    }
}

#[test]
fn the_bind_type_rules_both_directions() {
    let esme = |bind_type| bound(SessionConfig::new(Role::Esme), bind_type);
    let mc = |bind_type| bound(SessionConfig::new(Role::Mc), bind_type);
    let refused = |mut session: Session, bytes: Vec<u8>| {
        assert_eq!(feed(&mut session, &bytes, 0), []);
        assert_eq!(waiting(&session)[0].1, CommandStatus::InvalidBindStatus);
    };
    refused(esme(BindType::Transmitter), wire(&deliver_sm(b"x"), OK, 1));
    refused(esme(BindType::Transceiver), wire(&submit_sm(b"x"), OK, 1));
    refused(mc(BindType::Receiver), wire(&submit_sm(b"x"), OK, 1));
    refused(mc(BindType::Transceiver), wire(&deliver_sm(b"x"), OK, 1));
    let wrong = |mut session: Session, pdu: Pdu<'_>| {
        assert!(matches!(
            session.submit(1, &pdu, 0),
            Err(SubmitError::WrongBindType { .. })
        ));
        assert_eq!(
            (session.in_flight(), session.transmit()),
            (0, b"".as_slice())
        );
    };
    wrong(esme(BindType::Receiver), submit_sm(b"x"));
    wrong(esme(BindType::Transceiver), deliver_sm(b"x"));
    wrong(mc(BindType::Transmitter), deliver_sm(b"x"));
    wrong(mc(BindType::Transceiver), submit_sm(b"x"));
}

#[test]
fn a_second_bind_is_refused_as_already_bound() {
    let mut mc = bound_mc();
    assert_eq!(
        feed(&mut mc, &wire(&Pdu::BindReceiver(credentials()), OK, 4), 0),
        []
    );
    assert_eq!(
        waiting(&mc),
        [(CommandId::BindReceiverResp, CommandStatus::AlreadyBound, 4)]
    );
    let mut undecided = Session::new(SessionConfig::new(Role::Mc), 0).unwrap();
    let mut twice = wire(&Pdu::BindReceiver(credentials()), OK, 1);
    twice.extend(wire(&Pdu::BindTransmitter(credentials()), OK, 2));
    assert_eq!(feed(&mut undecided, &twice, 0).len(), 1);
    assert_eq!(
        waiting(&undecided),
        [(
            CommandId::BindTransmitterResp,
            CommandStatus::AlreadyBound,
            2
        )]
    );
}

#[test]
fn an_esme_is_not_bound_to() {
    let mut esme = bound_esme();
    assert_eq!(
        feed(
            &mut esme,
            &wire(&Pdu::BindReceiver(credentials()), OK, 4),
            0
        ),
        []
    );
    assert_eq!(
        waiting(&esme),
        [(
            CommandId::BindReceiverResp,
            CommandStatus::InvalidBindStatus,
            4
        )]
    );
}

#[test]
fn an_unknown_command_is_nacked_with_its_number() {
    let mut esme = bound_esme();
    assert_eq!(
        feed(&mut esme, &raw(0x0001_0200, 0, 0xABCD_EF01, b"vendor"), 0),
        []
    );
    assert_eq!(
        waiting(&esme),
        [(
            CommandId::GenericNack,
            CommandStatus::InvalidCommandId,
            0xABCD_EF01
        )]
    );
    assert_eq!(esme.counters().nacks_sent, 1);
}

#[test]
fn a_malformed_request_is_answered_and_the_next_one_taken() {
    let mut mc = bound_mc();
    let mut bytes = raw(0x04, 0, 11, b"no NUL at all");
    bytes.extend(wire(&submit_sm(b"good"), OK, 12));
    assert_eq!(
        feed(&mut mc, &bytes, 0),
        [Seen::Request(12, RequestKind::SubmitSm, b"good".to_vec())]
    );
    let answers = waiting(&mc);
    assert_eq!(
        (answers.len(), answers[0].0, answers[0].2),
        (1, CommandId::SubmitSmResp, 11)
    );
    assert_ne!(answers[0].1, OK);
    assert_eq!(mc.counters().requests_malformed, 1);
}

#[test]
fn a_malformed_bind_is_refused_and_may_be_tried_again() {
    let mut mc = Session::new(SessionConfig::new(Role::Mc), 0).unwrap();
    assert_eq!(feed(&mut mc, &raw(0x09, 0, 1, b"esme"), 0), []);
    assert_eq!(
        (waiting(&mc)[0].0, waiting(&mc)[0].2),
        (CommandId::BindTransceiverResp, 1)
    );
    assert_ne!(waiting(&mc)[0].1, OK);
    assert_eq!(
        feed(
            &mut mc,
            &wire(&Pdu::BindTransceiver(credentials()), OK, 2),
            0
        )
        .len(),
        1
    );
}

#[test]
fn only_answers_answer_and_only_while_bound() {
    let mut mc = bound_mc();
    for pdu in [Pdu::EnquireLinkResp, Pdu::Unbind, submit_sm(b"x")] {
        assert!(matches!(
            mc.respond(1, OK, &pdu, 0),
            Err(RespondError::NotAnAnswer { .. })
        ));
    }
    assert!(matches!(
        mc.submit(1, &Pdu::EnquireLink, 0),
        Err(SubmitError::NotADataRequest { .. })
    ));
    assert_eq!(mc.transmit(), b"");
    mc.close();
    assert!(matches!(
        mc.respond(1, OK, &submit_sm_resp(b"x"), 0),
        Err(RespondError::WrongState { .. })
    ));
}

#[test]
fn requests_that_crossed_our_unbind_are_still_taken() {
    let mut esme = bound_esme();
    esme.unbind(0).unwrap();
    write_all(&mut esme);
    assert_eq!(
        feed(&mut esme, &wire(&deliver_sm(b"mo"), OK, 5), 0).len(),
        1
    );
    esme.respond(5, OK, &Pdu::DeliverSmResp(DeliverSmResp::default()), 0)
        .unwrap();
    assert_eq!(waiting(&esme), [(CommandId::DeliverSmResp, OK, 5)]);
}
