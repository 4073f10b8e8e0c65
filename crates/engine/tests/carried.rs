//! A journal of which only Carried records are left: what waits keeps its place, what awaits a receipt is known by it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::{Engine, Handle, Limits};
use journal::{Append as _, FileJournal, JournalConfig};
use message::{Category, MessageId, MessageState};
use partition::record::{KIND_MIN, RECORD_VERSION};
use partition::{Partition, Record};
use rig::{Directory, Script, caller, now, start, submission, submit, wait_for};

/// Memory for few messages, disk for many.
fn limits() -> Limits {
    Limits {
        messages: 400,
        head_messages: 16,
        ..Limits::default()
    }
}

async fn admit(
    handle: &Handle,
    numbers: std::ops::Range<u64>,
    category: Category,
) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in numbers {
        let admitted = submit(handle, submission(number, category)).await;
        ids.push(admitted.unwrap().id);
    }
    ids
}

/// The fold of a stopped engine's journal.
fn partitions(journal: &Path) -> Vec<Partition> {
    let limits = Limits::default();
    let mut partitions: Vec<_> = (0..limits.partitions)
        .map(|number| Partition::new(number, limits.partition.clone()))
        .collect();
    let mut recovery = FileJournal::open(JournalConfig::new(journal.to_owned())).unwrap();
    recovery
        .replay(|record| -> Result<(), std::convert::Infallible> {
            let frame = record.frame;
            if frame.kind >= KIND_MIN {
                let decoded = Record::decode(frame.kind, frame.version, frame.payload).unwrap();
                let partition = &mut partitions[usize::from(decoded.partition())];
                partition.apply(decoded, record.start.0).unwrap();
            }
            Ok(())
        })
        .unwrap();
    partitions
}

/// Writes what is live into a journal of its own, the youngest first.
fn carry(from: &Path, to: &Path) {
    let mut carried = Vec::new();
    for partition in partitions(from) {
        for id in partition.live_ids() {
            let record = partition.carried(id, now()).unwrap();
            carried.push((partition.admitted_at(id), record));
        }
    }
    carried.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    let mut recovery = FileJournal::open(JournalConfig::new(to.to_owned())).unwrap();
    recovery
        .replay(|_| -> Result<(), std::convert::Infallible> { Ok(()) })
        .unwrap();
    let journal = recovery.start(Arc::new(|| {}), Arc::new(now)).unwrap();
    let mut appender = journal.appender();
    for (_, record) in carried {
        let version = RECORD_VERSION;
        let placed = appender.append(record.kind(), version, &mut |out| record.encode(out));
        placed.unwrap();
    }
    appender.commit();
    drop(appender);
    journal.close().unwrap();
}

#[tokio::test]
async fn what_was_carried_keeps_its_place_and_awaits_its_receipt() {
    let before = Directory::new("carried-before");
    let script = Script::default();
    script.holds_receipts.store(true, Ordering::SeqCst);
    let engine = start(&before, &script, limits());
    let taken = admit(&engine.handle(), 0..5, Category::Otp).await;
    wait_for("the carrier to take them", || {
        script.seen.lock().unwrap().len() == taken.len()
    });
    let tenant = caller().tenant;
    for id in &taken {
        let submitted = async || engine.handle().find(tenant, *id).await.unwrap().state;
        while submitted().await != MessageState::Submitted {
            tokio::task::yield_now().await;
        }
    }
    script.closed.store(true, Ordering::SeqCst);
    let waiting = admit(&engine.handle(), 10..310, Category::Promotional).await;
    let views = views(&engine, &taken, &waiting).await;
    engine.stop();
    engine.join().unwrap();

    let after = Directory::new("carried-after");
    carry(&before.0.join("journal"), &after.0.join("journal"));
    let engine = start(&after, &script, limits());
    let stats = engine.handle().stats().await.unwrap();
    assert_eq!((stats.live, stats.receipts_awaited), (305, 5));
    assert_eq!(self::views(&engine, &taken, &waiting).await, views);
    for number in 1..=taken.len() {
        script.send_receipt(number);
    }
    script.closed.store(false, Ordering::SeqCst);
    wait_for("all to be taken", || {
        script.seen.lock().unwrap().len() == taken.len() + waiting.len()
    });
    let seen = script.seen.lock().unwrap()[taken.len()..]
        .iter()
        .map(|dispatch| dispatch.segment.message)
        .collect::<Vec<_>>();
    assert_eq!(seen, waiting, "in the order of their admission");
    for number in taken.len() + 1..=taken.len() + waiting.len() {
        script.send_receipt(number);
    }
    while engine.handle().stats().await.unwrap().live > 0 {
        tokio::task::yield_now().await;
    }
    engine.stop();
    engine.join().unwrap();
}

async fn views(
    engine: &Engine,
    taken: &[MessageId],
    waiting: &[MessageId],
) -> Vec<partition::MessageView> {
    let mut views = Vec::new();
    for id in taken.iter().chain(waiting) {
        let found = engine.handle().find(caller().tenant, *id).await;
        views.push(found.unwrap());
    }
    views
}
