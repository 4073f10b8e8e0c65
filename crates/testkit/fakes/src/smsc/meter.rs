//! Rates and delays.

use hdrhistogram::Histogram;

use super::report::DelayReport;
use super::sliding_second::SlidingSecond;
use super::stamp::Stamp;

/// Longest delay told apart: an hour. Longer ones count as this one in the percentiles.
const DELAY_MAX_NS: u64 = 3_600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Measures submits as they arrive.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) seen: SlidingSecond,
    delays: Histogram<u64>,
    extremes: Option<(u64, u64)>,
    stamps_ahead: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let delays = Histogram::new_with_bounds(1, DELAY_MAX_NS, SIGNIFICANT_DIGITS)
            .expect("1 to an hour with three digits is within what the histogram allows");
        Self {
            seen: SlidingSecond::default(),
            delays,
            extremes: None,
            stamps_ahead: 0,
        }
    }

    /// A submit was read at `now_ns`.
    pub(crate) fn submit(&mut self, stamp: Option<Stamp>, now_ns: u64) {
        self.seen.add(now_ns);
        let Some(written_ns) = stamp.map(|s| s.written_ns).filter(|ns| *ns > 0) else {
            return;
        };
        let Some(delay_ns) = now_ns.checked_sub(written_ns) else {
            self.stamps_ahead += 1;
            return;
        };
        self.delays.saturating_record(delay_ns);
        let (min_ns, max_ns) = self.extremes.unwrap_or((delay_ns, delay_ns));
        self.extremes = Some((min_ns.min(delay_ns), max_ns.max(delay_ns)));
    }

    pub(crate) fn stamps_ahead(&self) -> u64 {
        self.stamps_ahead
    }

    pub(crate) fn delays(&self) -> Option<DelayReport> {
        let (min_ns, max_ns) = self.extremes?;
        Some(DelayReport {
            count: self.delays.len(),
            min_ns,
            // A bucket's upper end may lie beyond the longest delay in it.
            p50_ns: self.delays.value_at_quantile(0.50).min(max_ns),
            p99_ns: self.delays.value_at_quantile(0.99).min(max_ns),
            max_ns,
            spread_ns: max_ns - min_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_those_of_the_stamps() {
        let mut meter = Meter::new();
        let stamp = |written_ns| {
            Some(Stamp {
                message_id: [0; 16],
                attempt: 1,
                admitted_ns: 0,
                written_ns,
            })
        };
        assert_eq!(meter.delays(), None);
        for delay_ns in 1..=100 {
            meter.submit(stamp(1_000_000 - delay_ns * 10), 1_000_000);
        }
        meter.submit(None, 1_000_000);
        meter.submit(stamp(0), 1_000_000);
        meter.submit(stamp(1_000_001), 1_000_000);
        let expected = DelayReport {
            count: 100,
            min_ns: 10,
            p50_ns: 500,
            p99_ns: 990,
            max_ns: 1_000,
            spread_ns: 990,
        };
        assert_eq!(meter.delays(), Some(expected));
        assert_eq!(meter.stamps_ahead(), 1);
        assert_eq!(meter.seen.max(), 103);
    }
}
