//! Histograms of one category, by step.

use hdrhistogram::Histogram;

/// A part of a message's way, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// From the intended moment until the driver handed it to its stream: the load's own lateness.
    IntendedToSent,
    /// From the intended moment (closed loop: from sending) until the answer that it is durable.
    SubmitToAdmit,
    /// From that answer until the final state.
    AdmitToFinal,
    /// From the intended moment until the final state.
    SubmitToFinal,
}

/// Every step, in the order in which a message takes them.
pub(crate) const STEPS: usize = 4;

/// Times in nanoseconds, by step.
#[derive(Clone, Debug)]
pub struct Times {
    steps: [Histogram<u64>; STEPS],
}

impl Default for Times {
    fn default() -> Self {
        Self {
            steps: std::array::from_fn(|_| histogram_ns()),
        }
    }
}

impl Times {
    /// The histogram of a step.
    #[must_use]
    pub fn of(&self, step: Step) -> &Histogram<u64> {
        &self.steps[place(step)]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            // Both have the same bounds, so nothing can be out of range.
            let _ = mine.add(theirs);
        }
    }

    pub(crate) fn record(&mut self, step: Step, ns: u64) {
        self.steps[place(step)].saturating_record(ns);
    }
}

const fn place(step: Step) -> usize {
    match step {
        Step::IntendedToSent => 0,
        Step::SubmitToAdmit => 1,
        Step::AdmitToFinal => 2,
        Step::SubmitToFinal => 3,
    }
}

/// Times in nanoseconds up to an hour, three digits of each; longer ones count as an hour.
#[must_use]
pub fn histogram_ns() -> Histogram<u64> {
    const HOUR_NS: u64 = 3_600_000_000_000;
    Histogram::new_with_bounds(1, HOUR_NS, 3).expect("bounds that are in order, three digits")
}
