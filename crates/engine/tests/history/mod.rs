//! Explain and List: from the index, from the journal beyond it, across restarts and without an index.

#![expect(clippy::unwrap_used, reason = "part of the tests")]

mod forgotten;
mod retention;

use std::sync::Arc;
use std::time::Duration;

use engine::{
    Awaited, Engine, EngineConfig, Explanation, Handle, HistoryError, HistoryLimits, HistoryPage,
    HistoryQuery, Limits, RecordKind, RuleKind,
};
use message::{
    CarrierId, Category, MessageId, MessageState, Msisdn, OutcomeClass, Reason, ReceiptState,
    TenantId,
};

use crate::rig::{
    Answer, Directory, Script, caller, config, start_with, submission, submit, wait_for,
};

const EAGER: HistoryLimits = HistoryLimits {
    cpu_percent: 100,
    queries: 4,
    cache_bytes: 1 << 20,
    feed_every_ms: 1,
};

/// Files of a few records each, so that many are sealed.
fn small(directory: &Directory, history: HistoryLimits) -> EngineConfig {
    let limits = Limits {
        history,
        ..Limits::default()
    };
    EngineConfig {
        journal_file_max_bytes: 4_096,
        ..config(directory, limits)
    }
}

fn everything() -> HistoryQuery {
    HistoryQuery {
        tenant: caller().tenant,
        recipient: None,
        states: Vec::new(),
        carrier: None,
        since_ms: 0,
        until_ms: u64::MAX,
        below: None,
        limit: 500,
    }
}

fn number(nth: u64) -> Msisdn {
    submission(nth, Category::Otp).recipient
}

fn stop(engine: Engine) {
    engine.stop();
    engine.join().unwrap();
}

async fn admit(handle: &Handle, nth: u64) -> MessageId {
    let category = [Category::Otp, Category::Promotional][nth as usize % 2];
    submit(handle, submission(nth, category)).await.unwrap().id
}

