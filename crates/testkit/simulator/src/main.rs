//! Runs many seeds: `simulator [--seeds N] [--from N] [--jobs N] [--trace SEED] [--mutant NAME]`; see `cargo xtask simulate`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use simulator::{Broken, Mutant, Report};

const USAGE: &str = "\
usage: simulator [--seeds N] [--from N] [--jobs N] [--mutant NAME]
       simulator --trace SEED

  --seeds N      how many runs (default 200)
  --from N       the first seed (default 0)
  --jobs N       threads (default 2)
  --mutant NAME  plant a defect that the checks must catch
  --trace SEED   everything that was seen in one run";

/// How often progress is printed.
const PROGRESS_EVERY: u64 = 500;
/// Failures after which nothing more is tried.
const FAILURES_MAX: usize = 10;

struct Args {
    seeds: u64,
    from: u64,
    jobs: u64,
    trace: Option<u64>,
    mutant: Option<Mutant>,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = args.trace {
        println!("{}", simulator::trace(seed));
        return ExitCode::SUCCESS;
    }
    run_all(&args)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args {
        seeds: 200,
        from: 0,
        jobs: 2,
        trace: None,
        mutant: None,
    };
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("`{word}` needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("`{word}` is `{value}`: a whole number is needed"))
        };
        match word.as_str() {
            "--seeds" => args.seeds = number()?,
            "--from" => args.from = number()?,
            "--jobs" => args.jobs = number()?.clamp(1, 64),
            "--trace" => args.trace = Some(number()?),
            "--mutant" => {
                let found = Mutant::ALL.into_iter().find(|it| it.name() == value);
                args.mutant = Some(found.ok_or_else(|| {
                    let names = Mutant::ALL.map(Mutant::name).join(", ");
                    format!("`--mutant` is `{value}`: allowed are {names}")
                })?);
            }
            _ => return Err(format!("`{word}` is not known")),
        }
    }
    Ok(args)
}

fn run_all(args: &Args) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(args.from);
    let end = args.from.saturating_add(args.seeds);
    let enough = AtomicBool::new(false);
    let sums = Mutex::new((Report::default(), 0_u64));
    let broken: Mutex<Vec<Broken>> = Mutex::default();
    let work = || {
        while !enough.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            match simulator::run(seed, args.mutant) {
                Ok(report) => note(&sums, &report, (began, args.seeds)),
                Err(found) => {
                    eprintln!("{found}");
                    let mut broken = broken.lock().expect("no thread panics with it");
                    broken.push(found);
                    enough.store(broken.len() >= FAILURES_MAX, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..args.jobs {
            scope.spawn(work);
        }
    });
    let (sum, runs) = *sums.lock().expect("all threads have ended");
    let broken = broken.lock().expect("all threads have ended");
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{runs} runs kept every promise, {} broke one; {:.0} seeds/s; {} messages, {} requests, {} delivered, {} flagged copies, {} process starts, {} records carried",
        broken.len(),
        (runs + broken.len() as u64) as f64 / seconds,
        sum.messages,
        sum.received,
        sum.delivered,
        sum.copies,
        sum.starts,
        sum.carried,
    );
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        let seeds: Vec<_> = broken.iter().map(|found| found.seed.to_string()).collect();
        println!("broken seeds: {}", seeds.join(" "));
        ExitCode::FAILURE
    }
}

fn note(sums: &Mutex<(Report, u64)>, report: &Report, (began, all): (Instant, u64)) {
    let mut sums = sums.lock().expect("no thread panics with it");
    let (sum, runs) = &mut *sums;
    sum.events += report.events;
    sum.messages += report.messages;
    sum.received += report.received;
    sum.copies += report.copies;
    sum.carried += report.carried;
    sum.delivered += report.delivered;
    sum.starts += report.starts;
    *runs += 1;
    if *runs % PROGRESS_EVERY == 0 {
        let rate = *runs as f64 / began.elapsed().as_secs_f64();
        eprintln!("{runs} of {all} runs, {rate:.0} seeds/s");
    }
}
