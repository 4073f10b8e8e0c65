//! Idempotency keys from the partitions' memory into files.
//!
//! Sealed are the keys of an hour when it is over, or those at hand when a partition holds half of what it may, when the shortest time
//! that keys are kept for is over, or when they pin [`PINNED_MAX_BYTES`] of the journal.

use journal::Append as _;
use key_table::Covered;
use message::Now;

use super::{Shard, ShardFailure};
use crate::keys::{Filing, KeyDesk};

/// The most journal that keys in memory may hold back from deletion.
const PINNED_MAX_BYTES: u64 = 256 << 20;
const HOUR_MS: u64 = 3_600_000;

/// The shard's part in it: the way to the keeper, and what has been sealed, and when.
#[derive(Debug)]
pub(super) struct Keys {
    desk: KeyDesk,
    /// The snapshot of key files that is shown now.
    pub(super) generation: u64,
    sealing: Sealing,
    /// Damaged files that have been told.
    told: usize,
}

impl Keys {
    /// `to` is how far the journal's keys are in files.
    pub(super) fn new(desk: KeyDesk, generation: u64, to: u64, now: Now) -> Self {
        Self {
            desk,
            generation,
            sealing: Sealing::new(to, now),
            told: 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sealing {
    /// Up to here keys are sealed.
    to: u64,
    /// The wall clock's hour of the last sealing.
    hour: u64,
    sealed_ns: u64,
}

impl Sealing {
    fn new(to: u64, now: Now) -> Self {
        Self {
            to,
            hour: now.wall_ms / HOUR_MS,
            sealed_ns: now.mono_ns,
        }
    }
}

impl Shard {
    /// Moves keys on: called now and then.
    pub(super) fn tick_keys(&mut self, now: Now) -> Result<(), ShardFailure> {
        self.take_key_report(now)?;
        if self.keys.desk.is_idle() && self.seal_is_due(now) {
            self.seal_keys(now);
        }
        self.keys.desk.hand_on(self.journal.durable().0, now);
        self.publish_key_figures(now);
        Ok(())
    }

    fn take_key_report(&mut self, now: Now) -> Result<(), ShardFailure> {
        let report = self.keys.desk.report(now).map_err(|_| ShardFailure::Keys)?;
        let Some(report) = report else {
            return Ok(());
        };
        let filed = match report.done {
            Ok(done) => done == crate::keys::Done::Filed,
            Err(error) => {
                self.shared.metrics.key_failures.increment(1);
                tracing::warn!(%error, "idempotency keys could not be filed or merged; tried again");
                false
            }
        };
        // In this order: whoever looked up before sees an older number and is looked up again.
        self.keys.generation = self.shared.keys.publish(report.tables);
        if filed {
            for partition in &mut self.partitions {
                partition.keys_filed();
            }
        }
        Ok(())
    }

    fn seal_is_due(&mut self, now: Now) -> bool {
        let limits = &self.shared.config.limits.partition;
        let partitions = || self.partitions.iter();
        let oldest = partitions().filter_map(|it| it.oldest_key_position());
        let Some(oldest) = oldest.min() else {
            // The time of keys that are yet to come begins when they do.
            self.keys.sealing = Sealing::new(self.keys.sealing.to, now);
            return false;
        };
        let fullest = partitions().map(|it| it.counts().idempotency_keys);
        let period_ns = limits.idempotency_ms.min(HOUR_MS).saturating_mul(1_000_000);
        fullest.max().unwrap_or(0) >= (limits.idempotency_keys / 2).max(1)
            || now.wall_ms / HOUR_MS != self.keys.sealing.hour
            || now.mono_ns.saturating_sub(self.keys.sealing.sealed_ns) >= period_ns
            || self.journal.appended().0.saturating_sub(oldest) >= PINNED_MAX_BYTES
    }

    fn seal_keys(&mut self, now: Now) {
        let to = self.journal.appended().0;
        let partitions = self.partitions.iter_mut();
        let sealed: Vec<_> = partitions.filter_map(|it| it.seal_keys()).collect();
        let covered = Covered {
            from: self.keys.sealing.to,
            to,
        };
        self.keys.sealing = Sealing::new(to, now);
        self.keys.desk.take(Filing { sealed, covered });
    }

    fn publish_key_figures(&mut self, now: Now) {
        let counts = self
            .partitions
            .iter()
            .map(|it| it.counts().idempotency_keys);
        let in_memory = counts.sum::<usize>() as u64;
        let in_files = self.shared.keys.note_in_memory(in_memory);
        let snapshot = self.shared.keys.snapshot();
        let metrics = &self.shared.metrics;
        metrics.keys[0].set(in_memory as f64);
        metrics.keys[1].set(in_files as f64);
        metrics.key_files.set(snapshot.tables.files() as f64);
        let kept_ms = self.shared.config.limits.partition.idempotency_ms;
        let window_ms = snapshot.tables.window_ms(now.wall_ms, kept_ms);
        metrics.key_window.set(window_ms as f64 / 1e3);
        let damages: Vec<_> = snapshot.tables.damages().collect();
        metrics.key_damaged.set(damages.len() as f64);
        for damage in damages.iter().skip(self.keys.told) {
            tracing::error!(
                file = %damage.path.display(),
                damage = %damage.damage,
                window_s = window_ms / 1_000,
                "a file of idempotency keys is damaged: keys older than the window may be unknown"
            );
        }
        self.keys.told = damages.len();
    }
}
