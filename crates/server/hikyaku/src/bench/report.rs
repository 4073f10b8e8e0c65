//! The report as data: what `--json` writes and `bench compare` reads. docs/bench-report.md describes it; a change of meaning is a new
//! [`SCHEMA`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::Scenario;

/// Name and version of the format.
pub(super) const SCHEMA: &str = "hikyaku.bench/1";

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// [`SCHEMA`].
    pub(super) schema: String,
    /// Of the binary that measured, which is also the one that was measured unless there is a target.
    pub(super) hikyaku_version: String,
    /// When it began, in milliseconds since 1970.
    pub(super) started_unix_ms: u64,
    /// How long it took.
    pub(super) seconds: f64,
    pub(super) machine: Machine,
    pub(super) settings: Settings,
    /// In the order in which they ran.
    pub(super) cases: Vec<CaseReport>,
}

/// Where it ran. Empty or 0 where the kernel does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: u32,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// Of the folder with the journals.
    pub(super) file_system: String,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// An engine that was there before; none: engine and carrier were started for each run.
    pub(super) target: Option<String>,
    pub(super) repeats: u32,
    pub(super) warm_up_s: f64,
    pub(super) in_flight: u64,
    pub(super) tenants: u16,
    pub(super) seed: u64,
    /// Submissions went by `stream` or `batch`.
    pub(super) via: String,
}

/// One case: parameters, figures, curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CaseReport {
    /// Permanent.
    pub(super) id: String,
    pub(super) scenario: Scenario,
    /// For people.
    pub(super) title: String,
    pub(super) parameters: Parameters,
    /// Each with a value a run, and what they come to.
    pub(super) figures: Vec<Figure>,
    /// Latency by percentile, over all runs together.
    pub(super) curves: Vec<Curve>,
    /// Of the run with the median rate.
    pub(super) timeline: Timeline,
}

/// What sets a case apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameters {
    pub(super) measured_s: f64,
    pub(super) sessions: u32,
    pub(super) window: u32,
    pub(super) carrier_latency_ms: u64,
    pub(super) contract_per_second: Option<u32>,
    pub(super) backlog: u64,
    pub(super) sync: String,
    /// Parts of the whole by category.
    pub(super) mix: BTreeMap<String, u32>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    Higher,
    Lower,
    /// Says something about the run, not about the engine.
    Neither,
}

/// A figure of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) better: Better,
    /// One a run, in the order of the runs.
    pub(super) values: Vec<f64>,
    /// The middle one; the mean of the two in the middle for an even count.
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Latency by percentile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    pub(super) category: String,
    pub(super) step: String,
    /// How many messages.
    pub(super) count: u64,
    /// Percentile and milliseconds.
    pub(super) points: Vec<(f64, f64)>,
}

/// What happened in each tick of a run, warm-up and drain included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Timeline {
    pub(super) tick_s: f64,
    pub(super) measured_from_s: f64,
    pub(super) measured_to_s: f64,
    pub(super) sent: Vec<u64>,
    pub(super) admitted: Vec<u64>,
    pub(super) ended: Vec<u64>,
    pub(super) skipped: Vec<u64>,
}

impl Figure {
    /// Of some runs; none of nothing.
    pub(super) fn of(name: &str, unit: &str, better: Better, values: Vec<f64>) -> Option<Self> {
        let values: Vec<f64> = values
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        let values: Vec<f64> = values.into_iter().map(rounded).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            better,
            values,
            median,
            min,
            max,
        })
    }
}

/// Six significant digits: more than any run repeats.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let power = 10_f64.powi(5 - value.abs().log10().floor() as i32);
    (value * power).round() / power
}

impl CaseReport {
    /// A figure by its name.
    pub(super) fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// The median of a figure.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        self.figure(name).map(|figure| figure.median)
    }
}

impl Report {
    /// The cases of a scenario.
    pub(super) fn of(&self, scenario: Scenario) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(move |case| case.scenario == scenario)
    }

    /// One line that says what it ran on.
    pub(super) fn place(&self) -> String {
        let Machine {
            cpu,
            cores,
            memory_mib,
            kernel,
            file_system,
        } = &self.machine;
        format!(
            "{cores} cores of {cpu}, {:.0} GiB, Linux {kernel}, journal on {file_system}",
            *memory_mib as f64 / 1_024.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_middle_and_both_ends() {
        let figure = |values: &[f64]| Figure::of("x", "ms", Better::Lower, values.to_vec());
        let odd = figure(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(odd.values, [3.0, 1.0, 2.0]);
        assert_eq!(figure(&[4.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(figure(&[]), None);
        assert_eq!(figure(&[f64::NAN]), None);
        let long = figure(&[1.0 / 3.0, 123_456_789.0]).unwrap();
        assert_eq!(long.values, [0.333_333, 123_457_000.0]);
    }
}
