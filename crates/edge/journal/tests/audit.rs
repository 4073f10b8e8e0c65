//! Looking at a log without touching it: the same verdict as opening, for every file, and nothing changed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;

use journal::keyed::{Entry, Key, KeyedConfig, KeyedLog, entry};
use journal::{
    FileAudit, FileFinding, FileStorage, LogAudit, LogContents, OpenError, Position, WrittenIn,
};
use scratch::{Running, Scratch, age, files, flip, read, truncate};

/// Looks at every file; returns what was found and the records' first payload bytes.
fn look(dir: &Scratch, contents: LogContents, from: u64) -> (Vec<FileAudit>, Vec<u8>) {
    let dir = dir.path().to_owned();
    let mut audit = LogAudit::open(FileStorage::shared(), dir, contents).unwrap();
    audit.skip_to(Position(from));
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    loop {
        let file = audit.next_file(&mut |record| {
            seen.push(record.frame.payload[0]);
            ControlFlow::Continue(())
        });
        match file {
            Some(file) => found.push(file),
            None => return (found, seen),
        }
    }
}

/// Five files of three records of 1,212 bytes.
fn five_files(name: &str) -> Scratch {
    let dir = Scratch::new(name);
    let mut running = Running::start(dir.config());
    for number in 1..=15 {
        running.append(&[number; 1200]);
        running.sync();
    }
    running.journal.close().unwrap();
    dir
}

fn is_whole(file: &FileAudit) -> bool {
    matches!(file.finding, FileFinding::Whole)
}

#[test]
fn whole_files_are_told_with_what_is_in_them_and_nothing_is_changed() {
    let dir = five_files("audit-whole");
    let before: Vec<_> = files(dir.path())
        .iter()
        .map(|it| fs::read(it).unwrap())
        .collect();
    let (found, seen) = look(&dir, LogContents::Journal, 0);
    assert_eq!(seen, (1..=15).collect::<Vec<u8>>());
    assert!(found.iter().all(is_whole), "{found:?}");
    let spans: Vec<_> = found
        .iter()
        .map(|file| (file.start.0, file.end.0, file.records))
        .collect();
    assert_eq!(spans[..2], [(0, 3636, 3), (3636, 7272, 3)]);
    let origin = found[1].origin.unwrap();
    assert!(origin.made_at_ms.is_some() && origin.written_in == WrittenIn::ThisBoot);
    let after: Vec<_> = files(dir.path())
        .iter()
        .map(|it| fs::read(it).unwrap())
        .collect();
    assert_eq!(before, after);
    // From a position on: the file that holds it, and those behind.
    assert_eq!(
        look(&dir, LogContents::Journal, 7000).1,
        (4..=15).collect::<Vec<u8>>()
    );
}

#[test]
fn damage_is_told_with_its_place_and_the_files_behind_are_looked_at() {
    let dir = five_files("audit-damage");
    let damaged = &files(dir.path())[1];
    flip(damaged, 64 + 1212 + 600);
    let (found, seen) = look(&dir, LogContents::Journal, 0);
    assert_eq!(seen, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let FileFinding::Damaged {
        error: OpenError::Damage { file, offset, .. },
        resumes,
    } = &found[1].finding
    else {
        panic!("{:?}", found[1]);
    };
    assert_eq!(
        (file, *offset, *resumes),
        (damaged, 64 + 1212, Some(Position(3636 + 2424)))
    );
    assert!(found[2..].iter().all(is_whole), "{found:?}");
    assert!(read(dir.config()).is_err());
}

#[test]
fn a_missing_file_is_a_gap_and_what_is_behind_it_is_looked_at() {
    let dir = five_files("audit-gap");
    fs::remove_file(&files(dir.path())[2]).unwrap();
    let (found, seen) = look(&dir, LogContents::Journal, 0);
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 13, 14, 15]);
    let gap = |file: &FileAudit| {
        matches!(
            file.finding,
            FileFinding::Damaged {
                error: OpenError::Gap { .. },
                ..
            }
        )
    };
    assert_eq!(
        found.iter().map(gap).collect::<Vec<_>>(),
        [false, false, true, false]
    );
}

#[test]
fn a_torn_tail_is_told_and_left_where_it_is() {
    let dir = five_files("audit-torn");
    let last = files(dir.path()).pop().unwrap();
    let length = fs::metadata(&last).unwrap().len();
    truncate(&last, length - 100);
    let (found, seen) = look(&dir, LogContents::Journal, 0);
    assert_eq!(seen.len(), 14);
    let FileFinding::Torn(tail) = &found.last().unwrap().finding else {
        panic!("{found:?}");
    };
    assert_eq!((tail.offset, tail.cut_bytes), (length - 1212, 1112));
    assert_eq!(fs::metadata(&last).unwrap().len(), length - 100);
    let (replayed, _) = read(dir.config()).unwrap();
    assert_eq!(replayed.torn.as_ref(), Some(tail));
}

