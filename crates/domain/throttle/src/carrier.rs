//! What a dispatcher holds per carrier: its pace, and its bucket if it has a contract.

use crate::bucket::{Bucket, NotUntil};
use crate::contract::Contract;
use crate::pace::{Pace, Reaction, Speed};
use crate::permit::{Permit, PermitVoid};

/// A carrier's pace and, unless it is unlimited, its bucket. Keeps the bucket's speed in step with the pace.
///
/// An unlimited carrier has no bucket: it grants whenever it is not frozen, and slowing down means nothing to it.
#[derive(Debug)]
pub struct CarrierThrottle {
    pace: Pace,
    bucket: Option<Bucket>,
}

impl CarrierThrottle {
    /// A carrier with a contract; its first permit is one interval away.
    #[must_use]
    pub fn contracted(contract: Contract, now_ns: u64) -> Self {
        Self {
            pace: Pace::new(),
            bucket: Some(Bucket::new(contract, now_ns)),
        }
    }

    /// A carrier without one.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            pace: Pace::new(),
            bucket: None,
        }
    }

    /// Takes one permit.
    ///
    /// # Errors
    /// [`NotUntil`] when none is ready or the carrier is frozen; its `at_ns` is the next moment worth asking, and never
    /// later than the first at which a permit can be had.
    pub fn take(&mut self, now_ns: u64) -> Result<Permit, NotUntil> {
        self.keep_pace(now_ns);
        match &mut self.bucket {
            Some(bucket) => bucket.take(now_ns).map_err(|not_until| NotUntil {
                at_ns: not_later(not_until.at_ns, &self.pace, now_ns),
            }),
            None => match self.pace.frozen_until(now_ns) {
                Some(at_ns) => Err(NotUntil { at_ns }),
                None => Ok(Permit::granted_at(now_ns)),
            },
        }
    }

    /// When to ask next, without taking: at or before `now_ns` means a permit is ready.
    pub fn next_at_ns(&mut self, now_ns: u64) -> u64 {
        self.keep_pace(now_ns);
        let opens_ns = match &mut self.bucket {
            Some(bucket) => bucket.next_at_ns(now_ns),
            None => self.pace.frozen_until(now_ns).unwrap_or(now_ns),
        };
        if opens_ns <= now_ns {
            opens_ns
        } else {
            not_later(opens_ns, &self.pace, now_ns)
        }
    }

    /// Spends a permit on a segment stamped `now_ns`.
    ///
    /// # Errors
    /// [`PermitVoid`] when its life is over: do not write, take another.
    pub fn redeem(&mut self, permit: Permit, now_ns: u64) -> Result<(), PermitVoid> {
        match &mut self.bucket {
            Some(bucket) => bucket.redeem(permit, now_ns),
            // No contract to keep, so no permit of it can be late.
            None => Ok(()),
        }
    }

    /// Gives up a permit for which nothing was written.
    pub fn void(&mut self, permit: Permit) {
        match &mut self.bucket {
            Some(bucket) => bucket.void(permit),
            None => drop(permit),
        }
    }

    /// The carrier answered "throttled"; see [`Pace::on_throttled`].
    pub fn on_throttled(&mut self, now_ns: u64, written_ns: u64, jitter: u32) -> Reaction {
        let reaction = self.pace.on_throttled(now_ns, written_ns, jitter);
        self.keep_pace(now_ns);
        reaction
    }

    /// Puts a contract in force, or none. From none to one the bucket starts empty.
    pub fn set_contract(&mut self, contract: Option<Contract>, now_ns: u64) {
        match (contract, &mut self.bucket) {
            (Some(contract), Some(bucket)) => bucket.set_contract(contract, now_ns),
            (Some(contract), None) => self.bucket = Some(Bucket::new(contract, now_ns)),
            (None, Some(_) | None) => self.bucket = None,
        }
        self.keep_pace(now_ns);
    }

    /// The speed at `now_ns`.
    #[must_use]
    pub fn speed(&self, now_ns: u64) -> Speed {
        self.pace.speed(now_ns)
    }

    /// The pace, to read.
    #[must_use]
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The bucket, to read; `None` for an unlimited carrier.
    #[must_use]
    pub const fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    fn keep_pace(&mut self, now_ns: u64) {
        self.pace.tick(now_ns);
        if let Some(bucket) = &mut self.bucket {
            bucket.set_speed(self.pace.speed(now_ns), now_ns);
        }
    }
}

/// A change of speed may open the bucket sooner than its present speed says.
fn not_later(at_ns: u64, pace: &Pace, now_ns: u64) -> u64 {
    pace.next_change_ns(now_ns)
        .map_or(at_ns, |change_ns| at_ns.min(change_ns))
}
