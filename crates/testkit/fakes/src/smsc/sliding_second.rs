//! How many in the last second, exactly.

use std::collections::VecDeque;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts of the last second by stamp. Stamps rise; those of one batch share a run, so that the memory is one entry per batch and not
/// one per message.
#[derive(Debug, Default)]
pub(crate) struct SlidingSecond {
    runs: VecDeque<(u64, u64)>,
    held: u64,
    max: u64,
}

impl SlidingSecond {
    /// How many lie in (`now_ns` - 1 s, `now_ns`].
    pub(crate) fn count(&mut self, now_ns: u64) -> u64 {
        while let Some(&(stamp_ns, count)) = self.runs.front() {
            if now_ns - stamp_ns.min(now_ns) < SECOND_NS {
                break;
            }
            self.held -= count;
            self.runs.pop_front();
        }
        self.held
    }

    /// Adds one at `now_ns`, which is not before any added earlier.
    pub(crate) fn add(&mut self, now_ns: u64) {
        self.count(now_ns);
        match self.runs.back_mut() {
            Some((stamp_ns, count)) if *stamp_ns == now_ns => *count += 1,
            Some(_) | None => self.runs.push_back((now_ns, 1)),
        }
        self.held += 1;
        self.max = self.max.max(self.held);
    }

    /// The most that any half-open second [t, t + 1 s) has held.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_half_open() {
        let mut second = SlidingSecond::default();
        second.add(5);
        assert_eq!(second.count(5 + SECOND_NS - 1), 1);
        assert_eq!(second.count(5 + SECOND_NS), 0);
    }

    #[test]
    fn the_maximum_is_that_of_every_window() {
        let mut dice = crate::smsc::dice::Dice::new(11);
        let mut stamps = vec![0_u64];
        for _ in 0..600 {
            let last = stamps[stamps.len() - 1];
            stamps.push(last + dice.below(3) * dice.below(40_000_000));
        }
        let mut second = SlidingSecond::default();
        stamps.iter().for_each(|stamp| second.add(*stamp));
        let naive = stamps
            .iter()
            .map(|start| {
                let end = start + SECOND_NS;
                stamps.iter().filter(|s| (*start..end).contains(s)).count() as u64
            })
            .max();
        assert_eq!(Some(second.max()), naive);
    }
}
