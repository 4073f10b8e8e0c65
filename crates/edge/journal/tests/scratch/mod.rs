//! A directory of its own per test, removed at the end; reading a log back; and what a crash leaves on a disk.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use journal::{
    Append, Appender, Clock, FileJournal, FileStorage, HistoryRetention, JournalConfig,
    JournalState, Position, ReplayError, Replayed, Wake, WrittenConfig, WrittenIn, WrittenLog,
};

static DIRECTORIES: AtomicU64 = AtomicU64::new(0);

/// A fresh directory, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("journal-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A copy of the directory as it is now: what a process killed at this instant leaves.
    pub(crate) fn snapshot(&self, name: &str) -> Scratch {
        let copy = Scratch::new(name);
        for file in files(&self.0) {
            fs::copy(&file, copy.0.join(file.file_name().unwrap())).unwrap();
        }
        copy
    }

    pub(crate) fn config(&self) -> JournalConfig {
        JournalConfig {
            file_max_bytes: 4096,
            reserve_bytes: 0,
            history: HistoryRetention::NONE,
            ..JournalConfig::new(self.0.clone())
        }
    }

    pub(crate) fn written_config(&self) -> WrittenConfig {
        WrittenConfig {
            dir: self.0.clone(),
            file_max_bytes: 4096,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The journal's files, oldest first.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "journal")
        })
        .collect();
    files.sort();
    files
}

/// Wake-ups, to be waited for.
pub(crate) struct Waker {
    sender: Arc<Mutex<Sender<()>>>,
    receiver: Receiver<()>,
}

impl Waker {
    pub(crate) fn new() -> Waker {
        let (sender, receiver) = channel();
        Waker {
            sender: Arc::new(Mutex::new(sender)),
            receiver,
        }
    }

    pub(crate) fn wake(&self) -> Wake {
        let sender = Arc::clone(&self.sender);
        Arc::new(move || {
            let _ = sender.lock().unwrap().send(());
        })
    }

    /// Returns at the first wake-up after which `done` holds.
    pub(crate) fn wait_until(&self, mut done: impl FnMut() -> bool) {
        while !done() {
            self.receiver.recv().unwrap();
        }
    }
}

/// A clock that advances by a millisecond at every look.
pub(crate) fn clock() -> Clock {
    let looks = AtomicU64::new(0);
    Arc::new(move || message::Now::default().plus_ms(looks.fetch_add(1, Ordering::Relaxed)))
}

/// A running journal with what waits for it.
pub(crate) struct Running {
    pub(crate) journal: FileJournal,
    pub(crate) appender: Appender,
    pub(crate) waker: Waker,
}

impl Running {
    pub(crate) fn start(config: JournalConfig) -> Running {
        let waker = Waker::new();
        let journal = FileJournal::open(config)
            .unwrap()
            .start(waker.wake(), clock())
            .unwrap();
        let appender = journal.appender();
        Running {
            journal,
            appender,
            waker,
        }
    }

    /// Appends one record and returns the position behind it.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Position {
        self.appender
            .append(1, 1, &mut |out| out.extend_from_slice(payload))
            .unwrap()
            .end
    }

    /// Commits and waits until everything appended is durable.
    pub(crate) fn sync(&mut self) {
        self.appender.commit();
        let end = self.appender.appended();
        self.waker.wait_until(|| {
            assert_eq!(self.appender.state(), JournalState::Healthy);
            self.appender.durable() >= end
        });
    }
}

/// One record read back.
pub(crate) type Seen = (Position, u8, Vec<u8>);

pub(crate) fn read(
    config: JournalConfig,
) -> Result<(Replayed, Vec<Seen>), ReplayError<Infallible>> {
    let mut seen = Vec::new();
    let mut recovery = FileJournal::open(config)?;
    let replayed = recovery.replay(|record| {
        seen.push((
            record.position,
            record.frame.kind,
            record.frame.payload.to_vec(),
        ));
        Ok(())
    })?;
    Ok((replayed, seen))
}

/// One record of a written log read back.
pub(crate) type SeenWritten = (WrittenIn, Vec<u8>);

pub(crate) fn read_written(
    config: WrittenConfig,
) -> Result<(Replayed, Vec<SeenWritten>), ReplayError<Infallible>> {
    let mut seen = Vec::new();
    let mut recovery = WrittenLog::open(FileStorage::shared(), config)?;
    let replayed = recovery.replay(|record| {
        seen.push((record.written_in, record.frame.payload.to_vec()));
        Ok(())
    })?;
    Ok((replayed, seen))
}

/// Makes a file look as if written before the machine last started.
pub(crate) fn age(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[24..40].fill(0xEE);
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(file, bytes).unwrap();
}

pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x20;
    fs::write(file, bytes).unwrap();
}

pub(crate) fn truncate(file: &Path, length: u64) {
    fs::OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(length)
        .unwrap();
}
