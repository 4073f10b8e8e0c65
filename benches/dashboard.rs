//! A run for the picture of the dashboard: two carriers, a load that they cannot keep up with, and things that go wrong while a real
//! Prometheus scrapes.
//!
//! ```sh
//! deploy/check.sh cargo bench --bench dashboard -- docs/benchmarks/dashboard.svg
//! ```
//!
//! After a third of the run one carrier is gone for a while, after two thirds the engine is killed and comes back; the other carrier throttles
//! below its contract all the time. Nothing is measured here.

#![allow(clippy::unwrap_used, reason = "a run that meets an error has failed")]

#[path = "../tests/engine_process/mod.rs"]
mod engine_process;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use engine_process::load::Load;
use engine_process::prometheus::{Prometheus, binary};
use engine_process::scene::IMPATIENT;
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};

const SECONDS: u64 = 150;
const AWAY: Duration = Duration::from_secs(15);
/// More than both carriers take in the time.
const MESSAGES: u64 = 100_000;

fn main() -> ExitCode {
    // `cargo bench` hands over flags of its own.
    let Some(out) = std::env::args().skip(1).find(|word| !word.starts_with('-')) else {
        eprintln!("dashboard: no run without the name of a picture");
        return ExitCode::SUCCESS;
    };
    let Some(prometheus) = binary() else {
        return ExitCode::FAILURE;
    };
    let (alpha, beta) = carriers();
    let lines = [(&alpha, 300), (&beta, 150)].map(|(carrier, contract)| {
        format!(
            "hosts = [\"{}\"]\nsessions = 2\ncontract_per_second = {contract}\n{IMPATIENT}\n\
             [retry]\ndelay_ms = 200\n\
             [reconnect]\nmin_ms = 500\nmax_ms = 2_000\n",
            carrier.local_addr()
        )
    });
    let setting = Setting::with(
        &[("alpha", &lines[0]), ("beta", &lines[1])],
        "[limits]\nmessages = 3_000\nreceipts_awaited = 20_000",
    );
    let mut engine = EngineProcess::start(&setting);
    setting.keep_ports(&engine);
    let prometheus = Prometheus::start(&prometheus, &setting, &engine);
    let mut load = Load::new(MESSAGES);
    load.drive(&engine);
    let began = Instant::now();
    let wait_until = |seconds| {
        let at = Duration::from_secs(seconds);
        std::thread::sleep(at.saturating_sub(began.elapsed()));
    };
    wait_until(SECONDS / 3);
    alpha.pause().unwrap();
    std::thread::sleep(AWAY);
    alpha.resume().unwrap();
    wait_until(SECONDS * 2 / 3);
    engine.kill();
    engine = EngineProcess::start(&setting);
    load.drive(&engine);
    wait_until(SECONDS);
    let drawn = draw(&prometheus, &out);
    load.stop();
    engine.kill();
    drawn
}

fn carriers() -> (SmscHandle, SmscHandle) {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = 20;
    script.jitter_ms = 20;
    script.reject_ratio = 0.01;
    script.receipts.delay_ms = 1_000;
    script.receipts.jitter_ms = 4_000;
    script.receipts.ratios.undeliverable = 0.05;
    let mut tight = script.clone();
    tight.throttle_per_second = Some(100);
    let start = |script| FakeSmsc::start(script).unwrap();
    (start(script), start(tight))
}

fn draw(prometheus: &Prometheus, out: &str) -> ExitCode {
    let status = Command::new("cargo")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["xtask", "dashboard-picture", "--prometheus"])
        .arg(prometheus.address().to_string())
        .args(["--seconds", &SECONDS.to_string(), "--out", out])
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}
