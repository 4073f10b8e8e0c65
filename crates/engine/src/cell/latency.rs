//! How long messages wait in their lanes.
//!
//! Limits: a histogram has a fixed size, whatever it is given; [`RECENT_MAX`] samples are kept for the metrics between two drains.

use hdrhistogram::Histogram;
use message::Now;

use super::group::Work;
use crate::stats::Percentiles;

/// Longest latency told apart, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Samples kept between two drains for metrics; further ones are in the histograms only.
const RECENT_MAX: usize = 4_096;

/// How long messages of one lane waited, since the start.
#[derive(Debug)]
pub(crate) struct LaneLatency {
    /// From when nobody of its lane was before it until it was popped to be written.
    head_of_line: Histogram<u64>,
    /// From its durable admission (its entry into the lane) until it was popped to be written.
    admit_to_write: Histogram<u64>,
    /// Since the last drain, for metrics.
    pub(crate) recent: Vec<Waited>,
}

/// How long one message waited, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// The place of the carrier that pulled it.
    pub(crate) carrier: u16,
    /// While nobody of its lane was before it.
    pub(crate) first_us: u32,
    /// In all.
    pub(crate) total_us: u32,
}

impl LaneLatency {
    pub(crate) fn new() -> Self {
        Self {
            head_of_line: histogram(),
            admit_to_write: histogram(),
            recent: Vec::new(),
        }
    }

    /// A message left its lane for the carrier at this place; `before_ns` is when the last one that went before it did.
    pub(crate) fn popped(&mut self, carrier: usize, work: &Work, before_ns: u64, now: Now) {
        let since_us = |ns: u64| now.mono_ns.saturating_sub(ns) / 1_000;
        // It cannot have been first before it was there.
        let first_us = since_us(before_ns.max(work.queued_ns));
        let total_us = since_us(work.queued_ns);
        self.head_of_line.saturating_record(first_us);
        self.admit_to_write.saturating_record(total_us);
        if self.recent.len() < RECENT_MAX {
            let short = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
            self.recent.push(Waited {
                carrier: u16::try_from(carrier).unwrap_or(u16::MAX),
                first_us: short(first_us),
                total_us: short(total_us),
            });
        }
    }

    pub(crate) fn head_of_line(&self) -> Percentiles {
        Percentiles::of_us(&self.head_of_line)
    }

    pub(crate) fn admit_to_write(&self) -> Percentiles {
        Percentiles::of_us(&self.admit_to_write)
    }
}

pub(crate) fn histogram() -> Histogram<u64> {
    // Three significant digits: a reader can use no more, and each further one makes the table ten times as large.
    Histogram::new_with_bounds(1, LONGEST_US, 3)
        .expect("the bounds are constants within what the crate allows")
}
