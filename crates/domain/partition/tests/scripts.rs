//! Random scripts of events, with late, repeated and contradictory outcomes: whatever comes, the promises hold.

mod rig;

use std::collections::BTreeSet;

use message::{
    AttemptNo, CATEGORIES, CarrierId, MessageId, MessageState, Outcome, Reason, ReceiptState,
    ReceiptWanted, Rejection,
};
use partition::record::RECORD_VERSION;
use partition::{Boot, Claim, Counts, Event, Matched, Partition, Record, Recovered};
use proptest::prelude::*;
use rig::{
    Rig, TENANT, carrier_id, derived, rejected, replay, replay_cold, replay_cold_from, replay_from,
    submission,
};

/// The kind of Written records, whose file a power cut may empty.
const WRITTEN: u8 = 18;

/// One thing that happens. `which` chooses among the messages or attempts there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Admit {
        category: usize,
        wanted: u8,
        valid_ms: u64,
        delay_ms: u64,
        claim: bool,
    },
    Send {
        which: usize,
        carrier: u32,
    },
    LostBeforeWrite {
        which: usize,
    },
    Outcome {
        which: usize,
        kind: u8,
    },
    Receipt {
        which: usize,
        state: usize,
        by_address: bool,
    },
    Cancel {
        which: usize,
    },
    Replace {
        which: usize,
        valid_ms: Option<u64>,
        delay_ms: Option<u64>,
    },
    ExpiredInLane {
        which: usize,
    },
    /// The lane is long: what waits in it goes cold, all of it or one.
    Cool {
        which: usize,
        all: bool,
    },
    /// The lane has read ahead.
    Warm {
        which: usize,
    },
    /// Everything about a message is written once more.
    Carry {
        which: usize,
    },
    Advance {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..1_000;
    prop_oneof![
        3 => (0_usize..4, 0_u8..3, 1_u64..120_000, prop_oneof![Just(0), 1_u64..30_000], any::<bool>()).prop_map(
            |(category, wanted, valid_ms, delay_ms, claim)| Step::Admit { category, wanted, valid_ms, delay_ms, claim }
        ),
        6 => (which.clone(), 1_u32..4).prop_map(|(which, carrier)| Step::Send { which, carrier }),
        1 => which.clone().prop_map(|which| Step::LostBeforeWrite { which }),
        9 => (which.clone(), 0_u8..6).prop_map(|(which, kind)| Step::Outcome { which, kind }),
        3 => (which.clone(), 0_usize..8, any::<bool>()).prop_map(
            |(which, state, by_address)| Step::Receipt { which, state, by_address }
        ),
        1 => which.clone().prop_map(|which| Step::Cancel { which }),
        2 => (which.clone(), prop::option::of(1_u64..120_000), prop::option::of(0_u64..30_000)).prop_map(
            |(which, valid_ms, delay_ms)| Step::Replace { which, valid_ms, delay_ms }
        ),
        1 => which.prop_map(|which| Step::ExpiredInLane { which }),
        4 => prop_oneof![0_u64..600, 4_000_u64..12_000, 29_000_u64..70_000].prop_map(|ms| Step::Advance { ms }),
    ]
}

/// Steps in which messages go cold and come back besides.
fn cooling_step() -> impl Strategy<Value = Step> {
    let which = 0_usize..1_000;
    prop_oneof![
        12 => step(),
        4 => (which.clone(), any::<bool>()).prop_map(|(which, all)| Step::Cool { which, all }),
        2 => which.prop_map(|which| Step::Warm { which }),
    ]
}

/// Steps in which messages are carried besides, and each may be let go of.
fn carrying_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => cooling_step(),
        1 => (0_usize..1_000).prop_map(|which| Step::Carry { which }),
    ]
}

fn pick<T: Copy>(of: &[T], which: usize) -> Option<T> {
    (!of.is_empty()).then(|| of[which % of.len()])
}

fn outcome(kind: u8, id: MessageId, attempt: AttemptNo) -> Outcome {
    match kind {
        0 => Outcome::Submitted {
            carrier_message_id: carrier_id(rig::segment(id, attempt)),
        },
        1 => Outcome::Throttled,
        2 => rejected(Rejection::Retry),
        3 => rejected(Rejection::Final),
        4 => Outcome::Uncertain {
            reason: Reason::LinkLost,
        },
        _ => Outcome::Unwritten,
    }
}

