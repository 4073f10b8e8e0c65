//! One run of one case: a new stage, a backlog where one is wanted, the load, the account.

use std::path::Path;
use std::time::Duration;

use loadgen::{Edge, Follow, Load, LoadError, Loaded, Mix, Pace, Target, Via};
use thiserror::Error;

use super::calls::CallCount;
use super::plan::{Arrival, Case};
use super::stage::{CarrierCounts, Stage, StageError, Used};
use super::usage::{Usage, machine_busy};

/// How long answers and ends may take after the load.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// How long a backlog may take to be admitted.
const FILL_MAX: Duration = Duration::from_secs(600);
/// The one state in which a message may end here.
const DELIVERED: &str = "MESSAGE_STATE_DELIVERED";

/// What one run came to.
pub(super) struct Run {
    pub(super) loaded: Loaded,
    /// What was offered, where that was fixed in advance.
    pub(super) offered_per_second: Option<f64>,
    pub(super) spent: Option<Spent>,
    pub(super) journal: Option<JournalCounts>,
    /// The engine's system calls for a message that ended, warm-up and drain included; none where they are not counted.
    pub(super) calls_per_message: Option<f64>,
}

/// What the processes used in the measured span.
pub(super) struct Spent {
    pub(super) engine: Usage,
    pub(super) carrier: Usage,
    pub(super) client: Usage,
    /// Processor time of the machine that was none of ours.
    pub(super) others: Duration,
}

/// What the journal wrote over the whole run, and for how many messages.
pub(super) struct JournalCounts {
    pub(super) batches: f64,
    pub(super) records: f64,
    pub(super) bytes: f64,
    pub(super) messages: f64,
}

/// Why a run gives no figures.
#[derive(Debug, Error)]
pub(super) enum RunError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A promise was broken, or the load was not what it should be.
    #[error("{0}")]
    Broken(String),
}

/// Whether the engine's system calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    Counted,
    Uncounted,
}

/// How all runs are made.
pub(super) struct Manner<'a> {
    /// Where journals go.
    pub(super) parent: &'a Path,
    pub(super) via: Via,
    pub(super) warm_up: Duration,
    pub(super) calls: Calls,
    /// Messages a second that saturation came to, where it is known.
    pub(super) saturation: Option<f64>,
}

/// Runs a case against an engine and a carrier of its own.
pub(super) async fn on_stage(case: &Case, manner: &Manner<'_>) -> Result<Run, RunError> {
    let stage = Stage::set(manner.parent, &case.setup)?;
    fill(&stage.target, case).await?;
    let mut watched = Watched::new(&stage);
    let load = load(case, manner)?;
    let calls = match manner.calls {
        Calls::Counted => stage.count_calls(),
        Calls::Uncounted => None,
    };
    let loaded = loadgen::run(&stage.target, &load, |edge| watched.look(edge)).await?;
    let calls = calls.and_then(CallCount::end);
    let spent = watched.spent();
    let metrics = stage.metrics();
    let journal = JournalCounts {
        batches: metrics.value("hikyaku_journal_batches_total"),
        records: metrics.value("hikyaku_journal_records_total"),
        bytes: metrics.value("hikyaku_journal_written_bytes_total"),
        messages: (loaded.total.admitted + case.backlog) as f64,
    };
    let counts = stage.strike()?;
    let ended = loaded.total.ended as f64;
    check(case, &loaded)?;
    check_carrier(case, &loaded, counts)?;
    Ok(Run {
        loaded,
        offered_per_second: offered(load.pace),
        spent: Some(spent),
        journal: Some(journal),
        calls_per_message: calls.map(|calls| calls as f64 / ended),
    })
}

/// Runs a case against an engine that is there: the client's figures only.
pub(super) async fn on_target(
    case: &Case,
    target: &Target,
    manner: &Manner<'_>,
) -> Result<Run, RunError> {
    let load = load(case, manner)?;
    let loaded = loadgen::run(target, &load, |_| {}).await?;
    check(case, &loaded)?;
    Ok(Run {
        loaded,
        offered_per_second: offered(load.pace),
        spent: None,
        journal: None,
        calls_per_message: None,
    })
}