async fn until_final(handle: &Handle, id: MessageId) {
    loop {
        let view = handle.find(caller().tenant, id).await.unwrap();
        if view.state.is_final() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Asks until the index has caught up with `wanted` messages in a final state.
async fn listed(handle: &Handle, wanted: usize) -> HistoryPage {
    for _ in 0..5_000 {
        let page = handle.list(everything()).await;
        let done = |page: &HistoryPage| {
            let ended = page
                .messages
                .iter()
                .filter(|message| message.state.is_final());
            ended.count() == wanted
        };
        match page {
            Ok(page) if done(&page) => return page,
            Ok(_) | Err(HistoryError::NoIndex(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the index did not catch up with {wanted} messages");
}

async fn explained(handle: &Handle, id: MessageId) -> Explanation {
    handle.explain(caller().tenant, id).await.unwrap()
}

fn kinds(explanation: &Explanation) -> Vec<RecordKind> {
    explanation
        .records
        .iter()
        .map(|record| record.kind)
        .collect()
}

#[tokio::test]
async fn a_delivered_message_is_explained_record_by_record() {
    let directory = Directory::new("explained");
    let engine = start_with(small(&directory, EAGER), &Script::default());
    let handle = engine.handle();
    let id = admit(&handle, 2).await;
    until_final(&handle, id).await;
    let told = explained(&handle, id).await;

    assert_eq!(told.state, Some(MessageState::Delivered));
    assert_eq!(told.reason, Reason::ReceiptDelivered);
    assert_eq!(
        kinds(&told),
        [
            RecordKind::Admitted,
            RecordKind::Written,
            RecordKind::Outcome,
            RecordKind::Receipt,
            RecordKind::Final
        ]
    );
    let written = &told.records[1];
    assert_eq!((written.attempt, written.session), (1, 1));
    assert_eq!(told.missing, engine::Missing::default());
    let submitted = told.submitted.as_ref().unwrap();
    assert_eq!(submitted.recipient, number(2));
    assert_eq!(submitted.category, Category::Otp);
    assert_eq!(submitted.group_name, "all");
    assert!(submitted.claimed && !submitted.has_idempotency_key);
    let taken = &told.records[2];
    assert_eq!(taken.outcome, Some(OutcomeClass::Submitted));
    assert_eq!((taken.attempt, taken.session), (1, 1));
    assert_eq!(told.carriers[&taken.carrier.unwrap()], "carrier-a");
    assert_eq!(taken.carrier_id().unwrap().to_string(), format!("1-{id}"));
    assert!(taken.deadline_ms > taken.at_ms);
    assert_eq!(written.carrier, taken.carrier);
    assert_eq!(told.records[3].receipt, Some(ReceiptState::Delivered));
    let journal: Vec<_> = [0, 2, 3, 4].map(|at| told.records[at].position).into();
    assert!(journal.is_sorted(), "{journal:?}");
    let decided: Vec<_> = told.rules.iter().map(|rule| rule.kind).collect();
    assert!(decided.starts_with(&[RuleKind::Route, RuleKind::Lane, RuleKind::Validity]));
    assert!(
        decided.ends_with(&[RuleKind::Evidence, RuleKind::End]),
        "{decided:?}"
    );
    stop(engine);
}

#[tokio::test]
async fn what_is_not_indexed_yet_is_read_from_the_journal() {
    let directory = Directory::new("unindexed");
    let lazy = HistoryLimits {
        feed_every_ms: 3_600_000,
        ..EAGER
    };
    let engine = start_with(small(&directory, lazy), &Script::default());
    let handle = engine.handle();
    let mut ids = Vec::new();
    for nth in 0..40 {
        ids.push(admit(&handle, nth).await);
    }
    let mut told = Vec::new();
    for id in &ids {
        until_final(&handle, *id).await;
        told.push(explained(&handle, *id).await.records);
    }
    assert!(told.iter().all(|records| records.len() >= 4));
    stop(engine);

    let engine = start_with(small(&directory, EAGER), &Script::default());
    let handle = engine.handle();
    let page = listed(&handle, ids.len()).await;
    assert_eq!(page.messages.len(), ids.len());
    for (id, told) in ids.iter().zip(&told) {
        assert_eq!(&explained(&handle, *id).await.records, told);
    }
    stop(engine);
}

#[tokio::test]
async fn messages_are_listed_by_recipient_state_carrier_and_time_a_page_at_a_time() {
    let directory = Directory::new("listed");
    let script = Script::default();
    let engine = start_with(small(&directory, EAGER), &script);
    let handle = engine.handle();
    let mut ids = Vec::new();
    for nth in 0..30 {
        ids.push(admit(&handle, nth % 3).await);
    }
    for id in &ids {
        until_final(&handle, *id).await;
    }
    let silent = Arc::clone(&script.answers);
    silent.lock().unwrap().push_back(Answer::Silence);
    let waiting = admit(&handle, 7).await;
    let all = listed(&handle, ids.len()).await;
    assert!(all.indexed.until_ms > 0);
    let carrier = CarrierId::of(&"carrier-a".parse().unwrap());
    assert_eq!(all.carriers[&carrier], "carrier-a");

    let list = async |query: HistoryQuery| {
        let page = handle.list(query).await.unwrap();
        let ids: Vec<_> = page.messages.iter().map(|message| message.id).collect();
        (ids, page.below)
    };
    let mut newest_first = ids.clone();
    newest_first.sort_unstable_by(|one, other| other.cmp(one));
    let delivered = HistoryQuery {
        states: vec![MessageState::Delivered],
        ..everything()
    };
    assert_eq!(list(delivered.clone()).await.0, newest_first);
    let mut paged = Vec::new();
    let mut query = HistoryQuery {
        limit: 7,
        ..delivered
    };
    loop {
        let (some, below) = list(query.clone()).await;
        paged.extend(some);
        match below {
            Some(below) => query.below = Some(below),
            None => break,
        }
    }
    assert_eq!(paged, newest_first);

    let to_one = HistoryQuery {
        recipient: Some(number(1)),
        ..everything()
    };
    assert_eq!(list(to_one).await.0.len(), 10);
    let by_carrier = HistoryQuery {
        carrier: Some(carrier),
        since_ms: ids[0].made_at_ms(),
        ..everything()
    };
    assert_eq!(list(by_carrier).await.0.len(), 30);
    let before = HistoryQuery {
        until_ms: ids[0].made_at_ms(),
        ..everything()
    };
    assert_eq!(list(before).await.0, []);
    // The one that nobody answered is live; where it is the engine knows, and what it waits for.
    let told = explained(&handle, waiting).await;
    assert_eq!(told.state, Some(MessageState::Attempting));
    assert_eq!(told.awaited, Some(Awaited::Answer));
    assert!(told.awaited_until_ms > told.records[0].at_ms);
    stop(engine);
}

#[tokio::test]
async fn a_removed_or_broken_index_is_built_again_and_says_the_same() {
    let directory = Directory::new("rebuilt");
    let index = directory.0.join("history");
    let mut ids = Vec::new();
    let mut first: Option<(HistoryPage, Vec<Explanation>)> = None;
    for round in 0..4 {
        let engine = start_with(small(&directory, EAGER), &Script::default());
        let handle = engine.handle();
        if round == 0 {
            for nth in 0..50 {
                ids.push(admit(&handle, nth).await);
            }
            for id in &ids {
                until_final(&handle, *id).await;
            }
        }
        let page = listed(&handle, ids.len()).await;
        let mut told = Vec::new();
        for id in &ids {
            let explanation = explained(&handle, *id).await;
            told.push(Explanation {
                // Both differ from start to start.
                now: None,
                awaited_until_ms: 0,
                indexed: engine::Indexed::default(),
                ..explanation
            });
        }
        match &first {
            None => first = Some((page, told)),
            Some((listed, explained)) => {
                assert_eq!(page.messages, listed.messages, "round {round}");
                assert_eq!(&told, explained, "round {round}");
            }
        }
        stop(engine);
        match round {
            0 => std::fs::remove_dir_all(&index).unwrap(),
            1 => std::fs::write(index.join("version"), b"nonsense").unwrap(),
            _ => {}
        }
        assert_eq!(directory.0.join("history.damaged").exists(), round >= 2);
    }
}

#[tokio::test]
async fn strangers_are_told_nothing_and_too_many_questions_are_refused() {
    let directory = Directory::new("strangers");
    let none = HistoryLimits {
        queries: 0,
        ..EAGER
    };
    let engine = start_with(small(&directory, EAGER), &Script::default());
    let handle = engine.handle();
    let id = admit(&handle, 1).await;
    until_final(&handle, id).await;
    let stranger = TenantId::of(&"stranger".parse().unwrap());
    assert_eq!(
        handle.explain(stranger, id).await,
        Err(HistoryError::Unknown)
    );
    let never = message::IdSource::new(1).peek(1, 1);
    let asked = handle.explain(caller().tenant, never).await;
    assert_eq!(asked, Err(HistoryError::Unknown));
    listed(&handle, 1).await;
    let theirs = HistoryQuery {
        tenant: stranger,
        ..everything()
    };
    assert_eq!(handle.list(theirs).await.unwrap().messages, []);
    stop(engine);
    assert_eq!(
        handle.list(everything()).await.map(|page| page.messages),
        Err(HistoryError::NoIndex("the engine has ended".into()))
    );

    let engine = start_with(small(&directory, none), &Script::default());
    let asked = engine.handle().explain(caller().tenant, id).await;
    assert_eq!(asked, Err(HistoryError::Busy(0)));
    stop(engine);
}

#[tokio::test]
async fn an_uncertain_attempt_shows_the_policy_that_followed() {
    let directory = Directory::new("uncertain");
    let mut limits = Limits {
        history: EAGER,
        ..Limits::default()
    };
    limits.partition.policy.uncertain_after_ms = [30; 4];
    let script = Script::default();
    script.answers.lock().unwrap().push_back(Answer::Silence);
    let engine = start_with(config(&directory, limits), &script);
    let handle = engine.handle();
    let id = admit(&handle, 2).await;
    until_final(&handle, id).await;
    let told = explained(&handle, id).await;
    assert_eq!(told.records[1].kind, RecordKind::Written);
    assert_eq!(told.records[2].outcome, Some(OutcomeClass::Uncertain));
    assert_eq!(told.records[2].reason, Reason::AnswerOverdue);
    assert_eq!(told.records[2].next_attempt, 2);
    assert_eq!(told.records[3].kind, RecordKind::Written);
    assert_eq!(told.records[3].attempt, 2);
    let policy = told
        .rules
        .iter()
        .find(|rule| rule.kind == RuleKind::Uncertain);
    let decision = &policy.unwrap().decision;
    assert!(
        decision.contains("within 30 ms (uncertain_after)") && decision.contains("resend once"),
        "{decision}"
    );
    wait_for("the index", || {
        handle.indexed().position > told.records[4].position
    });
    stop(engine);
}

#[tokio::test]
async fn figures_are_those_of_the_process_that_decided_and_writes_are_told_while_they_are_held() {
    let directory = Directory::new("figures");
    let with_receipts_for = |hours: u64| {
        let mut config = small(&directory, EAGER);
        config.limits.partition.policy.receipt_deadline_ms = hours * 3_600_000;
        config.valid_for_ms = [hours * 60_000; 4];
        config
    };
    let engine = start_with(with_receipts_for(7), &Script::default());
    let handle = engine.handle();
    let id = admit(&handle, 2).await;
    until_final(&handle, id).await;
    let first = explained(&handle, id).await;
    let has = |told: &Explanation, words: &str| {
        told.rules.iter().any(|rule| rule.decision.contains(words))
    };
    assert!(
        has(&first, "for 420 s, the default of category otp"),
        "{:?}",
        first.rules
    );
    stop(engine);

    // Another configuration, an index from nothing, and a written log that has been let go of.
    std::fs::remove_dir_all(directory.0.join("history")).unwrap();
    std::fs::remove_dir_all(directory.0.join("written")).unwrap();
    for with_index in [false, true] {
        let mut config = with_receipts_for(9);
        if !with_index {
            config.limits.history.feed_every_ms = 3_600_000;
        }
        let engine = start_with(config, &Script::default());
        let handle = engine.handle();
        if with_index {
            listed(&handle, 1).await;
        }
        let again = explained(&handle, id).await;
        assert_eq!(again.rules, first.rules, "with index: {with_index}");
        assert_eq!(again.missing.writes_forgotten, 1);
        assert!(!kinds(&again).contains(&RecordKind::Written));
        assert_eq!(again.missing.policies_unknown, 0);
        stop(engine);
    }
}
