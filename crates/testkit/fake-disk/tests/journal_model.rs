//! The journal against a model, on a disk that crashes: what was durable is there, what is there is a prefix of what was
//! appended, and nothing else is ever read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fake_disk::{FakeDisk, Operation};
use journal::{
    Append, Appender, Clock, Distrust, FileJournal, HistoryRetention, JournalConfig, JournalState,
    LogContents, LogReader, OpenError, Placed, Position, Record, ReplayError, ReplayedFrom, Step,
    SteppedJournal, SyncPolicy, WrittenIn,
};
use message::Now;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    Append {
        bytes: usize,
    },
    Commit,
    /// Lets the writer do so many things.
    Steps {
        count: u8,
    },
    /// Keep the record at this share (of 256) of what is durable, and all after it.
    Retain {
        share: u8,
    },
    Kill,
    /// The process is killed in the middle of its next write.
    KillInWrite {
        bytes: usize,
    },
    CutPower,
    /// The next sync fails, after which the kernel holds for clean what it did not write.
    FailSync,
    Close,
    /// From here on the disk has so much space left.
    Fill {
        free_bytes: u64,
    },
    /// There is space again.
    Free,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        12 => (0_usize..1500).prop_map(|bytes| Action::Append { bytes }),
        6 => Just(Action::Commit),
        8 => (1_u8..5).prop_map(|count| Action::Steps { count }),
        1 => any::<u8>().prop_map(|share| Action::Retain { share }),
        1 => Just(Action::Kill),
        1 => (0_usize..3000).prop_map(|bytes| Action::KillInWrite { bytes }),
        2 => Just(Action::CutPower),
        2 => Just(Action::FailSync),
        1 => Just(Action::Close),
        1 => (0_u64..20_000).prop_map(|free_bytes| Action::Fill { free_bytes }),
        1 => Just(Action::Free),
    ];
    proptest::collection::vec(action, 1..80)
}

/// One record of the model.
#[derive(Debug, Clone)]
struct Expected {
    placed: Placed,
    payload: Vec<u8>,
    boot: u32,
}

struct Model {
    disk: FakeDisk,
    records: Vec<Expected>,
    /// Records before this index were reported durable, or were read back after a crash.
    durable: usize,
    /// Records before this index outlive a power cut, too.
    synced: usize,
    /// Records before this index may be gone.
    needed_from: usize,
    boot: u32,
    serial: u8,
    running: Option<(SteppedJournal, Appender)>,
    policy: SyncPolicy,
    history: HistoryRetention,
    clock_ms: Arc<AtomicU64>,
}

fn config(sync: SyncPolicy, history: HistoryRetention) -> JournalConfig {
    JournalConfig {
        sync,
        history,
        file_max_bytes: 4096,
        reserve_bytes: 4096,
        batch_max_bytes: 4096,
        batch_max_records: 3,
        ..JournalConfig::new(PathBuf::from("data/journal"))
    }
}

fn policies() -> impl Strategy<Value = SyncPolicy> {
    prop_oneof![
        3 => Just(SyncPolicy::Always),
        1 => Just(SyncPolicy::Interval { interval_ms: 200 }),
        1 => Just(SyncPolicy::None),
    ]
}

/// None, some, and more than there ever is.
fn histories() -> impl Strategy<Value = HistoryRetention> {
    let bytes = prop_oneof![Just(0), Just(10_000), Just(u64::from(u32::MAX))];
    bytes.prop_map(|max_bytes| HistoryRetention {
        max_bytes,
        ..HistoryRetention::default()
    })
}

impl Model {
    fn new(seed: u64, policy: SyncPolicy, history: HistoryRetention) -> Model {
        Model {
            disk: FakeDisk::new(seed),
            records: Vec::new(),
            durable: 0,
            synced: 0,
            needed_from: 0,
            boot: 0,
            serial: 0,
            running: None,
            policy,
            history,
            clock_ms: Arc::default(),
        }
    }

