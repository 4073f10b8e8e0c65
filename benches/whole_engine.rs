//! The whole engine: the real binary as `serve` in a process of its own, its journal on the disk, a client and the simulator in this one;
//! everything over loopback.
//!
//! ```text
//! cargo bench --bench whole_engine                        intake alone, then the whole way; three rounds
//! cargo bench --bench whole_engine -- --quick --json
//! cargo bench --bench whole_engine -- --only delivered --messages 500000 --sessions 4 --window 1000
//! ```
//!
//! *intake*: no carrier answers, the messages wait in their lane; the figure ends with the last admission. *delivered*: 1 % otp among bulk,
//! receipts wanted, until the client has seen the last final state. Every message must be delivered, and taken by the simulator once, or the
//! bench fails.

mod load;
mod rig;

#[path = "../tests/engine_process/mod.rs"]
mod engine_process;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use engine_process::{EngineProcess, Setting, caller};
use fakes::smsc::SmscHandle;
use hdrhistogram::Histogram;
use load::carrier::{self, Account};
use load::{Follow, Load, Loaded, Until};
use rig::{grouped, median, usage};
use serde::Serialize;

/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);
/// The engine's counts are final when they have not moved for so long.
const COUNTS_SETTLE: Duration = Duration::from_secs(1);
/// One otp among so many messages.
const OTP_EVERY: u64 = 100;

