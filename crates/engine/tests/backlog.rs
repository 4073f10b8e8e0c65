//! More messages than memory may hold: they wait in the journal, keep their order, and are messages as any other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{AdmitReply, CancelVerdict, Engine, Handle, Limits, ReplySink, ReplyTo};
use message::{Category, MessageId, MessageState, Reason, Submission};
use rig::{Directory, Script, caller, start, submission, submit, wait_for};

/// Memory for few messages, disk for many.
fn limits() -> Limits {
    Limits {
        messages: 400,
        head_messages: 16,
        ..Limits::default()
    }
}

fn closed() -> Script {
    let script = Script::default();
    script.closed.store(true, Ordering::SeqCst);
    script
}

fn from(sender: &str, number: u64) -> Submission {
    Submission {
        sender: sender.parse().unwrap(),
        ..submission(number, Category::Promotional)
    }
}

/// Submits in rounds that memory can hold on their way in, and gives the answers in order.
async fn submit_all(handle: &Handle, submissions: Vec<Submission>) -> Vec<AdmitReply> {
    let mut replies = Vec::new();
    for round in submissions.chunks(100) {
        let sink = ReplySink::new(100);
        for (tag, submission) in (0..).zip(round) {
            let reply = ReplyTo {
                sink: Arc::clone(&sink),
                tag,
            };
            let answered = handle.try_submit(&caller(), submission.clone(), reply);
            assert_eq!(answered, Ok(()), "refused with {} answers", replies.len());
        }
        let mut answers = Vec::new();
        while answers.len() < round.len() {
            sink.recv(&mut answers).await;
        }
        answers.sort_unstable_by_key(|(tag, _)| *tag);
        replies.extend(answers.into_iter().map(|(_, reply)| reply));
    }
    replies
}

async fn backlog(engine: &Engine) -> u64 {
    engine.handle().stats().await.unwrap().backlog
}

async fn live(engine: &Engine) -> u64 {
    engine.handle().stats().await.unwrap().live
}

/// The messages a carrier saw, in order, of one sender.
fn seen_of(script: &Script, sender: &str) -> Vec<MessageId> {
    let seen = script.seen.lock().unwrap();
    let of_sender = seen
        .iter()
        .filter(|dispatch| dispatch.payload.sender.as_str() == sender);
    of_sender.map(|dispatch| dispatch.segment.message).collect()
}

async fn until_all_ended(engine: &Engine) {
    live_at_most(engine, 0).await;
}

