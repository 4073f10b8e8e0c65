//! The arrows of the message's state machine that outcomes, receipts, deadlines and clients draw, one test each.

mod rig;

use message::{
    Category, MessageId, MessageState, Outcome, Reason, ReceiptState, ReceiptWanted, Rejection,
};
use partition::record::RECORD_VERSION;
use partition::{Answer, CancelVerdict, Claim, Event, Matched, Record};
use rig::{AWAITS, FAILS, RESENDS, Rig, TENANT, rejected, segment, submission};

use message::MessageState::{
    Attempting, Cancelled, Delivered, Expired, Failed, Queued, Rejected, Scheduled, Sent,
    Submitted, Undeliverable, Unknown,
};

fn wanting(rig: &mut Rig, receipt_wanted: ReceiptWanted) -> MessageId {
    let mut submission = submission(Category::Otp);
    submission.receipt_wanted = receipt_wanted;
    match rig.admit_with(submission, 100_000, Claim::Now) {
        Answer::Admitted(id) => id,
        other => panic!("not admitted: {other:?}"),
    }
}

/// An otp whose first attempt is in doubt and whose resend waits in its lane.
fn resent() -> (Rig, MessageId) {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    assert_eq!(rig.send(id, RESENDS), Some(1));
    rig.uncertain(id, 1);
    assert_eq!((rig.state(id), rig.view(id).attempt), (Queued, 2));
    (rig, id)
}

/// A message in doubt that awaits evidence.
fn awaiting() -> (Rig, MessageId) {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Promotional);
    rig.send(id, AWAITS);
    rig.advance(30_000);
    assert_eq!(rig.view(id).reason, Reason::AnswerOverdue);
    assert_eq!(rig.state(id), Attempting);
    assert_eq!(rig.indexes.doubts.len(), 1);
    (rig, id)
}

fn cancel(rig: &mut Rig, id: MessageId) -> CancelVerdict {
    match rig.decide(Event::Cancel { tenant: TENANT, id }) {
        Answer::Cancel(verdict) => verdict,
        other => panic!("no verdict: {other:?}"),
    }
}

#[test]
fn taken_then_receipt() {
    for (state, end) in [
        (
            ReceiptState::Delivered,
            (Delivered, Reason::ReceiptDelivered),
        ),
        (
            ReceiptState::Undeliverable,
            (Undeliverable, Reason::ReceiptUndeliverable),
        ),
        (ReceiptState::Expired, (Expired, Reason::ExpiredAtCarrier)),
        (ReceiptState::Unknown, (Unknown, Reason::ReceiptUnknown)),
    ] {
        let mut rig = Rig::new();
        let id = rig.admit(Category::Otp);
        rig.send(id, RESENDS);
        rig.submitted(id, 1);
        assert_eq!(rig.state(id), Submitted);
        assert!(rig.indexes.credits.is_empty(), "it left the lanes for good");
        rig.receipt(segment(id, 1), ReceiptState::Enroute, Matched::ById);
        assert_eq!(rig.state(id), Submitted);
        rig.receipt(segment(id, 1), state, Matched::ById);
        assert_eq!(rig.ended(id), end);
        rig.check();
    }
}

#[test]
fn taken_without_receipt_due_is_sent_and_without_receipt_is_unknown() {
    let mut rig = Rig::new();
    let never = wanting(&mut rig, ReceiptWanted::Never);
    rig.send(never, RESENDS);
    rig.submitted(never, 1);
    assert_eq!(rig.ended(never), (Sent, Reason::NoReceiptDue));
    assert!(rig.indexes.expectations.is_empty());
    let always = rig.admit(Category::Otp);
    rig.send(always, RESENDS);
    rig.submitted(always, 1);
    rig.advance(rig::RECEIPT_DEADLINE_MS - 1);
    assert_eq!(rig.state(always), Submitted);
    rig.advance(1);
    assert_eq!(rig.ended(always), (Unknown, Reason::ReceiptDeadline));
    assert_eq!(rig.indexes.expectations.len(), 1, "late evidence may come");
    rig.receipt(segment(always, 1), ReceiptState::Delivered, Matched::ById);
    assert_eq!(rig.ended(always), (Delivered, Reason::ReceiptDelivered));
    assert!(rig.view(always).late);
    rig.check();
}

#[test]
fn a_carrier_that_gives_no_id_can_name_none() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    rig.send(id, RESENDS);
    let carrier_message_id = message::CarrierMessageId::new(b"");
    rig.outcome(id, 1, Outcome::Submitted { carrier_message_id });
    assert_eq!(rig.state(id), Submitted);
    assert!(rig.indexes.expectations.is_empty());
    rig.check();
    rig.run_out();
    assert_eq!(rig.ended(id), (Unknown, Reason::ReceiptDeadline));
}

