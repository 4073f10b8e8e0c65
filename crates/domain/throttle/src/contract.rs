//! What a carrier sells: segments per second, over all its sessions together.

use core::num::NonZeroU32;

use crate::work::CELLS_PER_PERMIT;

/// A carrier's contract R in whole segments per second, 1 to [`Contract::MAX_SEGMENTS_PER_SECOND`].
///
/// Whole, because "at most R in any second" is a count: a contract of 1.5 a second would have to be kept as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contract(NonZeroU32);

impl Contract {
    /// The largest contract. The arithmetic would carry more; a carrier beyond it is paced by its windows and belongs
    /// in the configuration as unlimited.
    pub const MAX_SEGMENTS_PER_SECOND: u32 = 1_000_000;

    /// Checks a configured contract.
    ///
    /// # Errors
    /// [`ContractOutOfRange`] outside 1 to [`Contract::MAX_SEGMENTS_PER_SECOND`]; the configuration is at fault and no
    /// retry can help.
    pub const fn new(segments_per_second: u32) -> Result<Self, ContractOutOfRange> {
        match NonZeroU32::new(segments_per_second) {
            Some(r) if segments_per_second <= Self::MAX_SEGMENTS_PER_SECOND => Ok(Self(r)),
            Some(_) | None => Err(ContractOutOfRange {
                segments_per_second,
            }),
        }
    }

    /// R, segments per second.
    #[must_use]
    pub const fn segments_per_second(self) -> u32 {
        self.0.get()
    }

    /// The permit interval at full pace, 1/r, in nanoseconds, rounded up.
    #[must_use]
    pub const fn interval_ns(self) -> u64 {
        1_000_000_000_000u64.div_ceil(self.permits_per_1000_s() as u64)
    }

    /// r = 0.993 R, in permits per 1,000 s, so that it is whole; at most 993 million.
    pub(crate) const fn permits_per_1000_s(self) -> u32 {
        993 * self.0.get()
    }

    /// 1 + 0.005 r permits in cells, rounded down: the safe side.
    pub(crate) const fn burst_cells(self) -> NonZeroU32 {
        // 0.005 r in cells is 5 r, and r is a 1,000th of the figure: 5/1,000 as one division, which cannot overflow.
        CELLS_PER_PERMIT.saturating_add(self.permits_per_1000_s() / 200)
    }
}

/// A contract outside the range that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "contract of {segments_per_second} segments per second: allowed are 1 to {max}, or none for an unlimited carrier",
    max = Contract::MAX_SEGMENTS_PER_SECOND
)]
pub struct ContractOutOfRange {
    /// What was asked for, segments per second.
    pub segments_per_second: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range() {
        assert!(Contract::new(0).is_err());
        assert!(Contract::new(Contract::MAX_SEGMENTS_PER_SECOND + 1).is_err());
        assert_eq!(Contract::new(200).unwrap().segments_per_second(), 200);
        let text = Contract::new(0).unwrap_err().to_string();
        assert_eq!(
            text,
            "contract of 0 segments per second: allowed are 1 to 1000000, or none for an unlimited carrier"
        );
    }

    #[test]
    fn interval_and_burst_follow_the_pace() {
        let one = Contract::new(1).unwrap();
        assert_eq!(one.interval_ns(), 1_007_049_346);
        assert_eq!(one.burst_cells().get(), 1_004);
        let thousand = Contract::new(1_000).unwrap();
        assert_eq!(thousand.interval_ns(), 1_007_050);
        assert_eq!(thousand.burst_cells().get(), 5_965);
    }
}
