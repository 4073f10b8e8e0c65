//! Bytes from a peer that means harm or is broken: no panic, no unbounded growth, no bytes lost or read twice.

use proptest::prelude::*;
use smpp_codec::FrameLimit;
use smpp_session::{BindType, Event, Role, Session, SessionConfig};

use crate::link::{bound, deliver_sm, raw, submit_sm};

fn session(role: Role, is_bound: bool) -> Session {
    let config = SessionConfig {
        frame_limit: FrameLimit::new(512),
        transmit_max_bytes: 1024,
        transmit_hard_max_bytes: 4096,
        ..SessionConfig::new(role)
    };
    if !is_bound {
        return Session::new(config, 0).unwrap();
    }
    let mut session = bound(config, BindType::Transceiver);
    let pdu = if role == Role::Esme {
        submit_sm(b"x")
    } else {
        deliver_sm(b"x")
    };
    for correlation in 0..5 {
        session.submit(correlation, &pdu, 0).unwrap();
    }
    session
}

fn feed_in_chunks(session: &mut Session, bytes: &[u8], chunk_len: usize) {
    let mut inbox = Vec::new();
    for chunk in bytes.chunks(chunk_len) {
        inbox.extend_from_slice(chunk);
        match session.handle_bytes(&inbox, 1, &mut |_: Event<'_>| {}) {
            Ok(consumed) => {
                assert!(consumed <= inbox.len());
                inbox.drain(..consumed);
                assert!(inbox.len() < 512 + chunk_len, "a whole frame never stays");
            }
            Err(_) => break,
        }
        assert!(session.transmit().len() <= 4096 + 16);
    }
    let in_flight = session.in_flight() as usize;
    let lost = session.close();
    assert_eq!(lost.unwritten.len() + lost.uncertain.len(), in_flight);
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Esme), Just(Role::Mc)]
}

/// Well-framed PDUs of known commands with arbitrary bodies, statuses and small numbers, so that they meet our own.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let command = (
        prop::sample::select(vec![0_u32, 1, 2, 4, 5, 6, 9, 0x15, 0x103, 0x0B]),
        any::<bool>(),
    );
    let pdu = (
        command,
        prop_oneof![Just(0_u32), any::<u32>()],
        0_u32..8,
        prop::collection::vec(any::<u8>(), 0..60),
    );
    let bytes = pdu.prop_map(|((command, answer), status, number, body)| {
        raw(
            if answer {
                command | 0x8000_0000
            } else {
                command
            },
            status,
            number,
            &body,
        )
    });
    prop::collection::vec(bytes, 0..40).prop_map(|pdus| pdus.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes(
        role in role(),
        is_bound in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        chunk_len in 1_usize..80,
    ) {
        feed_in_chunks(&mut session(role, is_bound), &bytes, chunk_len);
    }

    #[test]
    fn framed_nonsense(role in role(), is_bound in any::<bool>(), bytes in framed(), chunk_len in 1_usize..200) {
        feed_in_chunks(&mut session(role, is_bound), &bytes, chunk_len);
    }

    #[test]
    fn framed_nonsense_with_a_broken_octet(
        role in role(),
        bytes in framed(),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut bytes = bytes;
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        feed_in_chunks(&mut session(role, true), &bytes, 64);
    }
}
