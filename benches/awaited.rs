//! What an awaited receipt costs in memory: all of them in memory, or all but a few on the disk.
//!
//! ```text
//! cargo bench --bench awaited                              200,000 and 600,000 messages
//! cargo bench --bench awaited -- --first 500000 --then 2000000
//! ```
//!
//! A carrier takes every message and sends no receipt. The engine's memory is looked at after the first so many and after as many more, so that what any
//! load takes (events, buffers) falls out of the difference.

mod load;
mod rig;

#[path = "../tests/engine_process/mod.rs"]
mod engine_process;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use engine_process::{EngineProcess, Setting, caller};
use fakes::smsc::{FakeSmsc, SmscConfig};
use load::carrier::Account;
use load::{Follow, Load, Until};
use rig::{grouped, usage};

/// A load that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longer than any run: no receipt comes.
const NEVER_MS: u64 = 86_400_000;

/// Memory of awaited receipts
#[derive(Parser)]
struct Args {
    /// Messages before the first look
    #[arg(long, default_value_t = 200_000)]
    first: u64,
    /// Messages between the looks
    #[arg(long, default_value_t = 400_000)]
    then: u64,
    /// Receipts that may be awaited in memory, in the second case
    #[arg(long, default_value_t = 10_000)]
    in_memory: u64,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

struct Figures {
    rss_mib: [f64; 2],
    bytes_each: f64,
    taken_per_second: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    for (case, in_memory) in [("in memory", 100_000_000), ("on the disk", args.in_memory)] {
        match run(&args, in_memory) {
            Ok(figures) => println!(
                "{case:12} {} messages: {:.0} MiB, {} messages: {:.0} MiB; {:.0} bytes each; {} taken and settled a second",
                grouped(args.first as f64),
                figures.rss_mib[0],
                grouped((args.first + args.then) as f64),
                figures.rss_mib[1],
                figures.bytes_each,
                grouped(figures.taken_per_second),
            ),
            Err(text) => {
                eprintln!("{text}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn run(args: &Args, in_memory: u64) -> Result<Figures, String> {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.receipts.delay_ms = NEVER_MS;
    script.receipts.outstanding_max = usize::MAX;
    let smsc = FakeSmsc::start(script).map_err(|error| error.to_string())?;
    let account = Account {
        sessions: 2,
        window: 1_000,
        contract_per_second: None,
    };
    let carrier = account.lines(&smsc.local_addr().to_string());
    let tables =
        format!("[limits]\nreceipts_awaited = 100_000_000\nreceipts_in_memory = {in_memory}\n");
    let setting = Setting::with(&[("alpha", &carrier)], &tables);
    let engine = EngineProcess::start(&setting);
    engine.wait_until("the sessions are bound", || {
        engine.metric("hikyaku_bound_sessions{carrier=\"alpha\"}") >= 2.0
    });
    let first_mib = fill(&engine, args.first, (args.first, in_memory))?;
    let began = Instant::now();
    let all = args.first + args.then;
    let then_mib = fill(&engine, args.then, (all, in_memory))?;
    let taken_per_second = args.then as f64 / began.elapsed().as_secs_f64();
    drop(engine);
    drop(smsc.stop());
    Ok(Figures {
        rss_mib: [first_mib, then_mib],
        bytes_each: (then_mib - first_mib) * f64::from(1 << 20) / args.then as f64,
        taken_per_second,
    })
}

/// Submits, and waits until `awaited` receipts are, as many on the disk as must be; gives the memory.
fn fill(
    engine: &EngineProcess,
    messages: u64,
    (awaited, in_memory): (u64, u64),
) -> Result<f64, String> {
    let load = Load {
        until: Until::Messages(messages),
        otp_every: 0,
        open_max: u64::MAX,
        follow: Follow::ToAdmission,
    };
    rig::runtime()?.block_on(async {
        let mut caller = caller::connect(engine).await;
        let loaded = tokio::time::timeout(PATIENCE, load::run(&mut caller, load)).await;
        loaded
            .map_err(|_| "it hangs".to_owned())?
            .map(drop)
            .map_err(|error| error.to_string())
    })?;
    let on_disk = awaited.saturating_sub(in_memory) as f64;
    let held = "hikyaku_awaited_receipts_held{place=\"disk\"}";
    engine.wait_until("all receipts are awaited", || {
        engine.metric("hikyaku_awaited_receipts") >= awaited as f64
            && engine.metric(held) >= on_disk
    });
    Ok(usage::rss_mib(engine.pid()))
}
