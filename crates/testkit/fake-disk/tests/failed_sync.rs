//! A failed sync, a restart in the same boot, and then a power cut: what the restart found counts as durable, and must be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use fake_disk::{FakeDisk, Operation};
use journal::{
    Append, Appender, FileJournal, JournalConfig, JournalState, ReplayError, Step, SteppedJournal,
    SyncPolicy,
};
use message::Now;

/// A running journal, and the payloads that were read back.
type Started = (SteppedJournal, Appender, Vec<Vec<u8>>);

/// Reads what is there and begins a new file behind it.
fn start(disk: &FakeDisk, sync: SyncPolicy) -> Result<Started, ReplayError<Infallible>> {
    let config = JournalConfig {
        sync,
        file_max_bytes: 2 << 20,
        reserve_bytes: 4096,
        ..JournalConfig::new(PathBuf::from("data/journal"))
    };
    let mut recovery = FileJournal::open_on(disk.storage(), config)?;
    let mut seen = Vec::new();
    recovery.replay(|record| {
        seen.push(record.frame.payload.to_vec());
        Ok(())
    })?;
    let journal = recovery.start_stepped(Arc::new(|| ()), Arc::new(Now::default))?;
    let appender = journal.appender();
    Ok((journal, appender, seen))
}

fn write(journal: &mut SteppedJournal, appender: &mut Appender, payload: &[u8]) {
    appender
        .append(1, 1, &mut |out| out.extend_from_slice(payload))
        .unwrap();
    appender.commit();
    while !matches!(journal.step(), Step::Idle | Step::Stopped) {}
}

/// Longer than one reading, so that it is written again in parts.
fn long(byte: u8) -> Vec<u8> {
    vec![byte; 300 << 10]
}

#[test]
fn what_a_restart_found_after_a_failed_sync_outlives_a_power_cut() {
    for seed in 0..16 {
        let disk = FakeDisk::new(seed);
        let (mut journal, mut appender, _) = start(&disk, SyncPolicy::Always).unwrap();
        write(&mut journal, &mut appender, b"synced");
        disk.fail_next(Operation::Sync, ErrorKind::Other);
        write(&mut journal, &mut appender, &long(2));
        assert!(matches!(appender.state(), JournalState::Failed { .. }));
        disk.kill();

        let (mut journal, mut appender, seen) = start(&disk, SyncPolicy::Always).unwrap();
        assert_eq!(seen, [b"synced".to_vec(), long(2)]);
        write(&mut journal, &mut appender, b"built upon it");
        assert_eq!(appender.state(), JournalState::Healthy);
        disk.cut_power();

        let (_, _, seen) = start(&disk, SyncPolicy::Always).unwrap();
        let all = [b"synced".to_vec(), long(2), b"built upon it".to_vec()];
        assert_eq!(seen, all, "seed {seed}");
    }
}

#[test]
fn batches_that_were_never_synced_are_written_again_from_the_first() {
    for seed in 0..16 {
        let disk = FakeDisk::new(seed);
        let (mut journal, mut appender, _) = start(&disk, SyncPolicy::None).unwrap();
        for byte in 1..4 {
            write(&mut journal, &mut appender, &long(byte));
        }
        disk.fail_next(Operation::Sync, ErrorKind::Other);
        journal.close().unwrap_err();
        disk.kill();

        drop(start(&disk, SyncPolicy::None).unwrap());
        disk.cut_power();
        let (_, _, seen) = start(&disk, SyncPolicy::None).unwrap();
        assert_eq!(seen, [long(1), long(2), long(3)], "seed {seed}");
    }
}

#[test]
fn a_restart_whose_own_sync_fails_is_followed_by_one_that_mends_it() {
    for seed in 0..16 {
        let disk = FakeDisk::new(seed);
        let (mut journal, mut appender, _) = start(&disk, SyncPolicy::Always).unwrap();
        disk.fail_next(Operation::Sync, ErrorKind::Other);
        write(&mut journal, &mut appender, &long(1));
        disk.kill();
        disk.fail_next(Operation::Sync, ErrorKind::Other);
        start(&disk, SyncPolicy::Always).unwrap_err();
        disk.kill();

        let (mut journal, mut appender, _) = start(&disk, SyncPolicy::Always).unwrap();
        write(&mut journal, &mut appender, b"behind");
        disk.cut_power();
        let (_, _, seen) = start(&disk, SyncPolicy::Always).unwrap();
        assert_eq!(seen, [long(1), b"behind".to_vec()], "seed {seed}");
    }
}
