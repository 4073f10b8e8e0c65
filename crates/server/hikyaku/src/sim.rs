//! `hikyaku sim smsc`: a message centre to test against, with faults by script.

mod smsc_args;

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use fakes::smsc::{FakeSmsc, Report, SmscHandle, Snapshot, StartError};
use indicatif::ProgressBar;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use self::smsc_args::SmscArgs;

const EXAMPLES: &str = "\
Examples:
  hikyaku sim smsc                                 a carrier on 127.0.0.1:2775 that takes and delivers everything
  hikyaku sim smsc --throttle 200 --latency-ms 20  one with a contract of 200 a second
  hikyaku sim smsc --help                          all it can do, and do wrong";

/// Simulate a carrier to test against
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    carrier: SimCarrier,
}

#[derive(Subcommand, Debug)]
enum SimCarrier {
    /// A message centre that speaks SMPP 3.4
    Smsc(Box<SmscArgs>),
}

/// Why a simulator did not do its work.
#[derive(Debug, Error)]
pub(crate) enum SimError {
    /// It did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This process may have no signal handler or no runtime.
    #[error("cannot wait for a signal: {0}")]
    Signal(#[source] io::Error),
    /// The report found no place.
    #[error("cannot write the report to {}: {source}", path.display())]
    Report { path: PathBuf, source: io::Error },
    /// Standard output is gone or full.
    #[error("cannot print the report: {0}")]
    Output(#[source] io::Error),
}

/// Simulates until SIGTERM or ctrl-c, then prints what was counted.
///
/// # Errors
/// See [`SimError`].
pub(crate) fn run(args: SimArgs) -> Result<(), SimError> {
    let SimCarrier::Smsc(args) = args.carrier;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SimError::Signal)?;
    let smsc = runtime.block_on(simulate(&args))?;
    let report = smsc.stop();
    if let Some(path) = &args.report {
        write_report(path, &report)?;
    }
    match print_report(&report, args.json) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(SimError::Output),
    }
}

/// Returns when a signal says so.
async fn simulate(args: &SmscArgs) -> Result<SmscHandle, SimError> {
    // In place before anybody is told that we listen: whoever waits for that may end us at once, and wants the report.
    let mut terminate = signal(SignalKind::terminate()).map_err(SimError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SimError::Signal)?;
    let smsc = FakeSmsc::start(args.config())?;
    eprintln!("sim smsc: listening on {}", smsc.local_addr());
    let mut live = Live::new(args.quiet);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.tick().await;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = second.tick() => live.show(&smsc.snapshot()),
        }
    }
    live.clear();
    Ok(smsc)
}

/// Counts on standard error: one line that changes on a terminal, a line a second elsewhere, and that only while something happens.
enum Live {
    Quiet,
    Line(ProgressBar, Snapshot),
    Lines(Snapshot),
}

impl Live {
    fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if io::stderr().is_terminal() {
            Self::Line(ProgressBar::new_spinner(), Snapshot::default())
        } else {
            Self::Lines(Snapshot::default())
        }
    }

    fn show(&mut self, now: &Snapshot) {
        match self {
            Self::Quiet => {}
            Self::Line(bar, before) => {
                bar.set_message(line(before, now));
                bar.tick();
                *before = *now;
            }
            Self::Lines(before) => {
                if before != now {
                    eprintln!("sim smsc: {}", line(before, now));
                    *before = *now;
                }
            }
        }
    }

    fn clear(&self) {
        match self {
            Self::Line(bar, _) => bar.finish_and_clear(),
            Self::Quiet | Self::Lines(_) => {}
        }
    }
}

fn line(before: &Snapshot, now: &Snapshot) -> String {
    let mut line = format!(
        "{} bound, {} submits (+{}), {} taken, {} copies, {}/{} receipts",
        now.sessions_bound,
        now.submits,
        now.submits - before.submits,
        now.taken,
        now.copies,
        now.receipts_acked,
        now.receipts_planned,
    );
    for (count, word) in [
        (now.inbound_acked, "from handsets"),
        (now.throttled, "throttled"),
        (now.rejected, "rejected"),
        (now.connections_dropped, "dropped"),
        (now.connections_hung, "hung"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {word}"));
        }
    }
    line
}

fn write_report(path: &Path, report: &Report) -> Result<(), SimError> {
    let failed = |source| SimError::Report {
        path: path.to_owned(),
        source,
    };
    let json = serde_json::to_vec_pretty(report).map_err(|error| failed(error.into()))?;
    fs::write(path, json).map_err(failed)
}

fn print_report(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        return writeln!(out);
    }
    let counts = &report.counts;
    let rows = [
        ("submits", counts.submits),
        ("  taken", counts.taken),
        ("  unique messages", counts.unique_messages),
        ("  copies beyond the first", counts.copies),
        ("  throttled", counts.throttled),
        ("  rejected", counts.rejected),
        ("  refused, full", counts.refused_full),
        ("most in any second", counts.max_in_any_second),
        ("receipts planned", counts.receipts_planned),
        ("  acknowledged", counts.receipts_acked),
        ("  sent again", counts.receipts_resent),
        ("  outstanding", counts.receipts_outstanding),
        ("from handsets", counts.inbound_queued),
        ("  acknowledged", counts.inbound_acked),
        ("  sent again", counts.inbound_resent),
        ("  outstanding", counts.inbound_outstanding),
        ("binds", counts.binds),
        ("connections dropped", counts.connections_dropped),
    ];
    for (name, count) in rows {
        writeln!(out, "{name:<26} {count:>12}")?;
    }
    if let Some(delay) = &report.write_to_receive {
        let ms = |ns: u64| ns as f64 / 1_000_000.0;
        writeln!(
            out,
            "write to receive, ms       min {:.3}, p50 {:.3}, p99 {:.3}, max {:.3}, spread {:.3}",
            ms(delay.min_ns),
            ms(delay.p50_ns),
            ms(delay.p99_ns),
            ms(delay.max_ns),
            ms(delay.spread_ns),
        )?;
    }
    Ok(())
}
