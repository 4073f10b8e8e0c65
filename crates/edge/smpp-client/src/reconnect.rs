//! When a lost or refused session tries again: decisions only, no clock.
//!
//! Two rules work together. Each session doubles its own delay ([`Backoff`]); all sessions of a carrier pass one gate ([`ConnectGate`])
//! that lets them through one by one, so that a carrier that restarts does not meet its whole pool in one instant.

use smpp_codec::{CommandStatus, StatusClass};

use crate::config::ReconnectConfig;

const MS_NS: u64 = 1_000_000;
/// Doublings after which the longest delay is reached whatever the configuration: 1 ms × 2^27 is above a day.
const DOUBLINGS_MAX: u32 = 27;

/// A small seeded random source (SplitMix64): jitter must be cheap and repeatable, not secret.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A source that always gives the same numbers for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number in `min..=max`; `min` when the range is empty.
    pub fn between(&mut self, min: u64, max: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        match max.checked_sub(min).map(|span| span.checked_add(1)) {
            // The remainder's bias is below 2^-30 for the spans of a delay.
            Some(Some(span)) => min + mixed % span,
            Some(None) => mixed,
            None => min,
        }
    }
}

/// Why a session has to wait before it connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// No connection, no answer to the bind, a refusal that may pass, or a bound session that ended.
    BackOff,
    /// The carrier does not know our credentials: only a slow probe makes sense until somebody corrects them.
    BindFatal,
}

impl Setback {
    /// What a refused bind means.
    ///
    /// `AlreadyBound` backs off: the carrier still holds an old session, or our licence allows fewer; it never means bound.
    #[must_use]
    pub const fn of_bind_status(status: CommandStatus) -> Self {
        match status.bind_class() {
            StatusClass::BindFatal => Self::BindFatal,
            StatusClass::Ok
            | StatusClass::Throttle
            | StatusClass::Retry
            | StatusClass::Session
            | StatusClass::BindBackOff
            | StatusClass::Permanent
            | StatusClass::Capability
            | StatusClass::Operation
            | StatusClass::Vendor => Self::BackOff,
        }
    }
}

/// The delays of one session: exponential with jitter, from `min_ms` to `max_ms`.
///
/// Each delay is drawn between half of its step and the whole of it: enough spread to part a pool, and never nearly 0. A session that
/// stayed bound at least as long as the delay that led to it has recovered, and starts again at the first step; one that binds and
/// falls at once keeps climbing.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: ReconnectConfig,
    jitter: Jitter,
    doublings: u32,
    last_delay_ms: u64,
}

impl Backoff {
    /// The delays of the session number `index` of a carrier: sessions of one carrier differ, runs with one seed do not.
    #[must_use]
    pub fn new(config: ReconnectConfig, index: u32) -> Self {
        let mut seed = Jitter::new(config.seed ^ (u64::from(index) << 32));
        Self {
            config,
            jitter: Jitter::new(seed.between(0, u64::MAX)),
            doublings: 0,
            last_delay_ms: 0,
        }
    }

    /// How long to wait, in milliseconds; `bound_ms` is how long the session was bound, 0 when it never was.
    pub fn delay_ms(&mut self, setback: Setback, bound_ms: u64) -> u64 {
        if bound_ms > 0 && bound_ms >= self.last_delay_ms {
            self.doublings = 0;
        }
        let step_ms = match setback {
            Setback::BindFatal => self.config.fatal_probe_ms,
            Setback::BackOff => {
                let factor = 1_u64 << self.doublings.min(DOUBLINGS_MAX);
                self.doublings = self.doublings.saturating_add(1);
                self.config
                    .min_ms
                    .saturating_mul(factor)
                    .min(self.config.max_ms)
            }
        };
        self.last_delay_ms = self.jitter.between(step_ms.div_ceil(2), step_ms);
        self.last_delay_ms
    }
}

/// Whether a connect is a session's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// At the start of the process.
    First,
    /// After a loss or a refusal.
    Again,
}

/// Lets the connects of one carrier through one by one, at least `stagger_ms` apart at the start and `gap_ms` apart afterwards.
#[derive(Clone, Copy, Debug)]
pub struct ConnectGate {
    stagger_ns: u64,
    gap_ns: u64,
    last_ns: Option<u64>,
}

