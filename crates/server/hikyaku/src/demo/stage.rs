//! The demo's stage: two simulated carriers, configuration files as an operator would write them, and an engine started
//! from those files.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use engine::Life;
use fakes::smsc::{FakeSmsc, ReceiptConfig, ReceiptRatios, SmscConfig, SmscHandle};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::plan::{Plan, UNLIMITED_NAME};
use super::submission::{CONTRACTED_PREFIX, UNLIMITED_PREFIX};
use crate::config::{self, Problems};
use crate::folder::{Folder, random_word};
use crate::wiring::{self, Running};

/// How long the engine may take to open and the sessions to bind.
const READY_MAX: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long the engine may take to end.
const END_MAX: Duration = Duration::from_secs(5);

/// Sessions to the unlimited carrier, and the window of each.
const UNLIMITED_SESSIONS: u32 = 2;
const UNLIMITED_WINDOW: u32 = 1_000;
/// `deliver_sm` in flight on each session of a carrier.
const RECEIPT_WINDOW: u32 = 500;

/// A simulated carrier's ways: answers within 2 to 8 ms, receipts 50 to 250 ms later.
const LATENCY_MS: u64 = 2;
const JITTER_MS: u64 = 6;
const RECEIPT_DELAY_MS: u64 = 50;
const RECEIPT_JITTER_MS: u64 = 200;
/// What becomes of its messages; the rest is delivered.
const RATIOS: ReceiptRatios = ReceiptRatios {
    undeliverable: 0.02,
    expired: 0.01,
    rejected: 0.0,
    unknown: 0.0,
};

/// Everything the demo talks to.
pub(super) struct Stage {
    /// The engine.
    pub(super) running: Running,
    /// What a caller presents.
    pub(super) api_key: String,
    /// The carrier with a contract.
    pub(super) contracted: SmscHandle,
    /// The other one.
    pub(super) unlimited: SmscHandle,
    /// Last, so that it goes last.
    folder: Folder,
}

/// Why the stage could not be set.
#[derive(Debug, Error)]
pub(super) enum StageError {
    /// The directory for temporary files, usually.
    #[error("cannot write to {folder}: {source}; TMPDIR names another place")]
    Folder { folder: String, source: io::Error },
    /// A simulated carrier.
    #[error("a simulated carrier cannot start: {0}")]
    Carrier(#[from] fakes::smsc::StartError),
    /// The files the demo wrote: a defect of ours.
    #[error("the demo's own configuration is wrong:\n{0}")]
    Config(#[from] Problems),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] wiring::StartError),
    /// Something did not come up.
    #[error(
        "not ready after {READY_MAX:?}: the engine is {life:?}, {bound} of {wanted} sessions are bound"
    )]
    NotReady { life: Life, bound: u64, wanted: u64 },
    /// The engine failed while it ran or ended.
    #[error(transparent)]
    End(#[from] wiring::StopError),
}

impl Stage {
    /// Starts everything and waits until every session is bound.
    ///
    /// # Errors
    /// See [`StageError`].
    pub(super) async fn set(plan: &Plan, seed: u64) -> Result<Self, StageError> {
        let contracted = FakeSmsc::start(carrier(seed))?;
        let unlimited = FakeSmsc::start(carrier(seed.wrapping_add(1)))?;
        let api_key = random_word();
        let folder = Folder::create("demo").map_err(|source| StageError::Folder {
            folder: std::env::temp_dir().display().to_string(),
            source,
        })?;
        let files = ConfigFiles {
            plan,
            api_key: &api_key,
            contracted: contracted.local_addr(),
            unlimited: unlimited.local_addr(),
        };
        files
            .write(folder.path())
            .map_err(|source| StageError::Folder {
                folder: folder.path().display().to_string(),
                source,
            })?;
        let config = config::load(&folder.path().join(MAIN_FILE))?;
        let running = wiring::start(config).await?;
        let stage = Self {
            running,
            api_key,
            contracted,
            unlimited,
            folder,
        };
        stage
            .ready(u64::from(plan.sessions + UNLIMITED_SESSIONS))
            .await?;
        Ok(stage)
    }

    async fn ready(&self, wanted: u64) -> Result<(), StageError> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let life = self.running.handle.life();
            let carriers = [&self.contracted, &self.unlimited];
            let bound = carriers.map(|carrier| carrier.snapshot().sessions_bound);
            let bound = bound.iter().sum::<u64>();
            match life {
                Life::Open if bound >= wanted => return Ok(()),
                Life::Starting | Life::Open if Instant::now() < deadline => {
                    sleep(LOOK_INTERVAL).await;
                }
                Life::Starting | Life::Open | Life::Draining | Life::Stopped | Life::Failed => {
                    return Err(StageError::NotReady {
                        life,
                        bound,
                        wanted,
                    });
                }
            }
        }
    }

    /// Ends everything, and removes what was written.
    ///
    /// # Errors
    /// When the engine did not end well.
    pub(super) async fn strike(self) -> Result<(), StageError> {
        let ended = self.running.stop(END_MAX).await;
        drop(self.folder);
        Ok(ended?)
    }
}