const RECEIPTS_WANTED: [ReceiptWanted; 3] = [
    ReceiptWanted::Always,
    ReceiptWanted::OnFailure,
    ReceiptWanted::Never,
];

fn matched(by_address: bool) -> Matched {
    if by_address {
        Matched::ByAddress
    } else {
        Matched::ById
    }
}

fn run(rig: &mut Rig, step: Step) {
    let queued: Vec<_> = rig.lanes.keys().copied().collect();
    match step {
        Step::Admit {
            category,
            wanted,
            valid_ms,
            delay_ms,
            claim,
        } => {
            let mut submission = submission(CATEGORIES[category]);
            submission.receipt_wanted = RECEIPTS_WANTED[usize::from(wanted)];
            submission.send_at_ms = (delay_ms > 0).then_some(rig.now.wall_ms + delay_ms);
            let claim = if claim { Claim::Now } else { Claim::Later };
            rig.admit_with(submission, valid_ms, claim);
        }
        Step::Send { which, carrier } => {
            pick(&queued, which).map(|id| rig.send(id, CarrierId(carrier)));
        }
        Step::LostBeforeWrite { which } => {
            if let Some(id) = pick(&queued, which) {
                let popped = rig.lanes.remove(&id).expect("picked from the lanes");
                rig.outcome(id, popped.attempt, Outcome::Unwritten);
            }
        }
        Step::Outcome { which, kind } => {
            if let Some((segment, _)) = pick(&rig.made, which) {
                let outcome = outcome(kind, segment.message, segment.attempt);
                rig.outcome(segment.message, segment.attempt, outcome);
            }
        }
        Step::Receipt {
            which,
            state,
            by_address,
        } => {
            if let Some((segment, _)) = pick(&rig.made, which) {
                rig.receipt(segment, ReceiptState::ALL[state], matched(by_address));
            }
        }
        Step::Cancel { which } => {
            pick(&rig.ids, which).map(|id| rig.decide(Event::Cancel { tenant: TENANT, id }));
        }
        Step::Replace {
            which,
            valid_ms,
            delay_ms,
        } => {
            let send_at_ms = delay_ms.map(|delay_ms| rig.now.wall_ms + delay_ms);
            if let Some(id) = pick(&rig.ids, which) {
                rig.decide(rig::replacement(id, "another text", (valid_ms, send_at_ms)));
            }
        }
        Step::ExpiredInLane { which } => {
            let over = |id: &MessageId| rig.lanes[id].payload.expires_ms <= rig.now.wall_ms;
            if let Some(id) = pick(&queued, which).filter(over) {
                rig.decide(Event::ExpiredInLane(id));
            }
        }
        Step::Cool { which, all } => cool(rig, &queued, (which, all)),
        Step::Warm { which } => pick(&rig.ids, which)
            .into_iter()
            .for_each(|id| rig.warm(id)),
        Step::Carry { which } => pick(&rig.ids, which)
            .into_iter()
            .for_each(|id| rig.carry(id)),
        Step::Advance { ms } => rig.advance(ms),
    }
}

/// Cools one message, rather one that waits in a lane than another, or all.
fn cool(rig: &mut Rig, queued: &[MessageId], (which, all): (usize, bool)) {
    let one = pick(queued, which).or_else(|| pick(&rig.ids, which));
    let cooled = rig.ids.clone().into_iter();
    cooled
        .filter(|id| all || one == Some(*id))
        .for_each(|id| rig.cool(id));
}

/// The replayed partition is the live one, but for releases into a lane, which have no record: the claim is their proof.
fn same_state(live: &Rig, replayed: &Partition) {
    same_messages(live, replayed, &live.ids);
    let finished = |partition: &Partition| partition.counts().finished;
    assert_eq!(finished(replayed), finished(&live.partition));
}

/// The same of a partition that was replayed from where the journal must be kept from: what has finished before may be gone.
fn same_live_state(live: &Rig, replayed: &Partition) {
    let view = |id: &MessageId| rig::find(&live.partition, &live.log, *id);
    let is_live = |id: &MessageId| view(id).is_some_and(|view| !view.state.is_final());
    let alive: Vec<_> = live.ids.iter().copied().filter(is_live).collect();
    same_messages(live, replayed, &alive);
}

