//! The replay mark and the history before it: what is replayed, what is kept, and what becomes of a mark that cannot be trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{
    Append, Appender, Clock, Distrust, FileJournal, FileStorage, HistoryDamage, HistoryRetention,
    JournalConfig, LogContents, LogReader, MarkFound, OpenError, Position, ReplayError,
    ReplayedFrom, Step, SteppedJournal,
};
use scratch::{Scratch, files, flip, read, truncate};

const AGE_MS: u64 = 3_600_000;

/// A journal of files of three records each.
struct Kept {
    journal: SteppedJournal,
    appender: Appender,
    clock_ms: Arc<AtomicU64>,
    ends: Vec<Position>,
}

fn kept(dir: &Scratch, max_bytes: u64) -> JournalConfig {
    JournalConfig {
        history: HistoryRetention {
            max_bytes,
            max_age_ms: AGE_MS,
        },
        ..dir.config()
    }
}

impl Kept {
    fn start(config: JournalConfig) -> Kept {
        let clock_ms = Arc::new(AtomicU64::new(1_000_000));
        let read = Arc::clone(&clock_ms);
        let clock: Clock =
            Arc::new(move || message::Now::default().plus_ms(read.load(Ordering::Relaxed)));
        let journal = FileJournal::open(config).unwrap();
        let journal = journal.start_stepped(Arc::new(|| ()), clock).unwrap();
        Kept {
            appender: journal.appender(),
            journal,
            clock_ms,
            ends: Vec::new(),
        }
    }

    fn run(&mut self) {
        while self.journal.step() != Step::Idle {}
    }

    /// Fills so many files, and begins another.
    fn fill(&mut self, files: usize) {
        for _ in 0..files * 3 {
            let appended = self
                .appender
                .append(1, 1, &mut |out| out.extend_from_slice(&[7; 1300]));
            self.ends.push(appended.unwrap().end);
            self.appender.commit();
            self.run();
        }
    }

    fn retain_from(&mut self, oldest_needed: Position) {
        self.appender.retain_from(oldest_needed);
        self.run();
    }

