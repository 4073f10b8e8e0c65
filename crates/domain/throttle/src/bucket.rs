//! The bucket: contract, work clock and count of permits.

use crate::contract::Contract;
use crate::pace::Speed;
use crate::permit::{Permit, PermitVoid};
use crate::work::Limiter;

/// Work per wall nanosecond is `993 × R × ppm` over this. With r permits of 10⁶ work ns per 10⁹ wall ns, r = 993 R in
/// 1,000 s and speed in millionths, the powers of ten come to 10¹².
const SPEED_DENOMINATOR: u128 = 1_000_000_000_000;

/// A carrier's token bucket. One thread owns it; all sessions of the carrier share it.
///
/// Guarantees, in the caller's `now_ns`: writes on valid permits never exceed the contract in any `[t, t + 1 s)`; over
/// a change of contract, not the larger of the two. A clock that goes backwards gets no permit until it has caught up.
#[derive(Debug)]
pub struct Bucket {
    contract: Contract,
    limiter: Limiter,
    speed: Speed,
    /// Highest `now_ns` seen.
    clock_ns: u64,
    /// Work done but not yet a whole nanosecond of it, in 1/[`SPEED_DENOMINATOR`].
    remainder: u128,
    /// The last grant, or birth.
    last_permit_ns: u64,
    granted: u64,
    written: u64,
    voided: u64,
}

/// No permit now; one may be ready at `at_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no permit before {at_ns} ns")]
pub struct NotUntil {
    /// The first monotonic nanosecond worth asking again, as things stand; `u64::MAX` while nothing but a change of
    /// speed can help.
    pub at_ns: u64,
}

impl Bucket {
    /// An empty bucket at full pace: the first permit is one interval away.
    #[must_use]
    pub fn new(contract: Contract, now_ns: u64) -> Self {
        Self {
            contract,
            limiter: Limiter::emptied(contract.burst_cells(), 0),
            speed: Speed::NOMINAL,
            clock_ns: now_ns,
            remainder: 0,
            last_permit_ns: now_ns,
            granted: 0,
            written: 0,
            voided: 0,
        }
    }

    /// Takes one permit.
    ///
    /// # Errors
    /// [`NotUntil`] when none is ready, when the speed is zero (even if permits are left in the bucket), or while
    /// `now_ns` is behind what was seen before. Asking again at its `at_ns` succeeds if nothing changed meanwhile.
    pub fn take(&mut self, now_ns: u64) -> Result<Permit, NotUntil> {
        self.run_clock_to(now_ns);
        if self.speed == Speed::ZERO || now_ns < self.clock_ns || self.limiter.take().is_err() {
            return Err(NotUntil {
                at_ns: self.opens_at_ns(),
            });
        }
        self.last_permit_ns = self.clock_ns;
        self.granted = self.granted.saturating_add(1);
        Ok(Permit::granted_at(self.clock_ns))
    }

    /// When the next permit is ready, without taking it: at or before `now_ns` means now, `u64::MAX` never at this
    /// speed.
    pub fn next_at_ns(&mut self, now_ns: u64) -> u64 {
        self.run_clock_to(now_ns);
        self.opens_at_ns()
    }

    /// Spends a permit on a segment written at `now_ns`, the stamp of the write.
    ///
    /// # Errors
    /// [`PermitVoid`] when the permit's life is over: the segment must not be written, another permit is needed.
    pub fn redeem(&mut self, permit: Permit, now_ns: u64) -> Result<(), PermitVoid> {
        if permit.valid_at(now_ns) {
            self.written = self.written.saturating_add(1);
            return Ok(());
        }
        let granted_ns = permit.granted_ns();
        self.void(permit);
        Err(PermitVoid { granted_ns, now_ns })
    }

    /// Gives up a permit for which nothing was written. Its cost stays spent.
    pub fn void(&mut self, permit: Permit) {
        drop(permit);
        self.voided = self.voided.saturating_add(1);
    }

    /// Changes how fast work is done from `now_ns` on. What is in the bucket stays as it is.
    pub fn set_speed(&mut self, speed: Speed, now_ns: u64) {
        if speed != self.speed {
            self.run_clock_to(now_ns);
            self.speed = speed;
        }
    }

    /// Puts a new contract in force: a new limiter, emptied at birth, that opens one (new) interval after the last
    /// permit, or at once with a single permit if that has passed. The same contract again changes nothing.
    pub fn set_contract(&mut self, contract: Contract, now_ns: u64) {
        if contract == self.contract {
            return;
        }
        self.run_clock_to(now_ns);
        self.contract = contract;
        let since_last_ns = self.clock_ns - self.last_permit_ns;
        let credit = u128::from(since_last_ns) * self.work_rate() / SPEED_DENOMINATOR;
        let credit_ns = u64::try_from(credit).unwrap_or(u64::MAX);
        self.limiter = Limiter::emptied(contract.burst_cells(), credit_ns);
        self.remainder = 0;
    }

    /// The contract in force.
    #[must_use]
    pub const fn contract(&self) -> Contract {
        self.contract
    }

    /// The speed in force.
    #[must_use]
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// The permit interval at full pace, in nanoseconds, rounded up.
    #[must_use]
    pub const fn interval_ns(&self) -> u64 {
        self.contract.interval_ns()
    }

    /// Permits granted since birth.
    #[must_use]
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    /// Permits redeemed in time since birth.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Permits that were void or given up since birth.
    #[must_use]
    pub const fn voided(&self) -> u64 {
        self.voided
    }

    /// Work per wall nanosecond, in 1/[`SPEED_DENOMINATOR`]; at most 993 × 10⁶ × 10⁶, below 2⁵⁰.
    const fn work_rate(&self) -> u128 {
        self.contract.permits_per_1000_s() as u128 * self.speed.ppm() as u128
    }

    fn run_clock_to(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.clock_ns);
        if elapsed_ns == 0 {
            return;
        }
        self.clock_ns = now_ns;
        // 2⁶⁴ × 2⁵⁰ + 10¹² fits in u128.
        let done = u128::from(elapsed_ns) * self.work_rate() + self.remainder;
        let work = done / SPEED_DENOMINATOR;
        self.remainder = done % SPEED_DENOMINATOR;
        // Beyond a full bucket there is nothing to earn.
        let work_ns =
            u64::try_from(work).map_or(self.limiter.burst_ns(), |w| w.min(self.limiter.burst_ns()));
        self.limiter.advance(work_ns);
    }

    /// The wall time at which the missing work will be done at this speed.
    fn opens_at_ns(&self) -> u64 {
        if self.speed == Speed::ZERO {
            return u64::MAX;
        }
        let missing = u128::from(self.limiter.missing_ns()) * SPEED_DENOMINATOR;
        let wait = missing
            .saturating_sub(self.remainder)
            .div_ceil(self.work_rate());
        u64::try_from(wait).map_or(u64::MAX, |w| self.clock_ns.saturating_add(w))
    }
}
