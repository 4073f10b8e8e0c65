//! A backlog larger than memory: the real binary with a carrier whose contract is far below what is submitted, and an otp beside it.
//!
//! ```text
//! cargo xtask backlog --messages 10000000
//! cargo xtask backlog --messages 200000 --head-messages 1000 --json
//! ```
//!
//! In this order: otp alone, and a few bulk messages of a tenant that has nothing else; the backlog is admitted, nine tenths of it another tenant's,
//! a tenth a third's; the same otp and few messages again; `kill -9`; a start, until the first otp is delivered. What a message takes is
//! measured by the client, from its submission to its final state, one at a time, and what an otp takes by the engine too, as head-of-line time,
//! whose p99 is as fine as the buckets of its metric. The run fails when a target is missed: [`RSS_BYTES_MAX`] a message that waits,
//! [`RSS_MIB_MAX`] in all, [`HEAD_OF_LINE_MORE_MAX_MS`] at p99, [`FEW_MAX_MS`] at p99, [`RESTART_MAX_S`] to the first otp.

mod load;
mod rig;

#[path = "../tests/engine_process/mod.rs"]
mod engine_process;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use engine_process::{API_KEY, EngineProcess, Setting, caller};
use grpc_api::v1;
use hdrhistogram::Histogram;
use load::carrier::{self, Account};
use load::{Follow, Load, Until};
use rig::{grouped, usage, waits::Waits};
use serde::Serialize;

/// The batch of the messages that are measured one at a time.
const PROBES: &str = "probes";
/// Every so manieth message of the backlog is the second tenant's.
const SECOND_EVERY: u64 = 10;
/// Bulk messages of the tenant with a few, in each of the two measurements.
const FEW: u64 = 200;
/// A step that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Resident bytes for each message that waits in the journal alone.
const RSS_BYTES_MAX: f64 = 48.0;
/// Resident memory of the engine with the whole backlog.
const RSS_MIB_MAX: f64 = 1_024.0;
/// How much longer an otp may stand at the head of its line at p99 while the backlog waits, in milliseconds.
const HEAD_OF_LINE_MORE_MAX_MS: f64 = 0.5;
/// A bulk message of the tenant with a few at p99, submitted to final: its turn comes with that of the others' queues, not after them.
const FEW_MAX_MS: f64 = 1_000.0;
/// From the start of the process to the first otp delivered.
const RESTART_MAX_S: f64 = 10.0;

/// A backlog larger than memory
#[derive(Parser, Clone)]
struct Args {
    /// Bulk messages to wait
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Messages of a queue that stay in memory
    #[arg(long, default_value_t = 32_768)]
    head_messages: u64,
    /// Segments a second of the carrier
    #[arg(long, default_value_t = 1_000)]
    contract: u64,
    /// Otp in each of the two measurements
    #[arg(long, default_value_t = 2_000)]
    otps: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Serialize)]
struct Figures {
    messages: u64,
    admitted_per_second: f64,
    waiting_in_journal: f64,
    rss_before_mib: f64,
    rss_mib: f64,
    rss_bytes_per_waiting: f64,
    disk_mib: f64,
    otp_before_ms: Quantiles,
    otp_during_ms: Quantiles,
    head_of_line_before_ms: HeadOfLine,
    head_of_line_during_ms: HeadOfLine,
    few_before_ms: Quantiles,
    few_during_ms: Quantiles,
    restart_ready_s: f64,
    restart_first_otp_s: f64,
    rss_after_restart_mib: f64,
    missed: Vec<String>,
}

#[derive(Clone, Copy, Serialize)]
struct HeadOfLine {
    mean: f64,
    p50: f64,
    p99: f64,
}

