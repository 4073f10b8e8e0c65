//! The right to write one segment, for a moment.

use crate::PERMIT_LIFE_NS;

/// The right to write one segment within [`PERMIT_LIFE_NS`] of its grant.
///
/// Not `Clone`: one permit, one segment. Hand it back through `redeem` when the segment is written or `void` when
/// there was nothing to write; either way what it cost stays spent, because giving it back could put two grants into
/// one window.
#[must_use = "a permit costs the carrier's contract one segment"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    granted_ns: u64,
}

impl Permit {
    pub(crate) const fn granted_at(now_ns: u64) -> Self {
        Self { granted_ns: now_ns }
    }

    /// When it was granted, monotonic nanoseconds.
    #[must_use]
    pub const fn granted_ns(&self) -> u64 {
        self.granted_ns
    }

    /// The last nanosecond at which it may be written.
    #[must_use]
    pub const fn valid_until_ns(&self) -> u64 {
        self.granted_ns.saturating_add(PERMIT_LIFE_NS)
    }

    /// Whether a segment stamped `now_ns` may go out on it. A stamp before the grant (a clock that went backwards)
    /// would land in a window that has not paid for it: void.
    #[must_use]
    pub const fn valid_at(&self, now_ns: u64) -> bool {
        self.granted_ns <= now_ns && now_ns <= self.valid_until_ns()
    }
}

/// The permit's moment has passed: do not write, take another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "permit of {granted_ns} ns is void at {now_ns} ns: allowed is a write up to {PERMIT_LIFE_NS} ns after the grant"
)]
pub struct PermitVoid {
    /// When the permit was granted, monotonic nanoseconds.
    pub granted_ns: u64,
    /// When the write was tried, monotonic nanoseconds.
    pub now_ns: u64,
}
