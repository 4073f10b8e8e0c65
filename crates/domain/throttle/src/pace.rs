//! Pace: how a carrier's complaints change the speed of its work clock.
//!
//! ```text
//!                on_throttled (written since the last freeze began)
//!        ┌─────────────────────────────────────────────────────────┐
//!        ▼                                                         │
//!   ┌─────────┐ freeze over ┌────────────┐ speed nominal ┌─────────┴──┐
//!   │ Frozen  ├────────────►│ Recovering ├──────────────►│  Nominal   │
//!   │ speed 0 │◄────────────┤            │               │            │
//!   └─────────┘ on_throttled└────────────┘               └────────────┘
//!
//!   speed while recovering, by clean seconds:
//!                                                   .' nominal
//!                                                 .'
//!     ceiling ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄._________________.'
//!                     .'
//!     low  ._       .'          [`HOLD_S`] s, then it probes
//! ```
//!
//! A carrier that takes less than its contract says complains again and again at the same speed. That speed is remembered, and the way back
//! is a cubic (as RFC 9438 has it for TCP): quickly to just below it, flat there, and only then, slowly first, beyond it. A carrier
//! that complained for a moment only is at full pace again 70 s later at most.
//!
//! A freeze lasts 1 s plus up to a quarter of jitter; a throttle within [`PERSIST_NS`] of its end means the carrier still complains, and
//! doubles the next freeze up to 60 s. How far the speed falls says [`Way::down_from`]; never below 5 % of nominal.

/// First freeze, nanoseconds.
const FIRST_FREEZE_NS: u64 = 1_000_000_000;
/// Longest freeze before jitter, nanoseconds.
const MAX_FREEZE_NS: u64 = 60_000_000_000;
/// A throttle this soon after a freeze doubles the next one. Shorter than the flat part of the way back, so that a
/// contract configured too high saws around what the carrier really takes instead of freezing for ever longer.
const PERSIST_NS: u64 = 5_000_000_000;
/// One clean second.
const CLEAN_NS: u64 = 1_000_000_000;
/// Clean seconds from the end of a freeze until the ceiling is reached.
const HOLD_S: u64 = 15;
/// Clean seconds beyond those after which the speed is [`PROBE_PPM`] above the ceiling.
const PROBE_S: u64 = 20;
const PROBE_PPM: u64 = 50_000;
const MIN_SPEED_PPM: u32 = 50_000;

/// A fraction of full pace, in millionths, 0 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speed(u32);

impl Speed {
    /// Frozen.
    pub const ZERO: Self = Self(0);
    /// Full pace, r = 0.993 R. There is nothing faster: speed can only take from the contract.
    pub const NOMINAL: Self = Self(1_000_000);

    /// A speed in millionths of full pace; more than 1,000,000 is taken as [`Speed::NOMINAL`].
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Self {
        if ppm < Self::NOMINAL.0 {
            Self(ppm)
        } else {
            Self::NOMINAL
        }
    }

    /// Millionths of full pace.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// What a throttle answer led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Frozen until then, monotonic nanoseconds.
    Frozen {
        /// End of the freeze.
        until_ns: u64,
    },
    /// The segment was written before the last freeze began: the carrier says nothing new.
    AlreadyKnown,
}

/// The pace of one carrier.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Speed once not frozen.
    speed: Speed,
    /// The way back to nominal; means nothing at nominal speed.
    way: Way,
    /// The present or last freeze; `None` before the first.
    freeze: Option<Freeze>,
    /// When the next clean second is complete.
    next_step_ns: u64,
    freezes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Freeze {
    began_ns: u64,
    until_ns: u64,
    /// Length before jitter.
    base_ns: u64,
}

/// The way back from a freeze.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Where it begins, millionths of nominal.
    low_ppm: u32,
    /// Just below what the carrier last complained about.
    ceiling_ppm: u32,
}

/// What a complaint says about the ceiling that was remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complaint {
    /// It was reached, or there was none.
    AtCeiling,
    /// The carrier takes less than that now.
    BelowCeiling,
    /// Right after a freeze: it takes much less, nobody knows how much.
    Persisting,
}

impl Way {
    const LEVEL: Self = Self {
        low_ppm: Speed::NOMINAL.0,
        ceiling_ppm: Speed::NOMINAL.0,
    };

    /// Where to begin, and where the ceiling is, after a complaint at `speed`.
    fn down_from(speed: Speed, complaint: Complaint) -> Self {
        let (low_percent, ceiling_percent) = match complaint {
            Complaint::AtCeiling => (85, 98),
            Complaint::BelowCeiling => (75, 93),
            Complaint::Persisting => (60, 80),
        };
        let share = |percent: u32| (speed.0 / 100 * percent).max(MIN_SPEED_PPM);
        Self {
            low_ppm: share(low_percent),
            ceiling_ppm: share(ceiling_percent),
        }
    }