fn same_messages(live: &Rig, replayed: &Partition, ids: &[MessageId]) {
    for id in ids {
        let mut is = rig::find(replayed, &live.log, *id);
        let mut was = rig::find(&live.partition, &live.log, *id);
        let mut same_due = true;
        if let (Some(is), Some(was)) = (&mut is, &mut was)
            && (is.state, was.state) == (MessageState::Scheduled, MessageState::Queued)
        {
            was.state = is.state;
            same_due = false;
        }
        assert_eq!(is, was);
        // What nobody sees is in the record that says everything.
        let whole = |partition: &Partition| partition.carried(*id, live.now);
        if let (Some(is), Some(was), true) = (whole(replayed), whole(&live.partition), same_due) {
            assert_eq!(is, was);
        }
    }
    let (is, was) = (replayed.counts(), live.partition.counts());
    let with_deadline = |it: Counts| it.deadlines + it.cold + it.cold_awaited;
    assert_eq!(with_deadline(is), with_deadline(was));
    let (is_live, was_live) = ((is.live, is.early_receipts), (was.live, was.early_receipts));
    assert_eq!(is_live, was_live);
    // A cold message holds no credits and no expectations; all else that is derived is the same whichever are cold.
    let (mut is, mut was) = (derived(replayed, ids), derived(&live.partition, ids));
    for indexes in [&mut is, &mut was] {
        let is_cold = |id| [replayed, &live.partition].map(|it| it.cold_position(id).is_some());
        let is_warm = |id: MessageId| is_cold(id) == [false, false];
        indexes.credits.retain(|id| is_warm(*id));
        let expectations = &mut indexes.expectations;
        expectations.retain(|(_, _, segment)| is_warm(segment.message));
    }
    assert_eq!(is, was);
    assert_eq!(replayed.oldest_position(), live.partition.oldest_position());
}

/// What the records say of a message's last attempt.
#[derive(Default)]
struct LastAttempt {
    number: u32,
    claimed: bool,
    written: bool,
    settled: bool,
}

fn last_attempt(log: &[(u8, Vec<u8>)], id: MessageId) -> LastAttempt {
    let mut last = LastAttempt::default();
    let of = |segment: partition::record::Segment| {
        let segment = segment.to_ref().expect("our own");
        (segment.message == id).then_some(u32::from(segment.attempt))
    };
    for (kind, octets) in log {
        match Record::decode(*kind, RECORD_VERSION, octets).expect("our own") {
            Record::Admitted(record)
                if partition::record::joined(record.id_high, record.id_low) == Some(id) =>
            {
                last.number = 1;
                last.claimed = record.claimed;
            }
            Record::Claimed(record) if of(record.segment) == Some(last.number) => {
                last.claimed = true;
            }
            Record::Written(record) if of(record.segment) == Some(last.number) => {
                last.written = true;
            }
            Record::Outcome(record) if of(record.segment).is_some() => {
                last.settled |= of(record.segment) == Some(last.number) || record.outcome == 1;
                if record.next_attempt != 0 {
                    last = LastAttempt {
                        number: record.next_attempt,
                        claimed: record.next_at_ms <= record.at_ms,
                        ..LastAttempt::default()
                    };
                }
            }
            Record::Replaced(record) if of(record.segment).is_some() => {
                last = LastAttempt {
                    number: record.segment.attempt,
                    ..LastAttempt::default()
                };
            }
            _ => {}
        }
    }
    last
}

/// Restarts from a log, once whole and once without what it need not be kept for.
fn recover(log: &[(u8, Vec<u8>)], ids: &[MessageId], boot: Boot, wall_ms: u64) {
    let whole = replay(log);
    let kept = whole.oldest_position().map_or(log.len(), rig::index_of);
    recovered((log, whole), ids, boot, wall_ms);
    recovered((log, replay_from(log, kept)), ids, boot, wall_ms);
}

