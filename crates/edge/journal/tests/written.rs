//! The written log: in the page cache at once, gone without complaint after a power cut.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::fs;

use journal::{
    FailureStep, FileJournal, FileStorage, OpenError, Position, ReplayError, WrittenIn, WrittenLog,
};
use scratch::{Scratch, age, clock, files, flip, read_written, truncate};

fn started(dir: &Scratch) -> WrittenLog {
    WrittenLog::open(FileStorage::shared(), dir.written_config())
        .unwrap()
        .start(clock())
        .unwrap()
}

/// Writes `batches` batches of one record of 1,000 bytes: four fill a file.
fn write(log: &mut WrittenLog, batches: u8) -> Vec<Position> {
    (0..batches)
        .map(|number| {
            log.append(1, 1, &mut |out| out.extend_from_slice(&[number; 1000]))
                .unwrap();
            log.write_batch().unwrap()
        })
        .collect()
}

#[test]
fn a_batch_is_readable_as_soon_as_it_is_written() {
    let dir = Scratch::new("written");
    let mut log = started(&dir);
    log.append(1, 1, &mut |out| out.extend_from_slice(b"one"))
        .unwrap();
    let end = log
        .append(1, 1, &mut |out| out.extend_from_slice(b"two"))
        .unwrap()
        .end;
    assert_eq!(log.written(), Position(0));
    assert_eq!(log.write_batch(), Ok(end));
    // Nobody closed the log: this is what a killed process leaves.
    let killed = dir.snapshot("written-killed");
    let (replayed, seen) = read_written(killed.written_config()).unwrap();
    let this = WrittenIn::ThisBoot;
    assert_eq!(seen, [(this, b"one".to_vec()), (this, b"two".to_vec())]);
    assert_eq!((replayed.end, replayed.torn), (end, None));
}

#[test]
fn it_rotates_goes_on_after_a_restart_and_lets_go() {
    let dir = Scratch::new("written-rotate");
    let mut log = started(&dir);
    let ends = write(&mut log, 10);
    assert_eq!(log.files(), 3);
    drop(log);
    let mut log = started(&dir);
    assert_eq!((log.written(), log.files()), (ends[9], 4));
    log.retain_from(ends[4]);
    assert_eq!((log.files(), log.deletions_failed()), (3, 0));
    let on_disk: u64 = files(dir.path())
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!(log.disk_bytes(), on_disk);
    drop(log);
    assert_eq!(read_written(dir.written_config()).unwrap().1.len(), 6);
}

#[test]
fn a_torn_tail_is_cut() {
    let dir = Scratch::new("written-torn");
    let mut log = started(&dir);
    write(&mut log, 2);
    drop(log);
    truncate(&files(dir.path())[0], 64 + 1012 + 500);
    let (replayed, seen) = read_written(dir.written_config()).unwrap();
    assert_eq!((seen.len(), replayed.torn.unwrap().cut_bytes), (1, 500));
}

#[test]
fn damage_in_this_boot_is_reported() {
    let dir = Scratch::new("written-damage");
    let mut log = started(&dir);
    write(&mut log, 2);
    drop(log);
    flip(&files(dir.path())[0], 100);
    let error = read_written(dir.written_config()).unwrap_err();
    assert!(matches!(
        error,
        ReplayError::Log(OpenError::Damage { offset: 64, .. })
    ));
}

#[test]
fn after_a_power_cut_everything_behind_the_first_hole_goes() {
    // Hole by hole: a flipped byte, a short file, a missing file, a header that never reached the disk,
    // one of which the beginning did (wrong checksum), one of which the end did (wrong magic).
    let holes: [fn(&std::path::Path); 6] = [
        |file| flip(file, 64 + 1012 + 20),
        |file| truncate(file, 64 + 1012),
        |file| fs::remove_file(file).unwrap(),
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[..64].fill(0);
            fs::write(file, bytes).unwrap();
        },
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[30..].fill(0);
            fs::write(file, bytes).unwrap();
        },
        |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[..30].fill(0);
            fs::write(file, bytes).unwrap();
        },
    ];
    for (hole, kept) in holes.into_iter().zip([5, 5, 4, 4, 4, 4]) {
        let dir = Scratch::new("written-power");
        let mut log = started(&dir);
        write(&mut log, 12);
        drop(log);
        let all = files(dir.path());
        all.iter().for_each(|file| age(file));
        hole(&all[1]);
        let (replayed, seen) = read_written(dir.written_config()).unwrap();
        assert_eq!(seen.len(), kept);
        assert!(replayed.torn.is_some());
        let mut log = started(&dir);
        write(&mut log, 1);
        drop(log);
        let (replayed, seen) = read_written(dir.written_config()).unwrap();
        assert_eq!((seen.len(), replayed.torn), (kept + 1, None));
        assert_eq!(seen[kept].0, WrittenIn::ThisBoot);
    }
}

#[test]
fn a_hole_behind_which_this_boot_has_written_is_damage() {
    let dir = Scratch::new("written-behind");
    let mut log = started(&dir);
    write(&mut log, 2);
    drop(log);
    let file = files(dir.path())[0].clone();
    age(&file);
    let mut log = started(&dir);
    write(&mut log, 1);
    drop(log);
    flip(&file, 64 + 20);
    let error = read_written(dir.written_config()).unwrap_err();
    assert!(matches!(error, ReplayError::Log(OpenError::Damage { .. })));
    truncate(&file, 64 + 1012);
    flip(&file, 64 + 20);
    let error = read_written(dir.written_config()).unwrap_err();
    assert!(matches!(error, ReplayError::Log(OpenError::Gap { .. })));
}

#[test]
fn a_torn_header_behind_which_this_boot_has_written_is_damage() {
    for offset in [0, 30] {
        let dir = Scratch::new("written-header");
        let mut log = started(&dir);
        write(&mut log, 6);
        drop(log);
        let torn = files(dir.path())[1].clone();
        files(dir.path()).iter().for_each(|file| age(file));
        let mut log = started(&dir);
        write(&mut log, 1);
        drop(log);
        flip(&torn, offset);
        let error = read_written(dir.written_config()).unwrap_err();
        assert!(matches!(error, ReplayError::Log(OpenError::Header { file, .. }) if file == torn));
    }
}

#[test]
fn the_two_logs_never_open_each_others_directory() {
    let dir = Scratch::new("written-contents");
    let mut log = started(&dir);
    write(&mut log, 1);
    drop(log);
    let error = FileJournal::open(dir.config())
        .unwrap()
        .start(std::sync::Arc::new(|| ()), clock())
        .unwrap_err();
    assert!(matches!(error, OpenError::Contents { .. }));
}

#[test]
fn a_failed_write_is_final() {
    let dir = Scratch::new("written-failed");
    let mut log = started(&dir);
    write(&mut log, 4);
    fs::remove_dir_all(dir.path()).unwrap();
    log.append(1, 1, &mut |out| out.push(1)).unwrap();
    log.append(1, 1, &mut |out| out.extend_from_slice(&[1; 1000]))
        .unwrap();
    let failure = log.write_batch().unwrap_err();
    assert_eq!(failure.step, FailureStep::Rotate);
    assert_eq!(log.write_batch(), Err(failure));
    assert!(log.append(1, 1, &mut |_| ()).is_err());
}
