//! The wall clock steps by hours: nothing is lost, ids still rise, and no deadline is met over and over.

mod rig;

use message::{Category, MessageState, Now, Reason};
use partition::{Answer, Claim};
use rig::{RESENDS, Rig, replay, submission};

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
