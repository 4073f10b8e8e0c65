//! New content by id: in every state, with a definite answer, live as on replay.

mod rig;

use message::{
    Category, MessageId, MessageState, Outcome, Reason, ReceiptState, Rejection, TenantId,
};
use partition::{Answer, CancelVerdict, Claim, Event, Matched, ReplaceVerdict};
use rig::{AWAITS, RESENDS, Rig, TENANT, rejected, replacement, replay, segment, submission};

const LONG: &str = "a text of two segments, as the number that comes with it says: the partition does not count \
    septets, it is told; this one is longer than a hundred and sixty characters in any case, so there.";

fn replace(rig: &mut Rig, id: MessageId, times: (Option<u64>, Option<u64>)) -> ReplaceVerdict {
    match rig.decide(replacement(id, LONG, times)) {
        Answer::Replace(verdict) => verdict,
        other => panic!("not an answer to a replacement: {other:?}"),
    }
}

/// What a client sees is the same after a restart.
fn replays(rig: &Rig, id: MessageId) {
    assert_eq!(replay(&rig.log).find(id), Some(rig.view(id)));
    rig.check();
}

fn too_late(rig: &mut Rig, id: MessageId) {
    let state = rig.state(id);
    let before = rig.log.len();
    let verdict = replace(rig, id, (None, None));
    assert_eq!(verdict, ReplaceVerdict::TooLate { state });
    assert_eq!(rig.log.len(), before, "nothing is recorded");
}

#[test]
fn a_message_in_its_lane_gets_new_content_claimed_or_not() {
    for claim in [Claim::Now, Claim::Later] {
        let mut rig = Rig::new();
        rig.admit_with(submission(Category::Otp), 100_000, claim);
        let id = rig.ids[0];
        let before = rig.view(id);
        rig.advance(10);
        assert_eq!(
            replace(&mut rig, id, (None, None)),
            ReplaceVerdict::Replaced
        );
        let work = &rig.lanes[&id];
        assert_eq!((work.attempt, work.claimed), (2, false));
        assert_eq!(work.payload.text, LONG);
        assert_eq!(work.payload.sender.as_str(), "7777");
        let view = rig.view(id);
        assert_eq!(
            (view.state, view.reason),
            (MessageState::Queued, Reason::ReplacedByCaller)
        );
        assert_eq!((before.segments, view.segments), (1, 2));
        assert_eq!(view.expires_ms, before.expires_ms);
        assert!(view.sequence > before.sequence);
        let (from, to) = rig.recost;
        assert_eq!(i64::from(to) - i64::from(from), LONG.len() as i64 - 9);
        replays(&rig, id);

        // Back to one segment. It goes out as any other, with nothing of the old one left.
        rig.decide(replacement(id, "short", (None, None)));
        assert_eq!(rig.view(id).segments, 1);
        let attempt = rig.send(id, RESENDS).expect("it is in its lane");
        rig.submitted(id, attempt);
        let delivered = (ReceiptState::Delivered, Matched::ById);
        rig.receipt(segment(id, attempt), delivered.0, delivered.1);
        assert_eq!(rig.state(id), MessageState::Delivered);
        replays(&rig, id);
    }
}

#[test]
fn a_scheduled_message_keeps_its_time_or_gets_a_new_one() {
    let mut rig = Rig::new();
    let mut later = submission(Category::Alert);
    later.send_at_ms = Some(rig.now.wall_ms + 20_000);
    rig.admit_with(later, 50_000, Claim::Now);
    let id = rig.ids[0];
    let (start_ms, expires_ms) = (rig.now.wall_ms, rig.view(id).expires_ms);

    assert_eq!(
        replace(&mut rig, id, (None, None)),
        ReplaceVerdict::Replaced
    );
    assert_eq!(rig.state(id), MessageState::Scheduled);
    assert_eq!(rig.view(id).expires_ms, expires_ms);
    replays(&rig, id);
    rig.advance(19_999);
    assert!(rig.lanes.is_empty());

    // Ten seconds later than it was to be: so is its end.
    let send_at_ms = Some(start_ms + 30_000);
    assert_eq!(
        replace(&mut rig, id, (None, send_at_ms)),
        ReplaceVerdict::Replaced
    );
    assert_eq!(rig.view(id).expires_ms, expires_ms + 10_000);
    replays(&rig, id);
    rig.advance(10_000);
    assert!(rig.lanes.is_empty());
    rig.advance(1);
    assert_eq!(rig.lanes[&id].payload.text, LONG);
    assert_eq!(rig.state(id), MessageState::Queued);

    // Out of the lane and back to waiting, then at once, with a validity of its own.
    let send_at_ms = Some(rig.now.wall_ms + 5_000);
    assert_eq!(
        replace(&mut rig, id, (Some(7_000), send_at_ms)),
        ReplaceVerdict::Replaced
    );
    assert!(rig.lanes.is_empty());
    assert_eq!(rig.state(id), MessageState::Scheduled);
    assert_eq!(rig.view(id).expires_ms, rig.now.wall_ms + 12_000);
    replays(&rig, id);
    let now_ms = rig.now.wall_ms;
    assert_eq!(
        replace(&mut rig, id, (Some(9_000), Some(now_ms))),
        ReplaceVerdict::Replaced
    );
    assert_eq!(rig.lanes[&id].payload.expires_ms, now_ms + 9_000);
    replays(&rig, id);
    rig.advance(9_000);
    assert_eq!(rig.ended(id), (MessageState::Expired, Reason::ExpiredHere));
}

