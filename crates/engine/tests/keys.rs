//! Idempotency keys: in memory, in files, over restarts, at their limit.

mod rig;

use std::fs;
use std::path::PathBuf;

use engine::{Engine, EngineFailure, KeysWhenFull, Limits, OpenError, PartitionLimits};
use message::{Category, MessageId, Reason, Submission};
use rig::{Directory, Script, config, start, submission, submit, wait_for};

/// Files are made as soon as a partition holds two keys.
fn limits() -> Limits {
    Limits {
        partitions: 2,
        partition: PartitionLimits {
            idempotency_keys: 4,
            ..PartitionLimits::default()
        },
        ..Limits::default()
    }
}

fn keyed(number: u64) -> Submission {
    Submission {
        idempotency_key: Some(format!("order {number}").into()),
        ..submission(number, Category::Alert)
    }
}

fn files(directory: &Directory) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.0.join("keys"));
    let mut paths: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a name").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "keys"))
        .collect();
    paths.sort();
    paths
}

/// Admits a key of this number, waiting while the partition's memory is full.
async fn admit(engine: &Engine, number: u64) -> MessageId {
    loop {
        match submit(&engine.handle(), keyed(number)).await {
            Ok(admission) => {
                assert!(!admission.repeat);
                return admission.id;
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, Reason::IdempotencyFull);
                assert!(refusal.retry_after_ms.is_some());
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn assert_known(engine: &Engine, ids: &[MessageId]) {
    for (number, id) in ids.iter().enumerate() {
        let number = number as u64;
        let again = submit(&engine.handle(), keyed(number)).await;
        let again = again.expect("a repeat is answered");
        assert_eq!((again.id, again.repeat), (*id, true), "key {number}");
        let other = Submission {
            text: "another".into(),
            ..keyed(number)
        };
        let conflict = submit(&engine.handle(), other).await;
        let conflict = conflict.expect_err("another body is refused");
        assert_eq!(conflict.reason, Reason::IdempotencyConflict);
        assert_eq!(conflict.existing, Some(*id));
    }
}

#[tokio::test]
async fn keys_are_known_in_memory_in_files_and_after_restarts() {
    let directory = Directory::new("keys-known");
    let script = Script::default();
    let engine = start(&directory, &script, limits());
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(admit(&engine, number).await);
    }
    wait_for("two files of keys", || has_files(&directory, 2));
    assert_known(&engine, &ids).await;
    engine.stop();
    engine.join().expect("an orderly end");

    // A key that is in a file and in the journal too is known once.
    let engine = start(&directory, &script, limits());
    assert_known(&engine, &ids).await;
    ids.push(admit(&engine, 12).await);
    ids.push(admit(&engine, 13).await);
    assert_known(&engine, &ids).await;
    engine.stop();
    engine.join().expect("an orderly end");
    let engine = start(&directory, &script, limits());
    assert_known(&engine, &ids).await;
    engine.stop();
    engine.join().expect("an orderly end");
}

fn has_files(directory: &Directory, count: usize) -> bool {
    files(directory).len() >= count
}

/// What a damaged file knew is unknown unless the journal still has it; the engine starts and works all the same.
#[tokio::test]
async fn a_damaged_file_takes_no_more_than_its_own_keys() {
    let directory = Directory::new("keys-damaged");
    let script = Script::default();
    let engine = start(&directory, &script, limits());
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(admit(&engine, number).await);
    }
    wait_for("a file of keys", || has_files(&directory, 1));
    engine.stop();
    engine.join().expect("an orderly end");
    for file in files(&directory) {
        fs::write(file, b"gone").expect("the file is ours");
    }
    // The journal has not been shortened, so that it still knows them all.
    let engine = start(&directory, &script, limits());
    assert_known(&engine, &ids).await;
    engine.stop();
    engine.join().expect("an orderly end");
}

#[tokio::test]
async fn at_the_limit_new_keys_are_refused_and_known_ones_answered() {
    let directory = Directory::new("keys-full");
    let script = Script::default();
    let engine = start(
        &directory,
        &script,
        Limits {
            idempotency_keys: 6,
            ..limits()
        },
    );
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(admit(&engine, number).await);
    }
    let refused = |number| {
        let handle = engine.handle();
        async move { submit(&handle, keyed(number)).await.err() }
    };
    // The count of keys in memory is published now and then; each number may slip in once before.
    let mut number = 100;
    let refusal = loop {
        match refused(number).await {
            Some(refusal) if has_files(&directory, 1) => break refusal,
            Some(_) => tokio::task::yield_now().await,
            None => number += 1,
        }
    };
    assert_eq!(refusal.reason, Reason::IdempotencyFull);
    assert_known(&engine, &ids).await;
    // Without a key there is nothing to remember.
    let free = submit(&engine.handle(), submission(50, Category::Alert)).await;
    assert!(free.is_ok());
    engine.stop();
    engine.join().expect("an orderly end");
}

#[tokio::test]
async fn the_oldest_keys_are_given_up_where_that_is_configured() {
    let directory = Directory::new("keys-forget");
    let script = Script::default();
    let engine = start(
        &directory,
        &script,
        Limits {
            idempotency_keys: 6,
            keys_when_full: KeysWhenFull::ForgetOldest,
            ..limits()
        },
    );
    let first = admit(&engine, 0).await;
    for number in 1..40 {
        admit(&engine, number).await;
    }
    wait_for("a mark of what was given up", || {
        let entries = fs::read_dir(directory.0.join("keys")).expect("the directory");
        let mut names = entries.map(|entry| entry.expect("a name").path());
        names.any(|path| path.extension().is_some_and(|it| it == "forgotten"))
    });
    let again = admit(&engine, 0).await;
    assert_ne!(again, first);
    engine.stop();
    engine.join().expect("an orderly end");
}

/// A second start by mistake is told so before it removes what it would take for leftovers.
#[tokio::test]
async fn a_second_engine_leaves_the_directory_of_the_first_alone() {
    let directory = Directory::new("keys-locked");
    let engine = start(&directory, &Script::default(), limits());
    let id = admit(&engine, 0).await;
    let marks = ["keys/half-made.tmp", "receipts/of-the-first"].map(|name| directory.0.join(name));
    for mark in &marks {
        fs::write(mark, b"the first one's").expect("the directory is ours");
    }
    let second = Engine::start(config(&directory, limits()), Box::new(|_| Vec::new()));
    let refused = second.expect("its thread starts").join();
    for mark in &marks {
        assert!(mark.exists(), "{} is gone", mark.display());
    }
    let locked = journal::OpenError::Locked {
        dir: directory.0.join("journal"),
    };
    match refused {
        Err(EngineFailure::Open(OpenError::Journal(why))) => {
            assert_eq!(why.to_string(), locked.to_string());
        }
        other => panic!("not refused: {other:?}"),
    }
    assert_known(&engine, &[id]).await;
    engine.stop();
    engine.join().expect("an orderly end");
}
