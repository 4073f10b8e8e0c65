//! The wall clock steps by hours: nothing is lost, ids still rise, no deadline is met over and over, and no wait for an answer or a retry
//! ends early or late for it.

mod rig;

use std::collections::BTreeMap;

use message::{AttemptNo, Category, MessageId, MessageState, Now, Reason, Rejection};
use partition::{Answer, Claim, Policy};
use proptest::prelude::*;
use rig::{RESENDS, Rig, limits, rejected, replay, submission};

const HOUR_MS: u64 = 3_600_000;

/// The wall clock is set; the monotonic one goes on.
fn step_to(rig: &mut Rig, wall_ms: u64) {
    rig.now = Now {
        mono_ns: rig.now.mono_ns + 1_000_000,
        wall_ms,
    };
    rig.advance(0);
    assert!(
        rig.partition.take_due(rig.now).is_none(),
        "what was due has been seen to: nothing comes again in the same instant"
    );
    rig.check();
}

fn scheduled(rig: &mut Rig, in_ms: u64, valid_ms: u64) -> message::MessageId {
    let mut later = submission(Category::Alert);
    later.send_at_ms = Some(rig.now.wall_ms + in_ms);
    match rig.admit_with(later, in_ms + valid_ms, Claim::Now) {
        Answer::Admitted(id) => id,
        other => panic!("not admitted: {other:?}"),
    }
}

#[test]
fn a_step_back_keeps_everything_waiting_until_the_clock_is_there_again() {
    let mut rig = Rig::new();
    rig.now = rig.now.plus_ms(10 * HOUR_MS);
    let start_ms = rig.now.wall_ms;
    let waiting = scheduled(&mut rig, 60_000, 3 * HOUR_MS);
    let queued = rig.admit(Category::Alert);
    step_to(&mut rig, start_ms - 3 * HOUR_MS);
    assert_eq!(rig.state(waiting), MessageState::Scheduled);
    assert_eq!(rig.state(queued), MessageState::Queued);
    // Ids rise although the clock that they are made from went back: the rig asserts it.
    let made_after = rig.admit(Category::Alert);
    assert!(made_after > queued);
    let attempt = rig.send(queued, RESENDS).expect("it is in its lane");
    rig.submitted(queued, attempt);
    step_to(&mut rig, start_ms + 59_999);
    assert_eq!(rig.state(waiting), MessageState::Scheduled);
    step_to(&mut rig, start_ms + 60_000);
    assert_eq!(rig.state(waiting), MessageState::Queued);
    assert_eq!(rig.made.len(), 1, "nothing was sent twice");
    assert_eq!(
        replay(&rig.log).live_ids().len(),
        rig.partition.live_ids().len()
    );
    rig.run_out();
}

#[test]
fn a_step_forward_ends_what_is_over_and_releases_what_is_due_and_nothing_else() {
    let mut rig = Rig::new();
    let over = rig.admit(Category::Alert);
    let due = scheduled(&mut rig, HOUR_MS, 5 * HOUR_MS);
    let later = scheduled(&mut rig, 9 * HOUR_MS, HOUR_MS);
    let wall_ms = rig.now.wall_ms + 3 * HOUR_MS;
    step_to(&mut rig, wall_ms);
    assert_eq!(
        rig.ended(over),
        (MessageState::Expired, Reason::ExpiredHere)
    );
    assert_eq!(rig.state(due), MessageState::Queued);
    assert_eq!(rig.state(later), MessageState::Scheduled);
    // And back again: what is over stays over, what was released stays released, once.
    step_to(&mut rig, wall_ms - 3 * HOUR_MS);
    assert_eq!(rig.state(over), MessageState::Expired);
    assert_eq!(rig.state(due), MessageState::Queued);
    step_to(&mut rig, wall_ms);
    assert_eq!(rig.state(due), MessageState::Queued);
    assert_eq!(rig.made.len(), 0);
    rig.run_out();
}

#[test]
fn a_wait_that_a_restart_interrupts_goes_on_and_never_lasts_longer_than_the_whole() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    rig.send(id, RESENDS);
    rig.outcome(id, 1, rejected(Rejection::Retry));
    let delay_ms = limits().policy.retry_delay_ms(1);
    for (set_by_ms, left_ms) in [(0, delay_ms), (200, delay_ms - 200), (-60_000, delay_ms)] {
        let mut again = replay(&rig.log);
        let mut now = Now {
            mono_ns: 7_000_000,
            wall_ms: rig.now.wall_ms.saturating_add_signed(set_by_ms),
        };
        again.begin_wait(id, now);
        // Whatever the wall clock says meanwhile, as long as the message is valid.
        now.mono_ns += left_ms * 1_000_000 - 1;
        now.wall_ms += 50_000;
        assert!(again.take_due(now).is_none(), "{set_by_ms}");
        now.mono_ns += 1;
        assert!(again.take_due(now).is_some(), "{set_by_ms}");
    }
}

