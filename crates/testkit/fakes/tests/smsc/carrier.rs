//! A carrier that behaves: what it answers, sends and reports.

use std::collections::BTreeSet;

use smpp_codec::{CommandStatus, RegisteredDelivery};
use smpp_session::BindType;

use crate::esme::{Esme, Heard, id_of, plain, start};

#[test]
fn ten_thousand_submits_are_answered_and_receipted_once_each() {
    const MESSAGES: u64 = 10_000;
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    esme.submit_all(0..MESSAGES);
    esme.until(|esme| esme.heard.len() as u64 == 2 * MESSAGES);
    let mut answered = BTreeSet::new();
    for heard in &esme.heard {
        match heard {
            Heard::Answer { status, id, .. } => {
                assert_eq!(*status, CommandStatus::Ok);
                assert!(answered.insert(id.clone()), "{id} was given twice");
            }
            Heard::Receipt { id, .. } => assert!(answered.contains(id), "{id} came too early"),
            Heard::Bound | Heard::BindRefused(_) | Heard::Inbound { .. } => panic!("{heard:?}"),
        }
    }
    let receipted: BTreeSet<_> = esme.receipts().into_iter().map(|(id, _)| id).collect();
    assert_eq!(receipted, answered);
    // The last answers to receipts are on their way: unbind in order, then nothing is.
    esme.session.unbind(crate::esme::mono_ns()).unwrap();
    let report = smsc.stop();
    let counts = report.counts;
    assert_eq!(
        (counts.submits, counts.taken, counts.unique_messages),
        (MESSAGES, MESSAGES, MESSAGES)
    );
    assert_eq!(
        (counts.receipts_sent, counts.receipts_resent),
        (MESSAGES, 0)
    );
    assert_eq!(counts.copies + counts.throttled + counts.rejected, 0);
    assert_eq!(
        counts.receipts_acked + counts.receipts_outstanding,
        MESSAGES
    );
    let delay = report.write_to_receive.unwrap();
    assert_eq!(delay.count, MESSAGES);
    assert!(delay.min_ns <= delay.p50_ns && delay.p50_ns <= delay.p99_ns);
    assert!(delay.p99_ns <= delay.max_ns && delay.spread_ns == delay.max_ns - delay.min_ns);
    assert!(counts.max_in_any_second >= 1 && counts.max_in_any_second <= MESSAGES);
}

#[test]
fn copies_are_counted_and_named() {
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    esme.submit_all([1, 2, 1, 3, 1]);
    esme.until(|esme| esme.answers().len() == 5);
    assert_eq!((smsc.seen(id_of(1)), smsc.seen(id_of(2))), (3, 1));
    assert_eq!(smsc.seen(id_of(9)), 0);
    assert_eq!(smsc.copies().len(), 1);
    let report = smsc.stop();
    assert_eq!(
        (report.counts.unique_messages, report.counts.copies),
        (3, 2)
    );
    assert_eq!(report.copies_of.len(), 1);
    assert_eq!(report.copies_of[0].copies, 2);
    assert_eq!(report.copies_of[0].message, format!("{:032x}", 1));
}

#[test]
fn without_a_stamp_content_tells_messages_apart() {
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    for (n, body) in [b"one", b"two", b"one"].into_iter().enumerate() {
        esme.submit_sm(n as u64, plain(body));
    }
    esme.flush().unwrap();
    esme.until(|esme| esme.answers().len() == 3);
    let report = smsc.stop();
    assert_eq!(
        (report.counts.unique_messages, report.counts.copies),
        (2, 1)
    );
    assert_eq!(report.write_to_receive, None);
    assert!(report.copies_of[0].message.starts_with("content:"));
}

#[test]
fn a_transmitter_and_a_receiver_share_an_account() {
    let smsc = start(|_| {});
    let mut receiver = Esme::bound_as(&smsc, BindType::Receiver);
    let mut transmitter = Esme::bound_as(&smsc, BindType::Transmitter);
    transmitter.submit_all(0..50);
    transmitter.until(|esme| esme.answers().len() == 50);
    receiver.until(|esme| esme.receipts().len() == 50);
    assert!(transmitter.receipts().is_empty());
}

#[test]
fn no_receipt_is_sent_that_was_not_asked_for() {
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    esme.submit_with(1, RegisteredDelivery::NONE);
    esme.submit_with(2, RegisteredDelivery::ON_FAILURE);
    esme.submit_all([3]);
    esme.until(|esme| esme.receipts().len() == 1);
    let counts = smsc.stop().counts;
    assert_eq!((counts.taken, counts.receipts_planned), (3, 1));
}

#[test]
fn the_report_is_json_with_all_counts() {
    let smsc = start(|_| {});
    let mut esme = Esme::bound(&smsc);
    esme.submit_all([1, 1]);
    esme.until(|esme| esme.answers().len() == 2);
    let json = serde_json::to_value(smsc.stop()).unwrap();
    for (field, expected) in [
        ("submits", 2),
        ("unique_messages", 1),
        ("copies", 1),
        ("binds", 1),
        ("max_in_any_second", 2),
        ("copies_unlisted", 0),
    ] {
        assert_eq!(json[field], expected, "{field}");
    }
    assert_eq!(json["write_to_receive"]["count"], 2);
    assert_eq!(json["copies_of"][0]["copies"], 1);
}
