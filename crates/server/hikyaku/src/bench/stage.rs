//! What one run needs: an engine and a simulated carrier, each a process of its own, with configuration files as an operator would write
//! them and a journal that has never been used.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use loadgen::{ApiKey, Target};
use serde_json::Value;
use thiserror::Error;

use super::calls::CallCount;
use super::metrics::Metrics;
use super::process::{PATIENCE, Process, ProcessError};
use super::usage::Usage;
use crate::folder::{Folder, random_word};

/// The carrier's name in the configuration.
const CARRIER: &str = "alpha";
/// Between two looks at whether sessions are bound.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// `deliver_sm` in flight on each session.
const RECEIPT_WINDOW: u32 = 1_000;
/// What one message may take of the configured memory, with room to spare.
const BYTES_PER_CREDIT: u64 = 1_024;

/// How engine and carrier are set up; what is not here has its default.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setup {
    /// Sessions to the carrier.
    pub(super) sessions: u32,
    /// Window of each.
    pub(super) window: u32,
    /// `journal.sync`.
    pub(super) sync: &'static str,
    /// The carrier's contract; none: as fast as it takes them.
    pub(super) contract_per_second: Option<u32>,
    /// Messages the engine may hold.
    pub(super) credits: u64,
    /// From a submit to its answer.
    pub(super) carrier_latency_ms: u64,
    /// Tenants, each with a caller.
    pub(super) tenants: u16,
}

/// Engine and carrier, running.
pub(super) struct Stage {
    engine: Process,
    carrier: Process,
    admin: SocketAddr,
    /// Where the load goes.
    pub(super) target: Target,
    /// Last, so that it goes last.
    _folder: Folder,
}

/// Why there is no stage, or no account at its end.
#[derive(Debug, Error)]
pub(super) enum StageError {
    /// The directory for the journal, usually.
    #[error("cannot write to {folder}: {source}; --dir names another place")]
    Folder { folder: String, source: io::Error },
    /// A process of ours.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It answered what cannot be understood: a defect of ours.
    #[error("{0}")]
    Nonsense(String),
}

/// What the processes have used so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    pub(super) engine: Usage,
    pub(super) carrier: Usage,
}

/// What the carrier counted, over its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CarrierCounts {
    /// Messages it took for the first time.
    pub(super) unique_messages: u64,
    /// Copies it took beyond the first.
    pub(super) copies: u64,
}

impl Stage {
    /// Starts both and waits until every session is bound.
    pub(super) fn set(parent: &Path, setup: &Setup) -> Result<Self, StageError> {
        let carrier = start_carrier(setup)?;
        let address = carrier.wait_for("where it listens", |line| {
            let (_, address) = line.rsplit_once("listening on ")?;
            address.trim().parse::<SocketAddr>().ok()
        })?;
        let unwritable = |folder: &Path| {
            let folder = folder.display().to_string();
            move |source| StageError::Folder { folder, source }
        };
        let folder = Folder::create_in(parent, "bench").map_err(unwritable(parent))?;
        let keys: Vec<String> = (0..setup.tenants).map(|_| random_word()).collect();
        write_files(folder.path(), setup, address, &keys).map_err(unwritable(folder.path()))?;
        let config = folder.path().join(MAIN_FILE);
        let args = [
            "--config".as_ref(),
            config.as_os_str(),
            "--log".as_ref(),
            "json".as_ref(),
        ];
        let engine = Process::start("serve", args)?;
        let (grpc, admin) = engine.wait_for("where it listens", listening)?;
        let endpoint = grpc_api::endpoint(&format!("http://{grpc}"));
        let keys = keys
            .iter()
            .map(|key| ApiKey::new(key))
            .collect::<Result<_, _>>();
        let nonsense = |error: String| StageError::Nonsense(error);
        let stage = Self {
            engine,
            carrier,
            admin,
            target: Target {
                endpoint: endpoint.map_err(|error| nonsense(error.to_string()))?,
                keys: keys.map_err(|error| nonsense(error.to_string()))?,
            },
            _folder: folder,
        };
        stage.await_sessions(setup.sessions)?;
        Ok(stage)
    }

    /// What both have used so far.
    pub(super) fn used(&self) -> Used {
        Used {
            engine: Usage::of(self.engine.pid()),
            carrier: Usage::of(self.carrier.pid()),
        }
    }

    /// Begins to count the engine's system calls, where that can be had.
    pub(super) fn count_calls(&self) -> Option<CallCount> {
        CallCount::begin(self.engine.pid())
    }

    /// The engine's metrics as they are now.
    pub(super) fn metrics(&self) -> Metrics {
        Metrics::scrape(self.admin)
    }

