//! The journal against a model, on a disk that crashes: what was durable is there, what is there is a prefix of what was
//! appended, and nothing else is ever read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use fake_disk::FakeDisk;
use journal::{
    Append, Appender, Clock, FileJournal, JournalConfig, Placed, Position, Record, Step,
    SteppedJournal, WrittenIn,
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
    Close,
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
        1 => Just(Action::Close),
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
    /// Records before this index may be gone.
    needed_from: usize,
    boot: u32,
    serial: u8,
    running: Option<(SteppedJournal, Appender)>,
}

fn config() -> JournalConfig {
    JournalConfig {
        file_max_bytes: 4096,
        ..JournalConfig::new(PathBuf::from("data/journal"))
    }
}

fn clock() -> Clock {
    Arc::new(Now::default)
}

impl Model {
    fn new(seed: u64) -> Model {
        Model {
            disk: FakeDisk::new(seed),
            records: Vec::new(),
            durable: 0,
            needed_from: 0,
            boot: 0,
            serial: 0,
            running: None,
        }
    }

    /// Opens the journal and compares what it holds with the model.
    fn start(&mut self) -> Result<(), TestCaseError> {
        let mut recovery = FileJournal::open_on(self.disk.storage(), config()).unwrap();
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
        let replayed = recovery
            .replay(keep)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let first = seen
            .first()
            .map_or(replayed.end, |(placed, _, _)| placed.start);
        let begin = self
            .records
            .iter()
            .position(|record| record.placed.start >= first)
            .unwrap_or(self.records.len());
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
        self.records.truncate(end);
        // What was read once has to be there from then on.
        self.durable = end;
        let Ok(journal) = recovery.start_stepped(Arc::new(|| ()), clock()) else {
            // The write in the middle of which the process was to be killed was that of the new file's header.
            self.disk.kill();
            return self.start();
        };
        let appender = journal.appender();
        let behind = self
            .records
            .last()
            .map_or(replayed.end, |record| record.placed.end);
        prop_assert_eq!(appender.durable(), behind);
        self.running = Some((journal, appender));
        Ok(())
    }

    fn note_durable(&mut self) {
        let Some((_, appender)) = &self.running else {
            return;
        };
        let durable = appender.durable();
        self.durable = self
            .records
            .partition_point(|record| record.placed.end <= durable)
            .max(self.durable);
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
                self.start()?;
            }
            Action::Close => {
                if let Some((journal, _)) = self.running.take() {
                    let closed = journal.close();
                    if let Ok(end) = closed {
                        let behind = self.records.last().map_or(end, |last| last.placed.end);
                        prop_assert_eq!(end, behind);
                        self.durable = self.records.len();
                    } else {
                        // Killed in the middle of a write.
                        self.disk.kill();
                    }
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_keeps_what_it_promised(seed in any::<u64>(), actions in actions()) {
        let mut model = Model::new(seed);
        for action in &actions {
            model.act(action)?;
        }
        model.disk.cut_power();
        model.boot += 1;
        model.running = None;
        model.start()?;
        let behind = model.records.last().map_or(Position(0), |last| last.placed.end);
        let appended = model.running.as_ref().map(|(_, appender)| appender.appended());
        prop_assert!(appended >= Some(behind));
    }
}
