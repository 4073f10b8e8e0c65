//! Saturation for minutes: a client keeps the credits full with `ON_FULL_WAIT` while a carrier's contract lets less out, and the engine's
//! memory is looked at each second.
//!
//! ```text
//! cargo bench --bench soak                       five minutes
//! cargo bench --bench soak -- --minutes 5 --credits 300000 --contract 10000
//! ```
//!
//! The promise: memory at minute five is at most 1.05 times that at minute one. The bench fails when it is not kept, when the carrier saw a
//! copy, and when the credits that bulk may use were not full at the end of each minute: then it has not shown anything.

mod load;
mod rig;

#[path = "../tests/engine_process/mod.rs"]
mod engine_process;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use engine_process::{EngineProcess, Setting, caller};
use load::carrier::{self, Account};
use load::{Follow, Load, Until};
use rig::{grouped, median, usage};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

/// What memory may grow by from the first minute to the last.
const GROWTH_MAX: f64 = 1.05;
/// What bulk alone may use of the credits; the rest is kept for more urgent lanes.
const BULK_SHARE: f64 = 0.9;
/// Seconds around an instant whose median stands for it.
const AROUND_S: usize = 5;

/// Memory under saturation
#[derive(Parser)]
struct Args {
    /// How long, at least 2
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..))]
    minutes: u64,
    /// Messages the engine may hold
    #[arg(long, default_value_t = 1_000_000)]
    credits: u64,
    /// Segments a second that the carrier lets through
    #[arg(long, default_value_t = 10_000)]
    contract: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Serialize)]
struct Figures {
    minutes: u64,
    credits: u64,
    contract_per_second: u64,
    admitted: u64,
    delivered: u64,
    copies: u64,
    /// Credits in use, each minute from the first.
    credits_in_use: Vec<f64>,
    /// Each minute from the first.
    rss_mib: Vec<f64>,
    rss_max_mib: f64,
    /// The last minute's over the first's.
    growth: f64,
    engine_cpu_s_per_million: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let figures = match run(&args) {
        Ok(figures) => figures,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    print(&figures, args.json);
    let full = BULK_SHARE * args.credits as f64;
    if let Some(low) = figures
        .credits_in_use
        .iter()
        .find(|used| **used < 0.99 * full)
    {
        eprintln!("not saturated: {low:.0} credits in use at a minute's end, {full:.0} are full");
        return ExitCode::FAILURE;
    }
    if figures.copies > 0 {
        eprintln!("{} copies were sent, promised are none", figures.copies);
        return ExitCode::FAILURE;
    }
    if figures.growth > GROWTH_MAX {
        eprintln!(
            "memory grew by {:.3}, promised is {GROWTH_MAX}",
            figures.growth
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(args: &Args) -> Result<Figures, String> {
    let smsc = carrier::start()?;
    let account = Account {
        sessions: 4,
        window: 1_000,
        contract_per_second: Some(args.contract),
    };
    let carrier = account.lines(&smsc.local_addr().to_string());
    let limits = format!("[limits]\nmessages = {}", args.credits);
    let setting = Setting::with(&[("alpha", &carrier)], &limits);
    let engine = EngineProcess::start(&setting);
    let seconds = 60 * args.minutes;
    let load = Load {
        // Some time beyond the last look, so that the engine is still saturated then.
        until: Until::Time(Instant::now() + Duration::from_secs(seconds + 3_600)),
        otp_every: 0,
        open_max: u64::MAX,
        follow: Follow::WhileSubmitting,
    };
    let mut samples = Vec::new();
    rig::runtime()?.block_on(async {
        let mut caller = caller::connect(&engine).await;
        tokio::select! {
            loaded = load::run(&mut caller, load) => match loaded {
                Ok(_) => Err("the load ended early".to_owned()),
                Err(error) => Err(error.to_string()),
            },
            () = watch_memory(&engine, seconds, &mut samples) => Ok(()),
        }
    })?;
    let admitted = engine.metric("hikyaku_admitted_messages_total{lane=\"bulk\"}");
    let cpu = usage::cpu_of(engine.pid());
    let delivered = engine.metric("hikyaku_final_messages_total{state=\"delivered\"}");
    drop(engine);
    let copies = smsc.stop().counts.copies;
    let rss = |minute: u64| median(around(&samples, minute).iter().map(|sample| sample.0));
    let in_use = |minute: u64| median(around(&samples, minute).iter().map(|sample| sample.1));
    Ok(Figures {
        minutes: args.minutes,
        credits: args.credits,
        contract_per_second: args.contract,
        admitted: admitted as u64,
        delivered: delivered as u64,
        copies,
        credits_in_use: (1..=args.minutes).map(in_use).collect(),
        rss_mib: (1..=args.minutes).map(rss).collect(),
        rss_max_mib: samples.iter().map(|sample| sample.0).fold(0.0, f64::max),
        growth: rss(args.minutes) / rss(1),
        engine_cpu_s_per_million: cpu.as_secs_f64() * 1e6 / delivered,
    })
}

/// Memory in MiB and credits in use, once a second.
async fn watch_memory(engine: &EngineProcess, seconds: u64, samples: &mut Vec<(f64, f64)>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for second in 0..=seconds {
        ticks.tick().await;
        let sample = (
            usage::rss_mib(engine.pid()),
            engine.metric("hikyaku_credit_messages"),
        );
        if second % 10 == 0 {
            eprintln!(
                "{second:>4} s: {:.1} MiB, {:.0} credits in use",
                sample.0, sample.1
            );
        }
        samples.push(sample);
    }
}

/// The samples of the seconds that end with a minute.
fn around(samples: &[(f64, f64)], minute: u64) -> &[(f64, f64)] {
    let end = (60 * minute as usize + 1).min(samples.len());
    &samples[end.saturating_sub(AROUND_S)..end]
}

#[allow(clippy::print_stdout, reason = "the figures are what a bench is for")]
fn print(figures: &Figures, json: bool) {
    if json {
        let text = serde_json::to_string(figures).expect("numbers and names");
        println!("{text}");
        return;
    }
    println!("{} minutes of saturation:", figures.minutes);
    println!("  admitted           {}", grouped(figures.admitted as f64));
    println!("  delivered          {}", grouped(figures.delivered as f64));
    println!("  copies             {}", figures.copies);
    for (minute, (rss, credits)) in figures
        .rss_mib
        .iter()
        .zip(&figures.credits_in_use)
        .enumerate()
    {
        println!(
            "  minute {:<2}          {rss:.1} MiB, {} credits in use",
            minute + 1,
            grouped(*credits)
        );
    }
    println!("  highest            {:.1} MiB", figures.rss_max_mib);
    println!(
        "  last / first       {:.3} (promised: at most {GROWTH_MAX})",
        figures.growth
    );
    println!(
        "  CPU-s per 1M       {:.2}",
        figures.engine_cpu_s_per_million
    );
}
