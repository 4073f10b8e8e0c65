//! Starting on a full disk without a reserve: the logs begin without a file, take what is appended into memory, and go on by themselves when
//! there is space. Nothing is reported durable before it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fake_disk::FakeDisk;
use journal::{
    Append as _, Clock, FileJournal, JournalConfig, JournalState, Position, Step, SteppedJournal,
    WrittenConfig, WrittenLog, WrittenRoom,
};
use message::Now;

const FILE_BYTES: u64 = 64 << 10;
const RESERVE_BYTES: u64 = 16 << 10;

fn config() -> JournalConfig {
    JournalConfig {
        file_max_bytes: FILE_BYTES,
        reserve_bytes: RESERVE_BYTES,
        ..JournalConfig::new(PathBuf::from("data/journal"))
    }
}

/// A clock that moves on by a fifth of what lies between two looks for space, at each look.
fn clock() -> Clock {
    let looks = AtomicU64::new(0);
    Arc::new(move || Now::default().plus_ms(50 * looks.fetch_add(1, Ordering::Relaxed)))
}

/// The payloads that are there, and a journal behind them.
fn start(disk: &FakeDisk) -> (Vec<Vec<u8>>, SteppedJournal) {
    let mut recovery = FileJournal::open_on(disk.storage(), config()).unwrap();
    let mut seen = Vec::new();
    recovery
        .replay(|record| {
            seen.push(record.frame.payload.to_vec());
            Ok::<_, Infallible>(())
        })
        .unwrap();
    (
        seen,
        recovery.start_stepped(Arc::new(|| ()), clock()).unwrap(),
    )
}

fn append(journal: &SteppedJournal, number: u8) {
    let mut appender = journal.appender();
    appender.append(1, 1, &mut |out| out.push(number)).unwrap();
    appender.commit();
}

fn steps(journal: &mut SteppedJournal) {
    for _ in 0..60 {
        journal.step();
    }
}

/// Takes away the reserve, and what is reserved behind the last record, which the next start would give back and use as space.
fn give_up_spare_space(disk: &FakeDisk) {
    let storage = disk.storage();
    storage
        .remove(&PathBuf::from("data/journal/reserve"))
        .unwrap();
    let recovery = FileJournal::open_on(storage, config());
    recovery
        .unwrap()
        .replay(|_| Ok::<_, Infallible>(()))
        .unwrap();
    disk.kill();
}

/// A disk with one record in the journal, killed, with so many bytes left and no reserve.
fn full_disk(free_bytes: u64) -> FakeDisk {
    let disk = FakeDisk::new(3);
    let (_, mut journal) = start(&disk);
    append(&journal, 1);
    steps(&mut journal);
    assert_eq!(journal.appender().durable(), journal.appender().appended());
    drop(journal);
    disk.kill();
    give_up_spare_space(&disk);
    disk.set_capacity(Some(disk.used_bytes() + free_bytes));
    disk
}

#[test]
fn a_journal_starts_without_any_space_and_goes_on_when_there_is_some() {
    let disk = full_disk(0);
    let (seen, mut journal) = start(&disk);
    assert_eq!(seen, [vec![1]]);
    let appender = journal.appender();
    assert_eq!(appender.state(), JournalState::Full);
    let before = appender.durable();
    append(&journal, 2);
    steps(&mut journal);
    assert_eq!(
        (appender.state(), appender.durable()),
        (JournalState::Full, before)
    );
    disk.set_capacity(None);
    steps(&mut journal);
    assert_eq!(appender.state(), JournalState::Healthy);
    assert_eq!(appender.durable(), appender.appended());
    drop(journal);
    disk.kill();
    let (seen, _) = start(&disk);
    assert_eq!(seen, [vec![1], vec![2]]);
}

#[test]
fn nothing_need_be_appended_for_it_to_recover() {
    let disk = full_disk(0);
    let (_, mut journal) = start(&disk);
    steps(&mut journal);
    assert_eq!(journal.appender().state(), JournalState::Full);
    disk.set_capacity(None);
    steps(&mut journal);
    assert_eq!(journal.appender().state(), JournalState::Healthy);
    assert_eq!(journal.step(), Step::Idle);
    journal.close().unwrap();
}

