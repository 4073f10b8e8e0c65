//! Plain numbers about the writer's work, for metrics.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Batches remembered between two drains; older ones are counted as missed.
const FIGURES_MAX: usize = 1024;

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Batches written.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in them, frame headers included.
    pub bytes: u64,
    /// Syncs.
    pub syncs: u64,
    /// Time spent in syncs, ns.
    pub sync_total_ns: u64,
    /// Time of the last sync, ns.
    pub sync_last_ns: u64,
    /// Files deleted by retention.
    pub files_deleted: u64,
    /// Deletions, or moves of the replay mark before them, that the file system refused; tried again at the next call.
    pub deletions_failed: u64,
    /// Batches whose figures were pushed out before they were drained.
    pub figures_missed: u64,
}

/// One batch, for histograms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchFigures {
    /// Records in it.
    pub records: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Time of its write(2), ns.
    pub write_ns: u64,
    /// Time of its sync, ns; none where batches are not synced one by one. A sync of several batches comes as an entry of no
    /// records.
    pub sync_ns: Option<u64>,
}

/// Written by the writer thread only, once a batch.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    sync_total_ns: AtomicU64,
    sync_last_ns: AtomicU64,
    files_deleted: AtomicU64,
    deletions_failed: AtomicU64,
    figures_missed: AtomicU64,
    figures: Mutex<VecDeque<BatchFigures>>,
}

impl Counters {
    pub(crate) fn batch(&self, figures: BatchFigures) {
        if figures.records > 0 {
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
        self.records.fetch_add(figures.records, Ordering::Relaxed);
        self.bytes.fetch_add(figures.bytes, Ordering::Relaxed);
        if let Some(sync_ns) = figures.sync_ns {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            self.sync_total_ns.fetch_add(sync_ns, Ordering::Relaxed);
            self.sync_last_ns.store(sync_ns, Ordering::Relaxed);
        }
        let mut ring = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == FIGURES_MAX {
            ring.pop_front();
            self.figures_missed.fetch_add(1, Ordering::Relaxed);
        }
        ring.push_back(figures);
    }

    pub(crate) fn set_deleted(&self, files: u64) {
        self.files_deleted.store(files, Ordering::Relaxed);
    }

    pub(crate) fn deletion_failed(&self) {
        self.deletions_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drain(&self, each: &mut dyn FnMut(BatchFigures)) {
        let mut ring = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        ring.drain(..).for_each(each);
    }

    pub(crate) fn totals(&self) -> JournalStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JournalStats {
            batches: read(&self.batches),
            records: read(&self.records),
            bytes: read(&self.bytes),
            syncs: read(&self.syncs),
            sync_total_ns: read(&self.sync_total_ns),
            sync_last_ns: read(&self.sync_last_ns),
            files_deleted: read(&self.files_deleted),
            deletions_failed: read(&self.deletions_failed),
            figures_missed: read(&self.figures_missed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_counts_what_it_lost() {
        let counters = Counters::default();
        let figures = |bytes| BatchFigures {
            records: 1,
            bytes,
            write_ns: 1,
            sync_ns: Some(2),
        };
        for bytes in 0..FIGURES_MAX as u64 + 3 {
            counters.batch(figures(bytes));
        }
        let mut drained = Vec::new();
        counters.drain(&mut |batch| drained.push(batch.bytes));
        assert_eq!((drained.len(), drained[0]), (FIGURES_MAX, 3));
        let totals = counters.totals();
        assert_eq!(
            (totals.figures_missed, totals.batches),
            (3, FIGURES_MAX as u64 + 3)
        );
        counters.drain(&mut |_| panic!("drained before"));
    }
}
