//! One fault, one test that shows it.

use std::time::{Duration, Instant};

use fakes::smsc::{IdFormat, SlowReader};
use smpp_codec::{CommandStatus, RegisteredDelivery};

use crate::esme::{Esme, Heard, mono_ns, start};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_answer_takes_its_latency_and_keeps_its_place() {
    let smsc = start(|config| {
        config.latency_ms = 40;
        config.jitter_ms = 20;
    });
    let mut esme = Esme::bound(&smsc);
    let started = Instant::now();
    esme.submit_all(0..100);
    esme.until(|esme| esme.answers().len() == 100);
    // Not before: how long after is the machine's affair.
    assert!(started.elapsed() >= Duration::from_millis(40));
    assert!(esme.answers().into_iter().map(|(n, _)| n).eq(0..100));
}

#[test]
fn the_throttle_takes_exactly_its_number_in_any_second() {
    let smsc = start(|config| config.throttle_per_second = Some(50));
    let mut esme = Esme::bound(&smsc);
    let started = Instant::now();
    let mut next = 0;
    while smsc.snapshot().taken < 120 {
        esme.submit_all(next..next + 200);
        next += 200;
        esme.until(|esme| esme.answers().len() as u64 == next);
        if next == 200 && started.elapsed() < SECOND {
            assert_eq!(esme.with_status(CommandStatus::Ok), 50);
            assert_eq!(esme.with_status(CommandStatus::Throttled), 150);
        }
    }
    let seconds = started.elapsed().as_secs() as usize + 1;
    let counts = smsc.stop().counts;
    assert!(counts.taken as usize <= 50 * seconds, "{counts:?}");
    assert_eq!(counts.taken + counts.throttled, counts.submits);
    assert_eq!(counts.submits, next);
    assert!(counts.max_in_any_second >= 200);
    assert_eq!(counts.unique_messages, counts.taken);
}

