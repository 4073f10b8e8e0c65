//! `hikyaku bench`: what the engine does on this machine, and what it costs.
//!
//! Engine and simulated carrier are processes of their own, of this same binary, so that each one's processor time is known; the client is
//! this process. Every run has a new engine with a new journal. Rounds go over all cases before a case comes again, so that a slow minute of
//! the machine falls on all of them; figures are medians, with the least and the most.
//!
//! A run that loses a message, sends one twice, or ends one as anything but delivered fails instead of giving a figure.

mod args;
mod calls;
mod chart;
mod compare;
mod figures;
mod html;
mod machine;
mod measure;
mod metrics;
mod plan;
mod plots;
mod process;
mod report;
mod scale;
mod stage;
mod table;
mod usage;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use loadgen::{Target, Via};
use message::CATEGORIES;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::args::BenchArgs;
use self::args::BenchCommand;
use self::compare::CompareError;
use self::measure::{Calls, Manner, Run, RunError};
use self::plan::{Case, Plan, Scenario, Size};
use self::report::{CaseReport, Parameters, Report, SCHEMA, Timeline};
use crate::client::ClientError;

/// Why there is no report.
#[derive(Debug, Error)]
enum BenchError {
    /// The options contradict one another.
    #[error("{0}")]
    Options(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("{title}: {error}")]
    Run { title: String, error: Box<RunError> },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(BenchError::Options(text)) => {
            eprintln!("hikyaku: {text}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("hikyaku: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &BenchArgs) -> Result<(), BenchError> {
    match &args.command {
        Some(BenchCommand::Compare(args)) => print(&compare::compare(args)?),
        None => measure(args),
    }
}

fn measure(args: &BenchArgs) -> Result<(), BenchError> {
    let size = args.size()?;
    let plan = Plan::of(&size);
    let bench = Bench {
        target: args.target()?,
        parent: args.parent(),
        via: args.via(),
        calls: args.calls(),
        size,
        plan,
    };
    // What cannot be written at the end should not cost the time before.
    for path in args.json.iter().chain(&args.html) {
        write(path, "")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (began, started) = (Instant::now(), SystemTime::now());
    let cases = runtime.block_on(unless_interrupted(bench.perform()))?;
    let report = Report {
        schema: SCHEMA.to_owned(),
        hikyaku_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_unix_ms: started.duration_since(UNIX_EPOCH).map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }),
        seconds: began.elapsed().as_secs_f64(),
        machine: machine::this(&bench.parent),
        settings: args.settings(&bench.size),
        cases,
    };
    if let Some(path) = &args.json {
        let text = serde_json::to_string(&report).map_err(io::Error::from)?;
        write(path, &text)?;
    }
    if let Some(path) = &args.html {
        write(path, &html::page(&report))?;
    }
    print(&table::Table(&report).to_string())
}

fn print(text: &str) -> Result<(), BenchError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::Write {
        path: path.to_owned(),
        source,
    })
}

/// So that an interrupted bench still ends its processes and removes its journals.
async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => Err(BenchError::Interrupted),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(BenchError::Interrupted)
        }
    }
}

/// Everything that is to be run.
struct Bench {
    target: Option<Target>,
    parent: PathBuf,
    via: Via,
    calls: Calls,
    size: Size,
    plan: Plan,
}

impl Bench {
    async fn perform(&self) -> Result<Vec<CaseReport>, BenchError> {
        let progress = self.progress();
        let mut runs: Vec<Vec<Run>> = self.plan.cases.iter().map(|_| Vec::new()).collect();
        let mut saturation = None;
        // Fractions of saturation need its median, so that comes first.
        let first = |case: &Case| case.scenario == Scenario::Saturation;
        for turn in [true, false] {
            for round in 1..=self.size.repeats {
                for (case, runs) in self.plan.cases.iter().zip(&mut runs) {
                    if first(case) != turn {
                        continue;
                    }
                    progress.set_message(format!("round {round}: {}", case.title()));
                    runs.push(self.run(case, saturation).await?);
                    progress.inc(1);
                }
            }
            let cases = self.plan.cases.iter().zip(&runs);
            saturation = cases
                .filter(|(case, _)| first(case))
                .find_map(|(case, runs)| report_of(case, runs).median("ended"));
        }
        progress.finish_and_clear();
        let cases = self.plan.cases.iter().zip(&runs);
        Ok(cases.map(|(case, runs)| report_of(case, runs)).collect())
    }

    async fn run(&self, case: &Case, saturation: Option<f64>) -> Result<Run, BenchError> {
        let manner = Manner {
            parent: &self.parent,
            via: self.via,
            warm_up: self.size.warm_up,
            calls: self.calls,
            saturation,
        };
        let run = match &self.target {
            Some(target) => measure::on_target(case, target, &manner).await,
            None => measure::on_stage(case, &manner).await,
        };
        run.map_err(|error| BenchError::Run {
            title: case.title(),
            error: Box::new(error),
        })
    }

    /// On a terminal; elsewhere nothing is drawn.
    fn progress(&self) -> ProgressBar {
        let runs = self.plan.cases.len() as u64 * u64::from(self.size.repeats);
        let style =
            ProgressStyle::with_template("  {bar:32} {pos:>3} of {len} runs, {eta} left   {msg}");
        let bar = ProgressBar::new(runs);
        bar.println(format!(
            "About {} minutes; the machine should have nothing else to do.",
            self.plan.estimate(&self.size).as_secs().div_ceil(60)
        ));
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

fn report_of(case: &Case, runs: &[Run]) -> CaseReport {
    let setup = &case.setup;
    let parts = CATEGORIES.iter().zip(case.mix.category_parts);
    // Only what is drawn: a report is kept and compared, and these are most of its octets.
    let (curves, timeline) = match case.scenario {
        Scenario::Saturation | Scenario::Open => (figures::curves(runs), figures::timeline(runs)),
        Scenario::Sessions | Scenario::Backlog | Scenario::Sync => {
            (Vec::new(), Timeline::default())
        }
    };
    CaseReport {
        id: case.id.clone(),
        scenario: case.scenario,
        title: case.title(),
        parameters: Parameters {
            measured_s: case.measured.as_secs_f64(),
            sessions: setup.sessions,
            window: setup.window,
            carrier_latency_ms: setup.carrier_latency_ms,
            contract_per_second: setup.contract_per_second,
            backlog: case.backlog,
            sync: setup.sync.to_owned(),
            mix: parts
                .map(|(category, parts)| (category.name().to_owned(), parts))
                .collect(),
        },
        figures: figures::figures(runs),
        curves,
        timeline,
    }
}
