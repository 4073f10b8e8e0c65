//! Who makes, merges and deletes files of keys: a value that does one job at a time; a thread only drives it.

use std::sync::Arc;

use key_table::{Covered, KeyBatch, KeyDirectory, KeyRow, KeyTableError, KeyTables};
use partition::KeyGeneration;

use super::KeysWhenFull;

/// Merges in one job: a filing that is due waits for no more.
const MERGES_PER_JOB: usize = 1;

/// What the keeper is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Make a file of these keys.
    File {
        /// Of all partitions.
        sealed: Vec<Arc<KeyGeneration>>,
        /// The journal whose keys they are.
        covered: Covered,
        /// The wall clock.
        now_ms: u64,
    },
    /// Delete what is over and merge what may be merged.
    Tidy {
        /// The wall clock.
        now_ms: u64,
    },
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Report {
    /// The files as they are now.
    pub(crate) tables: KeyTables,
    /// What was done.
    pub(crate) done: Result<Done, KeyTableError>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The keys are in a file.
    Filed,
    /// Something was merged; there may be more.
    Merged,
    /// There is nothing more to do for now.
    Tidy,
}

/// The owner of the directory.
#[derive(Debug)]
pub(crate) struct Keeper {
    directory: KeyDirectory,
    limit: u64,
    when_full: KeysWhenFull,
}

impl Keeper {
    pub(crate) fn new(directory: KeyDirectory, limit: u64, when_full: KeysWhenFull) -> Self {
        Self {
            directory,
            limit,
            when_full,
        }
    }

    /// Does one job.
    pub(crate) fn step(&mut self, job: Job) -> Report {
        let done = match job {
            Job::File {
                sealed,
                covered,
                now_ms,
            } => self.file(&sealed, covered, now_ms),
            Job::Tidy { now_ms } => self.tidy(now_ms),
        };
        Report {
            tables: self.directory.tables(),
            done,
        }
    }

    fn file(
        &mut self,
        sealed: &[Arc<KeyGeneration>],
        covered: Covered,
        now_ms: u64,
    ) -> Result<Done, KeyTableError> {
        let made = sealed.iter().filter_map(|generation| generation.made_ms());
        let made_ms = made.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
        let count = sealed
            .iter()
            .map(|generation| generation.rows().len())
            .sum();
        let mut rows = Vec::with_capacity(count);
        for generation in sealed {
            rows.extend(generation.rows().map(|(key, prior)| KeyRow {
                key,
                body: prior.body,
                message: prior.message,
                until_ms: prior.until_ms,
            }));
        }
        let batch = KeyBatch {
            rows,
            made_ms: made_ms.unwrap_or_default(),
            covered,
        };
        self.directory.file(batch, now_ms)?;
        if self.when_full == KeysWhenFull::ForgetOldest {
            while self.directory.tables().rows() > self.limit {
                self.directory.forget_oldest()?;
            }
        }
        Ok(Done::Filed)
    }

    fn tidy(&mut self, now_ms: u64) -> Result<Done, KeyTableError> {
        self.directory.expire(now_ms)?;
        for _ in 0..MERGES_PER_JOB {
            if !self.directory.merge(now_ms)? {
                return Ok(Done::Tidy);
            }
        }
        Ok(Done::Merged)
    }
}
