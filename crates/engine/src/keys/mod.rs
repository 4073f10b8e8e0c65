//! Idempotency keys beyond the partitions' memory: who looks them up, who moves them into files, and when.
//!
//! ```text
//! front door ──► look_up: files (a filter each, seldom one read) ──► SubmittedKey ──► shard: partition decides, its memory first
//!
//! partition: present ──seal──► sealed ──its records durable──► keeper: a file ──► shown to the front doors ──► memory freed
//! ```
//!
//! A lookup is done by the thread that submits, before the shard: a read of a cold block must not make an otp wait. Between the lookup and
//! the decision a key may move from memory to a file, so each lookup says which [`KeySnapshot`] it saw, and the shard repeats it when
//! that is no longer the present one.
//!
//! A generation is handed to the keeper only when the journal has made its records durable: a file must never know a message that a power
//! cut can take back.
//!
//! Limits: keys in all, [`Limits::idempotency_keys`](crate::Limits::idempotency_keys); in memory, those of the partitions' limits,
//! [`UNFILED_KEYS_MAX`] by default, of which half or an hour's are sealed; one job at a time with the keeper.

mod desk;
mod keeper;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use key_table::KeyTables;
use partition::{IdempotencyKey, KeyRoom, PriorKey, SubmittedKey};

pub(crate) use desk::{Filing, KeyDesk, KeyFiles};
pub(crate) use keeper::{Done, Keeper};

/// Idempotency keys that may be in no file, over all partitions, unless configured: some 100 MB.
pub const UNFILED_KEYS_MAX: u64 = 1 << 20;

/// What becomes of a new key when as many are known as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeysWhenFull {
    /// The submission is refused with IDEMPOTENCY_FULL. What was promised to be known stays known.
    #[default]
    Refuse,
    /// The oldest file of keys is given up; the gauge of the window says so.
    ForgetOldest,
}

/// The files at one moment, under a number that rises with every change.
#[derive(Debug, Default)]
pub(crate) struct KeySnapshot {
    pub(crate) tables: KeyTables,
    pub(crate) generation: u64,
    rows: u64,
}

/// What a submission brings along about its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookedUp {
    pub(crate) key: SubmittedKey,
    /// Of the snapshot that was asked.
    pub(crate) generation: u64,
    /// Blocks that had to be read.
    pub(crate) reads: u32,
}

/// What front doors and shard share about keys.
#[derive(Debug)]
pub(crate) struct KeyShelf {
    /// Written when files change, which is a few times an hour; read once for each submission with a key.
    snapshot: RwLock<Arc<KeySnapshot>>,
    /// Keys in no file, published now and then.
    in_memory: AtomicU64,
    limit: u64,
    when_full: KeysWhenFull,
}

impl KeyShelf {
    pub(crate) fn new(limit: u64, when_full: KeysWhenFull) -> Self {
        Self {
            snapshot: RwLock::default(),
            in_memory: AtomicU64::new(0),
            limit,
            when_full,
        }
    }

    /// What is known of a key outside the partitions. May read from the disk.
    pub(crate) fn look_up(&self, key: IdempotencyKey, now_ms: u64) -> LookedUp {
        let snapshot = self.snapshot();
        let found = snapshot.tables.find(key.key, now_ms);
        let prior = found.row.map(|row| PriorKey {
            body: row.body,
            message: row.message,
            until_ms: row.until_ms,
        });
        let known = snapshot.rows + self.in_memory.load(Ordering::Relaxed);
        let room = match self.when_full {
            KeysWhenFull::Refuse if known >= self.limit => KeyRoom::Full,
            KeysWhenFull::Refuse | KeysWhenFull::ForgetOldest => KeyRoom::Free,
        };
        LookedUp {
            key: SubmittedKey { key, prior, room },
            generation: snapshot.generation,
            reads: found.reads,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<KeySnapshot> {
        let snapshot = self.snapshot.read();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows new files; returns the number of their snapshot.
    pub(crate) fn publish(&self, tables: KeyTables) -> u64 {
        let generation = self.snapshot().generation + 1;
        let snapshot = Arc::new(KeySnapshot {
            rows: tables.rows(),
            tables,
            generation,
        });
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = snapshot;
        generation
    }

    /// Notes how many keys are in no file; returns how many are in files.
    pub(crate) fn note_in_memory(&self, keys: u64) -> u64 {
        self.in_memory.store(keys, Ordering::Relaxed);
        self.snapshot().rows
    }
}

/// Where the files are.
pub(crate) fn directory(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("keys")
}
