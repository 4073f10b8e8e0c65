//! Time, as an argument.

/// The two clocks a decision may need, read once by the caller.
///
/// `mono_ns` paces and times out; `wall_ms` expires and schedules. They are kept together so that nobody derives one from the other:
/// a wall clock steps, a monotonic clock restarts with the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic nanoseconds (`CLOCK_MONOTONIC` on Linux); comparable between processes of one boot, not across boots.
    pub mono_ns: u64,
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

impl Now {
    /// The same instant, `ms` milliseconds later on both clocks.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self {
            mono_ns: self.mono_ns.saturating_add(ms.saturating_mul(1_000_000)),
            wall_ms: self.wall_ms.saturating_add(ms),
        }
    }
}
