//! Bytes that change behind an event log's back: what is read is right, in order and without a hole, or the damage is told with its file.
//!
//! This log is derived: opening cuts what is not whole off its end and says so, and what it says to hold can be read, or the reader is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use fake_disk::FakeDisk;
use journal::keyed::{Key, KeyedConfig, KeyedIndex, KeyedLog, ReadEnd, ReadFault};
use journal::storage::Access;
use proptest::prelude::*;

const DIR: &str = "data/events";

#[derive(Debug, Clone)]
enum Change {
    Flip { at: u64, mask: u8 },
    Zero { at: u64, bytes: u64 },
    Cut { at: u64 },
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<u64>(), 1_u8..=255).prop_map(|(at, mask)| Change::Flip { at, mask }),
        (any::<u64>(), 1_u64..600).prop_map(|(at, bytes)| Change::Zero { at, bytes }),
        any::<u64>().prop_map(|at| Change::Cut { at }),
    ]
}

fn config() -> KeyedConfig {
    KeyedConfig {
        file_max_bytes: 4096,
        max_bytes: 1 << 30,
        ..KeyedConfig::new(PathBuf::from(DIR))
    }
}

fn payload(key: Key) -> Vec<u8> {
    let number = u8::try_from(key.position.0 % 250).unwrap() + 1;
    vec![number; usize::try_from(key.position.0 * 37 % 500).unwrap()]
}

fn key(number: u64) -> Key {
    Key::new(number * 3, u32::try_from(number % 4).unwrap())
}

/// Records of these lives, one batch each; some are synced.
fn write(disk: &FakeDisk, lives: &[(u64, bool)]) -> u64 {
    let mut number = 0;
    for (records, synced) in lives {
        let opened = KeyedLog::open(disk.storage(), config(), 1).unwrap();
        let mut log = opened.log;
        for _ in 0..*records {
            number += 1;
            let key = key(number);
            log.append(key, 1, &mut |out| out.extend_from_slice(&payload(key)))
                .unwrap();
            log.write_batch(1).unwrap();
        }
        if *synced {
            let job = log.sync_job();
            job.run().unwrap();
            log.synced(&job);
            log.mark(key(number), 1).unwrap();
            log.write_batch(1).unwrap();
        }
        disk.kill();
    }
    number
}

fn change(disk: &FakeDisk, file: &Path, change: &Change) {
    let handle = disk.storage().open(file, Access::Write).unwrap();
    let bytes = disk.contents(file).unwrap();
    let length = bytes.len() as u64;
    match change {
        Change::Flip { at, mask } => {
            let at = at % length;
            let byte = bytes[usize::try_from(at).unwrap()];
            handle.write_all_at(&[byte ^ mask], at).unwrap();
        }
        Change::Zero { at, bytes } => {
            let at = at % length;
            let bytes = usize::try_from((*bytes).min(length - at)).unwrap();
            handle.write_all_at(&vec![0; bytes], at).unwrap();
        }
        Change::Cut { at } => handle.set_length(at % length).unwrap(),
    }
}

/// Everything that can be read: runs of keys, each but the last ended by damage of which the reader was told.
fn read(index: &KeyedIndex, changed: &Path) -> Result<Vec<(Key, Vec<Key>)>, TestCaseError> {
    let mut reader = index.reader(index.oldest());
    let mut runs = Vec::new();
    let mut run = (index.oldest(), Vec::new());
    loop {
        let mut wrong = None;
        let ended = reader.read(7, &mut |key, version, bytes| {
            if (version, bytes) != (1, &payload(key)[..]) {
                wrong = Some(key);
            }
            run.1.push(key);
        });
        prop_assert_eq!(wrong, None, "a record that was never appended");
        match ended {
            Ok(ReadEnd::More) => {}
            Ok(ReadEnd::CaughtUp) => {
                runs.push(run);
                return Ok(runs);
            }
            Err(ReadFault::Damage { file, next, .. }) => {
                prop_assert_eq!(&file, changed);
                prop_assert!(next >= reader.after());
                runs.push(std::mem::replace(&mut run, (next, Vec::new())));
                if next == index.last() && reader.after() == next {
                    return Ok(runs);
                }
                reader.seek(next);
            }
            Err(error @ (ReadFault::Lost { .. } | ReadFault::Io { .. })) => {
                return Err(TestCaseError::fail(error.to_string()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_event_log_hands_out_nothing_wrong_and_skips_nothing_silently(
        lives in proptest::collection::vec((1_u64..25, any::<bool>()), 1..4),
        file in any::<usize>(),
        what in changes(),
        another_boot in any::<bool>(),
    ) {
        let disk = FakeDisk::new(11);
        let records = write(&disk, &lives);
        let files: Vec<_> = disk.files().into_iter().filter(|it| it.extension().is_some_and(|it| it == "journal")).collect();
        let changed = &files[file % files.len()];
        change(&disk, changed, &what);
        if another_boot {
            for file in &files {
                disk.storage().open(file, Access::Write).unwrap().sync_all().unwrap();
            }
            disk.storage().sync_directory(Path::new(DIR)).unwrap();
            disk.cut_power();
        }
        let opened = KeyedLog::open(disk.storage(), config(), 1).unwrap();
        prop_assert!(opened.log.through() <= key(records));
        let index = opened.log.index();
        prop_assert_eq!(index.last(), opened.log.through());
        let runs = read(&index, changed)?;
        for (at, (after, keys)) in runs.iter().enumerate() {
            // Every key in order from where the run begins, without a hole; the last run reaches what the log says to hold.
            let expected: Vec<_> = (1..=records).map(key).filter(|key| key > after).collect();
            prop_assert_eq!(keys, &expected[..keys.len()]);
            if at + 1 == runs.len() {
                let reached = keys.last().copied().unwrap_or(*after);
                let left = expected.iter().filter(|key| **key > reached && **key <= index.last());
                prop_assert_eq!(left.count(), 0, "a record is skipped silently");
            }
        }
    }
}