    fn clock(&self) -> Clock {
        let clock_ms = Arc::clone(&self.clock_ms);
        Arc::new(move || Now::default().plus_ms(clock_ms.load(Ordering::Relaxed)))
    }

    /// Opens the journal and compares what it holds with the model.
    fn start(&mut self) -> Result<(), TestCaseError> {
        let config = config(self.policy, self.history);
        let mut recovery = FileJournal::open_on(self.disk.storage(), config).unwrap();
        let mut seen = Vec::new();
        let keep = |record: Record<'_>| {
            seen.push((
                Placed {
                    start: record.start,
                    end: record.position,
                },
                record.frame.payload.to_vec(),
                record.written_in,
            ));
            Ok::<(), Infallible>(())
        };
        let replayed = match recovery.replay(keep) {
            Ok(replayed) => replayed,
            // A sync or a write that was to fail was one of this replay.
            Err(ReplayError::Log(OpenError::Io { source, .. }))
                if source.kind() == ErrorKind::Other =>
            {
                self.disk.kill();
                return self.start();
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let first = seen.first();
        let first = first.map_or(replayed.end, |(placed, _, _)| placed.start);
        let is_before = |record: &Expected| record.placed.start < first;
        let begin = self.records.partition_point(is_before);
        let end = begin + seen.len();
        prop_assert!(begin <= self.needed_from, "a needed record was deleted");
        prop_assert!(
            end >= self.durable,
            "{end} < {}: a durable record is lost",
            self.durable
        );
        prop_assert!(
            end <= self.records.len(),
            "a record that was never appended"
        );
        for (expected, (placed, payload, written_in)) in self.records[begin..].iter().zip(&seen) {
            prop_assert_eq!((expected.placed, &expected.payload), (*placed, payload));
            let this = expected.boot == self.boot;
            prop_assert_eq!(this, *written_in == WrittenIn::ThisBoot);
        }
        self.read_history(&replayed.from, begin)?;
        self.records.truncate(end);
        // What was read once has to be there from then on.
        self.durable = end;
        self.synced = end;
        let journal = match recovery.start_stepped(Arc::new(|| ()), self.clock()) {
            Ok(journal) => journal,
            // The write in the middle of which the process was to be killed, or the sync that was to fail, was that of the new file's
            // header. Lack of space is no reason not to start.
            Err(OpenError::Io { source, .. }) if source.kind() == ErrorKind::Other => {
                self.disk.kill();
                return self.start();
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let appender = journal.appender();
        let last = self.records.last();
        let behind = last.map_or(replayed.end, |record| record.placed.end);
        prop_assert_eq!(appender.durable(), behind);
        self.running = Some((journal, appender));
        Ok(())
    }

    /// What lies before the mark is there without a hole, for those who read on from it.
    fn read_history(&self, from: &ReplayedFrom, replayed_from: usize) -> Result<(), TestCaseError> {
        // A mark that a power cut tore is the only reason not to trust it: it never leads or lags by more than was synced.
        match from {
            ReplayedFrom::Begin => {}
            ReplayedFrom::Mark { faults, .. } => prop_assert_eq!(faults, &Vec::new()),
            ReplayedFrom::Distrust(why) => prop_assert_eq!(*why, Distrust::Damaged),
        }
        let dir = PathBuf::from("data/journal");
        let reader = LogReader::open(self.disk.storage(), dir, LogContents::Journal).unwrap();
        let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        let files = reader.files().map_err(|error| failed(&error))?;
        let Some(oldest) = files.first() else {
            return Ok(());
        };
        let held = |record: &&Expected| record.placed.start >= oldest.start;
        let before = self.records[..replayed_from].iter().filter(held);
        let mut cursor = reader.cursor(oldest.start);
        for expected in before {
            let found = cursor.next(expected.placed.end);
            let found = found.map_err(|error| failed(&error))?;
            let found = found.map(|found| found.frame.payload.to_vec());
            prop_assert_eq!(found.as_ref(), Some(&expected.payload));
        }
        Ok(())
    }

    fn note_durable(&mut self) {
        let Some((_, appender)) = &self.running else {
            return;
        };
        let before = |position| {
            let is_before = |record: &Expected| record.placed.end <= position;
            self.records.partition_point(is_before)
        };
        self.durable = before(appender.durable()).max(self.durable);
        self.synced = before(appender.synced()).max(self.synced);
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        if self.running.is_none() {
            self.start()?;
        }
        let Some((journal, appender)) = &mut self.running else {
            return Ok(());
        };
        match action {
            Action::Append { bytes } => {
                self.serial = self.serial.wrapping_add(1);
                let payload = vec![self.serial; *bytes];
                let appended = appender.append(1, 1, &mut |out| out.extend_from_slice(&payload));
                if let Ok(placed) = appended {
                    self.records.push(Expected {
                        placed,
                        payload,
                        boot: self.boot,
                    });
                }
            }
            Action::Commit => appender.commit(),
            Action::Steps { count } => {
                self.clock_ms.fetch_add(100, Ordering::Relaxed);
                for _ in 0..*count {
                    if journal.step() == Step::Stopped {
                        break;
                    }
                }
                self.note_durable();
            }
            Action::Retain { share } => {
                let index = self.durable * usize::from(*share) / 256;
                if index >= self.needed_from && index < self.durable {
                    self.needed_from = index;
                    appender.retain_from(self.records[index].placed.end);
                }
            }
            Action::FailSync => self.disk.fail_next(Operation::Sync, ErrorKind::Other),
            Action::KillInWrite { bytes } => self.disk.kill_in_next_write(*bytes),
            Action::Kill => {
                self.disk.kill();
                self.running = None;
                self.start()?;
            }
            Action::CutPower => {
                self.disk.cut_power();
                self.boot += 1;
                self.running = None;
                self.durable = self.synced;
                self.start()?;
            }
            Action::Fill { free_bytes } => {
                let used = self.disk.used_bytes();
                self.disk.set_capacity(Some(used + free_bytes));
            }
            Action::Free => self.disk.set_capacity(None),
            Action::Close => self.close()?,
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), TestCaseError> {
        let Some((journal, _)) = self.running.take() else {
            return Ok(());
        };
        if let Ok(end) = journal.close() {
            let behind = self.records.last().map_or(end, |last| last.placed.end);
            prop_assert_eq!(end, behind);
            self.durable = self.records.len();
            self.synced = self.durable;
        } else {
            // Killed in the middle of a write, or there was no space.
            self.disk.kill();
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_keeps_what_it_promised(
        seed in any::<u64>(), policy in policies(), history in histories(), actions in actions(),
    ) {
        let mut model = Model::new(seed, policy, history);
        for action in &actions {
            model.act(action)?;
        }
        // With space, everything appended becomes durable without anybody's help.
        model.disk.set_capacity(None);
        if let Some((journal, appender)) = &mut model.running {
            appender.commit();
            for _ in 0..1_000 {
                model.clock_ms.fetch_add(100, Ordering::Relaxed);
                journal.step();
            }
            match appender.state() {
                JournalState::Healthy => {
                    prop_assert_eq!(appender.durable(), appender.appended());
                    if policy != SyncPolicy::None {
                        prop_assert_eq!(appender.synced(), appender.appended());
                    }
                }
                JournalState::Failed { .. } => {}
                state @ (JournalState::Reserve | JournalState::Full) => {
                    prop_assert!(false, "{state:?} although there is space");
                }
            }
        }
        model.note_durable();
        model.disk.cut_power();
        model.boot += 1;
        model.durable = model.synced;
        model.running = None;
        model.start()?;
        let behind = model.records.last().map_or(Position(0), |last| last.placed.end);
        let appended = model.running.as_ref().map(|(_, appender)| appender.appended());
        prop_assert!(appended >= Some(behind));
    }
}
