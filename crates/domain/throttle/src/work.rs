//! The work clock and the state governor keeps on it.
//!
//! One permit is 1,000 cells, one cell is 1 µs of work; at full pace r the clock therefore runs r/1,000 times as fast
//! as the wall. Governor's own in-memory state was refused because it cannot be read: here the next opening is
//! read from the very number that decides, not from a copy.
//!
//! Governor adds and multiplies u64 nanoseconds unchecked. Two things keep every sum far from the edge: one step of
//! the clock never exceeds a full bucket (more changes nothing), and work is rebased before it reaches
//! [`REBASE_AT_WORK_NS`].

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

/// One permit in cells; small enough that 1 + 0.005 r permits is a usable whole number of them.
pub(crate) const CELLS_PER_PERMIT: NonZeroU32 = NonZeroU32::new(1_000).expect("1,000 is not 0");

const WORK_NS_PER_CELL: u64 = 1_000;

/// One permit in work nanoseconds.
pub(crate) const WORK_NS_PER_PERMIT: u64 = 1_000 * WORK_NS_PER_CELL;

const REBASE_AT_WORK_NS: u64 = 1 << 62;

/// Work done, and governor's theoretical arrival time; shared between a [`Limiter`] and governor's view of it.
///
/// Atomics only because governor wants `Sync` pieces that outlive a borrow: one thread owns a limiter.
#[derive(Debug, Clone)]
struct Ledger(Arc<LedgerCells>);

#[derive(Debug)]
struct LedgerCells {
    work_ns: AtomicU64,
    arrival_ns: AtomicU64,
}

impl Clock for Ledger {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.work_ns.load(Ordering::Relaxed))
    }
}

impl StateStore for Ledger {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let arrival = Nanos::from(self.0.arrival_ns.load(Ordering::Relaxed));
        let (outcome, next) = f(Some(arrival))?;
        self.0.arrival_ns.store(next.as_u64(), Ordering::Relaxed);
        Ok(outcome)
    }
}

/// A governor limiter over its ledger, empty at birth.
#[derive(Debug)]
pub(crate) struct Limiter {
    governor: RateLimiter<NotKeyed, Ledger, Ledger, NoOpMiddleware<Nanos>>,
    ledger: Ledger,
    burst_ns: u64,
}

impl Limiter {
    /// An emptied limiter that has already earned `credit_ns` of work; what exceeds one permit is cut off, as it would
    /// be a burst.
    pub(crate) fn emptied(burst_cells: NonZeroU32, credit_ns: u64) -> Self {
        let burst_cells = burst_cells.max(CELLS_PER_PERMIT);
        let burst_ns = u64::from(burst_cells.get()) * WORK_NS_PER_CELL;
        let ledger = Ledger(Arc::new(LedgerCells {
            work_ns: AtomicU64::new(0),
            arrival_ns: AtomicU64::new(burst_ns),
        }));
        let quota = Quota::with_period(Duration::from_nanos(WORK_NS_PER_CELL))
            .expect("a cell of 1 µs is not zero")
            .allow_burst(burst_cells);
        let governor = RateLimiter::new(quota, ledger.clone(), ledger.clone());
        // After governor has read its start from the clock, so that its zero is ours.
        ledger
            .0
            .work_ns
            .store(credit_ns.min(WORK_NS_PER_PERMIT), Ordering::Relaxed);
        Self {
            governor,
            ledger,
            burst_ns,
        }
    }

    /// The work that fills an empty bucket: no single step of the clock needs to be longer.
    pub(crate) const fn burst_ns(&self) -> u64 {
        self.burst_ns
    }

    /// Moves the work clock on.
    pub(crate) fn advance(&self, work_ns: u64) {
        let cells = &self.ledger.0;
        let work = cells.work_ns.load(Ordering::Relaxed) + work_ns.min(self.burst_ns);
        cells.work_ns.store(work, Ordering::Relaxed);
        if work >= REBASE_AT_WORK_NS {
            self.rebase(work);
        }
    }

    /// Takes one permit, or says how much work is missing for it.
    pub(crate) fn take(&self) -> Result<(), u64> {
        match self.governor.check_n(CELLS_PER_PERMIT) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_not_until)) => Err(self.missing_ns()),
            Err(_too_large) => unreachable!("`emptied` makes the burst at least one permit"),
        }
    }

    /// Work that must still be done before the next permit; 0 when one is ready.
    pub(crate) fn missing_ns(&self) -> u64 {
        let cells = &self.ledger.0;
        let opens = cells.arrival_ns.load(Ordering::Relaxed) + WORK_NS_PER_PERMIT;
        (opens.saturating_sub(self.burst_ns)).saturating_sub(cells.work_ns.load(Ordering::Relaxed))
    }

    /// Shifts both numbers down by the same amount. An arrival time in the past means a full bucket however old it
    /// is, so it may first be lifted to the present.
    fn rebase(&self, work: u64) {
        let cells = &self.ledger.0;
        let arrival = cells.arrival_ns.load(Ordering::Relaxed).max(work);
        cells.work_ns.store(0, Ordering::Relaxed);
        cells.arrival_ns.store(arrival - work, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::emptied(NonZeroU32::new(2_500).unwrap(), 0)
    }

    #[test]
    fn empty_at_birth_then_one_permit_of_work() {
        let l = limiter();
        assert_eq!(l.take(), Err(WORK_NS_PER_PERMIT));
        l.advance(WORK_NS_PER_PERMIT - 1);
        assert_eq!(l.take(), Err(1));
        l.advance(1);
        assert_eq!(l.take(), Ok(()));
        assert_eq!(l.take(), Err(WORK_NS_PER_PERMIT));
    }

    #[test]
    fn the_work_missing_is_what_governor_says() {
        let l = limiter();
        for step in [0, 1, 400_000, 999_999, 3_000_000, 17] {
            l.advance(step);
            if let Err(not_until) = l.governor.check_n(CELLS_PER_PERMIT).unwrap() {
                let governor_says =
                    not_until.earliest_possible().as_u64() - l.ledger.now().as_u64();
                assert_eq!(l.missing_ns(), governor_says);
            }
        }
    }

    #[test]
    fn a_full_bucket_holds_the_burst_and_keeps_the_fraction() {
        let l = limiter();
        l.advance(u64::MAX);
        assert_eq!((l.take(), l.take()), (Ok(()), Ok(())));
        assert_eq!(l.take(), Err(WORK_NS_PER_PERMIT / 2));
    }

    #[test]
    fn rebasing_changes_nothing_that_can_be_seen() {
        let l = limiter();
        let offset = REBASE_AT_WORK_NS - 10;
        l.ledger.0.work_ns.store(offset, Ordering::Relaxed);
        l.ledger
            .0
            .arrival_ns
            .store(offset + l.burst_ns, Ordering::Relaxed);
        assert_eq!(l.missing_ns(), WORK_NS_PER_PERMIT);
        l.advance(300_000);
        assert!(l.ledger.0.work_ns.load(Ordering::Relaxed) < offset);
        assert_eq!(l.missing_ns(), WORK_NS_PER_PERMIT - 300_000);
        // And a bucket long full stays exactly full.
        l.ledger.0.work_ns.store(offset, Ordering::Relaxed);
        l.ledger.0.arrival_ns.store(5, Ordering::Relaxed);
        l.advance(10);
        assert_eq!((l.take(), l.take()), (Ok(()), Ok(())));
        assert_eq!(l.take(), Err(WORK_NS_PER_PERMIT / 2));
    }
}