    /// Ends both. The engine is not asked to drain: what still waits is no part of a figure.
    pub(super) fn strike(self) -> Result<CarrierCounts, StageError> {
        drop(self.engine);
        let printed = self.carrier.end()?;
        let report: Value = serde_json::from_str(&printed).map_err(|error| {
            StageError::Nonsense(format!("the carrier's report cannot be read: {error}"))
        })?;
        let count = |name: &str| {
            let count = report.get(name).and_then(Value::as_u64);
            count.ok_or_else(|| {
                StageError::Nonsense(format!("the carrier's report has no `{name}`"))
            })
        };
        Ok(CarrierCounts {
            unique_messages: count("unique_messages")?,
            copies: count("copies")?,
        })
    }

    fn await_sessions(&self, sessions: u32) -> Result<(), StageError> {
        let series = format!("hikyaku_bound_sessions{{carrier=\"{CARRIER}\"}}");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let bound = self.metrics().value(&series);
            if bound >= f64::from(sessions) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("has {bound} of {sessions} sessions bound after {PATIENCE:?}");
                return Err(self.engine.unready(what, "").into());
            }
            sleep(LOOK_INTERVAL);
        }
    }
}

fn start_carrier(setup: &Setup) -> Result<Process, ProcessError> {
    let (latency, window) = (
        setup.carrier_latency_ms.to_string(),
        RECEIPT_WINDOW.to_string(),
    );
    let binds = setup.sessions.max(64).to_string();
    Process::start(
        "sim",
        [
            "smsc",
            "--listen",
            "127.0.0.1:0",
            "--quiet",
            "--json",
            "--latency-ms",
            &latency,
            "--receipt-window",
            &window,
            "--binds-max",
            &binds,
        ],
    )
}

/// The addresses in the engine's line `listening`.
fn listening(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |door: &str| line.get(door)?.as_str()?.parse().ok();
    (line.get("message")? == "listening").then_some(())?;
    Some((address("grpc")?, address("admin")?))
}

const MAIN_FILE: &str = "hikyaku.toml";

fn write_files(
    folder: &Path,
    setup: &Setup,
    carrier: SocketAddr,
    keys: &[String],
) -> io::Result<()> {
    let carriers = folder.join("carriers");
    fs::create_dir(&carriers)?;
    for (nth, key) in keys.iter().enumerate() {
        fs::write(folder.join(key_file(nth)), key)?;
    }
    fs::write(folder.join(MAIN_FILE), main_file(setup, keys.len()))?;
    fs::write(
        carriers.join(format!("{CARRIER}.toml")),
        carrier_file(setup, carrier),
    )
}

fn main_file(setup: &Setup, tenants: usize) -> String {
    let bytes = setup.credits.saturating_mul(BYTES_PER_CREDIT);
    let mut file = format!(
        r#"[server]
listen = "127.0.0.1:0"
insecure_loopback = true

[admin]
listen = "127.0.0.1:0"

[journal]
dir = "data"
sync = "{}"

[limits]
messages = {}
bytes = {bytes}

[[group]]
name = "group"
tiers = [["{CARRIER}"]]

[[route]]
prefix = ""
group = "group"
"#,
        setup.sync, setup.credits
    );
    for nth in 0..tenants {
        file.push_str(&format!(
            r#"
[[tenant]]
name = "tenant-{nth}"

[[caller]]
name = "caller-{nth}"
tenant = "tenant-{nth}"
key_file = "{}"
categories = ["otp", "alert", "transactional", "promotional"]
"#,
            key_file(nth)
        ));
    }
    file
}

fn key_file(nth: usize) -> String {
    format!("key-{nth}")
}

fn carrier_file(setup: &Setup, carrier: SocketAddr) -> String {
    let contract = setup.contract_per_second;
    let contract = contract.map_or_else(String::new, |rate| {
        format!("contract_per_second = {rate}\n")
    });
    format!(
        r#"name = "{CARRIER}"
hosts = ["{carrier}"]
system_id = "bench"
password = "bench"
stamp_tlv = true
sessions = {}
window = {}
{contract}"#,
        setup.sessions, setup.window
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::{Plan, Size};
    use crate::config;

    #[test]
    fn the_files_of_every_case_are_what_serve_would_take() {
        for size in [Size::quick(), Size::full()] {
            for case in Plan::of(&size).cases {
                let folder = Folder::create("test").unwrap();
                let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
                let keys = vec![random_word(), random_word()];
                write_files(folder.path(), &case.setup, nowhere, &keys).unwrap();
                let config = config::load(&folder.path().join(MAIN_FILE)).unwrap();
                assert_eq!(config.carriers[0].window, case.setup.window, "{}", case.id);
                assert_eq!(config.limits.messages, case.setup.credits);
                assert_eq!(config.callers.len(), 2);
            }
        }
    }

    #[test]
    fn the_engines_line_is_understood() {
        let line = r#"{"message":"listening","grpc":"127.0.0.1:7","admin":"127.0.0.1:8"}"#;
        let (grpc, admin) = listening(line).unwrap();
        assert_eq!((grpc.port(), admin.port()), (7, 8));
        assert_eq!(listening(r#"{"message":"starting"}"#), None);
        assert_eq!(listening("no JSON"), None);
    }
}
