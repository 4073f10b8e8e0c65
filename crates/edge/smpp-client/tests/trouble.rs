//! What goes wrong: lost links, silence, refusals, floods, and the way back.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod rig;

use connector::{Connector, ConnectorEvent, SessionNo, Verdict};
use message::{CarrierMessageId, Outcome, Reason, Rejection};
use rig::{Centre, Got, Rig, config, run};
use smpp_client::{BindMode, CarrierConfig};
use smpp_codec::CommandStatus;
use smpp_session::BindType;

const LINK_LOST: Outcome = Outcome::Uncertain {
    reason: Reason::LinkLost,
};

fn submitted(id: &str) -> Outcome {
    Outcome::Submitted {
        carrier_message_id: CarrierMessageId::new(id.as_bytes()),
    }
}

#[test]
fn a_lost_link_parts_what_left_from_what_did_not() {
    run(async {
        let centre = Centre::listen_narrow().await;
        let mut rig = Rig::start(CarrierConfig {
            window_size: 60_000,
            ..config(centre.address)
        });
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        // The centre reads no more, so that the kernel takes less and less, and then nothing.
        let mut sent = 0;
        while let Some(slot) = rig.slot_at_hand() {
            assert_eq!(slot.session, session);
            let batch: Vec<_> = (0..slot.free.min(64))
                .map(|_| rig.dispatch(session, &"a".repeat(160)))
                .collect();
            sent += batch.len();
            rig.submit(batch);
        }
        let stuck: Vec<_> = (0..64).map(|_| rig.dispatch(session, "stuck")).collect();
        let stuck_segments: Vec<_> = stuck.iter().map(|dispatch| dispatch.segment).collect();
        rig.submit(stuck);
        assert_eq!(rig.connector.status().in_flight as usize, sent + 64);
        drop(conn);
        let (mut uncertain, mut unwritten) = (0, Vec::new());
        loop {
            match rig.event().await {
                ConnectorEvent::Outcome {
                    segment,
                    outcome: Outcome::Unwritten,
                    written_ns,
                    ..
                } => {
                    assert_eq!(written_ns, 0);
                    unwritten.push(segment);
                }
                ConnectorEvent::Outcome {
                    outcome,
                    written_ns,
                    ..
                } => {
                    assert_eq!(outcome, LINK_LOST);
                    assert!(written_ns > 0);
                    uncertain += 1;
                }
                ConnectorEvent::SessionDown { session: down } => break assert_eq!(down, session),
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert_eq!(uncertain + unwritten.len(), sent + 64);
        assert!(uncertain > 0 && unwritten.ends_with(&stuck_segments));
    });
}

#[test]
fn a_lost_session_comes_back_under_a_new_number() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        drop(conn);
        assert!(matches!(
            rig.event().await,
            ConnectorEvent::SessionDown { .. }
        ));
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let again = rig.session_up().await;
        assert!(again > session);
        assert_eq!(rig.connector.status().reconnects, 1);
        let dispatch = rig.dispatch(again, "again");
        rig.submit(vec![dispatch]);
        let Got::Submit {
            sequence, message, ..
        } = conn.next().await
        else {
            panic!("no submit")
        };
        assert_eq!(message, b"again");
        conn.answer(sequence, 0, "A1");
        conn.flush().await;
        assert_eq!(rig.outcome().await.1, submitted("a1"));
    });
}

#[test]
fn a_session_that_is_gone_takes_nothing() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        let dispatch = rig.dispatch(SessionNo(u32::MAX), "nobody");
        let segment = dispatch.segment;
        rig.submit(vec![dispatch]);
        assert_eq!(rig.outcome().await, (segment, Outcome::Unwritten));
    });
}

#[test]
fn no_answer_in_time_is_uncertain_and_a_late_one_settles_it() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            response_timeout_ms: 30,
            ..config(centre.address)
        });
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        let dispatch = rig.dispatch(session, "slow");
        let segment = dispatch.segment;
        rig.submit(vec![dispatch]);
        let Got::Submit { sequence, .. } = conn.next().await else {
            panic!("no submit")
        };
        let reason = Reason::ResponseTimeout;
        assert_eq!(
            rig.outcome().await,
            (segment, Outcome::Uncertain { reason })
        );
        assert_eq!(rig.connector.status().in_flight, 0);
        conn.answer(sequence, 0, "late");
        conn.flush().await;
        assert_eq!(rig.outcome().await, (segment, submitted("late")));
        assert_eq!(rig.connector.status().irregularities.late_answers, 1);
    });
}

#[test]
fn refusals_are_classed_and_a_session_in_doubt_is_bound_anew() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        let retry = |reason| Outcome::Rejected {
            rejection: Rejection::Retry,
            reason,
        };
        let last = |reason| Outcome::Rejected {
            rejection: Rejection::Final,
            reason,
        };
        for (code, outcome) in [
            (0x58, Outcome::Throttled),
            (0x14, retry(Reason::CarrierQueueFull)),
            (0x0B, last(Reason::CarrierInvalidRecipient)),
            (0x04, retry(Reason::CarrierSessionState)),
        ] {
            let dispatch = rig.dispatch(session, "text");
            rig.submit(vec![dispatch]);
            let Got::Submit { sequence, .. } = conn.next().await else {
                panic!("no submit")
            };
            conn.answer(sequence, code, "");
            conn.flush().await;
            assert_eq!(rig.outcome().await.1, outcome, "{code:#x}");
        }
        assert!(matches!(conn.next().await, Got::Unbind));
        conn.flush().await;
        assert!(matches!(
            rig.event().await,
            ConnectorEvent::SessionDown { .. }
        ));
        centre.connection().await.accept_bind().await;
        rig.session_up().await;
    });
}