#[test]
fn throttled_and_unwritten_go_first_again_until_the_message_expires() {
    for outcome in [Outcome::Throttled, Outcome::Unwritten] {
        let mut rig = Rig::new();
        let id = rig.admit(Category::Promotional);
        for attempt in 1..20 {
            assert_eq!(rig.send(id, AWAITS), Some(attempt));
            rig.outcome(id, attempt, outcome.clone());
            assert_eq!(rig.lanes[&id].place, partition::Place::Front);
            assert!(
                rig.lanes[&id].claimed,
                "claimed in the outcome that orders it"
            );
        }
        rig.advance(99_999);
        rig.send(id, AWAITS);
        rig.advance(1);
        rig.outcome(id, 20, outcome);
        assert_eq!(rig.ended(id), (Expired, Reason::ExpiredHere));
        rig.check();
    }
}

#[test]
fn refused_is_tried_later_until_attempts_max() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    for (attempt, delay_ms) in [(1, 500), (2, 1_000)] {
        assert_eq!(rig.send(id, RESENDS), Some(attempt));
        rig.outcome(id, attempt, rejected(Rejection::Retry));
        assert_eq!(rig.state(id), Scheduled);
        rig.advance(delay_ms - 1);
        assert!(rig.lanes.is_empty());
        rig.advance(1);
        assert!(
            !rig.lanes[&id].claimed,
            "a released message is claimed when its turn comes"
        );
    }
    rig.send(id, RESENDS);
    rig.outcome(id, 3, rejected(Rejection::Retry));
    assert_eq!(rig.ended(id), (Failed, Reason::AttemptsExhausted));
    rig.check();
}

#[test]
fn a_refusal_for_good_and_a_retry_past_the_validity_end_the_message() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    rig.send(id, RESENDS);
    rig.outcome(id, 1, rejected(Rejection::Final));
    assert_eq!(rig.ended(id), (Rejected, Reason::CarrierSystemError));
    let id = rig.admit(Category::Promotional);
    rig.advance(99_600);
    rig.send(id, RESENDS);
    rig.outcome(id, 1, rejected(Rejection::Retry));
    assert_eq!(rig.ended(id), (Expired, Reason::ExpiredHere));
    rig.check();
}

#[test]
fn a_late_answer_stops_a_resend_that_has_not_left() {
    let (mut rig, id) = resent();
    rig.submitted(id, 1);
    assert_eq!(
        (rig.state(id), rig.view(id).reason),
        (Submitted, Reason::LateAnswer)
    );
    assert!(rig.lanes.is_empty() && rig.indexes.doubts.is_empty());
    rig.submitted(id, 1);
    assert_eq!(
        rig.indexes.expectations.len(),
        1,
        "a repeat changes nothing"
    );
    rig.check();
}

#[test]
fn what_becomes_of_a_copy_does_not_undo_that_the_message_was_taken() {
    for outcome in [
        Outcome::Throttled,
        Outcome::Unwritten,
        rejected(Rejection::Retry),
        rejected(Rejection::Final),
        Outcome::Uncertain {
            reason: Reason::LinkLost,
        },
    ] {
        let (mut rig, id) = resent();
        rig.send(id, RESENDS);
        rig.submitted(id, 1);
        rig.outcome(id, 2, outcome);
        assert_eq!(rig.state(id), Submitted);
        assert!(rig.lanes.is_empty());
        rig.check();
    }
}

#[test]
fn the_receipt_of_either_copy_settles_the_message() {
    for first in [1, 2] {
        let (mut rig, id) = resent();
        rig.send(id, RESENDS);
        rig.submitted(id, 2);
        rig.submitted(id, 1);
        assert_eq!(rig.indexes.expectations.len(), 2);
        rig.receipt(segment(id, first), ReceiptState::Delivered, Matched::ById);
        assert_eq!(rig.ended(id), (Delivered, Reason::ReceiptDelivered));
        assert!(rig.indexes.expectations.is_empty());
        rig.check();
    }
}

