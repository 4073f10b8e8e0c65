use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use journal::keyed::KeyedConfig;
use journal::{FileStorage, Position};
use message::{CallerId, IdSource, MessageState, Reason, TenantId};
use proptest::prelude::*;

use super::*;

/// The event of the record that ends at `position`.
pub(super) fn event(position: u64) -> Event {
    Event {
        key: EventKey::of_record(journal::Position(position)),
        message: IdSource::new(1).peek(1_000, position),
        tenant: TenantId(1),
        caller: CallerId(10),
        batch_id: None,
        sequence: 3,
        leg: 0,
        attempt: 1,
        segment: 0,
        segments: 1,
        state: MessageState::Delivered,
        reason: Reason::ReceiptDelivered,
        status: 0,
        uncertain: false,
        late: false,
        at_ms: 1_000,
        config_version: 1,
        carrier: None,
        context: Bytes::new(),
        encoded: Encoded::default(),
    }
}

/// An event log in a directory of its own, driven by hand.
struct World {
    dir: PathBuf,
    hub: Arc<EventLog>,
    writer: EventWriter,
    data_id: u64,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hikyaku-events-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let (hub, writer) = opened(&dir, span(0, None), &[]);
        let data_id = hub.data_id();
        Self {
            dir,
            hub,
            writer,
            data_id,
            now_ms: 1_000,
        }
    }

    fn happen(&mut self, mut events: Vec<Event>) {
        self.hub.hand_over(&mut events);
        self.writer.turn(self.now_ms);
    }

    /// A kill and a start: the journal ends at `end` and its replay gives these events.
    fn restart(&mut self, end: u64, replayed: &[Event]) {
        let journal = span(end, Some(self.data_id));
        // The directory is locked as long as the old one lives.
        let idle = std::env::temp_dir().join(format!("{}-idle", self.dir.display()));
        let (hub, writer) = opened(&idle, span(0, None), &[]);
        drop((
            std::mem::replace(&mut self.hub, hub),
            std::mem::replace(&mut self.writer, writer),
        ));
        let (hub, writer) = opened(&self.dir, journal, replayed);
        (self.hub, self.writer) = (hub, writer);
        std::fs::remove_dir_all(&idle).unwrap();
    }

    fn position(&self, key: EventKey) -> ResumePosition {
        let data_id = self.data_id;
        ResumePosition { data_id, key }
    }

    /// The next events after a key, `count` of them or some more.
    async fn after(&self, key: EventKey, count: usize) -> Result<Vec<EventKey>, PositionLost> {
        let mut watcher = self.hub.watch(Some(self.position(key)))?;
        let mut keys = Vec::new();
        while keys.len() < count {
            let chunk = watcher.next().await?;
            keys.extend(chunk.events().iter().map(|event| event.key));
        }
        Ok(keys)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn span(end: u64, data_id: Option<u64>) -> JournalSpan {
    JournalSpan {
        begin: Position(0),
        end: Position(end),
        data_id,
    }
}

fn opened(
    dir: &std::path::Path,
    journal: JournalSpan,
    replayed: &[Event],
) -> (Arc<EventLog>, EventWriter) {
    let config = KeyedConfig {
        file_max_bytes: 4_096,
        ..KeyedConfig::new(dir.to_owned())
    };
    static IDENTITIES: AtomicU64 = AtomicU64::new(1);
    let fresh = IDENTITIES.fetch_add(1, Ordering::Relaxed);
    let hub = EventLog::new(20);
    let mut recovery = EventRecovery::open(FileStorage::shared(), config, 1_000);
    for event in replayed {
        if recovery.lacks(event.key.position) {
            recovery.add(event.clone());
        }
    }
    let writer = recovery.settle(Arc::clone(&hub), journal, fresh);
    (hub, writer)
}

fn events(positions: std::ops::Range<u64>) -> Vec<Event> {
    positions.map(|nth| event(nth * 10)).collect()
}

fn keys(events: &[Event]) -> Vec<EventKey> {
    events.iter().map(|event| event.key).collect()
}

#[tokio::test]
async fn who_is_behind_reads_from_the_disk_and_goes_over_to_memory() {
    let mut world = World::new();
    let begin = world.hub.ring().last();
    let all = events(1..3_000);
    for part in all.chunks(7) {
        world.happen(part.to_vec());
    }
    assert_eq!(world.after(begin, all.len()).await.unwrap(), keys(&all));
    assert_eq!(
        world
            .after(all[1_500].key, all.len() - 1_501)
            .await
            .unwrap(),
        keys(&all[1_501..])
    );
    let future = EventKey::new(1_000_000, 0);
    assert!(world.after(future, 1).await.is_err(), "never given out");
}

#[tokio::test]
async fn a_writer_too_far_behind_costs_history_and_tells_where_it_goes_on() {
    let mut world = World::new();
    let begin = world.hub.ring().last();
    world.happen(events(1..10));
    let mut early = world.hub.watch(None).unwrap();
    for part in events(10..(WAITING_MAX as u64 + 1_000)).chunks(1_000) {
        world.hub.hand_over(&mut part.to_vec());
    }
    world.writer.turn(1_000);
    let lost = early.next().await.unwrap_err();
    assert_eq!(world.after(begin, 1).await.unwrap_err(), lost);
    assert!(world.hub.stats().lost >= WAITING_MAX as u64);
    let last = world.hub.ring().last().position.0 / 10;
    let more = events(last + 1..last + 50);
    world.happen(more.clone());
    let seen = world.after(lost.oldest.key, more.len()).await.unwrap();
    assert_eq!(seen[seen.len() - more.len()..], keys(&more));
}

#[tokio::test]
async fn another_identity_or_a_shorter_journal_refuses_old_positions() {
    let mut world = World::new();
    let all = events(1..100);
    world.happen(all.clone());
    let old = world.position(all[50].key);
    // The journal ends before what was seen: positions would be given out a second time.
    world.restart(500, &events(1..51));
    let refused = world.hub.watch(Some(old)).unwrap_err();
    assert_ne!(refused.oldest.data_id, old.data_id);
    assert!(world.hub.watch(Some(refused.oldest)).is_ok());
}

#[tokio::test]
async fn without_a_disk_the_present_can_be_watched_and_history_begins_when_it_is_back() {
    let mut world = World::new();
    let all = events(1..300);
    std::fs::remove_dir_all(&world.dir).unwrap();
    std::fs::write(&world.dir, "in the way").unwrap();
    // The open file still takes what comes; the next one cannot be made.
    for part in all.chunks(10) {
        world.happen(part.to_vec());
    }
    assert!(world.hub.stats().failed);
    assert_eq!(
        world.after(all[295].key, 3).await.unwrap(),
        keys(&all[296..])
    );
    assert!(world.after(all[0].key, 1).await.is_err());
    assert!(world.hub.secured(Position(10)), "the journal need not wait");

    std::fs::remove_file(&world.dir).unwrap();
    std::fs::create_dir(&world.dir).unwrap();
    world.now_ms += 11_000;
    world.happen(events(300..310));
    world.happen(events(310..600));
    assert!(!world.hub.stats().failed);
    let lost = world.after(all[298].key, 1).await.unwrap_err();
    assert_eq!(lost.oldest.key, EventKey::new(3_090, 0));
    let seen = world.after(lost.oldest.key, 290).await.unwrap();
    assert_eq!(seen, keys(&events(310..600)));
}

#[tokio::test]
async fn a_log_that_could_not_be_opened_at_the_start_is_begun_without_a_restart() {
    let mut world = World::new();
    let idle = world.dir.clone();
    world.dir = idle.with_extension("late");
    std::fs::write(&world.dir, "in the way").unwrap();
    (world.hub, world.writer) = opened(&world.dir, span(0, None), &[]);
    world.data_id = world.hub.data_id();
    std::fs::remove_dir_all(&idle).unwrap();
    world.happen(events(1..10));
    assert!(world.hub.stats().failed);

    std::fs::remove_file(&world.dir).unwrap();
    world.now_ms += 11_000;
    world.happen(Vec::new());
    assert!(!world.hub.stats().failed);
    let all = events(10..300);
    world.happen(all.clone());
    let begun = EventKey::of_record(Position(90));
    assert_eq!(world.after(begun, all.len()).await.unwrap(), keys(&all));
}

#[derive(Clone, Debug)]
enum Step {
    Happen(u8),
    /// A kill after which so many events must be made again from the journal, of which some never reached the log.
    Kill(u8),
    Watch(u16),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn over_kills_nothing_is_missing_and_nothing_comes_twice(
        steps in proptest::collection::vec(
            prop_oneof![
                (1..60_u8).prop_map(Step::Happen),
                (0..30_u8).prop_map(Step::Kill),
                any::<u16>().prop_map(Step::Watch),
            ],
            1..30,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut world = World::new();
        let mut all = Vec::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Happen(count) => {
                    let new = events(next..next + u64::from(count));
                    next += u64::from(count);
                    world.happen(new.clone());
                    all.extend(new);
                }
                Step::Kill(unwritten) => {
                    // Durable in the journal, and not yet in the log.
                    all.extend(events(next..next + u64::from(unwritten)));
                    next += u64::from(unwritten);
                    world.restart(next * 10 - 5, &all);
                    prop_assert_eq!(world.hub.data_id(), world.data_id);
                }
                Step::Watch(at) => {
                    let from = EventKey::new(u64::from(at) % (next * 10), 0);
                    if from <= world.hub.ring().last() {
                        let due: Vec<_> = keys(&all).into_iter().filter(|key| *key > from).collect();
                        let seen = runtime.block_on(world.after(from, due.len())).unwrap();
                        prop_assert_eq!(seen, due);
                    }
                }
            }
        }
        let seen = runtime.block_on(world.after(EventKey::default(), all.len())).unwrap();
        prop_assert_eq!(seen, keys(&all));
    }
}