fn load(case: &Case, manner: &Manner<'_>) -> Result<Load, RunError> {
    let open = |rate_per_second| Pace::Open {
        rate_per_second,
        spacing: case.spacing(),
    };
    let pace = match (case.arrival, manner.saturation) {
        (Arrival::Closed { in_flight }, _) => Pace::Closed { in_flight },
        (Arrival::Rate(rate), _) => open(rate),
        (Arrival::FractionOfSaturation(part), Some(saturation)) => open(part * saturation),
        (Arrival::FractionOfSaturation(_), None) => {
            let text = "saturation is not known, so a fraction of it is not either";
            return Err(RunError::Broken(text.to_owned()));
        }
    };
    Ok(Load {
        mix: case.mix.clone(),
        pace,
        via: manner.via,
        follow: Follow::ToFinal,
        warm_up: manner.warm_up,
        measured: case.measured,
        drain_max: DRAIN_MAX,
        ..Load::default()
    })
}

const fn offered(pace: Pace) -> Option<f64> {
    match pace {
        Pace::Open {
            rate_per_second, ..
        } => Some(rate_per_second),
        Pace::Closed { .. } => None,
    }
}

/// Bulk that waits before the load begins.
async fn fill(target: &Target, case: &Case) -> Result<(), RunError> {
    if case.backlog == 0 {
        return Ok(());
    }
    let load = Load {
        mix: Mix {
            category_parts: [0, 0, 0, 1],
            ..case.mix.clone()
        },
        pace: Pace::Closed { in_flight: 10_000 },
        follow: Follow::ToAdmission,
        warm_up: Duration::ZERO,
        measured: FILL_MAX,
        messages_max: case.backlog,
        ..Load::default()
    };
    let loaded = loadgen::run(target, &load, |_| {}).await?;
    if loaded.total.admitted == case.backlog {
        Ok(())
    } else {
        Err(RunError::Broken(format!(
            "a backlog of {} was wanted, {} were admitted in {FILL_MAX:?}",
            case.backlog, loaded.total.admitted
        )))
    }
}

/// Looks at the processes at both ends of the measured span.
struct Watched<'a> {
    stage: &'a Stage,
    begins: Option<(Used, Usage, Duration)>,
    ends: Option<(Used, Usage, Duration)>,
}

impl<'a> Watched<'a> {
    const fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            begins: None,
            ends: None,
        }
    }

    fn look(&mut self, edge: Edge) {
        let own = Usage::of(std::process::id());
        let seen = Some((self.stage.used(), own, machine_busy()));
        match edge {
            Edge::Begins => self.begins = seen,
            Edge::Ends => self.ends = seen,
        }
    }

    fn spent(self) -> Spent {
        let (begins, ends) = (
            self.begins.unwrap_or_default(),
            self.ends.unwrap_or_default(),
        );
        let engine = ends.0.engine.since(&begins.0.engine);
        let carrier = ends.0.carrier.since(&begins.0.carrier);
        let client = ends.1.since(&begins.1);
        let ours = engine.cpu() + carrier.cpu() + client.cpu();
        Spent {
            others: ends.2.saturating_sub(begins.2).saturating_sub(ours),
            engine,
            carrier,
            client,
        }
    }
}

/// What the client must have seen: each message answered, ended once, delivered.
fn check(case: &Case, loaded: &Loaded) -> Result<(), RunError> {
    let delivered = loaded.states.get(DELIVERED).copied().unwrap_or(0);
    let wrongs = [
        (loaded.unanswered(), "submissions were never answered"),
        (loaded.pending(), "admitted messages did not end"),
        (loaded.ended_twice, "messages were told to have ended twice"),
        (loaded.strange, "answers or events fit no message"),
        (
            loaded.total.ended - delivered,
            "messages ended otherwise than delivered",
        ),
        (
            u64::from(loaded.measured.ended == 0),
            "case in which nothing ended in the measured span",
        ),
    ];
    match wrongs.into_iter().find(|(count, _)| *count > 0) {
        None => Ok(()),
        Some((count, what)) => Err(RunError::Broken(format!(
            "{}: {count} {what} ({:?}, {:?})",
            case.id, loaded.total, loaded.states
        ))),
    }
}

/// What the carrier must have seen: every message once; of a backlog whatever its contract let through.
fn check_carrier(case: &Case, loaded: &Loaded, counts: CarrierCounts) -> Result<(), RunError> {
    let at_least = loaded.total.ended;
    let at_most = loaded.total.admitted + case.backlog;
    if counts.copies == 0 && (at_least..=at_most).contains(&counts.unique_messages) {
        return Ok(());
    }
    Err(RunError::Broken(format!(
        "{}: {} messages ended and {at_most} were admitted; the carrier took {} and {} copies",
        case.id, at_least, counts.unique_messages, counts.copies
    )))
}