#[test]
fn text_that_does_not_fit_is_refused_here() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        let dispatch = rig.dispatch(session, &"a".repeat(161));
        rig.submit(vec![dispatch]);
        let (rejection, reason) = (Rejection::Final, Reason::NotEncodable);
        assert_eq!(
            rig.outcome().await.1,
            Outcome::Rejected { rejection, reason }
        );
        assert_eq!(rig.connector.status().in_flight, 0);
    });
}

#[test]
fn a_flood_of_receipts_is_refused_for_now_beyond_its_window() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            receipt_window: 2,
            ..config(centre.address)
        });
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        rig.session_up().await;
        for correlation in 1..=3 {
            conn.deliver_receipt(correlation, "id:1 stat:DELIVRD");
        }
        conn.flush().await;
        let answer = |got: Got| match got {
            Got::Answered {
                correlation,
                status,
            } => (correlation, status),
            other => panic!("not an answer: {other:?}"),
        };
        assert_eq!(
            answer(conn.next().await),
            (3, CommandStatus::MessageQueueFull)
        );
        for verdict in [Verdict::Taken, Verdict::TemporaryError] {
            let ConnectorEvent::Receipt { handle, .. } = rig.event().await else {
                panic!("no receipt")
            };
            let now = rig.now();
            rig.connector.acknowledge(handle, verdict, now);
            rig.connector.acknowledge(handle, verdict, now);
        }
        assert_eq!(answer(conn.next().await), (1, CommandStatus::Ok));
        assert_eq!(
            answer(conn.next().await),
            (2, CommandStatus::ReceiverTemporaryError)
        );
        assert!(rig.event_at_hand().is_none() && conn.at_hand().is_none());
    });
}

#[test]
fn a_transmitter_without_its_receiver_is_an_alarm() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            bind: BindMode::TransmitterReceiver,
            ..config(centre.address)
        });
        let mut receiver = centre.connection().await;
        assert_eq!(receiver.accept_bind().await, BindType::Receiver);
        let mut transmitter = centre.connection().await;
        assert_eq!(transmitter.accept_bind().await, BindType::Transmitter);
        rig.session_up().await;
        let transmitter_no = rig.session_up().await;
        let status = rig.connector.status();
        assert_eq!(
            (
                status.sessions_bound,
                status.sessions_receiving,
                status.receiver_missing
            ),
            (1, 1, false)
        );
        assert_eq!(
            rig.slot().await.session,
            transmitter_no,
            "a receiver carries no segments"
        );
        drop(receiver);
        assert!(matches!(
            rig.event().await,
            ConnectorEvent::SessionDown { .. }
        ));
        assert!(rig.connector.status().receiver_missing);
        let mut receiver = centre.connection().await;
        receiver.accept_bind().await;
        rig.session_up().await;
        assert!(!rig.connector.status().receiver_missing);
    });
}

#[test]
fn wrong_credentials_are_probed_slowly_and_forgiven() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        centre.connection().await.refuse_bind(0x0E).await;
        while !rig.connector.status().bind_fatal {
            rig.woken().await;
        }
        let mut conn = centre.connection().await;
        let got = conn.next().await;
        let Got::Bind {
            system_id,
            password,
            ..
        } = got
        else {
            panic!("not a bind: {got:?}")
        };
        assert_eq!(
            (&system_id[..], &password[..]),
            (&b"account"[..], &b"secret"[..])
        );
        drop(conn);
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        rig.session_up().await;
        assert!(!rig.connector.status().bind_fatal);
    });
}

#[test]
fn a_host_that_does_not_answer_gives_way_to_the_next() {
    run(async {
        let gone = Centre::listen().await.address;
        let centre = Centre::listen().await;
        let mut config = config(gone);
        config.hosts.push(centre.address.to_string());
        let mut rig = Rig::start(config);
        centre.connection().await.accept_bind().await;
        rig.session_up().await;
        assert_eq!(rig.connector.status().reconnects, 1);
    });
}

#[test]
fn a_drain_waits_for_answers_and_takes_a_close_for_an_unbind() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(config(centre.address));
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        let session = rig.session_up().await;
        let dispatch = rig.dispatch(session, "last");
        rig.submit(vec![dispatch]);
        let now = rig.now();
        rig.connector.drain(now);
        assert!(rig.slot_at_hand().is_none(), "no slot while draining");
        let Got::Submit { sequence, .. } = conn.next().await else {
            panic!("no submit")
        };
        assert!(!rig.connector.is_drained());
        conn.answer(sequence, 0, "1");
        assert!(matches!(conn.next().await, Got::Unbind));
        // The answer to unbind is lost.
        drop(conn);
        rig.drain().await;
        assert_eq!(rig.outcome().await.1, submitted("1"));
        assert!(matches!(
            rig.event().await,
            ConnectorEvent::SessionDown { .. }
        ));
        assert!(rig.event_at_hand().is_none());
    });
}

#[test]
fn a_drain_before_the_bind_ends_at_once() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            sessions: 3,
            ..config(centre.address)
        });
        let _silent = centre.connection().await;
        rig.drain().await;
        assert!(rig.event_at_hand().is_none());
    });
}

#[test]
fn a_silent_link_is_closed() {
    run(async {
        let centre = Centre::listen().await;
        let mut rig = Rig::start(CarrierConfig {
            enquire_link_ms: 20,
            ..config(centre.address)
        });
        let mut conn = centre.connection().await;
        conn.accept_bind().await;
        rig.session_up().await;
        // The centre reads nothing and answers nothing from here on; the connection stays open.
        assert!(matches!(
            rig.event().await,
            ConnectorEvent::SessionDown { .. }
        ));
        drop(conn);
    });
}