#[test]
fn an_attempt_waits_for_its_answer_until_its_outcome_is_recorded() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    assert_eq!(rig.partition.first_answer_due_ns(), None);
    let attempt = rig.send(id, RESENDS).expect("it is in its lane");
    let longest_ns = limits().policy(Some(RESENDS)).uncertain_after_ms[0] * 1_000_000;
    let due_ns = rig.partition.first_answer_due_ns().expect("it waits");
    let since_ns = due_ns - longest_ns;
    assert!((rig.now.mono_ns..=rig.now.mono_ns + 2_000_000).contains(&since_ns));
    // Overdue for long, and nobody has decided about it.
    rig.now = rig.now.plus_ms(HOUR_MS);
    assert_eq!(rig.partition.first_answer_due_ns(), Some(due_ns));
    rig.submitted(id, attempt);
    assert_eq!(rig.partition.first_answer_due_ns(), None);
}

/// What happens next.
#[derive(Clone, Debug)]
enum Op {
    Admit { valid_ms: u64 },
    Pass { ms: u64 },
    SetClock { by_ms: i64 },
    Send,
    Refuse,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (2_000..60_000_u64).prop_map(|valid_ms| Op::Admit { valid_ms }),
        6 => prop_oneof![0..300_u64, 0..3_000_u64].prop_map(|ms| Op::Pass { ms }),
        2 => prop_oneof![-10_000..10_000_i64, -36_000_000..36_000_000_i64]
            .prop_map(|by_ms| Op::SetClock { by_ms }),
        4 => Just(Op::Send),
        2 => Just(Op::Refuse),
    ]
}

/// A rig, and since when each attempt is under way or each retry waits, by the monotonic clock.
struct Timed {
    rig: Rig,
    under_way: BTreeMap<(MessageId, AttemptNo), u64>,
    delayed: BTreeMap<(MessageId, AttemptNo), (u64, u64)>,
    tries: BTreeMap<MessageId, u16>,
}

impl Timed {
    fn mono_ms(&self) -> u64 {
        self.rig.now.mono_ns / 1_000_000
    }

    fn live(&mut self, op: &Op) {
        match *op {
            Op::Admit { valid_ms } => {
                self.rig
                    .admit_with(submission(Category::Otp), valid_ms, Claim::Now);
            }
            Op::Pass { ms } => self.rig.advance(ms),
            Op::SetClock { by_ms } => {
                let set_ms = self.rig.now.wall_ms.saturating_add_signed(by_ms);
                self.rig.now.wall_ms = set_ms;
                self.rig.advance(0);
            }
            Op::Send => {
                let Some((id, enqueue)) = self.rig.lanes.first_key_value() else {
                    return;
                };
                let (id, expires_ms) = (*id, enqueue.payload.expires_ms);
                assert!(
                    self.rig.now.wall_ms < expires_ms,
                    "in its lane when it is over"
                );
                let attempt = self.rig.send(id, RESENDS).expect("it is in its lane");
                self.under_way.insert((id, attempt), self.mono_ms());
            }
            Op::Refuse => {
                let Some((id, attempt)) = self.under_way.keys().next().copied() else {
                    return;
                };
                let tries = self.tries.entry(id).or_default();
                *tries += 1;
                let delay_ms = limits().policy.retry_delay_ms(*tries);
                self.rig.outcome(id, attempt, rejected(Rejection::Retry));
                self.under_way.remove(&(id, attempt));
                if self.rig.state(id) == MessageState::Scheduled {
                    let since_ms = self.mono_ms();
                    self.delayed.insert((id, attempt + 1), (since_ms, delay_ms));
                }
            }
        }
    }

    fn check(&mut self) {
        let now_ms = self.mono_ms();
        let answer_ms = Policy::default().uncertain_after_ms[0];
        let rig = &self.rig;
        self.under_way.retain(|(id, attempt), since_ms| {
            let Some(view) = rig.partition.find(*id) else {
                return false;
            };
            let waits = view.attempt == *attempt && view.reason == Reason::Written;
            assert_eq!(waits, now_ms - *since_ms < answer_ms, "{view:?}");
            waits
        });
        self.delayed.retain(|(id, attempt), (since_ms, delay_ms)| {
            let Some(view) = rig.partition.find(*id) else {
                return false;
            };
            let waits = view.attempt == *attempt && view.state == MessageState::Scheduled;
            let over = now_ms - *since_ms >= *delay_ms;
            let released = view.attempt == *attempt && view.state == MessageState::Queued;
            assert!(!(waits && over), "late: {view:?}");
            assert!(!released || over, "early: {view:?}");
            waits
        });
        for id in &rig.ids {
            let Some(view) = rig.partition.find(*id) else {
                continue;
            };
            let unsent = matches!(view.state, MessageState::Queued | MessageState::Scheduled);
            let over = view.expires_ms <= rig.now.wall_ms;
            assert!(!(unsent && over), "expires late: {view:?}");
        }
        rig.check();
    }
}

proptest! {
    /// However the wall clock is set, an attempt is called overdue, and sent again, when its time is over by the monotonic clock, neither
    /// before nor after; so is a refused one; and what is over by the wall clock is gone.
    #[test]
    fn waits_are_as_long_as_they_are(ops in prop::collection::vec(op(), 1..80)) {
        let mut timed = Timed {
            rig: Rig::new(),
            under_way: BTreeMap::new(),
            delayed: BTreeMap::new(),
            tries: BTreeMap::new(),
        };
        timed.rig.now = timed.rig.now.plus_ms(100 * HOUR_MS);
        for op in &ops {
            timed.live(op);
            timed.check();
        }
    }
}