#[derive(Clone, Copy, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
    max: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(figures) => {
            print(&figures, args.json);
            if figures.missed.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Figures, String> {
    let smsc = carrier::start()?;
    let account = Account {
        sessions: 1,
        window: 100,
        contract_per_second: Some(args.contract),
    };
    let carrier = account.lines(&smsc.local_addr().to_string());
    let tables = format!("[limits]\nhead_messages = {}\n", args.head_messages);
    let setting = Setting::with(&[("alpha", &carrier)], &tables);
    let (second, third) = (setting.add_tenant("second"), setting.add_tenant("third"));
    let few = Probe {
        key: &third,
        category: v1::Category::Promotional,
        count: FEW,
    };
    let engine = bound(&setting);
    let (before, first_before) = measured(&engine, args.otps)?;
    let few_before = probe(&engine, few)?;
    let rss_before_mib = usage::rss_mib(engine.pid());
    let filled = fill(&engine, args.messages, &second)?;
    let rss_mib = usage::rss_mib(engine.pid());
    let waiting = engine.metric("hikyaku_backlog_messages");
    let (during, first_during) = measured(&engine, args.otps)?;
    let few_during = probe(&engine, few)?;
    let disk_mib = bytes_in(&setting.data()) / f64::from(1 << 20);
    drop(engine);
    let started = Instant::now();
    let engine = EngineProcess::start(&setting);
    let restart_ready_s = started.elapsed().as_secs_f64();
    probe(&engine, Probe::otp(1))?;
    let mut figures = Figures {
        messages: filled.admitted,
        admitted_per_second: filled.admitted as f64 / filled.after.as_secs_f64(),
        waiting_in_journal: waiting,
        rss_before_mib,
        rss_mib,
        rss_bytes_per_waiting: (rss_mib - rss_before_mib) * f64::from(1 << 20) / waiting,
        disk_mib,
        otp_before_ms: quantiles(&before),
        otp_during_ms: quantiles(&during),
        head_of_line_before_ms: first_before,
        head_of_line_during_ms: first_during,
        few_before_ms: quantiles(&few_before),
        few_during_ms: quantiles(&few_during),
        restart_ready_s,
        restart_first_otp_s: started.elapsed().as_secs_f64(),
        rss_after_restart_mib: usage::rss_mib(engine.pid()),
        missed: Vec::new(),
    };
    figures.missed = figures.missed();
    drop(engine);
    drop(smsc.stop());
    Ok(figures)
}

fn bound(setting: &Setting) -> EngineProcess {
    let engine = EngineProcess::start(setting);
    engine.wait_until("the session is bound", || {
        engine.metric("hikyaku_bound_sessions{carrier=\"alpha\"}") >= 1.0
    });
    engine
}

/// The backlog, as far as it was admitted.
struct Filled {
    admitted: u64,
    after: Duration,
}

/// Bulk as fast as it is admitted, of two tenants at once.
fn fill(engine: &EngineProcess, messages: u64, second: &str) -> Result<Filled, String> {
    let load = |messages| Load {
        until: Until::Messages(messages),
        otp_every: 0,
        open_max: u64::MAX,
        follow: Follow::ToAdmission,
    };
    let of_second = messages / SECOND_EVERY;
    rig::runtime()?.block_on(async {
        let mut first = caller::connect(engine).await;
        let mut second = caller::connect_as(engine, second).await;
        let both = async {
            tokio::try_join!(
                load::run(&mut first, load(messages - of_second)),
                load::run(&mut second, load(of_second))
            )
        };
        let loaded = tokio::time::timeout(PATIENCE, both).await;
        let (first, second) = loaded
            .map_err(|_| "it hangs".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok(Filled {
            admitted: first.admitted + second.admitted,
            after: first.admitted_after.max(second.admitted_after),
        })
    })
}

/// The same otp as the client and as the engine saw them.
fn measured(engine: &EngineProcess, otps: u64) -> Result<(Histogram<u64>, HeadOfLine), String> {
    let look = || {
        Waits::read(
            &engine.get("/metrics").1,
            "hikyaku_head_of_line_seconds",
            "lane=\"otp\"",
        )
    };
    let earlier = look();
    let times = probe(engine, Probe::otp(otps))?;
    // Samples reach the page with the engine's next tick.
    engine.wait_until("the waits are on the page", || {
        look().since(&earlier).count() >= otps as f64
    });
    let waits = look().since(&earlier);
    let first = HeadOfLine {
        mean: waits.mean_ms(),
        p50: waits.quantile_ms(0.5),
        p99: waits.quantile_ms(0.99),
    };
    Ok((times, first))
}

/// Messages that are measured one at a time.
#[derive(Clone, Copy)]
struct Probe<'a> {
    key: &'a str,
    category: v1::Category,
    count: u64,
}

impl Probe<'_> {
    fn otp(count: u64) -> Self {
        Self {
            key: API_KEY,
            category: v1::Category::Otp,
            count,
        }
    }
}

