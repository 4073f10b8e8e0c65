//! What the metrics show of the history.

use std::sync::atomic::{AtomicU64, Ordering};

use history_index::Progress;

use super::{History, Indexed};
use crate::metrics::HistoryMetrics;

/// Written by the feeder, read by the shard's housekeeping.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    position: AtomicU64,
    until_ms: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) rebuilds: AtomicU64,
    pub(crate) skipped_bytes: AtomicU64,
}

impl Figures {
    pub(crate) fn indexed(&self, progress: Progress) {
        self.position.store(progress.position, Ordering::Relaxed);
        self.until_ms.store(progress.at_ms, Ordering::Relaxed);
    }
}

/// How far the index is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lag {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

impl History {
    /// How far the index reached when the feeder last said so.
    pub(crate) fn indexed(&self) -> Indexed {
        Indexed {
            position: self.figures.position.load(Ordering::Relaxed),
            until_ms: self.figures.until_ms.load(Ordering::Relaxed),
        }
    }

    /// Sets the metrics.
    pub(crate) fn publish(&self, metrics: &HistoryMetrics, wall_ms: u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lag = self.lag(wall_ms);
        metrics.lag_bytes.set(lag.bytes as f64);
        metrics.lag.set(lag.seconds);
        metrics.records.absolute(read(&self.figures.records));
        metrics.skipped.absolute(read(&self.figures.skipped_bytes));
        metrics.rebuilds.absolute(read(&self.figures.rebuilds));
        metrics
            .open
            .set(if self.slot.is_open() { 1.0 } else { 0.0 });
        metrics.questions.set(self.answering() as f64);
        metrics.refused.absolute(read(&self.refused));
    }

    fn lag(&self, wall_ms: u64) -> Lag {
        let Ok(source) = self.source() else {
            return Lag::default();
        };
        let indexed = self.indexed();
        let bytes = source.durable().0.saturating_sub(indexed.position);
        let behind_ms = wall_ms.saturating_sub(indexed.until_ms);
        let seconds = match (bytes, indexed.until_ms) {
            (0, _) | (_, 0) => 0.0,
            (_, _) => behind_ms as f64 / 1e3,
        };
        Lag { bytes, seconds }
    }
}
