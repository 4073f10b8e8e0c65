//! Whether the demo's figures keep the engine's promises.
//!
//! The account (nothing lost, nothing sent twice without saying so) and the contract hold on any machine, however busy:
//! when one is broken the demo fails. How long an OTP waits behind nothing depends on the machine as well; that is
//! reported, and does not fail the demo.

use serde::Serialize;

use super::report::{CarrierReport, Report};

/// The engine's pace as a part of the contract.
const PACE: f64 = 0.993;
/// A permit may be made up this late (seconds of pace), which a second at the carrier may hold more.
const LATE_SECONDS: f64 = 0.007;
/// What the head of the otp lane may wait beyond one permit interval.
const OTP_MARGIN_MS: f64 = 2.0;

/// A promise and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// What was promised.
    pub(super) promise: String,
    /// What was found.
    pub(super) measured: f64,
    /// The most that is allowed.
    pub(super) allowed: f64,
    /// Whether it was kept.
    pub(super) kept: bool,
    /// What it means when it was not.
    #[serde(skip)]
    pub(super) weight: Weight,
}

/// What a promise that was not kept means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The engine is wrong.
    Fails,
    /// The engine or the machine was slow.
    Reported,
}

impl Verdict {
    fn new(promise: impl Into<String>, measured: f64, allowed: f64) -> Self {
        Self {
            promise: promise.into(),
            measured,
            allowed,
            kept: measured <= allowed,
            weight: Weight::Fails,
        }
    }

    /// Whether the demo has failed by this.
    pub(super) fn fails(&self) -> bool {
        !self.kept && self.weight == Weight::Fails
    }
}

/// Everything that was promised, in the order of its weight. `contradicted` counts messages with two different ends.
pub(super) fn verdicts(report: &Report, contradicted: u64) -> Vec<Verdict> {
    let unaccounted = report.admitted.abs_diff(report.ended + report.pending);
    let mut verdicts = vec![
        none(
            "admitted messages are in a final state or pending",
            unaccounted,
        ),
        none("no admitted message is lost", report.lost),
        none("no message is left pending", report.pending),
        none("no message has two different ends", contradicted),
        none(
            "nothing is sent twice without saying so",
            report.duplicated_unflagged,
        ),
    ];
    for carrier in &report.carriers {
        contract(carrier, &mut verdicts);
    }
    if let Some(interval_ms) = slowest_interval_ms(report) {
        let mut head_of_line = Verdict::new(
            "ms that the next OTP waits, 99 times of 100: one permit interval and 2 ms at most",
            report.otp.head_of_line_ms.p99,
            ((interval_ms + OTP_MARGIN_MS) * 1_000.0).round() / 1_000.0,
        );
        head_of_line.weight = Weight::Reported;
        verdicts.push(head_of_line);
    }
    verdicts
}

fn none(promise: &str, found: u64) -> Verdict {
    Verdict::new(promise, found as f64, 0.0)
}

fn contract(carrier: &CarrierReport, verdicts: &mut Vec<Verdict>) {
    let Some(rate) = carrier.contracted_per_second else {
        return;
    };
    let name = &carrier.name;
    verdicts.push(Verdict::new(
        format!("{name}: segments written in any second, at most the contract"),
        carrier.max_in_any_second_at_write as f64,
        f64::from(rate),
    ));
    verdicts.push(Verdict::new(
        format!("{name}: segments received in any second, no more than the delays explain"),
        carrier.max_in_any_second_at_carrier as f64,
        most_at_carrier(rate, carrier.delay_spread_ms),
    ));
}

/// ⌈r (1.007 + J)⌉, r the pace and J the spread of the delays in seconds.
fn most_at_carrier(rate: u32, delay_spread_ms: f64) -> f64 {
    let pace = PACE * f64::from(rate);
    (pace * (1.0 + LATE_SECONDS + delay_spread_ms / 1_000.0)).ceil()
}

/// Between two permits of the slowest contract.
fn slowest_interval_ms(report: &Report) -> Option<f64> {
    let rates = report
        .carriers
        .iter()
        .filter_map(|carrier| carrier.contracted_per_second);
    rates.min().map(|rate| 1_000.0 / (PACE * f64::from(rate)))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::sound;
    use super::*;

    fn failing(report: &Report, contradicted: u64) -> Vec<String> {
        verdicts(report, contradicted)
            .into_iter()
            .filter(Verdict::fails)
            .map(|verdict| verdict.promise)
            .collect()
    }

    #[test]
    fn a_sound_run_keeps_every_promise() {
        let verdicts = verdicts(&sound(), 0);
        assert!(verdicts.iter().all(|verdict| verdict.kept), "{verdicts:?}");
        assert_eq!(verdicts.len(), 8);
    }

    #[test]
    fn each_broken_promise_is_named_alone() {
        type Break = fn(&mut Report);
        let breaks: [(Break, &str); 4] = [
            (|report| report.duplicated_unflagged = 1, "twice"),
            (|report| report.lost = 1, "lost"),
            (
                |report| report.carriers[0].max_in_any_second_at_write = 201,
                "written",
            ),
            (
                |report| report.carriers[0].max_in_any_second_at_carrier = 202,
                "received",
            ),
        ];
        for (break_it, word) in breaks {
            let mut report = sound();
            break_it(&mut report);
            let failing = failing(&report, 0);
            assert!(
                failing.len() == 1 && failing[0].contains(word),
                "{failing:?}"
            );
        }
        assert_eq!(failing(&sound(), 1).len(), 1);
    }

    #[test]
    fn a_message_that_nobody_accounts_for_is_found() {
        let mut report = sound();
        report.admitted += 1;
        assert_eq!(failing(&report, 0).len(), 1);
        // The engine still has it: the sum is right, and yet it should have ended.
        report.pending = 1;
        assert_eq!(failing(&report, 0).len(), 1);
    }

    #[test]
    fn the_carriers_bound_grows_with_the_spread_of_delays() {
        assert_eq!(most_at_carrier(200, 0.0), 200.0);
        assert_eq!(most_at_carrier(200, 3.0), 201.0);
        assert_eq!(most_at_carrier(200, 100.0), 220.0);
    }

    #[test]
    fn a_slow_head_of_line_is_reported_and_does_not_fail() {
        let mut report = sound();
        report.otp.head_of_line_ms.p99 = 7.1;
        let verdicts = verdicts(&report, 0);
        let slow: Vec<_> = verdicts.iter().filter(|verdict| !verdict.kept).collect();
        assert!(slow.len() == 1 && !slow[0].fails(), "{slow:?}");
    }
}