/// One after the other, each to its end: from submission to final state, in nanoseconds.
fn probe(engine: &EngineProcess, probe: Probe<'_>) -> Result<Histogram<u64>, String> {
    let probed = async {
        let mut caller = caller::connect_as(engine, probe.key).await;
        let mut times = rig::histogram_ns();
        let request = v1::WatchRequest {
            batch_id: PROBES.to_owned(),
            state_class: v1::StateClass::Final.into(),
            ..v1::WatchRequest::default()
        };
        let mut finals = caller.watch(request).await?.into_inner();
        // The first response says that the watch is in place.
        finals.message().await?;
        for nth in 0..probe.count {
            let submission = v1::Submission {
                batch_id: PROBES.to_owned(),
                ..caller::submission(probe.category, nth)
            };
            let began = Instant::now();
            let id = caller::submit(&mut caller, submission).await;
            'ended: loop {
                let response = finals.message().await?;
                for event in response.into_iter().flat_map(|response| response.events) {
                    if event.message_id == id {
                        break 'ended;
                    }
                }
            }
            let taken_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            times.saturating_record(taken_ns);
        }
        Ok::<_, tonic::Status>(times)
    };
    let probed = async { tokio::time::timeout(PATIENCE, probed).await };
    rig::runtime()?
        .block_on(probed)
        .map_err(|_| "a message that is measured hangs".to_owned())?
        .map_err(|status| status.to_string())
}

fn bytes_in(dir: &Path) -> f64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0.0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len() as f64,
        Err(_) => 0.0,
    });
    sizes.sum()
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let ms = |value: u64| value as f64 / 1e6;
    Quantiles {
        p50: ms(histogram.value_at_quantile(0.5)),
        p99: ms(histogram.value_at_quantile(0.99)),
        max: ms(histogram.max()),
    }
}

impl Figures {
    fn missed(&self) -> Vec<String> {
        let more_ms = self.head_of_line_during_ms.p99 - self.head_of_line_before_ms.p99;
        let targets = [
            ("bytes a message", self.rss_bytes_per_waiting, RSS_BYTES_MAX),
            ("MiB in all", self.rss_mib, RSS_MIB_MAX),
            (
                "ms more at the head of the line at p99",
                more_ms,
                HEAD_OF_LINE_MORE_MAX_MS,
            ),
            (
                "ms at p99 for the tenant with a few",
                self.few_during_ms.p99,
                FEW_MAX_MS,
            ),
            (
                "s from start to first otp",
                self.restart_first_otp_s,
                RESTART_MAX_S,
            ),
        ];
        targets
            .into_iter()
            .filter(|(_, value, most)| value.is_nan() || value > most)
            .map(|(what, value, most)| format!("{value:.2} {what}, at most {most} wanted"))
            .collect()
    }
}

#[allow(clippy::print_stdout, reason = "the figures are what a bench is for")]
fn print(figures: &Figures, json: bool) {
    if json {
        let text = serde_json::to_string(figures).expect("numbers and names");
        println!("{text}");
        return;
    }
    let ms = |times: Quantiles| format!("{:.2} / {:.2} / {:.2}", times.p50, times.p99, times.max);
    let first =
        |times: HeadOfLine| format!("{:.2} / {:.2} / {:.2}", times.mean, times.p50, times.p99);
    let rows = [
        ("admitted", grouped(figures.messages as f64)),
        ("admitted/s", grouped(figures.admitted_per_second)),
        (
            "wait in the journal alone",
            grouped(figures.waiting_in_journal),
        ),
        (
            "RSS MiB before, with backlog",
            format!("{:.0}, {:.0}", figures.rss_before_mib, figures.rss_mib),
        ),
        (
            "RSS bytes a waiting message",
            format!("{:.1}", figures.rss_bytes_per_waiting),
        ),
        ("disk MiB", format!("{:.0}", figures.disk_mib)),
        (
            "otp submit→final ms before (p50 / p99 / max)",
            ms(figures.otp_before_ms),
        ),
        ("otp submit→final ms during", ms(figures.otp_during_ms)),
        (
            "otp head of line ms before (mean / p50 / p99)",
            first(figures.head_of_line_before_ms),
        ),
        (
            "otp head of line ms during",
            first(figures.head_of_line_during_ms),
        ),
        (
            "few of a third tenant, submit→final ms before",
            ms(figures.few_before_ms),
        ),
        ("few of a third tenant ms during", ms(figures.few_during_ms)),
        (
            "restart: ready, first otp delivered, s",
            format!(
                "{:.2}, {:.2}",
                figures.restart_ready_s, figures.restart_first_otp_s
            ),
        ),
        (
            "RSS MiB after restart",
            format!("{:.0}", figures.rss_after_restart_mib),
        ),
    ];
    for (what, value) in rows {
        println!("| {what} | {value} |");
    }
    for missed in &figures.missed {
        println!("missed: {missed}");
    }
}
