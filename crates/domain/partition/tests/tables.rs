//! Idempotency keys, early receipts and inbound messages: remembered in bounds, forgotten in time.

mod rig;

use message::{CarrierMessageId, Category, InboundMessage, Reason, ReceiptState};
use partition::{Answer, Claim, Event, InboundArrived, Record};
use rig::{RESENDS, Rig, replay, submission};

fn with_key(rig: &mut Rig, key: &str, category: Category) -> Answer {
    let mut submission = submission(category);
    submission.idempotency_key = Some(key.into());
    rig.admit_with(submission, 100_000, Claim::Now)
}

fn refused(reason: Reason, rig: &Rig, existing: Option<usize>) -> Answer {
    Answer::Refused {
        reason,
        existing: existing.map(|n| rig.ids[n]),
    }
}

#[test]
fn a_key_makes_a_repeat_harmless_until_its_time_is_over() {
    let mut rig = Rig::new();
    assert!(matches!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Admitted(_)
    ));
    assert_eq!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Repeat(rig.ids[0])
    );
    let conflict = with_key(&mut rig, "a", Category::Alert);
    assert_eq!(
        conflict,
        refused(Reason::IdempotencyConflict, &rig, Some(0))
    );
    rig.advance(9_999);
    assert_eq!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Repeat(rig.ids[0])
    );
    rig.advance(1);
    assert!(matches!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Admitted(_)
    ));
    assert_eq!(rig.partition.counts().idempotency_keys, 1);
}

#[test]
fn a_full_table_refuses_new_keys_until_the_oldest_leaves() {
    let mut rig = Rig::new();
    for key in ["a", "b", "c", "d"] {
        assert!(matches!(
            with_key(&mut rig, key, Category::Otp),
            Answer::Admitted(_)
        ));
        rig.advance(100);
    }
    let full = with_key(&mut rig, "e", Category::Otp);
    assert_eq!(full, refused(Reason::IdempotencyFull, &rig, None));
    assert_eq!(
        with_key(&mut rig, "d", Category::Otp),
        Answer::Repeat(rig.ids[3])
    );
    rig.advance(9_600);
    assert!(matches!(
        with_key(&mut rig, "e", Category::Otp),
        Answer::Admitted(_)
    ));
}

#[test]
fn keys_carried_forward_outlive_their_part_of_the_journal_and_leave_in_time() {
    let mut rig = Rig::new();
    for key in ["old", "b", "c", "d"] {
        with_key(&mut rig, key, Category::Otp);
        rig.advance(1_000);
    }
    let kept = rig.partition.keys_before(1);
    assert_eq!(kept.len(), 1);
    for key in kept {
        rig.apply(Record::KeyKept(key));
    }
    assert!(rig.partition.keys_before(1).is_empty());
    let mut after = Rig::over(replay(&rig.log[1..]), rig.now.wall_ms);
    after.ids.clone_from(&rig.ids);
    assert_eq!(
        with_key(&mut after, "old", Category::Otp),
        Answer::Repeat(rig.ids[0])
    );
    // The key carried forward comes after younger ones on replay, and still makes room first.
    after.now = after.now.plus_ms(6_000);
    assert!(matches!(
        with_key(&mut after, "e", Category::Otp),
        Answer::Admitted(_)
    ));
}

#[test]
fn a_submission_that_expired_is_refused_and_its_key_is_not_spent() {
    let mut rig = Rig::new();
    let mut late = submission(Category::Otp);
    late.idempotency_key = Some("a".into());
    let answer = rig.admit_with(late, 0, Claim::Now);
    assert_eq!(answer, refused(Reason::AlreadyExpired, &rig, None));
    assert!(matches!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Admitted(_)
    ));
}

fn early(rig: &mut Rig, id: &str, state: ReceiptState) {
    rig.decide(Event::EarlyReceipt {
        carrier: RESENDS,
        id: CarrierMessageId::new(id.as_bytes()),
        state,
        error: "000".into(),
        address: 0,
    });
}

#[test]
fn early_receipts_wait_in_order_leave_in_time_and_survive_a_restart() {
    let mut rig = Rig::new();
    let a = CarrierMessageId::new(b"a");
    early(&mut rig, "a", ReceiptState::Enroute);
    early(&mut rig, "a", ReceiptState::Delivered);
    let mut restarted = replay(&rig.log);
    let states: Vec<_> = restarted
        .take_early(RESENDS, &a)
        .into_iter()
        .map(|early| early.state)
        .collect();
    assert_eq!(states, [ReceiptState::Enroute, ReceiptState::Delivered]);
    rig.advance(59_999);
    assert!(rig.partition.has_early(RESENDS, &a));
    rig.advance(1);
    assert!(!rig.partition.has_early(RESENDS, &a));
    assert!(
        !replay(&rig.log).has_early(RESENDS, &a),
        "its leaving is a record"
    );
    for id in ["a", "b", "c"] {
        early(&mut rig, id, ReceiptState::Delivered);
    }
    rig.advance(0);
    assert_eq!(rig.partition.counts().early_receipts, 2);
    assert!(
        !rig.partition.has_early(RESENDS, &a),
        "the oldest makes room"
    );
}

fn inbound(rig: &mut Rig) -> Answer {
    rig.decide(Event::Inbound(Box::new(InboundArrived {
        carrier: RESENDS,
        message: InboundMessage {
            from: "819012345678".into(),
            to: "12345".into(),
            text: "STOP".into(),
            octets: bytes::Bytes::from_static(b"STOP"),
            data_coding: 0,
        },
        random: 5,
    })))
}

#[test]
fn inbound_messages_wait_for_a_client_in_bounds_and_in_time() {
    let mut rig = Rig::new();
    let Answer::Inbound(first) = inbound(&mut rig) else {
        panic!("not kept")
    };
    rig.advance(1_000);
    let Answer::Inbound(second) = inbound(&mut rig) else {
        panic!("not kept")
    };
    assert!(first < second);
    assert_eq!(inbound(&mut rig), refused(Reason::ReceiptsFull, &rig, None));
    let done = |id| Event::InboundDone {
        id,
        acknowledged: true,
    };
    assert_eq!(rig.decide(done(first)), Answer::Known(true));
    assert_eq!(rig.decide(done(first)), Answer::Known(false));
    let waiting: Vec<_> = replay(&rig.log)
        .inbound()
        .map(|(_, view)| view.clone())
        .collect();
    assert_eq!(
        waiting.iter().map(|view| view.id).collect::<Vec<_>>(),
        [second]
    );
    assert_eq!(rig.partition.oldest_position(), Some(1));
    rig.advance(5_001);
    assert_eq!(rig.partition.counts().inbound, 0);
    assert_eq!(rig.partition.oldest_position(), None);
}
