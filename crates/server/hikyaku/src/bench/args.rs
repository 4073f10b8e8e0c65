//! The options of `hikyaku bench`, and what they ask for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use loadgen::{ApiKey, Target, Via};

use super::BenchError;
use super::compare::CompareArgs;
use super::measure::Calls;
use super::plan::{SCENARIOS, Scenario, Size};
use super::report::Settings;
use crate::client::Access;

const EXAMPLES: &str = "\
Examples:
  hikyaku bench --quick --html report.html       everything, in two to three minutes, as a page with plots
  hikyaku bench --json report.json               half an hour; the figures as JSON
  hikyaku bench compare before.json after.json   what differs by more than the runs do
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
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(super) command: Option<BenchCommand>,
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
    /// Do not count the engine's system calls: `perf`, which counts them, makes each a little slower
    #[arg(long)]
    no_call_count: bool,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// An engine that is there, instead of one of our own; saturation and open only
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Subcommand, Debug)]
pub(super) enum BenchCommand {
    Compare(CompareArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViaArg {
    Stream,
    Batch,
}

impl BenchArgs {
    /// Whether system calls are counted.
    pub(super) const fn calls(&self) -> Calls {
        if self.no_call_count {
            Calls::Uncounted
        } else {
            Calls::Counted
        }
    }

    /// How much is measured.
    pub(super) fn size(&self) -> Result<Size, BenchError> {
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

    /// Which call carries the messages.
    pub(super) fn via(&self) -> Via {
        self.via.into()
    }

    /// Where journals go.
    pub(super) fn parent(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// The engine that is there.
    pub(super) fn target(&self) -> Result<Option<Target>, BenchError> {
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

    /// For the report.
    pub(super) fn settings(&self, size: &Size) -> Settings {
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
