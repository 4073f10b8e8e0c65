//! `hikyaku bench`: what the engine does on this machine, and what it costs.
//!
//! Engine and simulated carrier are processes of their own, of this same binary, so that each one's processor time is known; the client is
//! this process. Every run has a new engine with a new journal. Rounds go over all cases before a case comes again, so that a slow minute of
//! the machine falls on all of them; figures are medians, with the least and the most.
//!
//! A run that loses a message, sends one twice, or ends one as anything but delivered fails instead of giving a figure.

mod figures;
mod machine;
mod measure;
mod metrics;
mod plan;
mod process;
mod report;
mod stage;
mod table;
mod usage;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use loadgen::{ApiKey, Target, Via};
use message::CATEGORIES;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use self::measure::{Manner, Run, RunError};
use self::plan::{Case, Plan, SCENARIOS, Scenario, Size};
use self::report::{CaseReport, Parameters, Report, SCHEMA, Settings};
use crate::client::{Access, ClientError};

const EXAMPLES: &str = "\
Examples:
  hikyaku bench --quick                          everything, in two to three minutes
  hikyaku bench --json report.json               half an hour; the figures as JSON
  hikyaku bench --quick --only saturation        the most it takes, and what that costs
  hikyaku bench --only open --rates 0.5,0.9      latency at half and at nine tenths of the most
  hikyaku bench --quick --dir /var/lib/disk      journals on another disk
  hikyaku bench --target http://127.0.0.1:7070 --only saturation,open
                                                 an engine that is there; it sends what it is given

Numbers begin with +999, which is assigned to nobody; an engine behind --target sends to them all the same.

Ends with 0 when every run kept every promise, 2 when an option is wrong, else with 1.";

/// Measure the engine on this machine
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Two to three minutes instead of half an hour
    #[arg(long)]
    quick: bool,
    /// Only these scenarios, with commas
    #[arg(long, value_enum, value_name = "SCENARIO", value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Runs of each case; figures are their medians [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeats: Option<u32>,
    /// Load before what is measured, in seconds [default: 2, quick 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    warm_up: Option<Duration>,
    /// What is measured of each run, in seconds [default: 10, quick 1.5; of a backlog twice that]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    measured: Option<Duration>,
    /// Messages in flight at saturation
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    in_flight: u64,
    /// Fractions of saturation for the open loop, above 0 and at most 2, with commas
    #[arg(long, value_name = "FRACTION", value_delimiter = ',', value_parser = fraction)]
    rates: Vec<f64>,
    /// Bulk messages that wait, for the backlog scenario, with commas
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=20_000_000))]
    backlogs: Vec<u64>,
    /// Tenants, each with a caller of its own
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    tenants: u16,
    /// Which call carries the messages
    #[arg(long, value_enum, default_value_t = ViaArg::Stream)]
    via: ViaArg,
    /// Decides what the messages are and when they come
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where journals are written; they are removed at the end [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// An engine that is there, instead of one of our own; saturation and open only
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViaArg {
    Stream,
    Batch,
}

/// Why there is no report.
#[derive(Debug, Error)]
enum BenchError {
    /// The options contradict one another.
    #[error("{0}")]
    Options(String),
    #[error(transparent)]
    Client(#[from] ClientError),
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
    let size = args.size()?;
    let plan = Plan::of(&size);
    let bench = Bench {
        target: args.target()?,
        parent: args.dir.clone().unwrap_or_else(std::env::temp_dir),
        via: args.via.into(),
        size,
        plan,
    };
    // What cannot be written at the end should not cost the time before.
    if let Some(path) = &args.json {
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
        let text = serde_json::to_string_pretty(&report).map_err(io::Error::from)?;
        write(path, &text)?;
    }
    match write!(io::stdout().lock(), "{}", table::Table(&report)) {
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
        curves: figures::curves(runs),
        timeline: figures::timeline(runs),
    }
}

impl BenchArgs {
    fn size(&self) -> Result<Size, BenchError> {
        let mut size = if self.quick {
            Size::quick()
        } else {
            Size::full()
        };
        size.scenarios = match (&self.only[..], &self.target) {
            ([], None) => SCENARIOS.to_vec(),
            ([], Some(_)) => vec![Scenario::Saturation, Scenario::Open],
            (only, _) => only.to_vec(),
        };
        let theirs =
            |scenario: &Scenario| matches!(scenario, Scenario::Saturation | Scenario::Open);
        if let (Some(_), Some(own)) = (&self.target, size.scenarios.iter().find(|s| !theirs(s))) {
            let text = format!(
                "--only {}: with --target allowed are saturation and open; the rest needs an engine of its own",
                format!("{own:?}").to_lowercase()
            );
            return Err(BenchError::Options(text));
        }
        if let Some(warm_up) = self.warm_up {
            size.warm_up = warm_up;
        }
        if let Some(measured) = self.measured {
            (size.measured, size.measured_backlog) = (measured, measured * 2);
        }
        size.repeats = self.repeats.unwrap_or(size.repeats);
        if !self.rates.is_empty() {
            size.fractions.clone_from(&self.rates);
        }
        if !self.backlogs.is_empty() {
            size.backlogs.clone_from(&self.backlogs);
        }
        (size.in_flight, size.tenants, size.seed) = (self.in_flight, self.tenants, self.seed);
        Ok(size)
    }

    fn target(&self) -> Result<Option<Target>, BenchError> {
        let Some(url) = &self.target else {
            return Ok(None);
        };
        let (endpoint, key) = self.access.endpoint(url)?;
        let key = key.map(|key| ApiKey::new(&key.text).map_err(|_| key.unusable()));
        Ok(Some(Target {
            endpoint,
            keys: key.transpose()?.into_iter().collect(),
        }))
    }

    fn settings(&self, size: &Size) -> Settings {
        Settings {
            target: self.target.clone(),
            repeats: size.repeats,
            warm_up_s: size.warm_up.as_secs_f64(),
            in_flight: size.in_flight,
            tenants: if self.target.is_some() {
                1
            } else {
                size.tenants
            },
            seed: size.seed,
            via: match self.via {
                ViaArg::Stream => "stream",
                ViaArg::Batch => "batch",
            }
            .to_owned(),
        }
    }
}

impl From<ViaArg> for Via {
    fn from(arg: ViaArg) -> Self {
        match arg {
            ViaArg::Stream => Self::Stream,
            ViaArg::Batch => Self::Batch,
        }
    }
}

/// Seconds, with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.05..=3_600.0).contains(seconds));
    let seconds = seconds.ok_or("allowed are 0.05 to 3600 seconds")?;
    Ok(Duration::from_secs_f64(seconds))
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction: Option<f64> = text.parse().ok();
    let fraction = fraction.filter(|fraction| *fraction > 0.0 && *fraction <= 2.0);
    fraction.ok_or_else(|| "allowed is a number above 0 and at most 2".to_owned())
}