#[test]
fn a_message_that_waits_for_a_retry_gets_new_content_without_another_try() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Alert);
    let attempt = rig.send(id, RESENDS).expect("it is in its lane");
    rig.outcome(id, attempt, rejected(Rejection::Retry));
    assert_eq!(rig.state(id), MessageState::Scheduled);
    assert_eq!(
        replace(&mut rig, id, (None, None)),
        ReplaceVerdict::Replaced
    );
    assert_eq!(rig.view(id).attempt, 3);
    replays(&rig, id);
    rig.advance(500);
    assert_eq!(rig.lanes[&id].payload.text, LONG);
    // A late answer to the old attempt is about what was refused, and changes nothing of the new one.
    let before = rig.log.len();
    rig.outcome(id, attempt, Outcome::Unwritten);
    assert_eq!(
        (rig.log.len(), rig.state(id)),
        (before, MessageState::Queued)
    );
}

#[test]
fn what_was_written_or_is_done_with_is_too_late() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Alert);
    let attempt = rig.send(id, RESENDS).expect("it is in its lane");
    assert_eq!(rig.state(id), MessageState::Attempting);
    too_late(&mut rig, id);
    rig.submitted(id, attempt);
    assert_eq!(rig.state(id), MessageState::Submitted);
    too_late(&mut rig, id);
    rig.receipt(segment(id, attempt), ReceiptState::Delivered, Matched::ById);
    assert_eq!(rig.state(id), MessageState::Delivered);
    too_late(&mut rig, id);

    // In its lane for the one resend, while the first attempt is in doubt; and parked in doubt.
    let resent = rig.admit(Category::Alert);
    let attempt = rig.send(resent, RESENDS).expect("it is in its lane");
    rig.uncertain(resent, attempt);
    assert_eq!(rig.state(resent), MessageState::Queued);
    too_late(&mut rig, resent);
    let parked = rig.admit(Category::Alert);
    let attempt = rig.send(parked, AWAITS).expect("it is in its lane");
    rig.uncertain(parked, attempt);
    too_late(&mut rig, parked);

    let cancelled = rig.admit(Category::Alert);
    let event = Event::Cancel {
        tenant: TENANT,
        id: cancelled,
    };
    assert_eq!(rig.decide(event), Answer::Cancel(CancelVerdict::Cancelled));
    too_late(&mut rig, cancelled);

    // Its time is over and nobody has noticed yet.
    let expired = rig.admit(Category::Alert);
    rig.now = rig.now.plus_ms(100_000);
    too_late(&mut rig, expired);
}

#[test]
fn another_tenants_and_forgotten_messages_are_unknown() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Alert);
    let Event::Replace { replacement, .. } = replacement(id, LONG, (None, None)) else {
        panic!("that is what was made");
    };
    let event = Event::Replace {
        tenant: TenantId(8),
        id,
        replacement,
    };
    assert_eq!(rig.decide(event), Answer::Replace(ReplaceVerdict::Unknown));
    let mut other = Rig::new();
    assert_eq!(
        replace(&mut other, id, (None, None)),
        ReplaceVerdict::Unknown
    );
}

#[test]
fn a_replaced_message_can_be_replaced_again_and_cancelled() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    for attempt in 2..10 {
        assert_eq!(
            replace(&mut rig, id, (None, None)),
            ReplaceVerdict::Replaced
        );
        assert_eq!(rig.lanes[&id].attempt, attempt);
    }
    let event = Event::Cancel { tenant: TENANT, id };
    assert_eq!(rig.decide(event), Answer::Cancel(CancelVerdict::Cancelled));
    assert!(rig.lanes.is_empty());
    replays(&rig, id);
}