fn carrier(seed: u64) -> SmscConfig {
    SmscConfig {
        latency_ms: LATENCY_MS,
        jitter_ms: JITTER_MS,
        receipts: ReceiptConfig {
            delay_ms: RECEIPT_DELAY_MS,
            jitter_ms: RECEIPT_JITTER_MS,
            ratios: RATIOS,
            window: RECEIPT_WINDOW,
            ..ReceiptConfig::default()
        },
        seed,
        ..SmscConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

const MAIN_FILE: &str = "hikyaku.toml";
const KEY_FILE: &str = "api-key";
const CARRIERS: &str = "carriers";

/// The configuration, as files.
struct ConfigFiles<'a> {
    plan: &'a Plan,
    api_key: &'a str,
    contracted: SocketAddr,
    unlimited: SocketAddr,
}

impl ConfigFiles<'_> {
    fn write(&self, folder: &Path) -> io::Result<()> {
        let carriers = folder.join(CARRIERS);
        fs::create_dir(&carriers)?;
        fs::write(folder.join(KEY_FILE), self.api_key)?;
        fs::write(folder.join(MAIN_FILE), self.main())?;
        let contracted = self.plan.contracted_name();
        fs::write(
            carriers.join(format!("{contracted}.toml")),
            self.contracted(&contracted),
        )?;
        fs::write(
            carriers.join(format!("{UNLIMITED_NAME}.toml")),
            self.unlimited(),
        )
    }

    fn main(&self) -> String {
        let contracted = self.plan.contracted_name();
        // Get must find every message of the run, however slow the watch was.
        let finished_kept = self.plan.messages().max(1);
        format!(
            r#"carriers = "{CARRIERS}"

[server]
listen = "127.0.0.1:0"
insecure_loopback = true

[admin]
listen = "127.0.0.1:0"

[journal]
dir = "data"

[limits]
finished_kept = {finished_kept}

[[tenant]]
name = "demo"

[[caller]]
name = "demo"
tenant = "demo"
key_file = "{KEY_FILE}"
categories = ["otp", "promotional"]

[[group]]
name = "{contracted}"
tiers = [["{contracted}"]]

[[group]]
name = "{UNLIMITED_NAME}"
tiers = [["{UNLIMITED_NAME}"]]

[[route]]
prefix = "{CONTRACTED_PREFIX}"
group = "{contracted}"

[[route]]
prefix = "{UNLIMITED_PREFIX}"
group = "{UNLIMITED_NAME}"
"#
        )
    }

    fn contracted(&self, name: &str) -> String {
        let Plan { rate, sessions, .. } = self.plan;
        format!(
            r#"name = "{name}"
contract_per_second = {rate}
sessions = {sessions}
window = {}
{}"#,
            self.plan.contracted_window(),
            account(self.contracted)
        )
    }

    fn unlimited(&self) -> String {
        format!(
            r#"name = "{UNLIMITED_NAME}"
sessions = {UNLIMITED_SESSIONS}
window = {UNLIMITED_WINDOW}
{}"#,
            account(self.unlimited)
        )
    }
}

fn account(address: SocketAddr) -> String {
    format!(
        r#"hosts = ["{address}"]
system_id = "demo"
password = "demo"
stamp_tlv = true
"#
    )
}

#[cfg(test)]
mod tests {
    use super::super::plan::Wish;
    use super::*;

    fn load(rate: u32, sessions: u32) -> config::Config {
        let wish = Wish {
            messages: 3_000,
            otps: 60,
            rate,
            sessions,
        };
        let plan = Plan::new(wish).unwrap();
        let api_key = random_word();
        let files = ConfigFiles {
            plan: &plan,
            api_key: &api_key,
            contracted: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            unlimited: SocketAddr::from((Ipv4Addr::LOCALHOST, 2)),
        };
        let folder = Folder::create("demo").unwrap();
        files.write(folder.path()).unwrap();
        config::load(&folder.path().join(MAIN_FILE)).unwrap()
    }

    #[test]
    fn the_files_are_what_serve_would_take() {
        let config = load(200, 2);
        let [contracted, unlimited] = &config.carriers[..] else {
            panic!("two carriers, not {:?}", config.carriers);
        };
        assert_eq!(contracted.name.as_str(), "contract-200");
        assert_eq!(contracted.contract_per_second, Some(200));
        assert_eq!((contracted.sessions, contracted.window), (2, 10));
        assert_eq!(unlimited.name.as_str(), UNLIMITED_NAME);
        assert_eq!(unlimited.contract_per_second, None);
        assert!(contracted.stamp_tlv && unlimited.stamp_tlv);
        assert_eq!(config.limits.finished_kept, 3_000);
    }

    #[test]
    fn every_contract_that_can_be_asked_for_is_allowed() {
        for (rate, sessions) in [(1, 1), (200, 64), (1_000_000, 1)] {
            assert_eq!(
                load(rate, sessions).carriers[0].contract_per_second,
                Some(rate)
            );
        }
    }
}
