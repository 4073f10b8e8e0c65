//! What is measured: scenarios as lists of cases. Data, so that another case is another line.

use std::time::Duration;

use loadgen::{Mix, Spacing};
use serde::{Deserialize, Serialize};

use super::stage::Setup;

/// The words of `journal.sync` that this release knows.
pub(super) const SYNC_MODES: [&str; 3] = ["always", "interval", "none"];

/// What a group of cases shows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scenario {
    /// The most it takes: a closed loop.
    Saturation,
    /// Latency at fractions of that: an open loop.
    Open,
    /// Sessions times window, to a carrier some milliseconds away.
    Sessions,
    /// An otp's way with bulk waiting in the lane.
    Backlog,
    /// The ways to sync the journal.
    Sync,
}

/// Every scenario, in the order in which they run.
pub(super) const SCENARIOS: [Scenario; 5] = [
    Scenario::Saturation,
    Scenario::Open,
    Scenario::Sessions,
    Scenario::Backlog,
    Scenario::Sync,
];

/// How messages come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arrival {
    /// So many in flight.
    Closed { in_flight: u64 },
    /// A part of what saturation came to in this run.
    FractionOfSaturation(f64),
    /// So many a second.
    Rate(f64),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    /// Permanent: what `bench compare` finds it by.
    pub(super) id: String,
    pub(super) scenario: Scenario,
    pub(super) setup: Setup,
    pub(super) arrival: Arrival,
    pub(super) mix: Mix,
    /// Bulk that is admitted before and waits.
    pub(super) backlog: u64,
    pub(super) measured: Duration,
}

/// How much is measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) scenarios: Vec<Scenario>,
    pub(super) repeats: u32,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    /// Longer, since few otp come in a second.
    pub(super) measured_backlog: Duration,
    pub(super) in_flight: u64,
    pub(super) fractions: Vec<f64>,
    pub(super) sessions: Vec<u32>,
    pub(super) windows: Vec<u32>,
    pub(super) backlogs: Vec<u64>,
    pub(super) tenants: u16,
    pub(super) seed: u64,
}

/// Everything that runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) cases: Vec<Case>,
}

/// Sessions and window where they are not the question: more than a round trip fills.
const SESSIONS: u32 = 4;
const WINDOW: u32 = 1_000;
/// How far away the carrier is where sessions and window are the question.
const LATENCY_MS: u64 = 5;
/// The contract that keeps a backlog waiting, and the otp among it: a tenth.
const BACKLOG_CONTRACT: u32 = 2_000;
const BACKLOG_OTP_PER_SECOND: f64 = 200.0;
/// The rate at which ways to sync are compared for their latency: the same for all.
const SYNC_FRACTION: f64 = 0.3;
/// As configured by default.
const CREDITS: u64 = 1_000_000;
/// Bulk may use nine tenths of the credits.
const CREDITS_PER_BACKLOG: f64 = 1.25;

impl Size {
    /// Two to three minutes.
    pub(super) fn quick() -> Self {
        Self {
            scenarios: SCENARIOS.to_vec(),
            repeats: 3,
            warm_up: Duration::from_millis(500),
            measured: Duration::from_millis(1_500),
            measured_backlog: Duration::from_secs(3),
            in_flight: 20_000,
            fractions: vec![0.1, 0.5, 0.8],
            sessions: vec![1, 4],
            windows: vec![10, 100, 1_000],
            backlogs: vec![0, 20_000, 200_000],
            tenants: 4,
            seed: 1,
        }
    }

    /// Half an hour.
    pub(super) fn full() -> Self {
        Self {
            warm_up: Duration::from_secs(2),
            measured: Duration::from_secs(10),
            measured_backlog: Duration::from_secs(20),
            fractions: vec![0.1, 0.25, 0.5, 0.7, 0.8, 0.9],
            sessions: vec![1, 2, 4, 8],
            windows: vec![1, 10, 100, 1_000],
            backlogs: vec![0, 10_000, 100_000, 700_000],
            ..Self::quick()
        }
    }

    fn setup(&self) -> Setup {
        Setup {
            sessions: SESSIONS,
            window: WINDOW,
            sync: SYNC_MODES[0],
            contract_per_second: None,
            credits: CREDITS,
            carrier_latency_ms: 0,
            tenants: self.tenants,
        }
    }

    fn case(&self, id: String, scenario: Scenario) -> Case {
        Case {
            id,
            scenario,
            setup: self.setup(),
            arrival: Arrival::Closed {
                in_flight: self.in_flight,
            },
            mix: Mix {
                seed: self.seed,
                ..Mix::default()
            },
            backlog: 0,
            measured: self.measured,
        }
    }

    fn cases(&self, scenario: Scenario) -> Vec<Case> {
        match scenario {
            Scenario::Saturation => vec![self.case("saturation".to_owned(), scenario)],
            Scenario::Open => self.open_cases(),
            Scenario::Sessions => self.session_cases(),
            Scenario::Backlog => self
                .backlogs
                .iter()
                .map(|n| self.backlog_case(*n))
                .collect(),
            Scenario::Sync => {
                let cases = |mode: &&'static str| self.sync_cases(mode);
                SYNC_MODES.iter().flat_map(cases).collect()
            }
        }
    }

    fn open_cases(&self) -> Vec<Case> {
        let case = |fraction: &f64| Case {
            arrival: Arrival::FractionOfSaturation(*fraction),
            ..self.case(format!("open-{:.0}%", fraction * 100.0), Scenario::Open)
        };
        self.fractions.iter().map(case).collect()
    }

