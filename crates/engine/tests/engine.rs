//! The engine end to end, from handle to connector and back, on a real journal.

mod history;
mod rig;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{CancelVerdict, Engine, Limits, ReplySink, ReplyTo};
use message::{Category, MessageId, MessageState, Reason};
use rig::{
    Answer, Directory, Script, caller, config, start, start_with, submission, submit, wait_for,
};

async fn final_states(engine: &Engine, ids: &[MessageId]) -> HashMap<MessageId, MessageState> {
    let handle = engine.handle();
    let tenant = caller().tenant;
    let mut states = HashMap::new();
    for id in ids {
        loop {
            let view = handle
                .find(tenant, *id)
                .await
                .expect("an admitted message is known");
            if view.state.is_final() {
                states.insert(*id, view.state);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    states
}

#[tokio::test]
async fn submitted_sent_and_delivered_with_every_step_watched() {
    let directory = Directory::new("delivered");
    let script = Script::default();
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let mut watcher = handle.watch(None).await.unwrap();
    let id = submit(&handle, submission(1, Category::Otp))
        .await
        .unwrap()
        .id;
    let mut states = Vec::new();
    while states.last() != Some(&MessageState::Delivered) {
        for event in watcher.next().await.unwrap().events() {
            assert_eq!(event.message, id);
            states.push(event.state);
        }
    }
    assert_eq!(
        states,
        [
            MessageState::Admitted,
            MessageState::Attempting,
            MessageState::Submitted,
            MessageState::Delivered,
        ]
    );
    wait_for("the acknowledgement", || {
        script.acknowledged.load(Ordering::SeqCst) == 1
    });
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn thousands_of_messages_of_all_lanes_reach_their_end() {
    let directory = Directory::new("thousands");
    let script = Script::default();
    script.answers.lock().unwrap().extend(
        [Answer::Deliver, Answer::DeliverEarly]
            .into_iter()
            .cycle()
            .take(3_000),
    );
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let sink = ReplySink::new(4_000);
    let categories = [
        Category::Promotional,
        Category::Transactional,
        Category::Alert,
        Category::Otp,
    ];
    for (number, category) in (0..4_000).zip(categories.into_iter().cycle()) {
        let to = ReplyTo {
            sink: Arc::clone(&sink),
            tag: number,
        };
        handle
            .submit(&caller(), submission(number, category), to)
            .await
            .unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 4_000 {
        sink.recv(&mut answers).await;
    }
    let ids: Vec<_> = answers
        .into_iter()
        .map(|(_, reply)| reply.unwrap().id)
        .collect();
    let states = final_states(&engine, &ids).await;
    assert_eq!(states.len(), 4_000);
    assert!(
        states
            .values()
            .all(|state| *state == MessageState::Delivered)
    );
    assert_eq!(script.seen.lock().unwrap().len(), 4_000);
    wait_for("every acknowledgement", || {
        script.acknowledged.load(Ordering::SeqCst) == 4_000
    });
    let stats = handle.stats().await.unwrap();
    assert_eq!(stats.live, 0);
    assert_eq!(stats.receipts_awaited, 0);
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn what_was_not_answered_is_uncertain_after_a_restart_and_the_rest_goes_out() {
    let directory = Directory::new("restart");
    let script = Script::default();
    script.answers.lock().unwrap().push_back(Answer::Silence);
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let silent = submit(&handle, submission(1, Category::Otp))
        .await
        .unwrap()
        .id;
    wait_for("the write", || script.seen.lock().unwrap().len() == 1);
    let delivered = submit(&handle, submission(2, Category::Otp))
        .await
        .unwrap()
        .id;
    final_states(&engine, &[delivered]).await;
    engine.stop();
    engine.join().unwrap();

    let engine = start(&directory, &script, Limits::default());
    let states = final_states(&engine, &[silent, delivered]).await;
    assert_eq!(states[&silent], MessageState::Delivered);
    assert_eq!(states[&delivered], MessageState::Delivered);
    let view = engine.handle().find(caller().tenant, silent).await.unwrap();
    assert!(view.uncertain, "the first attempt may have been taken");
    assert_eq!(view.attempt, 2);
    let seen = script.seen.lock().unwrap().len();
    assert_eq!(seen, 3, "the silent one twice, the other once");
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn a_receipt_that_came_while_the_attempt_was_merely_unanswered_settles_it_when_it_is_in_doubt()
 {
    let directory = Directory::new("unanswered");
    let script = Script::default();
    let mut limits = Limits::default();
    limits.partition.policy.uncertain_after_ms = [300; 4];
    let engine = start(&directory, &script, limits);
    let handle = engine.handle();
    for (number, category) in (1..).zip([Category::Otp, Category::Promotional]) {
        let answer = Answer::DeliverUnanswered;
        script.answers.lock().unwrap().push_back(answer);
        let taken = script.acknowledged.load(Ordering::SeqCst);
        let id = submit(&handle, submission(number, category))
            .await
            .unwrap()
            .id;
        wait_for("the receipt to be taken", || {
            script.acknowledged.load(Ordering::SeqCst) > taken
        });
        let states = final_states(&engine, &[id]).await;
        assert_eq!(states[&id], MessageState::Delivered);
        let view = handle.find(caller().tenant, id).await.unwrap();
        assert!(view.uncertain, "a copy was possible");
        assert_eq!(view.reason, Reason::MatchedByAddress);
    }
    let seen = script.seen.lock().unwrap().len();
    assert_eq!(seen, 2, "no copy was made");
    engine.drain();
    engine.join().unwrap();
}

/// The answer to a receipt was lost, so that the carrier sends it again: about the same message, whoever else is in doubt by then.
#[tokio::test]
async fn a_repeated_receipt_is_not_taken_for_that_of_another_message_in_doubt() {
    let directory = Directory::new("repeated");
    let script = Script::default();
    let mut limits = Limits::default();
    limits.partition.policy.uncertain_after_ms = [200; 4];
    limits.partition.policy.uncertain_deadline_ms = 1_000;
    let first = submission(1, Category::Promotional);
    for restart in [false, true] {
        // Said while the second is merely unanswered, then when it is in doubt.
        for answers in [
            vec![Answer::RepeatFirst],
            vec![Answer::Silence, Answer::RepeatFirst],
        ] {
            let mut engine = start(&directory, &script, limits.clone());
            script.seen.lock().unwrap().clear();
            let delivered = submit(&engine.handle(), first.clone()).await.unwrap().id;
            let states = final_states(&engine, &[delivered]).await;
            assert_eq!(states[&delivered], MessageState::Delivered);
            if restart {
                engine.drain();
                engine.join().unwrap();
                engine = start(&directory, &script, limits.clone());
            }
            script.answers.lock().unwrap().extend(answers.clone());
            let handle = engine.handle();
            let second = submit(&handle, first.clone()).await.unwrap().id;
            let mut ids = vec![second];
            if answers.len() > 1 {
                while handle.find(caller().tenant, second).await.unwrap().reason
                    != Reason::AnswerOverdue
                {
                    tokio::task::yield_now().await;
                }
                let other = submission(2, Category::Promotional);
                ids.push(submit(&handle, other).await.unwrap().id);
            }
            let states = final_states(&engine, &ids).await;
            assert_eq!(states[&second], MessageState::Unknown, "{answers:?}");
            engine.drain();
            engine.join().unwrap();
        }
    }
}

#[tokio::test]
async fn a_throttled_message_is_sent_again_and_spends_no_retry() {
    let directory = Directory::new("throttled");
    let script = Script::default();
    script.answers.lock().unwrap().push_back(Answer::Throttle);
    let engine = start(&directory, &script, Limits::default());
    let id = submit(&engine.handle(), submission(1, Category::Otp))
        .await
        .unwrap()
        .id;
    let states = final_states(&engine, &[id]).await;
    assert_eq!(states[&id], MessageState::Delivered);
    assert_eq!(script.seen.lock().unwrap().len(), 2);
    engine.drain();
    engine.join().unwrap();
}

#[tokio::test]
async fn refusals_are_immediate_and_named() {
    let directory = Directory::new("refusals");
    let script = Script::default();
    script.answers.lock().unwrap().extend([Answer::Silence; 64]);
    let limits = Limits {
        messages: 10,
        ..Limits::default()
    };
    let engine = start(&directory, &script, limits);
    let handle = engine.handle();
    let mut long = submission(1, Category::Alert);
    long.text = "x".repeat(161).into();
    let refusal = submit(&handle, long).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::TextTooLong);
    assert_eq!(refusal.violations[0].field, "content.sms.text");

    let mut brief = submission(1, Category::Alert);
    brief.valid_for_ms = Some(999);
    let refusal = submit(&handle, brief).await.unwrap_err();
    assert_eq!(refusal.violations[0].field, "valid_for");

    let mut keyed = submission(2, Category::Alert);
    keyed.idempotency_key = Some("k".into());
    let first = submit(&handle, keyed.clone()).await.unwrap();
    let again = submit(&handle, keyed.clone()).await.unwrap();
    assert_eq!((first.id, first.repeat), (again.id, false));
    assert!(again.repeat);
    keyed.text = "another".into();
    let conflict = submit(&handle, keyed).await.unwrap_err();
    assert_eq!(conflict.reason, Reason::IdempotencyConflict);
    assert_eq!(conflict.existing, Some(first.id));

    let mut admitted = 1;
    let full = loop {
        match submit(&handle, submission(admitted, Category::Alert)).await {
            Ok(_) => admitted += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(full.reason, Reason::CreditsFull);
    assert!(full.retry_after_ms.is_some());
    assert_eq!(admitted, 10, "as many as there are credits");
    engine.stop();
    engine.join().unwrap();
}

/// A disk that takes no more ends the engine; nobody is left without an answer.
#[tokio::test]
async fn when_the_journal_fails_every_submission_is_answered() {
    let directory = Directory::new("journal-fails");
    let script = Script::default();
    let mut config = config(&directory, Limits::default());
    config.journal_file_max_bytes = 64 << 10;
    let engine = start_with(config, &script);
    let handle = engine.handle();
    // The next file cannot be made.
    std::fs::remove_dir_all(directory.0.join("journal")).unwrap();
    let (mut answered, mut last) = (0, None);
    'bursts: for burst in 0.. {
        let sink = ReplySink::new(1_000);
        for tag in 0..1_000 {
            let reply = ReplyTo {
                sink: Arc::clone(&sink),
                tag,
            };
            // Not due yet, so that intake alone writes to the journal.
            let waiting = message::Submission {
                send_at_ms: Some(rig::now().wall_ms + 60_000),
                ..submission(burst * 1_000 + tag, Category::Promotional)
            };
            if let Err(refusal) = handle.try_submit(&caller(), waiting, reply) {
                last = Some(refusal.reason);
            } else {
                answered += 1;
            }
            if last.is_some() && answered == 0 {
                break 'bursts;
            }
        }
        let mut answers = Vec::new();
        while answers.len() < answered {
            let next = sink.recv(&mut answers);
            tokio::time::timeout(Duration::from_secs(10), next)
                .await
                .unwrap_or_else(|_| panic!("{answered} were taken in"));
        }
        let refused = answers
            .iter()
            .filter_map(|(_, answer)| answer.as_ref().err());
        for refusal in refused {
            assert_eq!(refusal.reason, Reason::JournalFailed);
            assert!(refusal.retry_after_ms.is_some());
        }
        answered = 0;
    }
    assert_eq!(last, Some(Reason::JournalFailed));
    assert!(engine.join().is_err());
}

#[tokio::test]
async fn a_scheduled_message_can_be_cancelled_and_a_sent_one_cannot() {
    let directory = Directory::new("cancel");
    let script = Script::default();
    let engine = start(&directory, &script, Limits::default());
    let handle = engine.handle();
    let tenant = caller().tenant;
    let mut later = submission(1, Category::Transactional);
    later.send_at_ms = Some(rig::now().wall_ms + 60_000);
    let later = submit(&handle, later).await.unwrap().id;
    assert_eq!(handle.cancel(tenant, later).await, CancelVerdict::Cancelled);
    let sent = submit(&handle, submission(2, Category::Transactional))
        .await
        .unwrap()
        .id;
    final_states(&engine, &[sent]).await;
    assert_eq!(
        handle.cancel(tenant, sent).await,
        CancelVerdict::TooLate {
            state: MessageState::Delivered
        }
    );
    let stranger = message::TenantId(1);
    assert_eq!(handle.cancel(stranger, sent).await, CancelVerdict::Unknown);
    assert_eq!(handle.find(stranger, sent).await, None);
    assert_eq!(script.seen.lock().unwrap().len(), 1);
    engine.drain();
    engine.join().unwrap();
}

/// A receipt that comes before the answer it belongs to, while another message with the same addresses is in doubt: about the one that is
/// under way, as its answer then says.
#[tokio::test]
async fn a_receipt_that_may_be_about_a_message_under_way_settles_no_other_in_doubt() {
    let directory = Directory::new("under-way");
    let script = Script::default();
    let mut limits = Limits::default();
    limits.partition.policy.uncertain_after_ms = [200; 4];
    limits.partition.policy.uncertain_deadline_ms = 1_000;
    let engine = start(&directory, &script, limits);
    let handle = engine.handle();
    let answers = [Answer::Silence, Answer::DeliverEarly];
    script.answers.lock().unwrap().extend(answers);
    let silent = submission(1, Category::Promotional);
    let doubted = submit(&handle, silent.clone()).await.unwrap().id;
    while handle.find(caller().tenant, doubted).await.unwrap().reason != Reason::AnswerOverdue {
        tokio::task::yield_now().await;
    }
    let delivered = submit(&handle, silent).await.unwrap().id;
    let states = final_states(&engine, &[doubted, delivered]).await;
    assert_eq!(states[&delivered], MessageState::Delivered);
    assert_eq!(states[&doubted], MessageState::Unknown);
    engine.drain();
    engine.join().unwrap();
}