impl ConnectGate {
    /// A gate through which nobody has passed.
    #[must_use]
    pub const fn new(config: &ReconnectConfig) -> Self {
        Self {
            stagger_ns: config.stagger_ms.saturating_mul(MS_NS),
            gap_ns: config.gap_ms.saturating_mul(MS_NS),
            last_ns: None,
        }
    }

    /// Passes at `now_ns`, or says when to ask again. Asking again later was chosen over handing out places in advance, so that a
    /// session whose own delay is shorter never waits behind one that is still far off.
    ///
    /// # Errors
    /// The earliest instant, in nanoseconds, at which the gate opens.
    pub const fn pass(&mut self, connect: Connect, now_ns: u64) -> Result<(), u64> {
        let distance_ns = match connect {
            Connect::First => self.stagger_ns,
            Connect::Again => self.gap_ns,
        };
        if let Some(last_ns) = self.last_ns {
            let opens_ns = last_ns.saturating_add(distance_ns);
            if now_ns < opens_ns {
                return Err(opens_ns);
            }
        }
        self.last_ns = Some(now_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_stay_within_their_half() {
        let mut backoff = Backoff::new(ReconnectConfig::default(), 3);
        for step_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            let delay_ms = backoff.delay_ms(Setback::BackOff, 0);
            assert!(
                (step_ms / 2..=step_ms).contains(&delay_ms),
                "{delay_ms} of {step_ms}"
            );
        }
    }

    #[test]
    fn wrong_credentials_are_probed_slowly_and_do_not_spoil_the_next_delay() {
        let mut backoff = Backoff::new(ReconnectConfig::default(), 0);
        assert!((150_000..=300_000).contains(&backoff.delay_ms(Setback::BindFatal, 0)));
        assert!(backoff.delay_ms(Setback::BackOff, 0) <= 1_000);
    }

    #[test]
    fn a_session_that_lasted_starts_over_and_one_that_fell_at_once_climbs() {
        let mut backoff = Backoff::new(ReconnectConfig::default(), 0);
        for _ in 0..5 {
            backoff.delay_ms(Setback::BackOff, 0);
        }
        assert!(
            backoff.delay_ms(Setback::BackOff, 10) >= 16_000,
            "bound for 10 ms only"
        );
        assert!(
            backoff.delay_ms(Setback::BackOff, 60_000) <= 1_000,
            "bound for a minute"
        );
    }

    #[test]
    fn sessions_of_one_seed_differ_and_runs_do_not() {
        let delays = |index| {
            let mut backoff = Backoff::new(ReconnectConfig::default(), index);
            [0; 4].map(|bound_ms| backoff.delay_ms(Setback::BackOff, bound_ms))
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }

    #[test]
    fn bind_refusals_are_classed() {
        for code in [0x0E, 0x0F, 0x53] {
            assert_eq!(
                Setback::of_bind_status(CommandStatus::from_u32(code)),
                Setback::BindFatal
            );
        }
        for code in [0x05, 0x08, 0x0D, 0x14, 0x58, 0x04, 0x401, 0xFF] {
            assert_eq!(
                Setback::of_bind_status(CommandStatus::from_u32(code)),
                Setback::BackOff
            );
        }
    }

    proptest! {
        #[test]
        fn the_gate_keeps_its_distance(
            steps in proptest::collection::vec((0_u64..400, any::<bool>()), 1..100),
        ) {
            let mut gate = ConnectGate::new(&ReconnectConfig::default());
            let (mut now_ns, mut last_ns) = (0, None);
            for (step_ms, first) in steps {
                now_ns += step_ms * MS_NS;
                let (connect, distance_ms) = if first { (Connect::First, 20) } else { (Connect::Again, 200) };
                let opens_ns = last_ns.map_or(0, |last_ns: u64| last_ns + distance_ms * MS_NS);
                match gate.pass(connect, now_ns) {
                    Ok(()) => {
                        prop_assert!(now_ns >= opens_ns);
                        last_ns = Some(now_ns);
                    }
                    Err(at_ns) => {
                        prop_assert_eq!(at_ns, opens_ns);
                        prop_assert!(at_ns > now_ns);
                    }
                }
            }
        }

        #[test]
        fn jitter_stays_in_its_range(seed in any::<u64>(), min in any::<u64>(), max in any::<u64>()) {
            let drawn = Jitter::new(seed).between(min, max);
            prop_assert!(drawn >= min && (drawn <= max || max < min));
        }
    }
}
