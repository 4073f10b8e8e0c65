//! Reading beside a writer: the cursor that follows, the fetcher of single records, and the stepped writer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::sync::Arc;

use journal::{
    Append, FileJournal, FileState, FileStorage, LogContents, LogReader, Placed, Position,
    ReadError, Step, WrittenIn,
};
use scratch::{Running, Scratch, clock, files};

fn reader(dir: &Scratch) -> LogReader {
    let storage = FileStorage::shared();
    LogReader::open(storage, dir.path().to_owned(), LogContents::Journal).unwrap()
}

/// Appends and syncs records of these lengths; each holds its own number.
fn fill(running: &mut Running, lengths: &[usize]) -> Vec<Placed> {
    let placed = lengths
        .iter()
        .enumerate()
        .map(|(number, length)| {
            let payload = vec![u8::try_from(number % 251).unwrap(); *length];
            running
                .appender
                .append(1, 1, &mut |out| out.extend_from_slice(&payload))
                .unwrap()
        })
        .collect();
    running.sync();
    placed
}

#[test]
fn a_cursor_follows_the_writer_over_files_and_stops_where_it_is_told() {
    let dir = Scratch::new("cursor");
    let mut running = Running::start(dir.config());
    let mut cursor = reader(&dir).cursor(Position(0));
    assert_eq!(cursor.next(Position(0)).unwrap(), None);
    for round in 0..20 {
        let placed = fill(&mut running, &[900, 1, 0, 700]);
        // The last record is on the disk, yet the cursor was told to stop before it.
        for (at, wanted) in placed[..3].iter().enumerate() {
            let record = cursor.next(placed[2].end).unwrap().unwrap();
            assert_eq!((record.start, record.position), (wanted.start, wanted.end));
            assert_eq!(record.frame.payload.is_empty(), at == 2);
            assert_eq!(record.written_in, WrittenIn::ThisBoot);
        }
        assert_eq!(cursor.next(placed[2].end).unwrap(), None, "round {round}");
        let last = cursor.next(running.appender.durable()).unwrap().unwrap();
        assert_eq!(last.position, placed[3].end);
    }
    assert!(running.appender.files() > 5);
}

#[test]
fn single_records_are_found_again_in_any_order() {
    let dir = Scratch::new("fetch");
    let mut running = Running::start(dir.config());
    let lengths: Vec<usize> = (0..300).map(|number| number * 37 % 1500).collect();
    let mut placed = Vec::new();
    for some in lengths.chunks(7) {
        placed.extend(fill(&mut running, some));
    }
    let mut fetcher = reader(&dir).fetcher();
    let mut check = |at: usize| {
        let record = fetcher.fetch(placed[at].start).unwrap();
        assert_eq!(
            (record.start, record.position),
            (placed[at].start, placed[at].end)
        );
        assert_eq!(record.frame.payload.len(), lengths[at]);
        assert!(
            record
                .frame
                .payload
                .iter()
                .all(|byte| usize::from(*byte) == at % 7)
        );
    };
    (0..300).for_each(&mut check);
    (0..300).rev().for_each(&mut check);
    (0..300).for_each(|number| check(number * 7919 % 300));
    let last = placed[299];
    let between = fetcher.fetch(Position(last.start.0 + 1)).unwrap_err();
    assert!(
        matches!(between, ReadError::NoRecord { position, .. } if position.0 == last.start.0 + 1)
    );
    assert!(matches!(
        fetcher.fetch(last.end),
        Err(ReadError::NoRecord { .. })
    ));
}

#[test]
fn a_fetcher_sees_what_came_after_it_last_looked() {
    let dir = Scratch::new("fetch-later");
    let mut running = Running::start(dir.config());
    let mut fetcher = reader(&dir).fetcher();
    for _ in 0..30 {
        let placed = fill(&mut running, &[300, 500]);
        assert!(matches!(
            fetcher.fetch(placed[1].end),
            Err(ReadError::NoRecord { .. })
        ));
        assert_eq!(
            fetcher.fetch(placed[1].start).unwrap().position,
            placed[1].end
        );
        assert_eq!(
            fetcher.fetch(placed[0].start).unwrap().position,
            placed[0].end
        );
    }
}

#[test]
fn large_records_are_fetched_whole() {
    let dir = Scratch::new("fetch-large");
    let mut running = Running::start(dir.config());
    let placed = fill(&mut running, &[5, 1_000_000, 5, 300_000]);
    let mut fetcher = reader(&dir).fetcher();
    for (at, length) in [(3, 300_000), (1, 1_000_000), (0, 5)] {
        let record = fetcher.fetch(placed[at].start).unwrap();
        assert_eq!(
            record.frame.payload,
            vec![u8::try_from(at).unwrap(); length]
        );
    }
}

#[test]
fn what_was_let_go_is_gone_and_says_what_is_left() {
    let dir = Scratch::new("fetch-gone");
    let mut running = Running::start(dir.config());
    let mut placed = Vec::new();
    for _ in 0..8 {
        placed.extend(fill(&mut running, &[1500, 1500]));
    }
    let mut early = reader(&dir);
    assert_eq!(early.files().unwrap()[0].start, Position(0));
    running.appender.retain_from(placed[10].end);
    running.journal.close().unwrap();
    let oldest = reader(&dir).files().unwrap()[0].start;
    assert!(oldest > Position(0));
    let wanted = Position(0);
    let gone = |error| matches!(error, ReadError::Gone { wanted: asked, oldest: left } if (asked, left) == (wanted, oldest));
    assert!(gone(early.fetcher().fetch(wanted).unwrap_err()));
    early = reader(&dir);
    assert!(gone(early.cursor(wanted).next(placed[10].end).unwrap_err()));
}

#[test]
fn the_files_are_listed_with_what_is_in_them() {
    let dir = Scratch::new("list");
    let mut running = Running::start(dir.config());
    for _ in 0..3 {
        fill(&mut running, &[3000]);
    }
    let listed = reader(&dir).files().unwrap();
    let paths: Vec<_> = listed.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths, files(dir.path()));
    let ends: Vec<_> = listed.iter().map(|file| file.state).collect();
    let sealed = |end| FileState::Sealed { end: Position(end) };
    assert_eq!(ends, [sealed(3012), sealed(6024), FileState::Last]);
    assert!(
        listed
            .windows(2)
            .all(|two| two[0].made_at_ms <= two[1].made_at_ms)
    );
    assert!(listed[1].made_at_ms.is_some());
}

#[test]
fn a_stepped_writer_does_one_thing_at_a_time_and_dropping_it_writes_nothing() {
    let dir = Scratch::new("stepped");
    let start = || {
        FileJournal::open(dir.config())
            .unwrap()
            .start_stepped(Arc::new(|| ()), clock())
            .unwrap()
    };
    let mut journal = start();
    let mut appender = journal.appender();
    assert_eq!(journal.step(), Step::Idle);
    let mut append = || appender.append(1, 1, &mut |out| out.push(7)).unwrap();
    let first = append();
    assert_eq!(journal.step(), Step::Idle);
    journal.appender().commit();
    assert_eq!(journal.step(), Step::Wrote);
    assert_eq!(journal.appender().durable(), Position(0));
    assert_eq!(journal.step(), Step::Synced);
    assert_eq!(journal.appender().durable(), first.end);
    assert_eq!(journal.step(), Step::Idle);
    append();
    journal.appender().commit();
    drop(journal);
    let journal = start();
    assert_eq!(journal.appender().durable(), first.end);
    let second = journal.appender().append(1, 1, &mut |_| ()).unwrap();
    assert_eq!(journal.close(), Ok(second.end));
}
