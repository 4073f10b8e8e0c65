//! A log on a fake disk, what was appended to it, and one change behind its back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fake_disk::FakeDisk;
use journal::frame::{BatchPlace, split};
use journal::storage::Access;
use journal::{
    Append as _, Clock, FileJournal, JournalConfig, OpenError, Placed, Position, Record,
    ReplayError, Step, WrittenConfig, WrittenLog,
};
use message::Now;

const DIR: &str = "data/log";
const HEADER_BYTES: u64 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Journal,
    Written,
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Lengths of the payloads that went to the disk together.
    pub(crate) batches: Vec<Vec<usize>>,
    /// Whether it gave back the space it had reserved.
    pub(crate) in_order: bool,
}

/// Places are taken modulo the length of what is there.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Flip { at: u64, mask: u8 },
    Zero { at: u64, bytes: u64 },
    Cut { at: u64 },
}

/// A record that was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) placed: Placed,
    pub(crate) payload: Vec<u8>,
    /// Whether it says that all before it was durable; not compared with what is read.
    pub(crate) opens: bool,
}

pub(crate) struct Rig {
    pub(crate) kind: Kind,
    disk: FakeDisk,
    pub(crate) records: Vec<Appended>,
    original: BTreeMap<PathBuf, Vec<u8>>,
    /// With the change, before anybody opened it again.
    mutated: BTreeMap<PathBuf, Vec<u8>>,
    changed: PathBuf,
    change_end: u64,
}

fn clock() -> Clock {
    Arc::new(Now::default)
}

impl Rig {
    /// A log that went through these lives.
    pub(crate) fn run(kind: Kind, lives: &[Life]) -> Rig {
        let mut rig = Rig {
            kind,
            disk: FakeDisk::new(7),
            records: Vec::new(),
            original: BTreeMap::new(),
            mutated: BTreeMap::new(),
            changed: PathBuf::new(),
            change_end: 0,
        };
        for life in lives {
            match kind {
                Kind::Journal => rig.live_as_journal(life),
                Kind::Written => rig.live_as_written(life),
            }
        }
        rig.original = rig.bytes();
        for record in &mut rig.records {
            let frame = frame_at(&rig.original, record.placed).unwrap();
            let split = split(frame, record.placed.start).unwrap();
            record.opens = split.place == BatchPlace::Opens;
        }
        rig
    }

    fn payload(&self, bytes: usize) -> Vec<u8> {
        // Ends in a byte that is not zero: a frame whose end is lost must not look whole.
        let number = u8::try_from(self.records.len() % 250).unwrap() + 1;
        vec![number; bytes]
    }

    fn note(&mut self, placed: Placed, payload: Vec<u8>) {
        self.records.push(Appended {
            placed,
            payload,
            opens: false,
        });
    }

    fn live_as_journal(&mut self, life: &Life) {
        let recovery = FileJournal::open_on(self.disk.storage(), journal_config()).unwrap();
        let mut journal = recovery.start_stepped(Arc::new(|| ()), clock()).unwrap();
        for batch in &life.batches {
            for bytes in batch {
                let payload = self.payload(*bytes);
                let mut appender = journal.appender();
                let placed = appender.append(1, 1, &mut |out| out.extend_from_slice(&payload));
                self.note(placed.unwrap(), payload);
            }
            journal.appender().commit();
            while journal.step() != Step::Idle {}
        }
        if life.in_order {
            journal.close().unwrap();
        }
        self.disk.kill();
    }

    fn live_as_written(&mut self, life: &Life) {
        let recovery = WrittenLog::open(self.disk.storage(), written_config()).unwrap();
        let mut log = recovery.start(clock()).unwrap();
        for batch in &life.batches {
            for bytes in batch {
                let payload = self.payload(*bytes);
                let placed = log.append(1, 1, &mut |out| out.extend_from_slice(&payload));
                self.note(placed.unwrap(), payload);
            }
            log.write_batch().unwrap();
        }
        if life.in_order {
            drop(log);
            self.disk.kill();
        } else {
            self.disk.kill();
            drop(log);
        }
    }

