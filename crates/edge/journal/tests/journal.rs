//! The journal's rules, one test each, on a real disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::convert::Infallible;
use std::fs;

use journal::frame::FrameFault;
use journal::{
    Append, AppendError, FailureStep, FileJournal, JournalConfig, JournalState, OpenError,
    Position, ReplayError, WrittenIn,
};
use scratch::{Running, Scratch, age, files, flip, read, truncate};

#[test]
fn what_was_durable_is_read_back_and_positions_go_on() {
    let dir = Scratch::new("round");
    let mut running = Running::start(dir.config());
    let first = running.append(b"one");
    running.sync();
    assert_eq!(
        (first, running.appender.durable()),
        (Position(15), Position(15))
    );
    assert_eq!(running.journal.close(), Ok(Position(15)));

    let mut running = Running::start(dir.config());
    assert_eq!(running.appender.durable(), Position(15));
    let second = running.append(b"two!");
    assert_eq!(running.journal.close(), Ok(second));

    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!(
        seen,
        [
            (first, 1, b"one".to_vec()),
            (Position(31), 1, b"two!".to_vec())
        ]
    );
    assert_eq!(
        (replayed.end, replayed.files, replayed.torn),
        (Position(31), 2, None)
    );
}

#[test]
fn nothing_is_written_before_commit_and_close_writes_the_rest() {
    let dir = Scratch::new("commit");
    let mut running = Running::start(dir.config());
    let end = running.append(b"waits");
    assert_eq!(running.appender.durable(), Position(0));
    let reserved = fs::read(&files(dir.path())[0]).unwrap();
    assert_eq!(
        (reserved.len(), &reserved[64..]),
        (64 + 4096, &[0; 4096][..])
    );
    let mut left_over = running.appender.clone();
    drop(running.journal);
    assert_eq!(left_over.durable(), end);
    assert_eq!(
        left_over.append(1, 1, &mut |_| ()),
        Err(AppendError::Closed)
    );
}

#[test]
fn a_directory_has_one_engine() {
    let dir = Scratch::new("lock");
    let running = Running::start(dir.config());
    let refused = FileJournal::open(dir.config()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { dir: named } if named == dir.path()));
    assert!(refused.to_string().contains(dir.path().to_str().unwrap()));
    drop(running);
    assert!(FileJournal::open(dir.config()).is_ok());
}

#[test]
fn missing_directories_are_made_for_the_engine_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Scratch::new("made");
    let config = JournalConfig::new(dir.path().join("a/b"));
    let mut running = Running::start(config.clone());
    running.append(b"secret");
    running.sync();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&config.dir), mode(&files(&config.dir)[0])),
        (0o700, 0o600)
    );
}

#[test]
fn limits_out_of_range_are_refused_by_name() {
    let dir = Scratch::new("limits");
    let config = JournalConfig {
        buffer_max_bytes: 1000,
        ..dir.config()
    };
    let refused = FileJournal::open(config).unwrap_err();
    assert!(matches!(
        refused,
        OpenError::Limit {
            field: "buffer_max_bytes",
            value: 1000,
            ..
        }
    ));
}

#[test]
fn a_full_buffer_refuses_and_room_comes_back() {
    let dir = Scratch::new("full");
    let config = JournalConfig {
        buffer_max_bytes: 2 << 20,
        ..dir.config()
    };
    let mut running = Running::start(config);
    let payload = vec![7; 1 << 19];
    while running.appender.room_bytes() >= payload.len() + journal::frame::HEADER_BYTES {
        running.append(&payload);
    }
    let refused = running
        .appender
        .append(1, 1, &mut |out| out.extend_from_slice(&payload));
    assert!(matches!(
        refused,
        Err(AppendError::Full {
            max_bytes: 2_097_152,
            ..
        })
    ));
    running.sync();
    assert_eq!(running.appender.room_bytes(), 2 << 20);
    running.append(&payload);
}

#[test]
fn files_rotate_and_retention_keeps_the_oldest_needed_record() {
    let dir = Scratch::new("retain");
    let mut running = Running::start(dir.config());
    let mut ends = Vec::new();
    for number in 0..20_u8 {
        ends.push(running.append(&[number; 1000]));
        running.sync();
    }
    assert_eq!(running.appender.files(), 5);
    let on_disk: u64 = files(dir.path())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!(running.appender.disk_bytes(), on_disk);

    // Record 7 is the last of the second file: asking for it keeps that file, asking for record 8 does not.
    running.appender.retain_from(ends[7]);
    running.append(b"x");
    running.sync();
    running.appender.retain_from(ends[8]);
    running.appender.retain_from(ends[2]);
    running.journal.close().unwrap();
    assert_eq!(running.appender.stats().files_deleted, 2);
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!((seen[0].0, seen.len()), (ends[8], 13));
    assert_eq!(replayed.begin, ends[7]);
}