/// Holds a restart against the table in `recovery.rs`.
fn recovered(
    (log, partition): (&[(u8, Vec<u8>)], Partition),
    ids: &[MessageId],
    boot: Boot,
    wall_ms: u64,
) {
    let mut rig = Rig::over(partition, wall_ms);
    rig.ids = ids.to_vec();
    rig.indexes = derived(&rig.partition, ids);
    let live: BTreeSet<_> = rig.partition.live_ids().into_iter().collect();
    assert_eq!(rig.partition.counts().deadlines, live.len());
    for id in &live {
        let last = last_attempt(log, *id);
        let expired = rig.view(*id).expires_ms <= wall_ms;
        match rig.partition.recovered(*id, boot).expect("live") {
            Recovered::Queued(enqueue) => {
                assert_eq!(u32::from(enqueue.attempt), last.number);
                assert!(!last.written && !last.settled, "sent again in silence");
                assert!(boot == Boot::Same || !last.claimed, "it may have been sent");
                if !expired {
                    rig.enqueue(enqueue);
                }
            }
            Recovered::Waiting => {
                let scheduled = rig.state(*id) == MessageState::Scheduled;
                assert!(scheduled != last.settled, "waits for what?");
                assert!(!scheduled || !last.claimed && !last.written);
            }
            Recovered::Doubtful(event) => {
                assert!(last.claimed && !last.settled);
                assert!(boot == Boot::New || last.written);
                rig.decide(event);
            }
        }
    }
    rig.check();
    rig.run_out();
    rig.check();
    assert!(rig.indexes.credits.is_empty() && rig.indexes.doubts.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_comes_every_message_ends_once_and_leaves_nothing_behind(
        steps in proptest::collection::vec(step(), 1..70),
    ) {
        let mut rig = Rig::new();
        for step in steps {
            run(&mut rig, step);
            rig.check();
        }
        rig.run_out();
        rig.check();
        prop_assert!(rig.indexes.credits.is_empty(), "credits are given back");
        prop_assert!(rig.indexes.doubts.is_empty(), "doubts are settled");
        prop_assert!(rig.lanes.is_empty());
        for _ in 0..rig::FINISHED_MAX {
            let id = rig.admit(message::Category::Otp);
            rig.decide(Event::Cancel { tenant: TENANT, id });
        }
        prop_assert!(rig.indexes.expectations.is_empty(), "forgotten messages expect nothing");
    }

    #[test]
    fn replay_gives_the_same_state_after_every_event(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut rig = Rig::new();
        for step in steps {
            run(&mut rig, step);
            same_state(&rig, &replay(&rig.log));
        }
    }

    #[test]
    fn cold_messages_are_the_same_messages_live_and_replayed(
        steps in proptest::collection::vec(cooling_step(), 1..60),
    ) {
        let mut rig = Rig::new();
        for step in steps {
            run(&mut rig, step);
            rig.check();
            same_state(&rig, &replay(&rig.log));
            same_state(&rig, &replay_cold(&rig.log));
        }
        rig.run_out();
        rig.check();
        same_state(&rig, &replay_cold(&rig.log));
        prop_assert!(rig.indexes.credits.is_empty() && rig.lanes.is_empty());
    }

    #[test]
    fn what_was_carried_needs_none_of_its_older_records(
        steps in proptest::collection::vec(carrying_step(), 1..60),
    ) {
        let mut rig = Rig::new();
        for step in steps {
            run(&mut rig, step);
            rig.check();
            same_state(&rig, &replay(&rig.log));
            same_state(&rig, &replay_cold(&rig.log));
            let kept = rig.partition.oldest_position().map_or(rig.log.len(), rig::index_of);
            same_live_state(&rig, &replay_from(&rig.log, kept));
            same_live_state(&rig, &replay_cold_from(&rig.log, kept));
        }
        rig.run_out();
        rig.check();
        prop_assert!(rig.indexes.credits.is_empty() && rig.lanes.is_empty());
    }

    #[test]
    fn after_a_crash_at_any_record_nothing_is_lost_and_nothing_sent_twice_in_silence(
        steps in proptest::collection::vec(carrying_step(), 1..40),
        pause_ms in prop_oneof![Just(0_u64), 0_u64..100_000],
    ) {
        let mut rig = Rig::new();
        for step in steps {
            run(&mut rig, step);
        }
        let wall_ms = rig.now.wall_ms + pause_ms;
        for cut in 0..=rig.log.len() {
            let log = &rig.log[..cut];
            let silent: Vec<_> = log.iter().filter(|(kind, _)| *kind != WRITTEN).cloned().collect();
            recover(log, &rig.ids, Boot::Same, wall_ms);
            recover(log, &rig.ids, Boot::New, wall_ms);
            recover(&silent, &rig.ids, Boot::New, wall_ms);
        }
    }
}
