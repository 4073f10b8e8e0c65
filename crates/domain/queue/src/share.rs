//! Which lane goes next.
//!
//! The first lane (otp) goes before all others, always. What it leaves is shared among the other three by weight, by
//! smooth weighted round robin: each turn every non-empty lane earns its weight, the richest goes and pays what all
//! earned. That spreads the turns of a lane evenly instead of in bursts, needs no clock and no random number, and keeps
//! every lane within two turns of its exact share at any moment. No lane with work gets less than [`MIN_SHARE_PERCENT`].
//! A lane without work earns nothing and owes nothing: it comes back as if new.
//!
//! Limits: [`LANES`] lanes, weights up to [`MAX_WEIGHT`].

use thiserror::Error;

/// Lanes in all; index 0 is the strict one (otp), then alert, normal, bulk.
pub const LANES: usize = 4;

/// The least share of a non-empty lane in what the first lane leaves, in percent.
pub const MIN_SHARE_PERCENT: u32 = 5;

/// The largest weight.
pub const MAX_WEIGHT: u32 = 10_000;

/// Weights of alert, normal and bulk unless configured.
pub const DEFAULT_WEIGHTS: [u32; SHARED] = [6, 3, 1];

const SHARED: usize = LANES - 1;

/// Weights that cannot be used; the operator's configuration is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShareError {
    /// A weight above [`MAX_WEIGHT`].
    #[error("weight {weight} of lane {lane} is out of range: allowed are 0 to {MAX_WEIGHT}")]
    OutOfRange {
        /// Index of the lane, 1 to 3.
        lane: usize,
        /// The weight that was refused.
        weight: u32,
    },
    /// Every weight is zero.
    #[error("the weights of lanes 1 to 3 are all zero: at least one must be above zero")]
    AllZero,
}

/// The order among the lanes of one carrier.
#[derive(Clone, Debug)]
pub struct LaneShare {
    earnings: [i64; SHARED],
    balance: [i64; SHARED],
}

impl LaneShare {
    /// Shares by `weights` of alert, normal and bulk; a share under the minimum is raised to it, at the others' expense.
    ///
    /// # Errors
    /// [`ShareError`] if a weight is above [`MAX_WEIGHT`] or all are zero.
    pub fn new(weights: [u32; SHARED]) -> Result<Self, ShareError> {
        if let Some((index, &weight)) = weights
            .iter()
            .enumerate()
            .find(|(_, weight)| **weight > MAX_WEIGHT)
        {
            return Err(ShareError::OutOfRange {
                lane: index + 1,
                weight,
            });
        }
        if weights == [0; SHARED] {
            return Err(ShareError::AllZero);
        }
        Ok(Self {
            earnings: with_minimum(weights),
            balance: [0; SHARED],
        })
    }

    /// The lane that goes next among those with work, charged for its turn; `None` if none has work.
    pub fn next(&mut self, nonempty: [bool; LANES]) -> Option<usize> {
        let lane = self.choose(nonempty)?;
        self.charge(lane, nonempty);
        Some(lane)
    }

    /// The lane that [`LaneShare::next`] would name, without charging it: for a dispatcher that looks before it takes.
    #[must_use]
    pub fn choose(&self, nonempty: [bool; LANES]) -> Option<usize> {
        if nonempty[0] {
            return Some(0);
        }
        let due = |index: usize| self.balance[index] + self.earnings[index];
        // The first of equals wins: ties fall to the more urgent lane.
        (0..SHARED)
            .filter(|index| nonempty[index + 1])
            .rev()
            .max_by_key(|index| due(*index))
            .map(|index| index + 1)
    }

    /// Charges `lane` for one turn that was taken while the lanes in `nonempty` had work.
    pub fn charge(&mut self, lane: usize, nonempty: [bool; LANES]) {
        if lane == 0 {
            return;
        }
        let mut earned = 0;
        for index in 0..SHARED {
            if nonempty[index + 1] {
                self.balance[index] += self.earnings[index];
                earned += self.earnings[index];
            } else {
                self.balance[index] = 0;
            }
        }
        if let Some(balance) = self.balance.get_mut(lane - 1) {
            *balance -= earned;
        }
    }
}

impl Default for LaneShare {
    fn default() -> Self {
        Self {
            earnings: with_minimum(DEFAULT_WEIGHTS),
            balance: [0; SHARED],
        }
    }
}

/// Earnings per turn in millionths. Lanes under the minimum are raised to it, the rest share what remains by weight; a
/// lane that this pushes under the minimum is raised in the next round, so three lanes need at most three rounds.
fn with_minimum(weights: [u32; SHARED]) -> [i64; SHARED] {
    const WHOLE: i64 = 1_000_000;
    const LEAST: i64 = WHOLE * MIN_SHARE_PERCENT as i64 / 100;
    let mut raised = [false; SHARED];
    loop {
        let remaining = WHOLE - LEAST * raised.iter().map(|raised| i64::from(*raised)).sum::<i64>();
        let total: i64 = (0..SHARED)
            .filter(|index| !raised[*index])
            .map(|index| i64::from(weights[index]))
            .sum();
        let share = |index: usize| i64::from(weights[index]) * remaining / total.max(1);
        let Some(low) = (0..SHARED).find(|index| !raised[*index] && share(*index) < LEAST) else {
            return std::array::from_fn(|index| if raised[index] { LEAST } else { share(index) });
        };
        raised[low] = true;
    }
}
