//! More awaited receipts than memory may hold: they find their messages on the disk, in any order, across restarts, until their deadline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{CancelVerdict, Engine, Limits, ReplySink, ReplyTo};
use message::{Category, MessageId, MessageState, Reason};
use partition::{Policy, RetryPolicy};
use rig::{Answer, Directory, Script, caller, start, submission, submit, wait_for};

/// Memory for a few awaited receipts.
fn limits() -> Limits {
    Limits {
        receipts_in_memory: 20,
        ..Limits::default()
    }
}

fn holding() -> Script {
    let script = Script::default();
    script.holds_receipts.store(true, Ordering::SeqCst);
    script
}

/// Submits and waits until the carrier has taken all; gives the ids in the order in which it saw them.
async fn take(engine: &Engine, script: &Script, count: usize) -> Vec<MessageId> {
    let before = script.seen.lock().unwrap().len();
    let sink = ReplySink::new(count);
    let mut answers = Vec::new();
    for number in 0..count as u64 {
        let reply = ReplyTo {
            sink: Arc::clone(&sink),
            tag: number,
        };
        let submitted = submission(number, Category::Otp);
        let handle = engine.handle();
        while handle
            .try_submit(&caller(), submitted.clone(), reply.clone())
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    }
    while answers.len() < count {
        sink.recv(&mut answers).await;
    }
    wait_for("the carrier to take all", || {
        script.seen.lock().unwrap().len() >= before + count
    });
    let seen = script.seen.lock().unwrap();
    let new = seen[before..].iter();
    new.map(|dispatch| dispatch.segment.message).collect()
}

async fn state(engine: &Engine, id: MessageId) -> MessageState {
    let found = engine.handle().find(caller().tenant, id).await;
    found.unwrap().state
}

async fn until(engine: &Engine, what: &str, holds: impl Fn(&engine::EngineStats) -> bool) {
    let waited = async {
        while !holds(&engine.handle().stats().await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waited).await;
    if waited.is_err() {
        let stats = engine.handle().stats().await.unwrap();
        panic!("waited in vain for {what}: {stats:?}");
    }
}

/// Every so many-th comes next, so that neighbours are far apart.
fn shuffled(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |nth| 1 + nth * 7_919 % count)
}

#[tokio::test]
async fn thousands_of_receipts_find_their_messages_on_the_disk() {
    const COUNT: usize = 3_000;
    let directory = Directory::new("awaited-many");
    let script = holding();
    let mut engine = start(&directory, &script, limits());
    let ids = take(&engine, &script, COUNT).await;
    until(&engine, "all to be taken but for a few", |stats| {
        stats.receipts_awaited == COUNT as u64 && stats.receipts_on_disk >= COUNT as u64 - 20
    })
    .await;
    assert_eq!(state(&engine, ids[5]).await, MessageState::Submitted);
    let cancelled = engine.handle().cancel(caller().tenant, ids[5]).await;
    let taken = MessageState::Submitted;
    assert_eq!(cancelled, CancelVerdict::TooLate { state: taken });

    let mut numbers: Vec<_> = shuffled(COUNT).collect();
    let late = numbers.split_off(COUNT / 2);
    for number in &numbers {
        script.send_receipt(*number);
    }
    let left = late.len() as u64;
    until(&engine, "the first half", |stats| stats.live == left).await;
    assert_eq!(
        state(&engine, ids[numbers[0] - 1]).await,
        MessageState::Delivered
    );

    // An answer that is due when the engine is stopped is never given: a carrier would send its receipt again.
    let first_half = numbers.len() as u64;
    wait_for("the first half to be answered", || {
        script.acknowledged.load(Ordering::SeqCst) == first_half
    });

    engine.stop();
    engine.join().unwrap();
    engine = start(&directory, &script, limits());
    let stats = engine.handle().stats().await.unwrap();
    assert_eq!((stats.live, stats.receipts_awaited), (left, left));
    until(&engine, "all but a few to be on the disk again", |stats| {
        stats.receipts_on_disk >= left - 40
    })
    .await;
    // Receipts of the first half once more: nobody awaits them.
    for number in numbers.iter().take(50).chain(&late) {
        script.send_receipt(*number);
    }
    until(&engine, "the second half", |stats| stats.live == 0).await;
    wait_for("all receipts to be answered", || {
        script.acknowledged.load(Ordering::SeqCst) == COUNT as u64 + 50
    });
    assert_eq!(
        state(&engine, ids[late[0] - 1]).await,
        MessageState::Delivered
    );
    engine.stop();
    engine.join().unwrap();
}