    /// Changes one file, durably.
    pub(crate) fn change(&mut self, file: usize, change: &Change, another_boot: bool) {
        let files: Vec<_> = self.original.keys().cloned().collect();
        self.changed = files[file % files.len()].clone();
        let storage = self.disk.storage();
        let length = self.original[&self.changed].len() as u64;
        let handle = storage.open(&self.changed, Access::Write).unwrap();
        match change {
            Change::Flip { at, mask } => {
                let at = at % length;
                let byte = self.original[&self.changed][usize::try_from(at).unwrap()];
                handle.write_all_at(&[byte ^ mask], at).unwrap();
                self.change_end = at + 1;
            }
            Change::Zero { at, bytes } => {
                let at = at % length;
                let bytes = (*bytes).min(length - at);
                let zeros = vec![0; usize::try_from(bytes).unwrap()];
                handle.write_all_at(&zeros, at).unwrap();
                self.change_end = at + bytes;
            }
            Change::Cut { at } => {
                handle.set_length(at % length).unwrap();
                self.change_end = length;
            }
        }
        if another_boot {
            // The disk has what is there, so that the cut takes nothing more.
            for file in &files {
                storage
                    .open(file, Access::Write)
                    .unwrap()
                    .sync_all()
                    .unwrap();
            }
            storage.sync_directory(Path::new(DIR)).unwrap();
            self.disk.cut_power();
        }
        self.mutated = self.bytes();
    }

    /// Every record that opening hands out.
    pub(crate) fn read(&self) -> Result<Vec<Appended>, OpenError> {
        let mut seen = Vec::new();
        let keep = |record: Record<'_>| {
            let placed = Placed {
                start: record.start,
                end: record.position,
            };
            let opens = self
                .records
                .iter()
                .any(|it| it.placed == placed && it.opens);
            seen.push(Appended {
                placed,
                payload: record.frame.payload.to_vec(),
                opens,
            });
            Ok::<(), Infallible>(())
        };
        let storage = self.disk.storage();
        let replayed = match self.kind {
            Kind::Journal => FileJournal::open_on(storage, journal_config())?.replay(keep),
            Kind::Written => WrittenLog::open(storage, written_config())?.replay(keep),
        };
        match replayed {
            Ok(_) => Ok(seen),
            Err(ReplayError::Log(error)) => Err(error),
            Err(ReplayError::Record { source, .. }) => match source {},
        }
    }

    /// What the log's files hold.
    pub(crate) fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.disk.files().into_iter();
        let logs = files.filter(|path| path.extension().is_some_and(|it| it == "journal"));
        logs.map(|path| {
            let bytes = self.disk.contents(&path).unwrap();
            (path, bytes)
        })
        .collect()
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.original != self.mutated
    }

    pub(crate) fn changed_file(&self) -> &PathBuf {
        &self.changed
    }

    pub(crate) fn changed_last_file(&self) -> bool {
        self.original.keys().next_back() == Some(&self.changed)
    }

    pub(crate) fn file_behind_change(&self) -> Option<&PathBuf> {
        let behind = self
            .original
            .keys()
            .skip_while(|file| **file != self.changed);
        behind.into_iter().nth(1)
    }

    /// Behind the last byte that changed, in its file.
    pub(crate) fn change_end(&self) -> u64 {
        self.change_end
    }
}

impl Rig {
    /// How many records lie before the first that is not as it was.
    pub(crate) fn whole_before_change(&self) -> usize {
        let whole = self.records.iter().position(|it| !self.is_intact(it));
        whole.unwrap_or(self.records.len())
    }

    /// Whether a record and the header of its file are as they were before anybody opened the log again.
    pub(crate) fn is_intact(&self, record: &Appended) -> bool {
        let was = frame_at(&self.original, record.placed);
        let is = frame_at(&self.mutated, record.placed);
        let header = |files: &BTreeMap<PathBuf, Vec<u8>>| {
            let (_, bytes) = file_of(files, record.placed.start)?;
            bytes.get(..64).map(<[u8]>::to_vec)
        };
        was == is && header(&self.original) == header(&self.mutated)
    }
}

fn start_of(path: &Path) -> u64 {
    let name = path.file_stem().unwrap().to_str().unwrap();
    u64::from_str_radix(name, 16).unwrap()
}

fn file_of(files: &BTreeMap<PathBuf, Vec<u8>>, position: Position) -> Option<(u64, &Vec<u8>)> {
    let mut files = files.iter().map(|(path, bytes)| (start_of(path), bytes));
    files.rfind(|(start, _)| *start <= position.0)
}

fn frame_at(files: &BTreeMap<PathBuf, Vec<u8>>, placed: Placed) -> Option<&[u8]> {
    let (start, bytes) = file_of(files, placed.start)?;
    let offset = |position: Position| usize::try_from(HEADER_BYTES + position.0 - start).unwrap();
    bytes.get(offset(placed.start)..offset(placed.end))
}

fn journal_config() -> JournalConfig {
    JournalConfig {
        file_max_bytes: 4096,
        reserve_bytes: 4096,
        ..JournalConfig::new(PathBuf::from(DIR))
    }
}

fn written_config() -> WrittenConfig {
    WrittenConfig {
        dir: PathBuf::from(DIR),
        file_max_bytes: 4096,
    }
}
