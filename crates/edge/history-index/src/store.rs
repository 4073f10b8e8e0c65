//! Opening, and what can be asked.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use message::MessageId;
use prost::Message as _;

use crate::row::{Meta, Row};
use crate::{Feeder, IndexError, MessageSummary, NameKind, Progress, RecipientSecret, keys};

/// A table is written out when it has grown to this.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// The least the store allows; its log is cut whenever a memtable has been written.
const STORE_LOG_BYTES: u64 = 64 << 20;
/// Flushes and merges run here, one at a time: the engine's cores are for messages.
const WORKER_THREADS: usize = 1;
const KEYSPACE: &str = "history";

/// Where the index lies.
#[derive(Clone, Debug)]
pub struct IndexConfig {
    /// Its directory, for it alone; made where it is missing. May be removed whenever nobody has it open.
    pub dir: PathBuf,
    /// What numbers are hashed with.
    pub secret: RecipientSecret,
    /// Blocks kept in memory for queries, in bytes.
    pub cache_bytes: u64,
}

/// How an index was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// As it was left.
    Kept,
    /// There was none, or one of another release or another secret, which is gone.
    Empty,
    /// It could not be read. What there was lies at `to` until the next such accident.
    MovedAside {
        /// Where it went.
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

/// An open index.
#[derive(Debug)]
pub struct Opened {
    /// For questions; cheap to clone. The index stays open until all clones and the feeder are gone.
    pub index: HistoryIndex,
    /// For whoever feeds it: there is one.
    pub feeder: Feeder,
    /// How it was found.
    pub found: Found,
}

/// The index, for questions from any thread. Each may read from the disk: ask where blocking is allowed.
#[derive(Clone)]
pub struct HistoryIndex {
    pub(crate) database: Database,
    pub(crate) rows: Keyspace,
    pub(crate) secret_check: [u8; 16],
}

impl std::fmt::Debug for HistoryIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryIndex").finish_non_exhaustive()
    }
}

/// Opens the index; what cannot be read is moved aside, and an empty one begun.
///
/// # Errors
/// [`IndexError::Locked`] and [`IndexError::Io`]: trying again later helps.
pub fn open(config: &IndexConfig) -> Result<Opened, IndexError> {
    let why = match open_as_is(config) {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => {
            // Another release made it, or another secret: nothing in it can be used, and nothing is lost.
            remove(&config.dir)?;
            None
        }
        Err(IndexError::Damaged(why)) => Some(why),
        Err(other) => return Err(other),
    };
    let found = match why {
        Some(why) => Found::MovedAside {
            to: move_aside(&config.dir)?,
            why,
        },
        None => Found::Empty,
    };
    let begun = open_as_is(config)?;
    let opened =
        begun.ok_or_else(|| IndexError::Damaged("an empty index is not accepted".into()))?;
    Ok(Opened { found, ..opened })
}

/// Renames an index that nobody has open, so that the next [`open`] begins anew; returns where it went. One is kept: the one before
/// it is removed.
///
/// # Errors
/// [`IndexError::Io`].
pub fn move_aside(dir: &Path) -> Result<PathBuf, IndexError> {
    let to = dir.with_extension("damaged");
    remove(&to)?;
    fs::rename(dir, &to)
        .map_err(|error| IndexError::Io(format!("moving {} aside: {error}", dir.display())))?;
    Ok(to)
}

fn remove(dir: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(IndexError::Io(format!(
            "removing {}: {error}",
            dir.display()
        ))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `None` when there is an index, and it is not one of this release and this secret.
fn open_as_is(config: &IndexConfig) -> Result<Option<Opened>, IndexError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.dir)
        .map_err(|error| IndexError::Io(format!("making {}: {error}", config.dir.display())))?;
    // The store checks most of what it reads, but not all; what it trips over is damage, too.
    let (database, rows) = catch_unwind(AssertUnwindSafe(|| open_store(config)))
        .unwrap_or_else(|_| Err(IndexError::Damaged("the store failed on it".into())))?;
    let index = HistoryIndex {
        database,
        rows,
        secret_check: config.secret.check(),
    };
    let (found, progress) = match index.rows.get(keys::META)? {
        None if index.rows.first_key_value().is_none() => (Found::Empty, Progress::default()),
        None => return Ok(None),
        Some(value) => match decode_meta(&value)?.progress(index.secret_check) {
            Some(progress) => (Found::Kept, progress),
            None => return Ok(None),
        },
    };
    Ok(Some(Opened {
        feeder: Feeder::new(index.clone(), progress),
        index,
        found,
    }))
}

fn open_store(config: &IndexConfig) -> Result<(Database, Keyspace), IndexError> {
    let database = Database::builder(&config.dir)
        .worker_threads(WORKER_THREADS)
        .cache_size(config.cache_bytes)
        .max_journaling_size(STORE_LOG_BYTES)
        .open()
        .map_err(|error| match error {
            fjall::Error::Locked => IndexError::Locked(config.dir.clone()),
            other => other.into(),
        })?;
    let rows = database.keyspace(KEYSPACE, || {
        KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
    })?;
    Ok((database, rows))
}

fn decode_meta(value: &[u8]) -> Result<Meta, IndexError> {
    Meta::decode(value).map_err(|error| IndexError::Damaged(format!("its first row: {error}")))
}

pub(crate) fn decode_row(id: MessageId, value: &[u8]) -> Result<Row, IndexError> {
    Row::decode(value).map_err(|error| IndexError::Damaged(format!("the row of {id}: {error}")))
}

impl HistoryIndex {
    /// How far the index reaches.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn progress(&self) -> Result<Progress, IndexError> {
        let Some(value) = self.rows.get(keys::META)? else {
            return Ok(Progress::default());
        };
        Ok(decode_meta(&value)?
            .progress(self.secret_check)
            .unwrap_or_default())
    }

    /// What is known of a message; `None` when no indexed record says what it is.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn summary(&self, id: MessageId) -> Result<Option<MessageSummary>, IndexError> {
        match self.rows.get(keys::message(id))? {
            Some(value) => decode_row(id, &value)?.summary(id),
            None => Ok(None),
        }
    }

    /// Where the indexed records of a message begin, in journal order; at most the first `max`. Some may be older than the journal is by
    /// now.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn positions(&self, id: MessageId, max: usize) -> Result<Vec<u64>, IndexError> {
        let mut all = Vec::new();
        for guard in self.rows.prefix(keys::positions_of(id)) {
            let value = guard.value()?;
            let some = keys::decode_rising(&value)
                .ok_or_else(|| IndexError::Damaged(format!("the positions of {id}")))?;
            all.extend(some);
            if all.len() >= max {
                all.truncate(max);
                break;
            }
        }
        Ok(all)
    }

    /// What a number in the records is called, by the records.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn name(&self, kind: NameKind, number: u32) -> Result<Option<String>, IndexError> {
        let name = self.rows.get(keys::name(kind, number))?;
        Ok(name.map(|octets| String::from_utf8_lossy(&octets).into_owned()))
    }

    /// The note that is in force for a record that begins at `start`; `None` when it was made before the index knows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn opening_before(&self, start: u64) -> Result<Option<Vec<u8>>, IndexError> {
        let range = keys::opening(0)..=keys::opening(start);
        match self.rows.range(range).next_back() {
            Some(guard) => Ok(Some(guard.value()?.to_vec())),
            None => Ok(None),
        }
    }

    /// Bytes on the disk.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn disk_bytes(&self) -> Result<u64, IndexError> {
        Ok(self.database.disk_space()?)
    }
}
