//! The keyed log against a model: what was appended is read from any key on, over restarts, cuts, power cuts and retention.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use journal::keyed::{Key, KeyedConfig, KeyedIndex, KeyedLog, KeyedRecovery, ReadEnd, ReadFault};
use journal::{FileStorage, OpenError, Position};
use proptest::prelude::*;
use scratch::{Scratch, age, files, flip, truncate};

fn config(dir: &Scratch) -> KeyedConfig {
    KeyedConfig {
        file_max_bytes: 4096,
        max_bytes: 1 << 30,
        ..KeyedConfig::new(dir.path().to_owned())
    }
}

fn open(config: KeyedConfig, now_ms: u64) -> Result<KeyedRecovery, OpenError> {
    KeyedLog::open(FileStorage::shared(), config, now_ms)
}

fn key(position: u64, ordinal: u32) -> Key {
    Key {
        position: Position(position),
        ordinal,
    }
}

fn payload(key: Key) -> Vec<u8> {
    let byte = (key.position.0 % 251) as u8;
    vec![byte; 40 + (key.ordinal as usize % 7)]
}

fn append(log: &mut KeyedLog, key: Key) {
    log.append(key, 1, &mut |out| out.extend_from_slice(&payload(key)))
        .unwrap();
}

/// Everything after `after`, a few records at a time.
fn read(index: &KeyedIndex, after: Key) -> Result<Vec<Key>, ReadFault> {
    let mut reader = index.reader(after);
    let mut keys = Vec::new();
    loop {
        let end = reader.read(7, &mut |key, version, bytes| {
            assert_eq!((version, bytes), (1, &*payload(key)));
            keys.push(key);
        })?;
        if end == ReadEnd::CaughtUp {
            assert_eq!(reader.after(), index.last().max(after));
            return Ok(keys);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// So many records, the last of them with so many siblings.
    Append(u8, u8),
    Mark,
    Sync,
    /// The process is killed: so much of the last file is gone.
    Kill(u16),
    /// The power goes: a byte behind what was synced is spoilt, or all behind it is gone.
    Power(u16, bool),
    /// Records are missing for good.
    Gap,
    Retain(u16),
    Read(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..40_u8, 0..4_u8).prop_map(|(records, siblings)| Step::Append(records, siblings)),
        1 => Just(Step::Mark),
        2 => Just(Step::Sync),
        2 => (0..3000_u16).prop_map(Step::Kill),
        2 => (any::<u16>(), any::<bool>()).prop_map(|(at, cut)| Step::Power(at, cut)),
        1 => Just(Step::Gap),
        1 => (0..6_u16).prop_map(Step::Retain),
        3 => any::<u16>().prop_map(Step::Read),
    ];
    proptest::collection::vec(step, 1..60)
}

/// How a process ended.
enum End {
    Kill,
    Power,
}

/// Where a log goes on.
#[derive(PartialEq, Eq)]
enum Begun {
    There,
    Anew,
}

fn length(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

fn lengths(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let paths = files(dir).into_iter();
    paths.map(|path| (path.clone(), length(&path))).collect()
}

struct Model {
    dir: Scratch,
    log: KeyedLog,
    /// Every record that must be there, and some older ones that may be.
    records: Vec<Key>,
    /// No promise is made before this key.
    gap: Key,
    next: u64,
    /// Bytes of each file that no power cut can take.
    synced: BTreeMap<PathBuf, u64>,
    now_ms: u64,
}

impl Model {
    fn new() -> Self {
        let dir = Scratch::new("keyed");
        let opened = open(config(&dir), 1_000).unwrap();
        assert_eq!((opened.cuts.len(), opened.note), (0, None));
        Self {
            log: opened.log,
            dir,
            records: Vec::new(),
            gap: Key::default(),
            next: 1,
            synced: BTreeMap::new(),
            now_ms: 1_000,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(records, siblings) => {
                for _ in 0..*records {
                    self.next += 100;
                    self.append(key(self.next, 0));
                }
                for sibling in 1..=u32::from(*siblings) {
                    self.append(key(self.next, sibling));
                }
                self.log.write_batch(self.now_ms).unwrap();
            }
            Step::Mark => {
                self.next += 100;
                self.log
                    .mark(Key::before(Position(self.next)), self.now_ms)
                    .unwrap();
                self.log.write_batch(self.now_ms).unwrap();
            }
            Step::Sync => {
                let job = self.log.sync_job();
                job.run().unwrap();
                self.log.synced(&job);
                // The mark that says so is in the next file, or this one's next mark.
                self.log.mark(self.log.through(), self.now_ms).unwrap();
                self.log.write_batch(self.now_ms).unwrap();
                self.synced = lengths(self.dir.path());
            }
            Step::Kill(bytes) => {
                let last = files(self.dir.path()).pop().unwrap();
                let length = last.metadata().unwrap().len();
                truncate(&last, length.saturating_sub(u64::from(*bytes)));
                self.reopen(End::Kill);
            }
            Step::Power(at, cut) => {
                let oldest = self.log.index().oldest();
                self.lose_power(*at, *cut);
                let first = files(self.dir.path()).remove(0);
                let is_synced = self.synced.contains_key(&first);
                let begun = self.reopen(End::Power);
                // What a sync covers stays, whichever file lost its end.
                let stays = is_synced && begun == Begun::There;
                assert!(!stays || self.log.index().oldest() <= oldest);
            }
            Step::Gap => {
                self.next += 100;
                self.log.begin_anew(key(self.next, 0), self.now_ms).unwrap();
                self.gap = key(self.next, 0);
                self.records.clear();
            }
            Step::Retain(files) => {
                self.now_ms += u64::from(*files) * 10_000_000;
                self.log.retain(self.now_ms).unwrap();
            }
            Step::Read(at) => self.check_from(*at),
        }
    }

    fn append(&mut self, key: Key) {
        append(&mut self.log, key);
        self.records.push(key);
    }

    /// Spoils or drops something that no sync covers, of any file.
    fn lose_power(&self, at: u16, cut: bool) {
        let paths = files(self.dir.path());
        for path in &paths {
            age(path);
        }
        let at = usize::from(at);
        let covered = |path: &PathBuf| self.synced.get(path).copied().unwrap_or(0);
        let begin = paths.iter().position(|path| covered(path) < length(path));
        let begin = begin.unwrap_or(paths.len() - 1);
        let path = &paths[begin + at % (paths.len() - begin)];
        let (safe, length) = (covered(path) as usize, length(path) as usize);
        if length > safe {
            let at = safe + at % (length - safe);
            if cut {
                truncate(path, at as u64);
            } else {
                flip(path, at);
            }
        }
    }

    /// What was lost of the end is appended again, as the replay of the journal would.
    fn reopen(&mut self, end: End) -> Begun {
        let dir = Scratch::new("keyed-idle");
        let idle = open(config(&dir), 0).unwrap().log;
        drop(std::mem::replace(&mut self.log, idle));
        self.log = open(config(&self.dir), self.now_ms).unwrap().log;
        let found = lengths(self.dir.path());
        self.synced = match end {
            // What was read after a power cut came from the disk.
            End::Power => found,
            End::Kill => {
                let kept = std::mem::take(&mut self.synced).into_iter();
                kept.filter_map(|(path, length)| {
                    let length = length.min(*found.get(&path)?);
                    Some((path, length))
                })
                .collect()
            }
        };
        let begun = self.log.index().oldest();
        let through = self.log.through();
        assert!(begun <= through);
        let begun = if through < self.gap {
            // The file with the gap's mark is gone, and all before it was deleted: begin anew, as the engine would.
            self.log.begin_anew(self.gap, self.now_ms).unwrap();
            Begun::Anew
        } else {
            Begun::There
        };
        for key in self.records.clone() {
            append(&mut self.log, key);
        }
        self.log.write_batch(self.now_ms).unwrap();
        begun
    }

    fn check_from(&self, at: u16) {
        let index = self.log.index();
        let after = key(u64::from(at) % (self.next + 200), u32::from(at) % 3);
        let oldest = index.oldest();
        match read(&index, after) {
            Ok(found) => {
                assert!(after >= oldest);
                let due: Vec<_> = self
                    .records
                    .iter()
                    .copied()
                    .filter(|key| *key > after)
                    .collect();
                assert_eq!(found, due, "after {after:?}");
            }
            Err(ReadFault::Lost { oldest: told }) => {
                assert!(after < oldest);
                assert_eq!(told, oldest);
                assert!(read(&index, oldest).is_ok());
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_appended_is_read_from_any_key_on(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            model.check_from(0);
        }
        for at in (0..model.next + 200).step_by(150) {
            model.check_from(u16::try_from(at).unwrap());
        }
    }
}

#[test]
fn damage_is_told_with_the_place_and_where_to_go_on() {
    let dir = Scratch::new("keyed-damage");
    let mut log = open(config(&dir), 1).unwrap().log;
    for position in 1..200 {
        append(&mut log, key(position, 0));
        log.write_batch(1).unwrap();
    }
    let index = log.index();
    flip(&files(dir.path())[0], 1_000);
    let Err(ReadFault::Damage {
        file, offset, next, ..
    }) = read(&index, Key::default())
    else {
        panic!("no damage was told");
    };
    assert_eq!(file, files(dir.path())[0]);
    assert!(offset <= 1_000 && next > Key::default());
    let rest = read(&index, next).unwrap();
    assert_eq!(rest.last(), Some(&key(199, 0)));
    assert_eq!(rest[0].position.0, next.position.0 + 1);
}

#[test]
fn size_and_age_let_go_of_whole_files() {
    let dir = Scratch::new("keyed-retention");
    let small = KeyedConfig {
        max_bytes: 10_000,
        max_age_ms: 1_000,
        ..config(&dir)
    };
    let mut log = open(small, 0).unwrap().log;
    for position in 1..400 {
        append(&mut log, key(position, 0));
        log.write_batch(0).unwrap();
        log.retain(0).unwrap();
        assert!(log.index().disk_bytes() <= 10_000 + 4_096 + 200);
    }
    assert!(log.index().oldest() > Key::default());
    // Little comes: a file is closed for its age, and deleted when the next is that old.
    for now_ms in [100, 2_000, 4_000] {
        append(&mut log, key(400 + now_ms, 0));
        log.write_batch(now_ms).unwrap();
        log.retain(now_ms).unwrap();
    }
    let index = log.index();
    assert_eq!(read(&index, index.oldest()).unwrap(), [key(4_400, 0)]);
    assert_eq!(files(dir.path()).len(), 2);
}
