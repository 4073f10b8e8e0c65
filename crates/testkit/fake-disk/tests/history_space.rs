//! A full disk: what recovery does not need goes before anything is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fake_disk::FakeDisk;
use journal::{
    Append, Appender, Clock, FileJournal, HistoryRetention, JournalConfig, JournalState, Position,
    SteppedJournal,
};
use message::Now;

const FILE_BYTES: u64 = 4096;

fn start(disk: &FakeDisk) -> SteppedJournal {
    let config = JournalConfig {
        file_max_bytes: FILE_BYTES,
        reserve_bytes: FILE_BYTES,
        history: HistoryRetention::default(),
        ..JournalConfig::new(PathBuf::from("data/journal"))
    };
    let recovery = FileJournal::open_on(disk.storage(), config).unwrap();
    let clock_ms = AtomicU64::new(0);
    let clock: Clock =
        Arc::new(move || Now::default().plus_ms(clock_ms.fetch_add(100, Ordering::Relaxed)));
    recovery.start_stepped(Arc::new(|| ()), clock).unwrap()
}

fn run(journal: &mut SteppedJournal) {
    for _ in 0..100 {
        journal.step();
    }
}

/// Writes a file's worth.
fn fill(journal: &mut SteppedJournal, appender: &mut Appender) -> Position {
    let mut end = Position(0);
    for _ in 0..3 {
        let appended = appender.append(1, 1, &mut |out| out.extend_from_slice(&[7; 1300]));
        end = appended.unwrap().end;
        appender.commit();
        run(journal);
    }
    end
}

#[test]
fn history_goes_before_the_reserve_is_touched() {
    let disk = FakeDisk::new(1);
    let mut journal = start(&disk);
    let mut appender = journal.appender();
    for _ in 0..10 {
        fill(&mut journal, &mut appender);
    }
    let kept = appender.appended();
    appender.retain_from(kept);
    run(&mut journal);
    assert_eq!(appender.history().files, 9);

    disk.set_capacity(Some(disk.used_bytes()));
    for _ in 0..7 {
        fill(&mut journal, &mut appender);
        assert_eq!(appender.state(), JournalState::Healthy);
        assert_eq!(appender.durable(), appender.appended());
    }
    assert!(appender.history().files < 3);
    assert!(appender.stats().files_deleted >= 7);
    // What recovery needs is never given up: the reserve is next, and then nothing is left.
    for _ in 0..3 {
        fill(&mut journal, &mut appender);
    }
    assert_eq!(appender.history().files, 0);
    assert_ne!(appender.state(), JournalState::Healthy);
    // The mark moves although the disk is full, and what it frees is used without anybody's help.
    appender.commit();
    appender.retain_from(appender.durable());
    run(&mut journal);
    assert_eq!(appender.state(), JournalState::Healthy);
    assert_eq!(appender.durable(), appender.appended());
}

#[test]
fn history_goes_when_others_would_have_no_space() {
    let disk = FakeDisk::new(2);
    let mut journal = start(&disk);
    let mut appender = journal.appender();
    for _ in 0..10 {
        fill(&mut journal, &mut appender);
    }
    appender.retain_from(appender.appended());
    run(&mut journal);
    assert_eq!(appender.history().files, 9);
    disk.set_capacity(Some(disk.used_bytes() + FILE_BYTES));
    appender.retain_from(Position(0));
    run(&mut journal);
    let free = disk.storage().free_bytes(&PathBuf::from("data")).unwrap();
    assert!(free >= 2 * FILE_BYTES, "{free}");
    assert!((6..9).contains(&appender.history().files));
}

#[test]
fn a_start_on_a_full_disk_gives_up_history() {
    let disk = FakeDisk::new(3);
    let mut journal = start(&disk);
    let mut appender = journal.appender();
    for _ in 0..6 {
        fill(&mut journal, &mut appender);
    }
    appender.retain_from(appender.appended());
    run(&mut journal);
    journal.close().unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    let mut journal = start(&disk);
    let mut appender = journal.appender();
    fill(&mut journal, &mut appender);
    assert_eq!(appender.state(), JournalState::Healthy);
    assert!(appender.history().files < 5);
}
