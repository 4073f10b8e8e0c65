//! History beyond what a restart needs: kept while it fits, and forgotten by the index, with its files, when it does not.

use std::path::PathBuf;

use engine::{EngineConfig, HistoryError, HistoryRetention};
use message::{Category, MessageId, MessageState};

use super::{EAGER, admit, everything, explained, kinds, listed, small, stop, until_final};
use crate::rig::{Directory, Script, caller, now, start_with, submission, submit, wait_for};

fn kept(directory: &Directory, max_bytes: u64) -> EngineConfig {
    EngineConfig {
        journal_history: HistoryRetention {
            max_bytes,
            ..HistoryRetention::default()
        },
        ..small(directory, EAGER)
    }
}

/// Start positions of the journal's files.
fn files(directory: &Directory) -> Vec<u64> {
    let paths = std::fs::read_dir(directory.0.join("journal")).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let journal = |path: &PathBuf| path.extension().is_some_and(|it| it == "journal");
    let mut starts: Vec<_> = paths
        .filter(journal)
        .map(|path| u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap(), 16).unwrap())
        .collect();
    starts.sort_unstable();
    starts
}

fn mark(directory: &Directory) -> u64 {
    let storage = engine::FileStorage::shared();
    let dir = directory.0.join("journal");
    let reader = journal::LogReader::open(storage, dir, journal::LogContents::Journal).unwrap();
    match reader.mark().unwrap() {
        journal::MarkFound::At { position, .. } => position.0,
        journal::MarkFound::Missing => 0,
        journal::MarkFound::Damaged => panic!("nobody damaged it"),
    }
}

/// Messages with nothing left to happen to them.
async fn ended(handle: &engine::Handle, count: u64) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for nth in 0..count {
        ids.push(admit(handle, nth).await);
    }
    for id in &ids {
        until_final(handle, *id).await;
    }
    ids
}

#[tokio::test]
async fn messages_of_before_the_replay_mark_are_explained_over_restarts() {
    let directory = Directory::new("history-kept");
    let mut before = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let engine = start_with(kept(&directory, 1 << 30), &Script::default());
        let handle = engine.handle();
        let replayed_from = mark(&directory);
        ids.extend(ended(&handle, 60).await);
        wait_for("the mark to move", || mark(&directory) > replayed_from);
        assert_eq!(files(&directory)[0], 0, "nothing is deleted");
        listed(&handle, ids.len()).await;
        for (id, records) in &before {
            assert_eq!(&explained(&handle, *id).await.records, records);
        }
        before.clear();
        for id in &ids {
            let told = explained(&handle, *id).await;
            assert_eq!(told.missing, engine::Missing::default());
            before.push((*id, told.records));
        }
        stop(engine);
    }
    // The index is made again from all that is held, not from the mark on.
    std::fs::remove_dir_all(directory.0.join("history")).unwrap();
    let engine = start_with(kept(&directory, 1 << 30), &Script::default());
    listed(&engine.handle(), ids.len()).await;
    stop(engine);
}

#[tokio::test]
async fn what_history_lets_go_of_is_forgotten_by_the_index_and_half_of_it_is_said_so() {
    let directory = Directory::new("history-let-go");
    let engine = start_with(kept(&directory, 8_192), &Script::default());
    let handle = engine.handle();
    let old = ended(&handle, 60).await;
    // Its admission pins the files behind it until it is sent; its end comes into another file.
    let mut later = submission(500, Category::Transactional);
    later.send_at_ms = Some(now().wall_ms + 60_000);
    let split = submit(&handle, later).await.unwrap().id;
    let admitted = explained(&handle, split).await.records[0].position;
    listed(&handle, old.len()).await;
    ended(&handle, 80).await;
    let cancelled = handle.cancel(caller().tenant, split).await;
    assert_eq!(cancelled, engine::CancelVerdict::Cancelled);
    let records = explained(&handle, split).await.records;
    let end = records[records.len() - 1].position;
    // Nothing more is written, so that its last record stays within what is kept.
    wait_for("its first record to go", || files(&directory)[0] > admitted);
    assert!(files(&directory)[0] <= end);
    let told = explained(&handle, split).await;
    assert!(told.missing.forgotten >= 1, "{:?}", told.missing);
    assert_eq!(told.state, Some(MessageState::Cancelled));
    // It was carried, so that what was submitted is still known.
    let carried = kinds(&told).contains(&engine::RecordKind::Carried);
    assert_eq!(told.submitted.is_some(), carried);
    assert!(!kinds(&told).contains(&engine::RecordKind::Admitted));
    assert!(kinds(&told).ends_with(&[engine::RecordKind::Final]));
    stop(engine);

    // Rows without records go now and then, and at a start.
    let engine = start_with(kept(&directory, 8_192), &Script::default());
    let handle = engine.handle();
    loop {
        match handle.list(everything()).await {
            Ok(page) if !page.messages.iter().any(|row| old.contains(&row.id)) => {
                assert!(!page.messages.is_empty());
                break;
            }
            Ok(_) | Err(HistoryError::NoIndex(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    for id in old {
        let told = handle.explain(caller().tenant, id).await;
        // The newest of them may be remembered by the engine itself.
        assert!(told.is_err() || handle.find(caller().tenant, id).await.is_some());
    }
    stop(engine);
}