async fn live_at_most(engine: &Engine, most: u64) {
    let ended = async {
        while live(engine).await > most {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok(), "{} are live", live(engine).await);
}

/// Each sender's messages left in the order of their admission; every tenth message was from `Few`.
fn assert_in_order(script: &Script, expected: &[(usize, MessageId)]) {
    let mut once = HashSet::new();
    for (sender, of_sender) in [("Few", true), ("Many", false)] {
        let mut seen = seen_of(script, sender);
        // What was under way when the engine was stopped may be sent again, later.
        seen.retain(|id| once.insert(*id));
        let wanted = expected
            .iter()
            .filter(|(at, _)| (at % 10 == 0) == of_sender);
        let wanted: Vec<_> = wanted.map(|(_, id)| *id).collect();
        assert_eq!(seen.len(), wanted.len(), "{sender}");
        let wrong = seen
            .iter()
            .zip(&wanted)
            .position(|(is, should)| is != should);
        assert_eq!(wrong, None, "the order of {sender}");
    }
}

#[tokio::test]
async fn thousands_wait_in_the_journal_and_leave_in_order_across_restarts() {
    let directory = Directory::new("backlog-order");
    let script = closed();
    let mut engine = start(&directory, &script, limits());
    let submissions = (0..3_000).map(|number| {
        let sender = if number % 10 == 0 { "Few" } else { "Many" };
        from(sender, number)
    });
    let replies = submit_all(&engine.handle(), submissions.collect()).await;
    let ids: Vec<_> = replies.into_iter().map(|reply| reply.unwrap().id).collect();
    let waiting = backlog(&engine).await;
    assert!(waiting > 2_700, "{waiting} wait in the journal");
    assert_eq!(live(&engine).await, 3_000);

    let tenant = caller().tenant;
    let view = engine.handle().find(tenant, ids[2_000]).await.unwrap();
    assert_eq!((view.id, view.state), (ids[2_000], MessageState::Queued));
    let stranger = message::TenantId(1);
    assert_eq!(engine.handle().find(stranger, ids[2_000]).await, None);
    let unknown = engine.handle().cancel(stranger, ids[2_001]).await;
    assert_eq!(unknown, CancelVerdict::Unknown);
    for at in [2_001, 2_999] {
        let verdict = engine.handle().cancel(tenant, ids[at]).await;
        assert_eq!(verdict, CancelVerdict::Cancelled);
    }
    assert_eq!(backlog(&engine).await, waiting - 2);

    engine.stop();
    engine.join().unwrap();
    engine = start(&directory, &script, limits());
    assert_eq!(live(&engine).await, 2_998);
    let again = engine.handle().cancel(tenant, ids[2_001]).await;
    assert_eq!(again, CancelVerdict::Cancelled);

    script.closed.store(false, Ordering::SeqCst);
    wait_for("a part of the backlog", || {
        script.seen.lock().unwrap().len() > 1_000
    });
    let otp = submit(&engine.handle(), submission(9, Category::Otp)).await;
    engine.stop();
    engine.join().unwrap();
    engine = start(&directory, &script, limits());
    let mut expected: Vec<_> = ids.iter().copied().enumerate().collect();
    expected.retain(|(at, _)| ![2_001, 2_999].contains(at));
    // Not until all have ended: what was under way when the engine was stopped is in doubt, and awaits its receipt.
    wait_for("everything to be sent", || {
        let seen = script.seen.lock().unwrap();
        let seen: HashSet<_> = seen
            .iter()
            .map(|dispatch| dispatch.segment.message)
            .collect();
        expected.iter().all(|(_, id)| seen.contains(id))
    });
    assert_eq!(backlog(&engine).await, 0);
    assert_in_order(&script, &expected);
    let sent = engine.handle().find(tenant, otp.unwrap().id).await.unwrap();
    assert_eq!(sent.state, MessageState::Delivered);
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn what_expires_in_the_journal_is_never_sent() {
    let directory = Directory::new("backlog-expiry");
    let script = closed();
    let engine = start(&directory, &script, limits());
    let brief = (0..500).map(|number| Submission {
        valid_for_ms: Some(if number % 2 == 0 { 3_000 } else { 600_000 }),
        ..from("Brief", number)
    });
    let replies = submit_all(&engine.handle(), brief.collect()).await;
    assert!(backlog(&engine).await > 250);
    live_at_most(&engine, 250).await;
    assert_eq!(script.seen.lock().unwrap().len(), 0);
    script.closed.store(false, Ordering::SeqCst);
    until_all_ended(&engine).await;
    let ids: Vec<_> = replies.into_iter().map(|reply| reply.unwrap().id).collect();
    let lasting: Vec<_> = ids.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(seen_of(&script, "Brief"), lasting);
    let expired = engine.handle().find(caller().tenant, ids[498]).await;
    assert_eq!(expired.unwrap().state, MessageState::Expired);
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn a_full_backlog_refuses_what_would_deepen_it_and_nothing_else() {
    let directory = Directory::new("backlog-full");
    let script = closed();
    let limits = Limits {
        backlog_messages: 100,
        ..limits()
    };
    let engine = start(&directory, &script, limits);
    let handle = engine.handle();
    let mut admitted = 0;
    let refused = loop {
        match submit(&handle, from("Many", admitted)).await {
            Ok(_) => admitted += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, Reason::BacklogFull);
    // Besides the backlog: two heads, what is claimed ahead (two windows of 64), and what was on its way when the backlog was counted.
    assert!((216..280).contains(&admitted), "{admitted} admitted");
    let urgent = submit(&handle, submission(1, Category::Alert)).await;
    assert!(urgent.is_ok(), "another lane has nothing in the journal");
    script.closed.store(false, Ordering::SeqCst);
    until_all_ended(&engine).await;
    assert!(submit(&handle, from("Many", 7)).await.is_ok());
    engine.drain();
    engine.join().unwrap();
}
