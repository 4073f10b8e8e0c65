//! A directory of its own per test, removed at the end; keys as spread as hashes are.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test's own files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use key_table::{Covered, KeyBatch, KeyDirectory, KeyRow};
use message::IdSource;

static DIRECTORIES: AtomicU64 = AtomicU64::new(0);

pub(crate) const HOUR_MS: u64 = 3_600_000;
/// A day of keys.
pub(crate) const KEPT_MS: u64 = 24 * HOUR_MS;

/// A fresh directory, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("keys-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn open(&self) -> KeyDirectory {
        KeyDirectory::open(&self.0, KEPT_MS).unwrap().directory
    }

    /// File names with this ending, in order.
    pub(crate) fn names(&self, suffix: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(suffix))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The hash that a key of this number might have.
pub(crate) fn key(nth: u64) -> u128 {
    let mut bits = u128::from(nth + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    bits ^= bits >> 61;
    bits = bits.wrapping_mul(0xd134_2543_de82_ef95_94d0_49bb_1331_11eb);
    bits ^ (bits >> 67)
}

/// A key of this number, made then.
pub(crate) fn row(nth: u64, made_ms: u64) -> KeyRow {
    KeyRow {
        key: key(nth),
        body: nth ^ 0x5555,
        message: IdSource::new(3).peek(made_ms, nth),
        until_ms: made_ms + KEPT_MS,
    }
}

/// Keys of these numbers, made together.
pub(crate) fn batch(numbers: std::ops::Range<u64>, made_ms: u64) -> KeyBatch {
    KeyBatch {
        made_ms: (made_ms, made_ms),
        covered: Covered {
            from: numbers.start,
            to: numbers.end,
        },
        rows: numbers.map(|nth| row(nth, made_ms)).collect(),
    }
}
