//! Idempotency keys, early receipts and inbound messages: remembered in bounds, forgotten in time.

mod rig;

use message::{CarrierMessageId, Category, IdSource, InboundMessage, Reason, ReceiptState};
use partition::{
    Answer, Claim, Event, IdempotencyKey, InboundArrived, KeyRoom, PriorKey, Record, SubmittedKey,
};
use rig::{RESENDS, Rig, TENANT, position_of, replay, submission};

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
    assert_eq!(
        with_key(&mut rig, "a", Category::Otp),
        Answer::Repeat(rig.ids[1])
    );
}

#[test]
fn a_full_table_refuses_new_keys_until_some_are_filed() {
    let mut rig = Rig::new();
    for key in ["a", "b", "c", "d"] {
        assert!(matches!(
            with_key(&mut rig, key, Category::Otp),
            Answer::Admitted(_)
        ));
    }
    let full = with_key(&mut rig, "e", Category::Otp);
    assert_eq!(full, refused(Reason::IdempotencyFull, &rig, None));
    assert_eq!(
        with_key(&mut rig, "d", Category::Otp),
        Answer::Repeat(rig.ids[3])
    );
    let sealed = rig.partition.seal_keys().expect("there are keys");
    assert_eq!(sealed.rows().len(), 4);
    let full = with_key(&mut rig, "e", Category::Otp);
    assert_eq!(full, refused(Reason::IdempotencyFull, &rig, None));
    rig.partition.keys_filed();
    assert!(matches!(
        with_key(&mut rig, "e", Category::Otp),
        Answer::Admitted(_)
    ));
}

#[test]
fn sealed_keys_answer_until_they_are_filed_and_pin_the_journal_as_long() {
    let mut rig = Rig::new();
    assert!(rig.partition.seal_keys().is_none());
    with_key(&mut rig, "a", Category::Otp);
    let made_ms = rig.now.wall_ms;
    rig.advance(1_000);
    with_key(&mut rig, "b", Category::Otp);
    assert_eq!(rig.partition.oldest_key_position(), Some(position_of(0)));
    let sealed = rig.partition.seal_keys().expect("there are keys");
    assert_eq!(sealed.made_ms(), Some((made_ms, made_ms + 1_000)));
    with_key(&mut rig, "c", Category::Otp);
    assert!(rig.partition.seal_keys().is_none(), "one after the other");
    for (nth, key) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(
            with_key(&mut rig, key, Category::Otp),
            Answer::Repeat(rig.ids[nth])
        );
    }
    assert_eq!(rig.partition.oldest_key_position(), Some(position_of(0)));
    rig.partition.keys_filed();
    assert_eq!(rig.partition.oldest_key_position(), Some(position_of(2)));
    assert_eq!(rig.partition.counts().idempotency_keys, 1);
}

#[test]
fn what_a_file_knows_of_a_key_counts_as_the_partition_itself_knowing_it() {
    let mut rig = Rig::new();
    let mut keyed = submission(Category::Otp);
    keyed.idempotency_key = Some("a".into());
    let key = IdempotencyKey::of(TENANT, &keyed).expect("it has a key");
    let prior = |body, until_ms| {
        let message = IdSource::new(3).peek(1_000, 9);
        Some(PriorKey {
            body,
            message,
            until_ms,
        })
    };
    let now_ms = rig.now.wall_ms;
    let message = prior(0, 0).map(|prior| prior.message);
    let mut ask = |prior, room| {
        let key = SubmittedKey { key, prior, room };
        rig.admit_knowing(keyed.clone(), key)
    };
    let repeat = ask(prior(key.body, now_ms + 1), KeyRoom::Full);
    assert_eq!(repeat, Answer::Repeat(message.expect("an id")));
    let conflict = Answer::Refused {
        reason: Reason::IdempotencyConflict,
        existing: message,
    };
    assert_eq!(ask(prior(!key.body, now_ms + 1), KeyRoom::Free), conflict);
    let full = Answer::Refused {
        reason: Reason::IdempotencyFull,
        existing: None,
    };
    assert_eq!(ask(prior(key.body, now_ms), KeyRoom::Full), full);
    let over = ask(prior(!key.body, now_ms), KeyRoom::Free);
    let Answer::Admitted(admitted) = over else {
        panic!("its time is over: {over:?}");
    };
    // From now on the partition's own memory is the younger one.
    let again = ask(prior(!key.body, now_ms + 1), KeyRoom::Full);
    assert_eq!(again, Answer::Repeat(admitted));
}

#[test]
fn keys_that_an_older_release_carried_forward_are_known_after_replay() {
    let mut rig = Rig::new();
    with_key(&mut rig, "old", Category::Otp);
    let mut keyed = submission(Category::Otp);
    keyed.idempotency_key = Some("old".into());
    let key = IdempotencyKey::of(TENANT, &keyed).expect("it has a key");
    let kept = partition::record::KeyKept {
        segment: rig::segment(rig.ids[0], 0).into(),
        idempotency: partition::record::Idempotency {
            key_high: (key.key >> 64) as u64,
            key_low: (key.key & u128::from(u64::MAX)) as u64,
            body: key.body,
            until_ms: rig.now.wall_ms + 10_000,
        },
    };
    rig.apply(Record::KeyKept(kept));
    let mut after = Rig::over(replay(&rig.log[1..]), rig.now.wall_ms);
    after.ids.clone_from(&rig.ids);
    assert_eq!(
        with_key(&mut after, "old", Category::Otp),
        Answer::Repeat(rig.ids[0])
    );
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
    assert_eq!(rig.partition.oldest_position(), Some(position_of(1)));
    rig.advance(5_001);
    assert_eq!(rig.partition.counts().inbound, 0);
    assert_eq!(rig.partition.oldest_position(), None);
}