    fn session_cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for sessions in &self.sessions {
            for window in &self.windows {
                let id = format!("sessions-{sessions}x{window}");
                cases.push(Case {
                    setup: Setup {
                        sessions: *sessions,
                        window: *window,
                        carrier_latency_ms: LATENCY_MS,
                        ..self.setup()
                    },
                    ..self.case(id, Scenario::Sessions)
                });
            }
        }
        cases
    }

    fn backlog_case(&self, backlog: u64) -> Case {
        let credits = (backlog as f64 * CREDITS_PER_BACKLOG) as u64;
        Case {
            setup: Setup {
                contract_per_second: Some(BACKLOG_CONTRACT),
                credits: credits.max(CREDITS),
                window: 100,
                ..self.setup()
            },
            arrival: Arrival::Rate(BACKLOG_OTP_PER_SECOND),
            mix: Mix {
                category_parts: [1, 0, 0, 0],
                seed: self.seed,
                ..Mix::default()
            },
            backlog,
            measured: self.measured_backlog,
            ..self.case(format!("backlog-{backlog}"), Scenario::Backlog)
        }
    }

    /// The most it takes, and the latency where nothing but the sync is waited for.
    fn sync_cases(&self, sync: &'static str) -> [Case; 2] {
        let case = |id: String| Case {
            setup: Setup {
                sync,
                ..self.setup()
            },
            ..self.case(id, Scenario::Sync)
        };
        [
            case(format!("sync-{sync}")),
            Case {
                arrival: Arrival::FractionOfSaturation(SYNC_FRACTION),
                ..case(format!("sync-{sync}-paced"))
            },
        ]
    }
}

impl Plan {
    /// The cases of a size. Rates are fractions of saturation, so that comes with them.
    pub(super) fn of(size: &Size) -> Self {
        let relative = [Scenario::Open, Scenario::Sync];
        let is_relative = relative.iter().any(|one| size.scenarios.contains(one));
        let wanted = |scenario: &Scenario| {
            size.scenarios.contains(scenario) || (*scenario == Scenario::Saturation && is_relative)
        };
        let scenarios = SCENARIOS.into_iter().filter(wanted);
        Self {
            cases: scenarios
                .flat_map(|scenario| size.cases(scenario))
                .collect(),
        }
    }

    /// About how long it takes.
    pub(super) fn estimate(&self, size: &Size) -> Duration {
        /// Starting two processes, binding, draining and ending them.
        const AROUND: Duration = Duration::from_millis(900);
        /// What intake takes at least.
        const ADMITTED_PER_SECOND: f64 = 100_000.0;
        let once: Duration = self
            .cases
            .iter()
            .map(|case| {
                let filling = case.backlog as f64 / ADMITTED_PER_SECOND;
                AROUND + size.warm_up + case.measured + Duration::from_secs_f64(filling)
            })
            .sum();
        once * size.repeats
    }
}

impl Case {
    /// How the open loop is spread: as independent callers would.
    pub(super) fn spacing(&self) -> Spacing {
        Spacing::Poisson {
            seed: self.mix.seed,
        }
    }

    /// Says what is measured, for people.
    pub(super) fn title(&self) -> String {
        let Setup {
            sessions, window, ..
        } = self.setup;
        match self.scenario {
            Scenario::Saturation => format!("saturation, {sessions} sessions × {window}"),
            Scenario::Open => match self.arrival {
                Arrival::FractionOfSaturation(part) => {
                    format!("open loop at {:.0} % of saturation", part * 100.0)
                }
                Arrival::Rate(rate) => format!("open loop at {rate:.0}/s"),
                Arrival::Closed { .. } => "open loop".to_owned(),
            },
            Scenario::Sessions => format!("{sessions} × {window}, carrier {LATENCY_MS} ms away"),
            Scenario::Backlog => format!("otp, {} bulk waiting", self.backlog),
            Scenario::Sync => match self.arrival {
                Arrival::Closed { .. } => format!("saturation, journal.sync = {}", self.setup.sync),
                Arrival::FractionOfSaturation(part) => {
                    let percent = part * 100.0;
                    format!(
                        "{percent:.0} % of saturation, journal.sync = {}",
                        self.setup.sync
                    )
                }
                Arrival::Rate(rate) => format!("{rate:.0}/s, journal.sync = {}", self.setup.sync),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_scenario_has_cases() {
        for size in [Size::quick(), Size::full()] {
            let plan = Plan::of(&size);
            let ids: HashSet<_> = plan.cases.iter().map(|case| &case.id).collect();
            assert_eq!(ids.len(), plan.cases.len());
            for scenario in SCENARIOS {
                assert!(plan.cases.iter().any(|case| case.scenario == scenario));
            }
            assert!(plan.cases.iter().all(|case| case.mix.check().is_ok()));
        }
    }

    #[test]
    fn an_open_loop_brings_saturation_with_it_and_first() {
        let size = Size {
            scenarios: vec![Scenario::Open],
            ..Size::quick()
        };
        let plan = Plan::of(&size);
        assert_eq!(plan.cases[0].scenario, Scenario::Saturation);
        assert_eq!(plan.cases.len(), 1 + size.fractions.len());
    }

    #[test]
    fn quick_is_quick() {
        let size = Size::quick();
        let seconds = Plan::of(&size).estimate(&size).as_secs();
        assert!((60..200).contains(&seconds), "{seconds}");
    }
}