#[test]
fn the_current_file_stays_whatever_is_let_go() {
    let dir = Scratch::new("current");
    let mut running = Running::start(dir.config());
    running.append(b"one");
    running.sync();
    running.appender.retain_from(Position(u64::MAX));
    running.journal.close().unwrap();
    assert_eq!(read(dir.config()).unwrap().1.len(), 1);
}

#[test]
fn restarts_without_records_leave_no_files_behind() {
    let dir = Scratch::new("empty");
    let mut running = Running::start(dir.config());
    running.append(b"one");
    drop(running);
    for _ in 0..5 {
        drop(Running::start(dir.config()));
    }
    assert_eq!(files(dir.path()).len(), 2);
    assert_eq!(read(dir.config()).unwrap().1.len(), 1);
}

#[test]
fn a_torn_tail_is_cut_once_and_reported() {
    let dir = Scratch::new("torn");
    let mut running = Running::start(dir.config());
    let kept = running.append(b"kept");
    running.append(b"half written");
    drop(running);
    let file = files(dir.path())[0].clone();
    truncate(&file, 64 + kept.0 + 17);

    let (replayed, seen) = read(dir.config()).unwrap();
    let torn = replayed.torn.unwrap();
    assert_eq!(
        (torn.file, torn.offset, torn.cut_bytes),
        (file.clone(), 64 + kept.0, 17)
    );
    assert!(matches!(
        torn.what,
        Some(FrameFault::Short {
            frame_bytes: 24,
            available_bytes: 17
        })
    ));
    assert_eq!(seen.len(), 1);
    assert_eq!(fs::metadata(&file).unwrap().len(), 64 + kept.0);

    let mut running = Running::start(dir.config());
    let next = running.append(b"next");
    drop(running);
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!((replayed.torn, seen[1].0), (None, next));
}

#[test]
fn a_file_whose_header_never_got_written_is_a_torn_tail() {
    for length in [0, 17, 64] {
        let dir = Scratch::new("header");
        let mut running = Running::start(dir.config());
        let end = running.append(b"kept");
        drop(running);
        let next = dir.path().join(format!("{:016x}.journal", end.0));
        fs::write(&next, vec![0; length]).unwrap();
        let (replayed, seen) = read(dir.config()).unwrap();
        assert_eq!((replayed.torn.unwrap().file, seen.len()), (next.clone(), 1));
        assert!(!next.exists());
    }
}