#[test]
fn a_killed_start_without_a_file_leaves_what_was_there() {
    let disk = full_disk(0);
    for _ in 0..3 {
        let (seen, mut journal) = start(&disk);
        append(&journal, 9);
        steps(&mut journal);
        assert_eq!(seen, [vec![1]]);
        drop(journal);
        disk.kill();
    }
    disk.cut_power();
    assert_eq!(start(&disk).0, [vec![1]]);
}

#[test]
fn space_for_a_reserve_alone_takes_what_is_in_flight() {
    let disk = full_disk(RESERVE_BYTES + 4096);
    let (_, mut journal) = start(&disk);
    let appender = journal.appender();
    assert_eq!(appender.state(), JournalState::Reserve);
    append(&journal, 2);
    steps(&mut journal);
    assert_eq!(appender.durable(), appender.appended());
    assert_eq!(appender.state(), JournalState::Reserve);
    journal.close().unwrap();
}

#[test]
fn closing_without_a_file_loses_nothing_that_was_durable_and_says_so() {
    let disk = full_disk(0);
    let (_, journal) = start(&disk);
    append(&journal, 2);
    assert!(journal.close().is_err(), "what was appended is nowhere");
    let (seen, journal) = start(&disk);
    assert_eq!(seen, [vec![1]]);
    // Nothing was appended: nothing is lost.
    journal.close().unwrap();
}

#[test]
fn a_written_log_starts_without_any_space_and_says_when_there_is_some() {
    let disk = FakeDisk::new(4);
    let written_config = || WrittenConfig {
        dir: PathBuf::from("data/written"),
        file_max_bytes: FILE_BYTES,
    };
    drop(WrittenLog::open(disk.storage(), written_config()).unwrap());
    disk.set_capacity(Some(disk.used_bytes()));
    let recovery = WrittenLog::open(disk.storage(), written_config()).unwrap();
    let mut log = recovery.start(clock()).unwrap();
    assert_eq!(log.make_room(100), Ok(WrittenRoom::None));
    disk.set_capacity(None);
    // It looks again after a quarter of a second.
    assert!((0..20).any(|_| log.make_room(100) == Ok(WrittenRoom::Made)));
    let placed = log.append(1, 1, &mut |out| out.push(7)).unwrap();
    assert_eq!(log.write_batch(), Ok(placed.end));
    disk.kill();
    drop(log);
    let mut recovery = WrittenLog::open(disk.storage(), written_config()).unwrap();
    let replayed = recovery.replay(|_| Ok::<_, Infallible>(())).unwrap();
    assert_eq!(replayed.records, 1);
}

/// The replay mark names the file that was being written; a start that has no space for it must not lose it, or the next start would miss it.
#[test]
fn the_file_that_the_mark_names_outlives_starts_on_a_full_disk() {
    let disk = FakeDisk::new(5);
    let (_, mut journal) = start(&disk);
    append(&journal, 1);
    steps(&mut journal);
    journal.close().unwrap();
    let (_, mut journal) = start(&disk);
    let end = journal.appender().appended();
    // Nothing is needed any more: the mark moves to the file that is being written, which is empty.
    journal.appender().retain_from(Position(end.0 + 1));
    steps(&mut journal);
    drop(journal);
    disk.kill();
    give_up_spare_space(&disk);
    for cut in [false, true, false] {
        // What the empty file had reserved is taken by somebody else.
        let is_log = |path: &PathBuf| path.extension().is_some_and(|it| it == "journal");
        let last = disk.files().into_iter().rfind(is_log).unwrap();
        let last = disk
            .storage()
            .open(&last, journal::storage::Access::Write)
            .unwrap();
        last.set_length(64).unwrap();
        last.sync_all().unwrap();
        disk.set_capacity(Some(disk.used_bytes()));
        let (seen, mut journal) = start(&disk);
        assert_eq!(seen, Vec::<Vec<u8>>::new());
        let appender = journal.appender();
        assert_eq!(
            (appender.state(), appender.appended()),
            (JournalState::Full, end)
        );
        append(&journal, 2);
        steps(&mut journal);
        assert_eq!(appender.durable(), end);
        drop(journal);
        if cut {
            disk.cut_power();
        } else {
            disk.kill();
        }
    }
    disk.set_capacity(None);
    let (_, mut journal) = start(&disk);
    append(&journal, 3);
    steps(&mut journal);
    assert!(journal.appender().durable() > end);
    drop(journal);
    disk.kill();
    assert_eq!(start(&disk).0, [vec![3]]);
}