#[test]
fn an_attempt_proven_not_taken_settles_its_doubt() {
    for outcome in [Outcome::Throttled, Outcome::Unwritten] {
        let (mut rig, id) = awaiting();
        rig.outcome(id, 1, outcome.clone());
        assert_eq!((rig.state(id), rig.view(id).attempt), (Queued, 2));
        assert!(rig.indexes.doubts.is_empty());
        rig.check();
        let (mut rig, id) = resent();
        rig.outcome(id, 1, outcome);
        assert_eq!((rig.state(id), rig.view(id).attempt), (Queued, 2));
        assert!(rig.indexes.doubts.is_empty());
        assert_eq!(cancel(&mut rig, id), CancelVerdict::Cancelled);
    }
    let (mut rig, id) = awaiting();
    rig.outcome(id, 1, rejected(Rejection::Retry));
    assert_eq!(rig.state(id), Scheduled);
    let (mut rig, id) = awaiting();
    rig.uncertain(id, 1);
    assert_eq!(rig.state(id), Attempting, "a second doubt adds nothing");
    rig.outcome(id, 1, rejected(Rejection::Final));
    assert_eq!(rig.ended(id), (Rejected, Reason::CarrierSystemError));
    rig.check();
}

#[test]
fn a_resend_without_answer_waits_for_evidence_of_both() {
    let (mut rig, id) = resent();
    rig.send(id, RESENDS);
    rig.advance(5_000);
    assert_eq!(rig.indexes.doubts.len(), 2, "both may have been taken");
    assert!(rig.lanes.is_empty(), "resend once");
    rig.advance(rig::UNCERTAIN_DEADLINE_MS - 1);
    assert_eq!(rig.state(id), Attempting);
    rig.advance(1);
    assert_eq!(rig.ended(id), (Unknown, Reason::UncertainDeadline));
    rig.submitted(id, 1);
    rig.receipt(segment(id, 1), ReceiptState::Delivered, Matched::ById);
    assert_eq!(rig.ended(id), (Delivered, Reason::ReceiptDelivered));
    rig.check();
}

#[test]
fn a_refused_resend_waits_for_the_first_attempt_and_ends_with_its_doubt() {
    let (mut rig, id) = resent();
    rig.send(id, RESENDS);
    rig.outcome(id, 2, rejected(Rejection::Final));
    rig.check();
    rig.advance(20_000);
    assert_eq!(rig.state(id), Attempting);
    assert!(rig.lanes.is_empty());
    rig.outcome(id, 1, Outcome::Throttled);
    assert_eq!(rig.ended(id), (Rejected, Reason::CarrierSystemError));
    rig.check();
}

#[test]
fn a_resend_that_expires_in_its_lane_waits_for_the_first_attempt() {
    for (answer, end) in [
        (None, (Unknown, Reason::UncertainDeadline)),
        (Some(Outcome::Unwritten), (Expired, Reason::ExpiredHere)),
    ] {
        let (mut rig, id) = resent();
        rig.advance(100_000);
        assert!(rig.lanes.is_empty());
        assert_eq!(rig.state(id), Attempting);
        rig.check();
        match answer {
            Some(outcome) => rig.outcome(id, 1, outcome),
            None => rig.advance(rig::UNCERTAIN_DEADLINE_MS),
        }
        assert_eq!(rig.ended(id), end);
        rig.check();
    }
}

#[test]
fn a_receipt_by_address_ends_the_doubt_with_the_message_only() {
    let (mut rig, id) = awaiting();
    rig.receipt(segment(id, 1), ReceiptState::Enroute, Matched::ByAddress);
    rig.check();
    rig.advance(1_000);
    assert_eq!(rig.state(id), Attempting);
    rig.receipt(segment(id, 1), ReceiptState::Delivered, Matched::ByAddress);
    assert_eq!(rig.ended(id).0, Delivered);
    assert!(rig.indexes.doubts.is_empty());
    let (mut rig, id) = resent();
    rig.receipt(segment(id, 1), ReceiptState::Delivered, Matched::ByAddress);
    assert_eq!(rig.ended(id).0, Delivered);
    assert!(rig.lanes.is_empty(), "the resend need not leave");
    rig.check();
}

#[test]
fn a_receipt_says_which_carrier_it_was_also_where_the_written_record_is_gone() {
    const WRITTEN: u8 = 18;
    let (mut rig, id) = resent();
    rig.send(id, AWAITS);
    rig.receipt(segment(id, 1), ReceiptState::Delivered, Matched::ByAddress);
    assert_eq!(rig.view(id).carrier, Some(RESENDS));
    let journal: Vec<_> = rig
        .log
        .iter()
        .filter(|it| it.0 != WRITTEN)
        .cloned()
        .collect();
    assert_eq!(rig::replay(&journal).find(id), Some(rig.view(id)));
    rig.check();
}

#[test]
fn the_policy_that_fails_gives_up_but_a_late_answer_is_kept() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    rig.send(id, FAILS);
    rig.uncertain(id, 1);
    assert_eq!(rig.ended(id), (Failed, Reason::UncertainFailed));
    rig.submitted(id, 1);
    rig.receipt(segment(id, 1), ReceiptState::Delivered, Matched::ById);
    assert_eq!(rig.ended(id), (Delivered, Reason::ReceiptDelivered));
    rig.check();
}