#[test]
fn damage_in_the_middle_is_an_error_with_file_and_offset_and_nothing_is_changed() {
    let dir = Scratch::new("damage");
    let mut running = Running::start(dir.config());
    let first = running.append(b"one");
    running.append(b"two");
    running.append(b"three");
    drop(running);
    let file = files(dir.path())[0].clone();
    flip(&file, 64 + 15 + 12);
    let before = fs::read(&file).unwrap();
    let error = read(dir.config()).unwrap_err();
    let ReplayError::Log(OpenError::Damage {
        file: named,
        offset,
        position,
        ..
    }) = &error
    else {
        panic!("{error}")
    };
    assert_eq!((named, *offset, *position), (&file, 64 + 15, first));
    assert!(error.to_string().contains("offset 79"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn damage_in_a_file_that_is_not_the_last_is_an_error_even_at_its_end() {
    let dir = Scratch::new("inner");
    for payload in [b"one", b"two"] {
        let mut running = Running::start(dir.config());
        running.append(payload);
    }
    let file = files(dir.path())[0].clone();
    truncate(&file, 70);
    assert!(matches!(
        read(dir.config()),
        Err(ReplayError::Log(OpenError::Damage { offset: 64, .. }))
    ));
    truncate(&file, 64);
    assert!(matches!(
        read(dir.config()),
        Err(ReplayError::Log(OpenError::Gap { .. }))
    ));
}

#[test]
fn a_missing_file_is_a_gap() {
    let dir = Scratch::new("gap");
    let mut ends = Vec::new();
    for payload in [b"one", b"two", b"six"] {
        let mut running = Running::start(dir.config());
        ends.push(running.append(payload));
    }
    fs::remove_file(&files(dir.path())[1]).unwrap();
    let error = read(dir.config()).unwrap_err();
    let ReplayError::Log(OpenError::Gap {
        expected, found, ..
    }) = error
    else {
        panic!("{error}")
    };
    assert_eq!((expected, found), (ends[0], ends[1]));
}

/// Two batches of two records in one file, from before the machine last started.
fn two_old_batches(dir: &Scratch) -> (std::path::PathBuf, [Position; 4]) {
    let mut running = Running::start(dir.config());
    let mut ends = [Position(0); 4];
    for (number, end) in ends.iter_mut().enumerate() {
        *end = running.append(&[b'a'; 20]);
        if number == 1 {
            running.sync();
        }
    }
    drop(running);
    let file = files(dir.path())[0].clone();
    age(&file);
    (file, ends)
}

#[test]
fn after_a_power_cut_a_hole_in_the_last_batch_is_a_torn_tail() {
    let dir = Scratch::new("reordered");
    let (file, ends) = two_old_batches(&dir);
    flip(&file, usize::try_from(64 + ends[1].0 + 15).unwrap());
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!((seen.len(), replayed.end), (2, ends[1]));
    assert_eq!(replayed.torn.unwrap().cut_bytes, 64);
}

#[test]
fn after_a_power_cut_a_hole_in_front_of_a_synced_batch_is_damage() {
    let dir = Scratch::new("synced");
    let (file, ends) = two_old_batches(&dir);
    flip(&file, usize::try_from(64 + ends[0].0 + 15).unwrap());
    assert!(matches!(
        read(dir.config()),
        Err(ReplayError::Log(OpenError::Damage { offset: 96, .. }))
    ));
}

#[test]
fn records_say_in_which_boot_they_were_written() {
    let dir = Scratch::new("boots");
    two_old_batches(&dir);
    let mut running = Running::start(dir.config());
    running.append(b"now");
    drop(running);
    let mut boots = Vec::new();
    let mut recovery = FileJournal::open(dir.config()).unwrap();
    recovery
        .replay(|record| {
            boots.push(record.written_in);
            Ok::<(), Infallible>(())
        })
        .unwrap();
    let earlier = WrittenIn::EarlierBoot;
    assert_eq!(
        boots,
        [earlier, earlier, earlier, earlier, WrittenIn::ThisBoot]
    );
}

#[test]
fn a_reader_that_refuses_a_record_stops_the_replay() {
    let dir = Scratch::new("refuse");
    let mut running = Running::start(dir.config());
    running.append(b"one");
    let second = running.append(b"two");
    drop(running);
    let mut recovery = FileJournal::open(dir.config()).unwrap();
    let error = recovery
        .replay(|record| {
            if record.frame.payload == b"two" {
                Err("unknown kind")
            } else {
                Ok(())
            }
        })
        .unwrap_err();
    assert!(
        matches!(error, ReplayError::Record { position, source: "unknown kind" } if position == second)
    );
}

#[test]
fn an_io_error_fails_the_journal_for_good_and_wakes() {
    let dir = Scratch::new("failed");
    let mut running = Running::start(dir.config());
    running.append(&[1; 3000]);
    running.sync();
    let durable = running.appender.durable();
    fs::remove_dir_all(dir.path()).unwrap();
    running.append(&[2; 3000]);
    running.appender.commit();
    let appender = running.appender.clone();
    running
        .waker
        .wait_until(|| appender.state() != JournalState::Healthy);
    let JournalState::Failed { what } = running.appender.state() else {
        panic!("not failed")
    };
    assert_eq!(
        (what.step, what.kind),
        (FailureStep::Rotate, Some(std::io::ErrorKind::NotFound))
    );
    let refused = running.appender.append(1, 1, &mut |_| ());
    assert_eq!(refused, Err(AppendError::Failed(what.clone())));
    assert_eq!(running.journal.close(), Err(what));
    assert_eq!(running.appender.durable(), durable);
}

#[test]
fn many_appenders_share_batches_and_every_record_keeps_its_order() {
    const THREADS: u8 = 4;
    const RECORDS: u32 = 500;
    let dir = Scratch::new("threads");
    let running = Running::start(dir.config());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut appender = running.journal.appender();
            scope.spawn(move || {
                let mut last = Position(0);
                for number in 0..RECORDS {
                    let bytes = number.to_le_bytes();
                    let end = appender
                        .append(thread, 1, &mut |out| out.extend_from_slice(&bytes))
                        .unwrap()
                        .end;
                    assert!(end > last);
                    last = end;
                    appender.commit();
                }
            });
        }
    });
    let appender = running.appender.clone();
    running.journal.close().unwrap();
    let stats = appender.stats();
    assert_eq!(stats.records, u64::from(THREADS) * u64::from(RECORDS));
    let mut drained = 0;
    appender.drain_figures(|batch| drained += batch.records);
    assert!(drained == stats.records || stats.figures_missed > 0);
    let (_, seen) = read(dir.config()).unwrap();
    for thread in 0..THREADS {
        let numbers: Vec<_> = seen
            .iter()
            .filter(|(_, kind, _)| *kind == thread)
            .map(|(_, _, payload)| u32::from_le_bytes(payload[..].try_into().unwrap()))
            .collect();
        assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>());
    }
}

#[test]
fn a_foreign_file_with_our_suffix_is_named() {
    let dir = Scratch::new("foreign");
    fs::write(dir.path().join("notes.journal"), b"").unwrap();
    assert!(matches!(
        read(dir.config()),
        Err(ReplayError::Log(OpenError::FileName { .. }))
    ));
}
