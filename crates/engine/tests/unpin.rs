//! A message that waits long does not keep everything behind it in the replay set.

#![expect(clippy::unwrap_used, reason = "part of the tests")]

mod rig;

use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Engine, EngineConfig, Handle, HistoryRetention, Limits};
use journal::{LogContents, LogReader, MarkFound};
use message::{Category, MessageId, MessageState, Now};
use rig::{Directory, Script, caller, config, start_with, submission, submit, wait_for};

const FILE_BYTES: u64 = 4_096;
/// By how much the engines' clock is ahead.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

fn ahead() -> Now {
    rig::now().plus_ms(AHEAD_MS.load(Ordering::SeqCst))
}

fn small(directory: &Directory) -> EngineConfig {
    let mut limits = Limits::default();
    limits.partition.pinned_by_bytes = FILE_BYTES / 4;
    EngineConfig {
        journal_file_max_bytes: FILE_BYTES,
        journal_history: HistoryRetention::NONE,
        clock: ahead,
        ..config(directory, limits)
    }
}

/// The replay mark, and how much there is behind it.
fn replay_set(directory: &Directory) -> (u64, u64) {
    let storage = engine::FileStorage::shared();
    let dir = directory.0.join("journal");
    let reader = LogReader::open(storage, dir, LogContents::Journal).unwrap();
    let mark = match reader.mark().unwrap() {
        MarkFound::At { position, .. } => position.0,
        MarkFound::Missing => 0,
        MarkFound::Damaged => panic!("nobody damaged it"),
    };
    let last = reader.files().unwrap().pop().unwrap();
    (mark, last.start.0 + FILE_BYTES - mark)
}

async fn deliver(handle: &Handle, count: u64) {
    let mut last = None;
    for nth in 0..count {
        let submission = submission(nth, Category::Promotional);
        last = Some(submit(handle, submission).await.unwrap().id);
    }
    until_delivered(handle, last.unwrap()).await;
}

async fn until_delivered(handle: &Handle, id: MessageId) {
    while handle.find(caller().tenant, id).await.unwrap().state != MessageState::Delivered {
        tokio::task::yield_now().await;
    }
}

fn stop(engine: Engine) {
    engine.stop();
    engine.join().unwrap();
}

#[tokio::test]
async fn a_message_for_later_is_carried_and_sent_at_its_time() {
    let directory = Directory::new("unpin-later");
    let script = Script::default();
    let engine = start_with(small(&directory), &script);
    let handle = engine.handle();
    let mut later = submission(1_000, Category::Transactional);
    later.send_at_ms = Some(ahead().wall_ms + 3_600_000);
    let later = submit(&handle, later).await.unwrap().id;
    // Everything else comes and goes, several times what the replay set may have.
    let mut mark = 0;
    for _ in 0..2 {
        deliver(&handle, 150).await;
        let before = mark;
        wait_for("the replay set to be short", || {
            let (at, bytes) = replay_set(&directory);
            mark = at;
            at > before && bytes <= 6 * FILE_BYTES
        });
    }
    let view = handle.find(caller().tenant, later).await.unwrap();
    assert_eq!(view.state, MessageState::Scheduled);
    stop(engine);

    let engine = start_with(small(&directory), &script);
    let handle = engine.handle();
    assert_eq!(handle.find(caller().tenant, later).await, Some(view));
    let seen = || {
        let seen = script.seen.lock().unwrap();
        let of = seen.iter().filter(|it| it.segment.message == later);
        of.count()
    };
    assert_eq!(seen(), 0);
    AHEAD_MS.store(3_600_000, Ordering::SeqCst);
    until_delivered(&handle, later).await;
    assert_eq!(seen(), 1);
    stop(engine);
}

#[tokio::test]
async fn what_waits_is_not_written_again_and_again() {
    let directory = Directory::new("unpin-most");
    let script = Script::default();
    script.closed.store(true, Ordering::SeqCst);
    let engine = start_with(small(&directory), &script);
    let handle = engine.handle();
    for nth in 0..400 {
        let submission = submission(nth, Category::Promotional);
        submit(&handle, submission).await.unwrap();
    }
    // They are all there is, so that their records cannot be any shorter.
    let (_, bytes) = replay_set(&directory);
    assert!(bytes > 12 * FILE_BYTES, "{bytes}");
    let looked = std::time::Instant::now();
    wait_for("several looks", || looked.elapsed().as_millis() > 1_200);
    assert_eq!(replay_set(&directory), (0, bytes));
    stop(engine);
}