/// The whole engine, from SubmitStream to the receipt
#[derive(Parser, Clone)]
struct Args {
    /// One round of 20,000 messages
    #[arg(long)]
    quick: bool,
    /// Messages a run
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
    /// Runs a case
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Sessions to the simulator
    #[arg(long, default_value_t = 4)]
    sessions: u32,
    /// Window of each
    #[arg(long, default_value_t = 1_000)]
    window: u32,
    /// Messages without a final state at most
    #[arg(long, default_value_t = 20_000)]
    open_max: u64,
    /// Only this case: intake or delivered
    #[arg(long)]
    only: Option<Case>,
    /// One JSON object a case
    #[arg(long)]
    json: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Case {
    Intake,
    Delivered,
}

/// What one run came to; of several runs, the median of each.
#[derive(Serialize)]
struct Figures {
    case: Case,
    messages: u64,
    runs: usize,
    admitted_per_second: f64,
    delivered_per_second: f64,
    engine_cpu_s_per_million: f64,
    /// By thread name.
    engine_threads_cpu_s_per_million: BTreeMap<String, f64>,
    /// Client and simulator.
    bench_cpu_s_per_million: f64,
    engine_rss_mib: f64,
    otp_submit_to_admit_ms: Quantiles,
    otp_submit_to_final_ms: Quantiles,
    bulk_submit_to_admit_ms: Quantiles,
    bulk_submit_to_final_ms: Quantiles,
    journal_batches: f64,
    journal_records: f64,
    journal_bytes_per_message: f64,
}

/// What a load has used.
struct Spent {
    bench: Duration,
    engine: Duration,
    /// By thread name, since the engine's start.
    engine_threads: Vec<(String, Duration)>,
    engine_rss_mib: f64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
    max: f64,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        (args.messages, args.rounds) = (20_000, 1);
    }
    let cases: Vec<Case> = [Case::Intake, Case::Delivered]
        .into_iter()
        .filter(|case| args.only.is_none_or(|only| only == *case))
        .collect();
    let mut runs: Vec<Vec<Figures>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 1..=args.rounds {
        for (case, runs) in cases.iter().zip(&mut runs) {
            eprintln!("round {round} of {}", args.rounds);
            match run(*case, &args) {
                Ok(figures) => runs.push(figures),
                Err(text) => {
                    eprintln!("{text}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    for (case, runs) in cases.into_iter().zip(&runs) {
        print(&medians(case, runs), args.json);
    }
    ExitCode::SUCCESS
}

/// A new engine, a new journal, a new simulator, one load.
fn run(case: Case, args: &Args) -> Result<Figures, String> {
    let smsc = carrier::start()?;
    // Nobody listens on port 1: the messages wait.
    let host = match case {
        Case::Intake => "127.0.0.1:1".to_owned(),
        Case::Delivered => smsc.local_addr().to_string(),
    };
    let account = Account {
        sessions: args.sessions,
        window: args.window,
        contract_per_second: None,
    };
    let carrier = account.lines(&host);
    let setting = Setting::new(&[("alpha", &carrier)]);
    let engine = EngineProcess::start(&setting);
    let bound = "hikyaku_bound_sessions{carrier=\"alpha\"}";
    if case == Case::Delivered {
        engine.wait_until("the sessions are bound", || {
            engine.metric(bound) >= f64::from(args.sessions)
        });
    }
    let before = (usage::own_cpu(), usage::cpu_of(engine.pid()));
    let loaded = submit(&engine, case, args)?;
    let spent = Spent {
        bench: usage::own_cpu() - before.0,
        engine: usage::cpu_of(engine.pid()) - before.1,
        engine_threads: usage::cpu_of_threads(engine.pid()),
        engine_rss_mib: usage::rss_mib(engine.pid()),
    };
    await_counts(&engine);
    let figures = figures(case, &loaded, &engine, &spent);
    drop(engine);
    check(case, &loaded, smsc)?;
    Ok(figures)
}

/// Counts are published a few times a second: waits until those of the journal have not moved over several of these.
fn await_counts(engine: &EngineProcess) {
    let mut last = (0.0, Instant::now());
    engine.wait_until("the journal's counts stand still", || {
        let records = engine.metric("hikyaku_journal_records_total");
        if records > last.0 {
            last = (records, Instant::now());
        }
        last.0 > 0.0 && last.1.elapsed() > COUNTS_SETTLE
    });
}

fn submit(engine: &EngineProcess, case: Case, args: &Args) -> Result<Loaded, String> {
    let load = Load {
        until: Until::Messages(args.messages),
        otp_every: match case {
            Case::Intake => 0,
            Case::Delivered => OTP_EVERY,
        },
        open_max: args.open_max,
        follow: match case {
            Case::Intake => Follow::ToAdmission,
            Case::Delivered => Follow::ToFinal,
        },
    };
    rig::runtime()?.block_on(async {
        let mut caller = caller::connect(engine).await;
        let loaded = tokio::time::timeout(PATIENCE, load::run(&mut caller, load)).await;
        loaded
            .map_err(|_| "it hangs".to_owned())?
            .map_err(|error| error.to_string())
    })
}

/// Everything delivered, nothing twice.
fn check(case: Case, loaded: &Loaded, smsc: SmscHandle) -> Result<(), String> {
    let counts = smsc.stop().counts;
    let due = match case {
        Case::Intake => 0,
        Case::Delivered => loaded.admitted,
    };
    let seen = (loaded.delivered, counts.unique_messages, counts.copies);
    if seen == (due, due, 0) {
        Ok(())
    } else {
        Err(format!(
            "{} admitted, {} delivered; the simulator saw {} messages and {} copies",
            loaded.admitted, seen.0, seen.1, seen.2
        ))
    }
}

fn figures(case: Case, loaded: &Loaded, engine: &EngineProcess, spent: &Spent) -> Figures {
    let messages = loaded.admitted as f64;
    let per_million = |spent: Duration| spent.as_secs_f64() * 1e6 / messages;
    let threads = spent.engine_threads.iter();
    Figures {
        case,
        messages: loaded.admitted,
        runs: 1,
        admitted_per_second: messages / loaded.admitted_after.as_secs_f64(),
        delivered_per_second: match case {
            Case::Intake => 0.0,
            Case::Delivered => messages / loaded.final_after.as_secs_f64(),
        },
        engine_cpu_s_per_million: per_million(spent.engine),
        engine_threads_cpu_s_per_million: threads
            .map(|(name, spent)| (name.clone(), per_million(*spent)))
            .collect(),
        bench_cpu_s_per_million: per_million(spent.bench),
        engine_rss_mib: spent.engine_rss_mib,
        otp_submit_to_admit_ms: quantiles(&loaded.otp.submit_to_admit),
        otp_submit_to_final_ms: quantiles(&loaded.otp.submit_to_final),
        bulk_submit_to_admit_ms: quantiles(&loaded.bulk.submit_to_admit),
        bulk_submit_to_final_ms: quantiles(&loaded.bulk.submit_to_final),
        journal_batches: engine.metric("hikyaku_journal_batches_total"),
        journal_records: engine.metric("hikyaku_journal_records_total"),
        journal_bytes_per_message: engine.metric("hikyaku_journal_written_bytes_total") / messages,
    }
}

fn quantiles(histogram: &Histogram<u64>) -> Quantiles {
    let ms = |value: u64| value as f64 / 1e6;
    Quantiles {
        p50: ms(histogram.value_at_quantile(0.5)),
        p99: ms(histogram.value_at_quantile(0.99)),
        max: ms(histogram.max()),
    }
}

fn medians(case: Case, runs: &[Figures]) -> Figures {
    let of = |field: &dyn Fn(&Figures) -> f64| median(runs.iter().map(field));
    let quantiles = |field: &dyn Fn(&Figures) -> Quantiles| Quantiles {
        p50: of(&|run| field(run).p50),
        p99: of(&|run| field(run).p99),
        max: of(&|run| field(run).max),
    };
    let mut threads = BTreeMap::new();
    for name in runs
        .iter()
        .flat_map(|run| run.engine_threads_cpu_s_per_million.keys())
    {
        let spent = |run: &Figures| {
            let threads = &run.engine_threads_cpu_s_per_million;
            threads.get(name).copied().unwrap_or(0.0)
        };
        threads.insert(name.clone(), of(&spent));
    }
    Figures {
        case,
        messages: runs.first().map_or(0, |run| run.messages),
        runs: runs.len(),
        admitted_per_second: of(&|run| run.admitted_per_second),
        delivered_per_second: of(&|run| run.delivered_per_second),
        engine_cpu_s_per_million: of(&|run| run.engine_cpu_s_per_million),
        engine_threads_cpu_s_per_million: threads,
        bench_cpu_s_per_million: of(&|run| run.bench_cpu_s_per_million),
        engine_rss_mib: of(&|run| run.engine_rss_mib),
        otp_submit_to_admit_ms: quantiles(&|run| run.otp_submit_to_admit_ms),
        otp_submit_to_final_ms: quantiles(&|run| run.otp_submit_to_final_ms),
        bulk_submit_to_admit_ms: quantiles(&|run| run.bulk_submit_to_admit_ms),
        bulk_submit_to_final_ms: quantiles(&|run| run.bulk_submit_to_final_ms),
        journal_batches: of(&|run| run.journal_batches),
        journal_records: of(&|run| run.journal_records),
        journal_bytes_per_message: of(&|run| run.journal_bytes_per_message),
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
    match figures.case {
        Case::Intake => println!("intake alone, {} messages:", figures.messages),
        Case::Delivered => println!("the whole way, {} messages, 1 % otp:", figures.messages),
    }
    println!(
        "  admitted/s                 {}",
        grouped(figures.admitted_per_second)
    );
    if figures.case == Case::Delivered {
        println!(
            "  delivered/s                {}",
            grouped(figures.delivered_per_second)
        );
    }
    println!(
        "  CPU-s per 1M, engine       {:.2}",
        figures.engine_cpu_s_per_million
    );
    for (name, spent) in &figures.engine_threads_cpu_s_per_million {
        println!("    {name:<24} {spent:.2}");
    }
    println!(
        "  CPU-s per 1M, client + sim {:.2}",
        figures.bench_cpu_s_per_million
    );
    println!("  engine RSS MiB             {:.0}", figures.engine_rss_mib);
    let bulk_admit = ms(figures.bulk_submit_to_admit_ms);
    println!("  bulk submit→admit ms       {bulk_admit} (p50 / p99 / max)");
    if figures.case == Case::Delivered {
        println!(
            "  bulk submit→final ms       {}",
            ms(figures.bulk_submit_to_final_ms)
        );
        println!(
            "  otp submit→admit ms        {}",
            ms(figures.otp_submit_to_admit_ms)
        );
        println!(
            "  otp submit→final ms        {}",
            ms(figures.otp_submit_to_final_ms)
        );
    }
    println!(
        "  journal                    {:.0} batches, {:.0} records, {:.0} bytes a message",
        figures.journal_batches, figures.journal_records, figures.journal_bytes_per_message
    );
}
