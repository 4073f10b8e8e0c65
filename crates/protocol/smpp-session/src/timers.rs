//! The four timers of SMPP 3.4 (section 2.9) in one table.
//!
//! A timer is a deadline in the caller's monotonic nanoseconds; nothing here reads a clock. The response timer is one
//! deadline for all requests, that of the oldest: they share one timeout, so the oldest is always the next.

/// The timers of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// `session_init_timer`: from the connection to the bound state.
    SessionInit,
    /// `enquire_link_timer`: from the last PDU received to a probe, then from the probe to the verdict.
    EnquireLink,
    /// `inactivity_timer`: from the last data request or its answer, in either direction, to the close.
    Inactivity,
    /// `response_timer`: from a request to its answer.
    Response,
}

impl Timer {
    /// Every timer, in the order in which timers that are due at the same instant fire: one that ends the session comes
    /// before one that would still send something.
    pub(crate) const ALL: [Self; 4] = [
        Self::SessionInit,
        Self::Inactivity,
        Self::Response,
        Self::EnquireLink,
    ];

    const fn index(self) -> usize {
        match self {
            Self::SessionInit => 0,
            Self::EnquireLink => 1,
            Self::Inactivity => 2,
            Self::Response => 3,
        }
    }
}

/// Deadlines by timer.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    deadlines_ns: [Option<u64>; 4],
}

impl Timers {
    pub(crate) fn start(&mut self, timer: Timer, deadline_ns: u64) {
        self.deadlines_ns[timer.index()] = Some(deadline_ns);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.deadlines_ns[timer.index()] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        self.deadlines_ns = [None; 4];
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        self.deadlines_ns.iter().flatten().min().copied()
    }

    /// A timer whose deadline has come; it stays armed until it is stopped or started anew.
    pub(crate) fn due(&self, now_ns: u64) -> Option<Timer> {
        Timer::ALL.into_iter().find(|timer| {
            self.deadlines_ns[timer.index()].is_some_and(|deadline_ns| deadline_ns <= now_ns)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_timer_has_a_place_of_its_own() {
        let mut places: Vec<usize> = Timer::ALL.into_iter().map(Timer::index).collect();
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2, 3]);
    }

    #[test]
    fn the_earliest_deadline_wins_and_a_stopped_timer_is_silent() {
        let mut timers = Timers::default();
        assert_eq!(timers.next_deadline_ns(), None);
        timers.start(Timer::EnquireLink, 30);
        timers.start(Timer::Response, 20);
        assert_eq!(timers.next_deadline_ns(), Some(20));
        assert_eq!(timers.due(19), None);
        assert_eq!(timers.due(20), Some(Timer::Response));
        timers.stop(Timer::Response);
        assert_eq!(timers.due(29), None);
        assert_eq!(timers.due(30), Some(Timer::EnquireLink));
    }

    #[test]
    fn of_two_due_timers_the_ending_one_fires_first() {
        let mut timers = Timers::default();
        timers.start(Timer::EnquireLink, 5);
        timers.start(Timer::Inactivity, 9);
        assert_eq!(timers.due(10), Some(Timer::Inactivity));
        timers.stop_all();
        assert_eq!(timers.due(10), None);
    }
}
