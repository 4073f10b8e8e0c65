//! Receipts: states, contents, windows, queues, second tries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fakes::smsc::{ReceiptContent, ReceiptOrder, ReceiptRatios};
use smpp_codec::{CommandStatus, MessageStateValue};
use smpp_session::BindType;

use crate::esme::{Esme, Heard, OnReceipt, start, tcp};

#[test]
fn final_states_come_in_their_ratios_and_by_seed() {
    let run = |seed| {
        let smsc = start(|config| {
            config.seed = seed;
            config.receipts.ratios = ReceiptRatios {
                undeliverable: 0.1,
                expired: 0.1,
                rejected: 0.1,
                unknown: 0.1,
            };
        });
        let mut esme = Esme::bound(&smsc);
        esme.submit_all(0..2_000);
        esme.until(|esme| esme.receipts().len() == 2_000);
        let mut by_state = BTreeMap::new();
        for (_, state) in esme.receipts() {
            *by_state.entry(state.unwrap().to_u8()).or_insert(0_u64) += 1;
        }
        let counts = smsc.stop().counts;
        for (state, planned) in [
            (
                MessageStateValue::Undeliverable,
                counts.planned_undeliverable,
            ),
            (MessageStateValue::Expired, counts.planned_expired),
            (MessageStateValue::Rejected, counts.planned_rejected),
            (MessageStateValue::Unknown, counts.planned_unknown),
        ] {
            assert_eq!(by_state.get(&state.to_u8()), Some(&planned));
            assert!((120..280).contains(&planned), "{state:?}: {planned}");
        }
        esme.receipts()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_receipt_waits_its_delay() {
    let smsc = start(|config| {
        config.receipts.delay_ms = 60;
        config.receipts.jitter_ms = 20;
    });
    let mut esme = Esme::bound(&smsc);
    let started = Instant::now();
    esme.submit_all(0..10);
    esme.until(|esme| esme.receipts().len() == 10);
    assert!(started.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_receipt_carries_what_was_asked_for() {
    for (content, has_text, has_tlvs) in [
        (ReceiptContent::TextAndTlvs, true, true),
        (ReceiptContent::Text, true, false),
        (ReceiptContent::Tlvs, false, true),
    ] {
        let smsc = start(|config| config.receipts.content = content);
        let mut esme = Esme::bound(&smsc);
        esme.submit_all([1]);
        esme.until(|esme| esme.heard.len() == 2);
        let Heard::Receipt { state, text_id, .. } = &esme.heard[1] else {
            panic!("{:?}", esme.heard);
        };
        assert_eq!((text_id.is_some(), state.is_some()), (has_text, has_tlvs));
    }
}

#[test]
fn the_receipt_comes_before_the_answer_when_asked_to() {
    let smsc = start(|config| config.receipts.order = ReceiptOrder::BeforeResponse);
    let mut esme = Esme::bound(&smsc);
    esme.submit_all(0..200);
    esme.until(|esme| esme.heard.len() == 400);
    let mut receipted = BTreeSet::new();
    for heard in &esme.heard {
        match heard {
            Heard::Receipt { id, .. } => assert!(receipted.insert(id)),
            Heard::Answer { id, .. } => assert!(receipted.contains(id), "{id}"),
            Heard::Bound | Heard::BindRefused(_) | Heard::Inbound { .. } => panic!("{heard:?}"),
        }
    }
}

#[test]
fn before_responses_works_across_two_sessions_and_without_a_receiver() {
    let smsc = start(|config| config.receipts.order = ReceiptOrder::BeforeResponse);
    let mut transmitter = Esme::bound_as(&smsc, BindType::Transmitter);
    transmitter.submit_all([1]);
    transmitter.until(|esme| esme.answers().len() == 1);
    let mut receiver = Esme::bound_as(&smsc, BindType::Receiver);
    receiver.until(|esme| esme.receipts().len() == 1);
    transmitter.submit_all([2]);
    transmitter.until(|esme| esme.answers().len() == 2);
    assert_eq!(smsc.snapshot().receipts_sent, 2);
    receiver.until(|esme| esme.receipts().len() == 2);
}

#[test]
fn receipts_wait_for_a_receiver_and_stay_in_their_window() {
    let smsc = start(|config| config.receipts.window = 7);
    let mut transmitter = Esme::bound_as(&smsc, BindType::Transmitter);
    transmitter.submit_all(0..30);
    transmitter.until(|esme| esme.answers().len() == 30);
    assert_eq!(smsc.snapshot().receipts_sent, 0);
    let mut receiver = Esme::over(tcp(&smsc));
    receiver.on_receipt = OnReceipt::StaySilent;
    assert_eq!(
        receiver.bind(BindType::Receiver, ("esme", "")),
        Heard::Bound
    );
    receiver.until(|esme| esme.receipts().len() == 7);
    let counts = smsc.snapshot();
    assert_eq!((counts.receipts_sent, counts.receipts_outstanding), (7, 30));
    drop(receiver);
    // The seven come again, to whoever binds next.
    let mut next = Esme::bound_as(&smsc, BindType::Receiver);
    next.until(|esme| esme.receipts().len() == 30);
    let ids: BTreeSet<_> = next.receipts().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 30);
    while smsc.snapshot().receipts_outstanding > 0 {
        std::thread::yield_now();
    }
    let counts = smsc.stop().counts;
    assert_eq!((counts.receipts_sent, counts.receipts_resent), (30, 7));
    assert_eq!(counts.receipts_acked, 30);
}

#[test]
fn an_unanswered_receipt_is_sent_again_on_any_session_of_the_account() {
    let smsc = start(|config| config.receipts.timeout_ms = 50);
    let mut silent = Esme::bound(&smsc);
    silent.on_receipt = OnReceipt::StaySilent;
    silent.submit_all([1]);
    silent.until(|esme| esme.receipts().len() >= 2);
    let mut other = Esme::bound(&smsc);
    // Sooner or later the other one gets it, as the silent one goes away.
    drop(silent);
    other.until(|esme| esme.receipts().len() == 1);
    while smsc.snapshot().receipts_acked == 0 {
        std::thread::yield_now();
    }
    let counts = smsc.stop().counts;
    assert!(counts.receipts_resent >= 2, "{counts:?}");
    assert_eq!((counts.receipts_sent, counts.receipts_outstanding), (1, 0));
}

#[test]
fn a_refused_receipt_is_sent_again_and_given_up_in_the_end() {
    let smsc = start(|config| {
        config.receipts.resend_ms = 5;
        config.receipts.attempts_max = 3;
    });
    let mut esme = Esme::bound(&smsc);
    esme.on_receipt = OnReceipt::Answer(CommandStatus::ReceiverTemporaryError);
    esme.submit_all([1]);
    esme.until(|esme| esme.receipts().len() == 3);
    while smsc.snapshot().receipts_outstanding > 0 {
        std::thread::yield_now();
    }
    let counts = smsc.stop().counts;
    assert_eq!((counts.receipts_sent, counts.receipts_resent), (1, 2));
    assert_eq!((counts.receipts_given_up, counts.receipts_acked), (1, 0));
}

#[test]
fn beyond_the_limit_of_receipts_submits_are_refused() {
    let smsc = start(|config| config.receipts.outstanding_max = 3);
    let mut esme = Esme::bound_as(&smsc, BindType::Transmitter);
    esme.submit_all(0..10);
    esme.until(|esme| esme.answers().len() == 10);
    assert_eq!(esme.with_status(CommandStatus::Ok), 3);
    assert_eq!(esme.with_status(CommandStatus::MessageQueueFull), 7);
    assert_eq!(smsc.stop().counts.refused_full, 7);
}