    fn pass(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

fn mark_file(dir: &Scratch) -> PathBuf {
    dir.path().join("mark")
}

/// Eight files, the first five of which are history.
fn with_history(dir: &Scratch) -> (Position, Vec<Position>) {
    let mut kept = Kept::start(kept(dir, 1 << 30));
    kept.fill(8);
    let ends = kept.ends.clone();
    kept.retain_from(Position(ends[15].0 - 1));
    assert_eq!(kept.appender.replay_from(), ends[14]);
    assert_eq!(kept.appender.next_replay_from(), ends[17]);
    assert_eq!(kept.appender.history().files, 5);
    kept.journal.close().unwrap();
    (ends[14], ends)
}

#[test]
fn replay_begins_at_the_mark_and_readers_at_the_beginning() {
    let dir = Scratch::new("mark");
    let (mark, ends) = with_history(&dir);
    let (replayed, seen) = read(kept(&dir, 1 << 30)).unwrap();
    assert_eq!(replayed.begin, mark);
    let faults = Vec::new();
    assert_eq!(replayed.from, ReplayedFrom::Mark { files: 5, faults });
    let replayed: Vec<_> = seen.iter().map(|(end, _, _)| *end).collect();
    assert_eq!(replayed, ends[15..]);

    let dir = dir.path().to_owned();
    let reader = LogReader::open(FileStorage::shared(), dir, LogContents::Journal).unwrap();
    assert!(matches!(reader.mark(), Ok(MarkFound::At { position, .. }) if position == mark));
    let mut cursor = reader.cursor(Position(0));
    let last = ends[ends.len() - 1];
    for end in ends {
        let record = cursor.next(last).unwrap().unwrap();
        assert_eq!(record.position, end);
    }
}

#[test]
fn a_mark_goes_on_where_the_run_before_left_it() {
    let dir = Scratch::new("mark-again");
    let (mark, _) = with_history(&dir);
    for _ in 0..3 {
        let mut kept = Kept::start(kept(&dir, 1 << 30));
        kept.fill(2);
        let history = kept.appender.history();
        kept.retain_from(Position(mark.0 - 1));
        assert_eq!(kept.appender.history(), history, "it never goes back");
        kept.retain_from(Position(kept.ends[0].0 + 1));
        assert!(kept.appender.history().files > history.files);
        let mark = kept.appender.replay_from();
        kept.journal.close().unwrap();
        assert_eq!(read(dir.config()).unwrap().0.begin, mark);
    }
}

#[test]
fn history_is_bounded_by_bytes() {
    let dir = Scratch::new("history-bytes");
    let mut kept = Kept::start(kept(&dir, 10_000));
    for round in 0..6 {
        kept.fill(3);
        let latest = kept.appender.appended();
        kept.retain_from(latest);
        let history = kept.appender.history();
        assert!(history.bytes <= 10_000, "round {round}: {history:?}");
        assert_eq!(history.files, 2, "round {round}");
    }
    let deleted = kept.appender.stats().files_deleted;
    assert_eq!(deleted + kept.appender.files(), 18);
}

#[test]
fn retention_has_its_turn_although_records_always_wait() {
    let dir = Scratch::new("history-load");
    let mut kept = Kept::start(kept(&dir, 0));
    kept.fill(2);
    let needed = kept.ends[5];
    kept.appender.retain_from(needed);
    let mut written = 0;
    loop {
        let appended = kept.appender.append(1, 1, &mut |out| out.push(7));
        appended.unwrap();
        kept.appender.commit();
        match kept.journal.step() {
            Step::Retained => break,
            Step::Wrote => written += 1,
            Step::Synced | Step::Looked => {}
            step @ (Step::Idle | Step::Stopped) => panic!("{step:?}"),
        }
        assert!(written < 100, "retention waits for the load to end");
    }
    assert_eq!(kept.appender.history().files, 0);
    assert_eq!(kept.appender.replay_from(), kept.ends[2]);
    assert!(written > 4, "records go first: {written}");
    kept.journal.close().unwrap();
}

#[test]
fn history_is_bounded_by_age_and_files_are_closed_for_it() {
    let dir = Scratch::new("history-age");
    let mut kept = Kept::start(kept(&dir, 1 << 30));
    for _ in 0..30 {
        kept.pass(AGE_MS / 10);
        // One record in a tenth of the age: each begins a file of its own.
        kept.fill(1);
        let latest = kept.appender.appended();
        kept.retain_from(latest);
        let since_ms = kept.appender.history().since_ms;
        let age_ms = kept.clock_ms.load(Ordering::Relaxed) - since_ms;
        assert!(age_ms <= AGE_MS + AGE_MS / 5, "{age_ms}");
    }
    assert!(kept.appender.history().files >= 9);
    // Nothing is written, and time passes: the file being written stays.
    kept.pass(10 * AGE_MS);
    kept.retain_from(Position(0));
    kept.retain_from(Position(0));
    kept.retain_from(Position(0));
    assert_eq!(kept.appender.history().files, 0);
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn what_nobody_has_read_yet_stays_longer_but_not_for_ever() {
    let dir = Scratch::new("history-unread");
    let mut kept = Kept::start(kept(&dir, 40_000));
    kept.appender.note_read(Position(0));
    kept.fill(40);
    let latest = kept.appender.appended();
    kept.retain_from(latest);
    let unread = kept.appender.history().bytes;
    assert!((45_000..=50_000).contains(&unread), "{unread}");
    kept.appender.note_read(latest);
    kept.retain_from(latest);
    assert!(kept.appender.history().bytes <= 40_000);
}

#[test]
fn without_a_mark_everything_is_replayed() {
    let dir = Scratch::new("mark-missing");
    let (_, ends) = with_history(&dir);
    fs::remove_file(mark_file(&dir)).unwrap();
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!(replayed.from, ReplayedFrom::Begin);
    assert_eq!((seen.len(), replayed.begin), (ends.len(), Position(0)));
}

#[test]
fn a_damaged_mark_is_reported_and_everything_is_replayed() {
    let dir = Scratch::new("mark-damaged");
    let (_, ends) = with_history(&dir);
    // It moved once, into the second slot.
    flip(&mark_file(&dir), 4096 + 24);
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!(replayed.from, ReplayedFrom::Distrust(Distrust::Damaged));
    assert_eq!(seen.len(), ends.len());
}

#[test]
fn a_mark_of_which_a_part_is_damaged_asks_for_no_file_that_may_be_gone() {
    let dir = Scratch::new("mark-outdated");
    let mut kept = Kept::start(kept(&dir, 0));
    kept.fill(6);
    for at in [4, 10] {
        let oldest = kept.ends[at];
        kept.retain_from(oldest);
    }
    let ends = kept.ends.clone();
    kept.journal.close().unwrap();
    assert_eq!(files(dir.path()).len(), 3);
    flip(&mark_file(&dir), 24);
    let (replayed, seen) = read(dir.config()).unwrap();
    let outdated = Distrust::Outdated(ends[2]);
    assert_eq!(replayed.from, ReplayedFrom::Distrust(outdated));
    assert_eq!(seen.len(), 9);
}

#[test]
fn a_mark_of_another_copy_is_reported_and_everything_is_replayed() {
    let dir = Scratch::new("mark-elsewhere");
    let (mark, ends) = with_history(&dir);
    // The journal as it was before the file at the mark was begun.
    for file in files(dir.path()).iter().skip(5) {
        fs::remove_file(file).unwrap();
    }
    let (replayed, seen) = read(dir.config()).unwrap();
    let elsewhere = Distrust::Elsewhere(mark);
    assert_eq!(replayed.from, ReplayedFrom::Distrust(elsewhere));
    assert_eq!(seen.len(), 15);
    // It goes on, and the next mark is its own.
    let mut kept = Kept::start(dir.config());
    kept.fill(4);
    kept.retain_from(kept.ends[11]);
    let moved = kept.appender.replay_from();
    kept.journal.close().unwrap();
    assert!(ends.contains(&mark) && moved > mark);
    assert_eq!(read(dir.config()).unwrap().0.begin, moved);
}

#[test]
fn files_that_replay_needs_and_are_gone_are_missed() {
    let dir = Scratch::new("mark-files-gone");
    let (mark, ends) = with_history(&dir);
    for file in files(dir.path()).iter().take(6) {
        fs::remove_file(file).unwrap();
    }
    let missing = |left: Option<Position>| {
        let error = read(dir.config()).unwrap_err();
        assert!(
            matches!(&error, ReplayError::Log(OpenError::Missing { wanted, found, .. })
                if (*wanted, *found) == (mark, left)),
            "{error}"
        );
    };
    missing(Some(ends[17]));
    for file in files(dir.path()) {
        fs::remove_file(file).unwrap();
    }
    missing(None);
}

#[test]
fn damage_in_the_history_is_reported_and_keeps_nobody_from_starting() {
    let dir = Scratch::new("history-damage");
    let (mark, ends) = with_history(&dir);
    let all = files(dir.path());
    flip(&all[0], 20);
    truncate(&all[1], 100);
    fs::remove_file(&all[3]).unwrap();
    let (replayed, seen) = read(dir.config()).unwrap();
    assert_eq!((replayed.begin, seen.len()), (mark, 9));
    let ReplayedFrom::Mark { files: 4, faults } = replayed.from else {
        panic!("{:?}", replayed.from);
    };
    let short = |end, next| HistoryDamage::Short { end, next };
    let cut = Position(ends[2].0 + 36);
    assert!(matches!(faults[0].what, HistoryDamage::Header(_)));
    assert_eq!(faults[1].what, short(cut, ends[5]));
    assert_eq!(faults[2].what, short(ends[8], ends[11]));
    let of: Vec<_> = faults.iter().map(|fault| fault.file.clone()).collect();
    assert_eq!(of, [0, 1, 2].map(|at| all[at].clone()));
}