#[test]
fn whoever_has_seen_enough_stops_the_look() {
    let dir = five_files("audit-stop");
    let mut audit = LogAudit::open(
        FileStorage::shared(),
        dir.path().to_owned(),
        LogContents::Journal,
    )
    .unwrap();
    let mut seen = 0;
    let file = audit.next_file(&mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(file.unwrap().finding, FileFinding::Stopped));
    assert_eq!(seen, 1);
}

#[test]
fn beside_a_writer_a_record_half_there_is_waited_for() {
    let dir = Scratch::new("audit-growing");
    let mut running = Running::start(dir.config());
    running.append(&[1; 100]);
    running.append(&[2; 100]);
    running.sync();
    let file = files(dir.path()).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    // As if the kernel had copied half of the second record so far.
    let mut half = whole.clone();
    let half_way = 64 + 112 + 50;
    half[half_way..].fill(0);
    fs::write(&file, &half).unwrap();
    let (began, begun) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        begun.recv().unwrap();
        let file = fs::OpenOptions::new().write(true).open(&file).unwrap();
        file.write_all_at(&whole[half_way..], half_way as u64)
            .unwrap();
    });
    let mut audit = LogAudit::open(
        FileStorage::shared(),
        dir.path().to_owned(),
        LogContents::Journal,
    )
    .unwrap();
    let mut seen = Vec::new();
    let found = audit.next_file(&mut |record| {
        if seen.is_empty() {
            began.send(()).unwrap();
        }
        seen.push(record.frame.payload[0]);
        ControlFlow::Continue(())
    });
    writer.join().unwrap();
    assert_eq!(seen, [1, 2]);
    assert!(is_whole(&found.unwrap()));
}

#[test]
fn a_keyed_log_is_looked_at_frame_by_frame_and_a_told_gap_is_none() {
    let dir = Scratch::new("audit-keyed");
    let config = KeyedConfig {
        file_max_bytes: 4096,
        ..KeyedConfig::new(dir.path().to_owned())
    };
    let mut log = KeyedLog::open(FileStorage::shared(), config, 1)
        .unwrap()
        .log;
    let mut append = |position: u64| {
        log.append(Key::new(position, 0), 1, &mut |out| out.extend([9; 1500]))
            .unwrap();
        log.write_batch(2).unwrap();
    };
    (1..=10).for_each(&mut append);
    let mut audit = LogAudit::open(
        FileStorage::shared(),
        dir.path().to_owned(),
        LogContents::Keyed,
    )
    .unwrap();
    let (mut marks, mut records) = (0, Vec::new());
    while let Some(file) = audit.next_file(&mut |record| {
        match entry(record.frame).unwrap() {
            Entry::Mark(mark) => marks += u32::from(!mark.is_gap),
            Entry::Record { key, payload } => records.push((key.position.0, payload.len())),
        }
        ControlFlow::Continue(())
    }) {
        assert!(is_whole(&file), "{file:?}");
    }
    assert_eq!(marks as usize, files(dir.path()).len());
    assert_eq!(
        records,
        (1..=10)
            .map(|position| (position, 1500))
            .collect::<Vec<_>>()
    );

    let first = fs::read(&files(dir.path())[0]).unwrap();
    let name = files(dir.path())[0].clone();
    log.begin_anew(Key::new(20, 0), 3).unwrap();
    // The deletion of what lay before is undone, as by a crash.
    fs::write(name, first).unwrap();
    let (found, _) = look(&dir, LogContents::Keyed, 0);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(is_whole), "{found:?}");
}

#[test]
fn after_a_power_cut_the_verdict_is_that_of_opening() {
    let dir = five_files("audit-aged");
    let all = files(dir.path());
    all.iter().for_each(|file| age(file));
    flip(&all[4], 64 + 2424 + 30);
    let (found, _) = look(&dir, LogContents::Journal, 0);
    assert!(
        matches!(found[4].finding, FileFinding::Torn(_)),
        "{found:?}"
    );
    flip(&all[4], 64 + 30);
    let (found, _) = look(&dir, LogContents::Journal, 0);
    assert!(
        matches!(found[4].finding, FileFinding::Damaged { .. }),
        "{found:?}"
    );
}
