//! `hikyaku demo`: the whole way in one process, with nothing to set up.
//!
//! ```text
//! client ──gRPC──► engine ──SMPP──► contract-200   two sessions, 200 segments a second at most
//!   ▲                │  └───SMPP──► unlimited
//!   └────Watch───────┘  journal in a directory of its own, removed at the end
//! ```
//!
//! Everything is real but the people: sockets, disk, receipts, an API key. [`plan`] says what is sent where, [`stage`]
//! starts the carriers and the engine, [`drive`] is the client and [`tally`] its account, [`report`] brings it together
//! with what the engine and the carriers counted, and [`promises`] judges it.
//!
//! Limits: ten million messages (the account keeps every id), 64 sessions; see [`drive`] for the client's.

mod connection;
mod drive;
mod evidence;
mod plan;
mod progress;
mod promises;
mod report;
mod stage;
mod submission;
mod table;
mod tally;
mod usage;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use thiserror::Error;

use self::connection::{ConnectError, Connections};
use self::drive::{DriveError, Script, SharedTally};
use self::evidence::{EvidenceError, Spent};
use self::plan::{Plan, PlanError, Wish};
use self::progress::Progress;
use self::promises::Verdict;
use self::report::Report;
use self::stage::{Stage, StageError};
use self::table::Table;
use crate::wiring::StopError;

const EXAMPLES: &str = "\
Examples:
  hikyaku demo                                       about 15 seconds, then a table
  hikyaku demo --messages 200000 --otps 2000 --json  more of it, as one JSON object
  hikyaku demo --rate 1000 --sessions 4              another contract

The contracted carrier gets what its contract carries in ten seconds, the unlimited one the rest. The data directory is
made where TMPDIR says, and removed.

Ends with 0 when every promise that does not depend on the machine was kept, 2 when an option is wrong, else with 1.";

/// Most messages of a run: the account keeps every id.
const MESSAGES_MAX: u64 = 10_000_000;

/// Show the whole way on this machine, with two simulated carriers
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Messages in all
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    messages: u64,
    /// One-time passwords among them
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(0..=MESSAGES_MAX))]
    otps: u64,
    /// What the contracted carrier takes in a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Sessions to the contracted carrier
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    sessions: u32,
    /// Decides texts and what the carriers do; the same gives the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Why there is no report.
#[derive(Debug, Error)]
enum DemoError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Drive(#[from] DriveError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error("a part of the engine ended by itself: {}", .0.as_ref().map_or_else(|| "it did not say why".to_owned(), ToString::to_string))]
    Failed(Option<StopError>),
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    match try_run(args) {
        Ok(report) if report.promises.iter().any(Verdict::fails) => {
            for broken in report.promises.iter().filter(|verdict| verdict.fails()) {
                eprintln!(
                    "hikyaku: a promise was broken: {}: found {}, allowed {}",
                    broken.promise, broken.measured, broken.allowed
                );
            }
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        // The options contradict one another: as wrong as an option that cannot be read.
        Err(DemoError::Plan(error)) => {
            eprintln!("hikyaku: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("hikyaku: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &DemoArgs) -> Result<Report, DemoError> {
    let plan = Plan::new(Wish {
        messages: args.messages,
        otps: args.otps,
        rate: args.rate,
        sessions: args.sessions,
    })?;
    let script = Script {
        plan,
        seed: args.seed,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("demo")
        .enable_all()
        .build()?;
    let report = runtime.block_on(perform(script))?;
    // Nobody waits for a task of a connection that is gone.
    runtime.shutdown_timeout(Duration::from_millis(100));
    print(&report, args.json)?;
    Ok(report)
}

async fn perform(script: Script) -> Result<Report, DemoError> {
    let progress = Progress::new(&script.plan);
    progress.say("Starting the engine and two simulated carriers ...");
    let stage = unless_interrupted(Stage::set(&script.plan, script.seed)).await??;
    progress.say("Submitting through gRPC; every message is on disk before its answer ...");
    let played = play(script, &stage, &progress).await;
    progress.say("Ending the engine ...");
    let ended = stage.strike().await;
    progress.clear();
    match (played, ended) {
        (Err(DemoError::Failed(_)), Err(StageError::End(why))) => Err(DemoError::Failed(Some(why))),
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(report), Ok(())) => Ok(report),
    }
}

async fn play(script: Script, stage: &Stage, progress: &Progress) -> Result<Report, DemoError> {
    let connections = Connections::open(stage.running.grpc_addr, &stage.api_key).await?;
    let tally = SharedTally::default();
    let before = usage::cpu_time();
    let started = tokio::select! {
        driven = unless_interrupted(drive::run(connections, script, &tally, progress)) => driven??,
        () = stage.running.failed() => return Err(DemoError::Failed(None)),
    };
    let spent = Spent {
        started,
        cpu: usage::cpu_time().saturating_sub(before),
        memory: usage::memory(),
    };
    let tally = drive::lock(&tally).clone();
    Ok(evidence::report(&script.plan, stage, &tally, spent).await?)
}

/// So that an interrupted demo still removes what it wrote.
async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, DemoError> {
    tokio::select! {
        done = work => Ok(done),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(DemoError::Interrupted)
        }
    }
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", Table(report))?;
    }
    out.flush()
}