#[test]
fn a_late_answer_is_all_the_evidence_when_no_receipt_was_wanted() {
    let mut rig = Rig::new();
    let id = wanting(&mut rig, ReceiptWanted::Never);
    rig.send(id, AWAITS);
    rig.uncertain(id, 1);
    rig.run_out();
    assert_eq!(rig.ended(id), (Unknown, Reason::UncertainDeadline));
    rig.submitted(id, 1);
    assert_eq!(rig.ended(id), (Sent, Reason::NoReceiptDue));
    rig.check();
}

#[test]
fn scheduled_messages_wait_and_expire_unsent() {
    let mut rig = Rig::new();
    let mut later = submission(Category::Alert);
    later.send_at_ms = Some(rig.now.wall_ms + 10_000);
    let Answer::Admitted(id) = rig.admit_with(later, 20_000, Claim::Now) else {
        panic!("not admitted");
    };
    assert_eq!(rig.state(id), Scheduled);
    rig.advance(9_999);
    assert!(rig.lanes.is_empty());
    rig.advance(1);
    assert_eq!(rig.state(id), Queued);
    assert!(!rig.lanes[&id].claimed);
    rig.advance(10_000);
    assert_eq!(rig.ended(id), (Expired, Reason::ExpiredHere));
    assert!(rig.lanes.is_empty());
    rig.check();
}

#[test]
fn cancelling_is_definite_and_may_be_repeated() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    let stranger = Event::Cancel {
        tenant: message::TenantId(8),
        id,
    };
    assert_eq!(rig.decide(stranger), Answer::Cancel(CancelVerdict::Unknown));
    assert_eq!(cancel(&mut rig, id), CancelVerdict::Cancelled);
    assert_eq!(cancel(&mut rig, id), CancelVerdict::Cancelled);
    assert_eq!(rig.ended(id), (Cancelled, Reason::CancelledByCaller));
    assert!(rig.lanes.is_empty());
    let id = rig.admit(Category::Otp);
    rig.send(id, RESENDS);
    let late = |state: MessageState| CancelVerdict::TooLate { state };
    assert_eq!(cancel(&mut rig, id), late(Attempting));
    rig.uncertain(id, 1);
    assert_eq!(
        cancel(&mut rig, id),
        late(Queued),
        "the first attempt may have left"
    );
    rig.check();
}

#[test]
fn a_removed_route_ends_what_waits_but_not_what_was_sent() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    rig.decide(Event::RouteRemoved(id));
    assert_eq!(rig.ended(id), (Failed, Reason::RouteRemoved));
    let taken = rig.admit(Category::Otp);
    rig.send(taken, RESENDS);
    rig.submitted(taken, 1);
    rig.decide(Event::RouteRemoved(taken));
    assert_eq!(rig.state(taken), Submitted);
    let (mut rig, id) = resent();
    rig.decide(Event::RouteRemoved(id));
    assert_eq!(
        rig.state(id),
        Attempting,
        "the first attempt may have been taken"
    );
    rig.outcome(id, 1, Outcome::Unwritten);
    assert_eq!(rig.ended(id), (Failed, Reason::RouteRemoved));
    rig.check();
}

#[test]
fn an_outcome_names_the_session_it_came_over_and_none_when_nobody_spoke() {
    let mut rig = Rig::new();
    let id = rig.admit(Category::Otp);
    let attempt = rig.send(id, RESENDS).expect("queued");
    rig.submitted(id, attempt);
    let silent = rig.admit(Category::Otp);
    rig.send(silent, RESENDS).expect("queued");
    rig.advance(6_000);
    let sessions: Vec<_> = rig
        .log
        .iter()
        .map(|(kind, octets)| Record::decode(*kind, RECORD_VERSION, octets).expect("our own"))
        .filter_map(|record| match record {
            Record::Outcome(outcome) => Some((outcome.segment.to_ref()?.message, outcome.session)),
            _ => None,
        })
        .collect();
    assert_eq!(sessions, [(id, 1), (silent, 0)]);
}

/// The second attempt may have gone over another carrier than the first, and no Written record says over which.
#[test]
fn after_a_power_cut_an_attempt_that_was_only_claimed_is_in_doubt_at_no_certain_carrier() {
    let (rig, id) = resent();
    let Some(partition::Recovered::Doubtful(Event::Outcome(report))) =
        rig.partition.recovered(id, partition::Boot::New)
    else {
        panic!("a claimed attempt may have been sent");
    };
    assert_eq!((report.segment.attempt, report.carrier), (2, None));
}