    /// The speed after so many clean seconds.
    fn speed_after(self, clean_s: u64) -> Speed {
        let ceiling_ppm = u64::from(self.ceiling_ppm);
        let ppm = match clean_s.checked_sub(HOLD_S) {
            None => {
                let below_ppm = ceiling_ppm - u64::from(self.low_ppm);
                ceiling_ppm - below_ppm * (HOLD_S - clean_s).pow(3) / HOLD_S.pow(3)
            }
            Some(probing_s) => {
                // Far beyond nominal after 1,000 s already.
                let gained_ppm = PROBE_PPM * probing_s.min(1_000).pow(3) / PROBE_S.pow(3);
                ceiling_ppm + gained_ppm
            }
        };
        Speed::from_ppm(u32::try_from(ppm).unwrap_or(u32::MAX))
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// Full pace.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            speed: Speed::NOMINAL,
            way: Way::LEVEL,
            freeze: None,
            next_step_ns: 0,
            freezes: 0,
        }
    }

    /// The carrier answered "throttled" at `now_ns` to a segment written at `written_ns`. `jitter` is any random
    /// number; it lengthens the freeze by up to a quarter, so that carriers behind one gateway do not thaw together.
    ///
    /// A whole window of such answers is one complaint: those to segments written before the freeze began change
    /// nothing.
    pub fn on_throttled(&mut self, now_ns: u64, written_ns: u64, jitter: u32) -> Reaction {
        self.tick(now_ns);
        let (base_ns, complaint) = match self.freeze {
            Some(last) if written_ns <= last.began_ns || now_ns < last.until_ns => {
                return Reaction::AlreadyKnown;
            }
            Some(last) if now_ns - last.until_ns < PERSIST_NS => {
                ((last.base_ns * 2).min(MAX_FREEZE_NS), Complaint::Persisting)
            }
            Some(_) if self.speed.0 < self.way.ceiling_ppm => {
                (FIRST_FREEZE_NS, Complaint::BelowCeiling)
            }
            Some(_) | None => (FIRST_FREEZE_NS, Complaint::AtCeiling),
        };
        // At most 15 × 10⁹ × 2³² / 2³²: the product needs 66 bits, so the quarter is cut to milliseconds first.
        let jitter_ns = base_ns / 4_000_000 * u64::from(jitter) / u64::from(u32::MAX) * 1_000_000;
        let until_ns = now_ns.saturating_add(base_ns).saturating_add(jitter_ns);
        self.freeze = Some(Freeze {
            began_ns: now_ns,
            until_ns,
            base_ns,
        });
        self.way = Way::down_from(self.speed, complaint);
        self.speed = self.way.speed_after(0);
        self.next_step_ns = until_ns.saturating_add(CLEAN_NS);
        self.freezes = self.freezes.saturating_add(1);
        Reaction::Frozen { until_ns }
    }

    /// Credits the clean seconds that passed up to `now_ns`.
    pub fn tick(&mut self, now_ns: u64) {
        if self.speed == Speed::NOMINAL || now_ns < self.next_step_ns {
            return;
        }
        let thawed_ns = self.freeze.map_or(0, |freeze| freeze.until_ns);
        let clean_s = now_ns.saturating_sub(thawed_ns) / CLEAN_NS;
        self.next_step_ns = thawed_ns.saturating_add((clean_s + 1).saturating_mul(CLEAN_NS));
        self.speed = self.way.speed_after(clean_s);
    }

    /// The speed at `now_ns`: zero while frozen, else what the last [`tick`](Pace::tick) left.
    #[must_use]
    pub fn speed(&self, now_ns: u64) -> Speed {
        if self.frozen_until(now_ns).is_some() {
            Speed::ZERO
        } else {
            self.speed
        }
    }

    /// When the freeze in force at `now_ns` ends, monotonic nanoseconds; `None` when not frozen.
    #[must_use]
    pub fn frozen_until(&self, now_ns: u64) -> Option<u64> {
        self.freeze
            .map(|f| f.until_ns)
            .filter(|&until_ns| now_ns < until_ns)
    }

    /// When the speed will next change by itself; `None` at full pace.
    #[must_use]
    pub fn next_change_ns(&self, now_ns: u64) -> Option<u64> {
        let step_ns = (self.speed != Speed::NOMINAL).then_some(self.next_step_ns);
        self.frozen_until(now_ns).or(step_ns)
    }

    /// Freezes since birth.
    #[must_use]
    pub const fn freezes(&self) -> u64 {
        self.freezes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn until(reaction: Reaction) -> u64 {
        match reaction {
            Reaction::Frozen { until_ns } => until_ns,
            Reaction::AlreadyKnown => panic!("expected a freeze"),
        }
    }

    #[test]
    fn freezes_slows_and_recovers() {
        let mut pace = Pace::new();
        let thaw = until(pace.on_throttled(10 * S, 9 * S, 0));
        assert_eq!(thaw, 11 * S);
        assert_eq!(pace.speed(thaw - 1), Speed::ZERO);
        assert_eq!(pace.next_change_ns(10 * S), Some(thaw));
        assert_eq!(pace.speed(thaw), Speed::from_ppm(850_000));
        pace.tick(thaw + S - 1);
        assert_eq!(pace.speed(thaw + S - 1).ppm(), 850_000);
        pace.tick(thaw + S);
        let after_one_second = pace.speed(thaw + S).ppm();
        assert!((860_000..880_000).contains(&after_one_second));
        assert_eq!(pace.next_change_ns(thaw + S), Some(thaw + 2 * S));
        pace.tick(thaw + HOLD_S * S);
        assert_eq!(pace.speed(thaw + HOLD_S * S).ppm(), 980_000);
        pace.tick(thaw + 30 * S);
        assert_eq!(pace.speed(thaw + 30 * S), Speed::NOMINAL);
        assert_eq!(pace.next_change_ns(thaw + 30 * S), None);
    }

    #[test]
    fn speed_never_falls_on_the_way_back_and_arrives() {
        for ppm in (50_000..=1_000_000).step_by(25_000) {
            for complaint in [
                Complaint::AtCeiling,
                Complaint::BelowCeiling,
                Complaint::Persisting,
            ] {
                let way = Way::down_from(Speed::from_ppm(ppm), complaint);
                let speeds: Vec<_> = (0..=70).map(|clean_s| way.speed_after(clean_s)).collect();
                assert!(speeds.is_sorted(), "{way:?}");
                assert_eq!(speeds[0].ppm(), way.low_ppm);
                assert_eq!(speeds[15].ppm(), way.ceiling_ppm);
                assert_eq!(speeds[70], Speed::NOMINAL, "{way:?}");
                assert_eq!(way.speed_after(u64::MAX), Speed::NOMINAL);
            }
        }
    }

    #[test]
    fn a_complaint_below_the_ceiling_lowers_it() {
        let mut pace = Pace::new();
        let thaw = until(pace.on_throttled(10 * S, 9 * S, 0));
        let earlier = pace.way;
        let again = thaw + 8 * S;
        let _ = pace.on_throttled(again, again, 0);
        assert!(pace.way.ceiling_ppm < earlier.ceiling_ppm / 100 * 95);
        assert_eq!(pace.frozen_until(again), Some(again + S), "not persisting");
    }

    #[test]
    fn a_window_of_complaints_is_one_freeze() {
        let mut pace = Pace::new();
        let thaw = until(pace.on_throttled(10 * S, 9 * S, 0));
        assert_eq!(
            pace.on_throttled(10 * S + 5, 9 * S, 0),
            Reaction::AlreadyKnown
        );
        // Written before the freeze, answered after it.
        assert_eq!(
            pace.on_throttled(thaw + 5, 10 * S, 0),
            Reaction::AlreadyKnown
        );
        assert_eq!(pace.freezes(), 1);
        assert_eq!(pace.speed(thaw + 5).ppm(), 850_000);
    }

    #[test]
    fn persisting_doubles_to_a_minute_and_a_clean_spell_starts_over() {
        let mut pace = Pace::new();
        let (mut now, mut lengths) = (0, Vec::new());
        for _ in 0..8 {
            now += S / 2;
            let thaw = until(pace.on_throttled(now, now, 0));
            lengths.push((thaw - now) / S);
            now = thaw;
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.speed(now).ppm(), MIN_SPEED_PPM);
        now += PERSIST_NS;
        assert_eq!(until(pace.on_throttled(now, now, 0)) - now, S);
    }

    #[test]
    fn jitter_adds_up_to_a_quarter() {
        let mut pace = Pace::new();
        assert_eq!(until(pace.on_throttled(S, S, u32::MAX)), S + S + S / 4);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let mut pace = Pace::new();
        let _ = pace.on_throttled(u64::MAX - 1, u64::MAX - 1, u32::MAX);
        pace.tick(u64::MAX);
        assert_eq!(pace.frozen_until(u64::MAX), None);
    }
}