#[tokio::test]
async fn what_awaits_its_receipt_on_the_disk_ends_at_its_deadline() {
    let directory = Directory::new("awaited-deadline");
    let script = holding();
    // None in memory: what is read because its time is over must end, and not go back to the disk.
    let mut limits = Limits {
        receipts_in_memory: 0,
        ..limits()
    };
    limits.partition.policy = Policy {
        receipt_deadline_ms: 4_000,
        retry: RetryPolicy {
            attempts_max: 1,
            ..Policy::default().retry
        },
        ..Policy::default()
    };
    let engine = start(&directory, &script, limits);
    let ids = take(&engine, &script, 200).await;
    until(&engine, "all to be on the disk", |stats| {
        stats.receipts_on_disk == 200
    })
    .await;
    script.send_receipt(1);
    until(&engine, "all to end", |stats| stats.live == 0).await;
    assert_eq!(state(&engine, ids[0]).await, MessageState::Delivered);
    let tenant = caller().tenant;
    let view = engine.handle().find(tenant, ids[10]).await.unwrap();
    assert_eq!(
        (view.state, view.reason),
        (MessageState::Unknown, Reason::ReceiptDeadline)
    );
    // Late evidence counts still.
    script.send_receipt(11);
    let risen = async { while state(&engine, ids[10]).await != MessageState::Delivered {} };
    let risen = tokio::time::timeout(Duration::from_secs(10), risen).await;
    assert!(risen.is_ok(), "a late receipt raises the state");
    engine.stop();
    engine.join().unwrap();
}

/// The carrier that did not get our answer sends the receipt again after the restart, just when another message to the same address is in doubt.
#[tokio::test]
async fn a_repeated_receipt_of_a_message_that_lay_on_the_disk_settles_no_other() {
    let directory = Directory::new("awaited-repeat");
    let script = holding();
    let mut limits = Limits {
        receipts_in_memory: 0,
        ..limits()
    };
    limits.partition.policy.uncertain_after_ms = [200; 4];
    limits.partition.policy.uncertain_deadline_ms = 1_000;
    let engine = start(&directory, &script, limits.clone());
    let delivered = submit(&engine.handle(), submission(1, Category::Promotional)).await;
    until(&engine, "it to lie on the disk", |stats| {
        stats.receipts_on_disk == 1
    })
    .await;
    script.send_receipt(1);
    until(&engine, "its end", |stats| stats.live == 0).await;
    engine.stop();
    engine.join().unwrap();

    let engine = start(&directory, &script, limits);
    script.answers.lock().unwrap().push_back(Answer::Silence);
    let doubted = submit(&engine.handle(), submission(1, Category::Promotional)).await;
    let doubted = doubted.unwrap().id;
    let handle = engine.handle();
    let tenant = caller().tenant;
    while handle.find(tenant, doubted).await.unwrap().reason != Reason::AnswerOverdue {
        tokio::task::yield_now().await;
    }
    script.send_receipt(1);
    until(&engine, "the end of the doubted", |stats| stats.live == 0).await;
    assert_eq!(state(&engine, doubted).await, MessageState::Unknown);
    let first = delivered.unwrap().id;
    assert_eq!(state(&engine, first).await, MessageState::Delivered);
    engine.stop();
    engine.join().unwrap();
}

#[tokio::test]
async fn as_many_as_may_be_awaited_refuse_what_would_add_to_them() {
    let directory = Directory::new("awaited-full");
    let script = holding();
    let engine = start(
        &directory,
        &script,
        Limits {
            receipts_awaited: 100,
            ..limits()
        },
    );
    let _ = take(&engine, &script, 100).await;
    until(&engine, "the limit", |stats| stats.receipts_awaited == 100).await;
    // Answered a turn later, when intake knows it too.
    let _ = engine.handle().stats().await;
    let refused = submit(&engine.handle(), submission(1, Category::Otp)).await;
    assert_eq!(refused.unwrap_err().reason, Reason::ReceiptsFull);
    script.send_receipt(3);
    until(&engine, "a receipt", |stats| stats.receipts_awaited == 99).await;
    let _ = engine.handle().stats().await;
    script.answers.lock().unwrap().push_back(Answer::Deliver);
    let admitted = submit(&engine.handle(), submission(1, Category::Otp)).await;
    assert!(admitted.is_ok());
    engine.stop();
    engine.join().unwrap();
}