#[test]
fn a_share_is_rejected_with_the_status_asked_for_and_by_seed() {
    let run = |seed| {
        let smsc = start(|config| {
            config.reject_ratio = 0.2;
            config.reject_status = CommandStatus::InvalidDestinationAddress;
            config.seed = seed;
        });
        let mut esme = Esme::bound(&smsc);
        esme.submit_all(0..1_000);
        esme.until(|esme| esme.answers().len() == 1_000);
        let refused = esme.with_status(CommandStatus::InvalidDestinationAddress);
        assert!((130..270).contains(&refused), "{refused}");
        let counts = smsc.stop().counts;
        assert_eq!(counts.rejected, refused as u64);
        assert_eq!(counts.taken, 1_000 - counts.rejected);
        esme.answers()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_lost_answer_leaves_the_message_taken_and_its_receipt_due() {
    let smsc = start(|config| config.lost_answer_ratio = 0.5);
    let mut esme = Esme::bound(&smsc);
    esme.submit_all(0..1_000);
    esme.until(|esme| esme.receipts().len() == 1_000);
    let counts = smsc.stop().counts;
    assert_eq!((counts.taken, counts.unique_messages), (1_000, 1_000));
    assert!((400..600).contains(&counts.answers_lost), "{counts:?}");
    assert_eq!(esme.answers().len() as u64, 1_000 - counts.answers_lost);
}

#[test]
fn answers_come_out_of_order() {
    let smsc = start(|config| config.shuffle_answers = 8);
    let mut esme = Esme::bound(&smsc);
    esme.submit_all(0..804);
    esme.until(|esme| esme.answers().len() == 804);
    let mut order: Vec<u64> = esme.answers().into_iter().map(|(n, _)| n).collect();
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert!(order.into_iter().eq(0..804));
}

#[test]
fn ids_are_written_as_asked() {
    let smsc = start(|config| {
        config.response_id_format = IdFormat::Hex;
        config.receipt_id_format = IdFormat::Decimal;
    });
    let mut esme = Esme::bound(&smsc);
    esme.submit_all([1]);
    esme.until(|esme| esme.heard.len() == 2);
    let [
        Heard::Answer { id, .. },
        Heard::Receipt {
            id: of_receipt,
            text_id,
            ..
        },
    ] = &esme.heard[..]
    else {
        panic!("{:?}", esme.heard);
    };
    let message = u64::from_str_radix(id, 16).unwrap();
    assert_eq!(of_receipt, &message.to_string());
    assert_eq!(text_id.as_ref(), Some(of_receipt));
    assert_ne!(id, of_receipt);
}

#[test]
fn a_connection_is_dropped_at_every_nth_submit() {
    let smsc = start(|config| config.drop_every_submits = Some(10));
    for _ in 0..3 {
        let mut esme = Esme::bound(&smsc);
        (0..25).for_each(|n| esme.submit_with(n, RegisteredDelivery::NONE));
        // The end may come while the last are written.
        let _ = esme.flush();
        esme.until_end();
        assert!(esme.answers().len() <= 9, "the tenth has no answer");
    }
    let counts = smsc.stop().counts;
    assert_eq!((counts.connections_dropped, counts.submits), (3, 30));
    assert_eq!((counts.unique_messages, counts.copies), (10, 20));
    assert_eq!(counts.answers_lost, 3);
}

#[test]
fn a_connection_is_dropped_at_random_and_by_time() {
    let smsc = start(|config| config.drop_ratio = 0.05);
    let mut esme = Esme::bound(&smsc);
    (0..1_000).for_each(|n| esme.submit(n));
    let _ = esme.flush();
    esme.until_end();
    assert!(smsc.stop().counts.submits < 1_000);

    let smsc = start(|config| config.drop_after_ms = Some(50));
    let started = Instant::now();
    let mut esme = Esme::bound(&smsc);
    esme.until_end();
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(smsc.stop().counts.connections_dropped, 1);
}

#[test]
fn a_hung_connection_answers_nothing_and_stays_open() {
    let smsc = start(|config| config.hang_after_submits = Some(5));
    let mut esme = Esme::bound(&smsc);
    (0..20).for_each(|n| esme.submit_with(n, RegisteredDelivery::NONE));
    esme.flush().unwrap();
    esme.until(|esme| esme.answers().len() == 5);
    assert_eq!(smsc.snapshot().submits, 5);
    // Another connection is served meanwhile, and this one still counts as open and bound.
    let other = Esme::bound(&smsc);
    let counts = smsc.snapshot();
    assert_eq!((counts.connections_hung, counts.connections_open), (1, 2));
    assert_eq!(counts.sessions_bound, 2);
    // A write still goes into the socket; nothing comes of it.
    esme.submit_all([99]);
    drop(other);
    drop(esme);
    while smsc.snapshot().connections_open > 0 {
        std::thread::yield_now();
    }
    assert_eq!(smsc.stop().counts.submits, 5);
}

#[test]
fn a_slow_reader_reads_no_faster_than_told() {
    const RATE: u64 = 20_000;
    let smsc = start(|config| config.slow_reader = SlowReader::BytesPerSecond(RATE));
    let mut esme = Esme::bound(&smsc);
    (0..50).for_each(|n| esme.submit_with(n, RegisteredDelivery::NONE));
    let octets = esme.session.transmit().len() as u64;
    let started = mono_ns();
    esme.flush().unwrap();
    esme.until(|esme| esme.answers().len() == 50);
    // The last read is not paid for.
    let least_ns = (octets - RATE / 50) * 1_000_000_000 / RATE;
    assert!(mono_ns() - started >= least_ns);
}

#[test]
fn a_pausing_reader_reads_nothing_for_a_while() {
    let smsc = start(|config| {
        config.slow_reader = SlowReader::Pause {
            every_submits: 10,
            pause_ms: 30,
        };
    });
    let mut esme = Esme::bound(&smsc);
    let started = Instant::now();
    for round in 0..4 {
        esme.submit_all(round * 10..round * 10 + 10);
        esme.until(|esme| esme.answers().len() as u64 == (round + 1) * 10);
    }
    // Three pauses lie between four rounds.
    assert!(started.elapsed() >= Duration::from_millis(90));
}
