//! When each message of an open loop is to be sent: fixed before the run.

use std::time::Duration;

use thiserror::Error;

use crate::chance;

/// Messages of one run: the tally keeps 32 octets of each.
pub const MESSAGES_MAX: u64 = 20_000_000;

const SECOND_NS: f64 = 1e9;

/// How sends are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// The same time between any two.
    Even,
    /// A Poisson process: independent callers, with the bursts and gaps that many of them make.
    Poisson {
        /// Decides the gaps.
        seed: u64,
    },
}

/// Intended moments, in nanoseconds since the beginning of the run; they never fall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    times_ns: Vec<u64>,
}

/// Why there is no such schedule.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ScheduleError {
    /// Not a rate.
    #[error("a rate of {rate_per_second} a second: it must be above 0 and finite")]
    Rate {
        /// As given.
        rate_per_second: f64,
    },
    /// More than a tally holds.
    #[error(
        "{messages:.0} messages: at most {MESSAGES_MAX} fit one run; lower the rate or the time"
    )]
    TooMany {
        /// Rate times duration.
        messages: f64,
    },
}

impl Schedule {
    /// Sends at `rate_per_second` for `duration`.
    ///
    /// # Errors
    /// When the rate is no rate, or more than [`MESSAGES_MAX`] would be sent. A retry helps with other arguments only.
    pub fn new(
        rate_per_second: f64,
        duration: Duration,
        spacing: Spacing,
    ) -> Result<Self, ScheduleError> {
        if !(rate_per_second.is_finite() && rate_per_second > 0.0) {
            return Err(ScheduleError::Rate { rate_per_second });
        }
        let messages = rate_per_second * duration.as_secs_f64();
        if messages > MESSAGES_MAX as f64 {
            return Err(ScheduleError::TooMany { messages });
        }
        let end_ns = duration.as_secs_f64() * SECOND_NS;
        let gap_ns = SECOND_NS / rate_per_second;
        let mut times_ns = Vec::with_capacity(messages.ceil() as usize);
        let mut at_ns = 0.0;
        // A Poisson process has more than its mean half the time: the limit holds for it too.
        while at_ns < end_ns && (times_ns.len() as u64) < MESSAGES_MAX {
            times_ns.push(at_ns as u64);
            let nth = times_ns.len() as u64;
            at_ns = match spacing {
                // From the beginning, not from the one before: no rounding adds up.
                Spacing::Even => nth as f64 * gap_ns,
                Spacing::Poisson { seed } => {
                    at_ns - gap_ns * chance::ratio_above_zero(seed, nth).ln()
                }
            };
        }
        Ok(Self { times_ns })
    }

    /// The moments, earliest first.
    #[must_use]
    pub fn times_ns(&self) -> &[u64] {
        &self.times_ns
    }

    /// Those due at or before `now_ns` from place `from` on, at most `max` of them.
    #[must_use]
    pub fn due(&self, from: usize, now_ns: u64, max: usize) -> std::ops::Range<usize> {
        let rest = self.times_ns.get(from..).unwrap_or_default();
        let due = rest.partition_point(|at_ns| *at_ns <= now_ns);
        from..from + due.min(max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn even_sends_are_a_gap_apart_and_no_rounding_adds_up() {
        let schedule = Schedule::new(3.0, SECOND * 1_000, Spacing::Even).unwrap();
        assert_eq!(schedule.times_ns().len(), 3_000);
        assert_eq!(schedule.times_ns()[..2], [0, 333_333_333]);
        assert_eq!(schedule.times_ns()[2_997], 999_000_000_000);
    }

    #[test]
    fn a_poisson_schedule_has_the_rate_the_bursts_and_its_seed() {
        let poisson = |seed| {
            let spacing = Spacing::Poisson { seed };
            Schedule::new(1_000.0, SECOND * 100, spacing).unwrap()
        };
        let schedule = poisson(5);
        assert_eq!(schedule, poisson(5));
        assert_ne!(schedule, poisson(6));
        // 100,000 expected; five standard deviations are 1,600.
        let sends = schedule.times_ns().len();
        assert!((98_400..101_600).contains(&sends), "{sends}");
        // Of the gaps of a Poisson process, 1 - 1/e are shorter than the mean.
        let short = schedule
            .times_ns()
            .windows(2)
            .filter(|pair| pair[1] - pair[0] < 1_000_000)
            .count() as f64;
        assert!((0.62..0.645).contains(&(short / sends as f64)), "{short}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_value() {
        let refused = |rate| Schedule::new(rate, SECOND, Spacing::Even).unwrap_err();
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(refused(rate), ScheduleError::Rate { .. }));
        }
        let text = refused(3e7).to_string();
        assert!(text.contains("30000000") && text.contains("20000000"));
    }

    proptest! {
        #[test]
        fn every_send_comes_due_once_and_in_order(
            rate in 1.0..5_000.0_f64,
            seed: Option<u64>,
            steps in prop::collection::vec(1..50_000_000_u64, 1..100),
            max in 1..500_usize,
        ) {
            let spacing = seed.map_or(Spacing::Even, |seed| Spacing::Poisson { seed });
            let schedule = Schedule::new(rate, SECOND, spacing).unwrap();
            prop_assert!(schedule.times_ns().is_sorted());
            let (mut next, mut now_ns) = (0, 0);
            for step in steps {
                now_ns += step;
                let due = schedule.due(next, now_ns, max);
                prop_assert_eq!(due.start, next);
                prop_assert!(due.len() <= max);
                prop_assert!(schedule.times_ns()[due.clone()].iter().all(|at| *at <= now_ns));
                if due.len() < max {
                    prop_assert!(schedule.times_ns().get(due.end).is_none_or(|at| *at > now_ns));
                }
                next = due.end;
            }
        }
    }
}
