//! The clocks that session tasks read. What the engine asks for comes with the engine's own [`Now`].

use std::time::{SystemTime, UNIX_EPOCH};

use message::Now;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, the same numbers in every process of this boot.
///
/// `std::time::Instant` was refused: it reads the same clock but hides the number, and the stamps that our tools exchange between
/// processes are that number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Nanoseconds since some instant of this boot.
    #[must_use]
    pub fn mono_ns(self) -> u64 {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }

    /// Both clocks.
    #[must_use]
    pub fn now(self) -> Now {
        let wall_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            });
        Now {
            mono_ns: self.mono_ns(),
            wall_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let clock = Clock;
        let first = clock.now();
        let second = clock.now();
        assert!(first.mono_ns > 0 && second.mono_ns >= first.mono_ns);
        assert!(first.wall_ms > 1_700_000_000_000);
    }
}
