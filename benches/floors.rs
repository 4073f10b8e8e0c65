//! The floors, and the engine beside them in the same run: what SMPP, the disk, gRPC and HTTP/2 cost by themselves on this machine.
//!
//! ```text
//! cargo bench --bench floors                       every floor and the engine, three rounds
//! cargo bench --bench floors -- --quick            shorter
//! cargo bench --bench floors -- --only smpp        some of the floors, without the engine
//! ```
//!
//! Rounds go over everything before anything comes again, floor and engine in turns, so that a slow minute of the machine falls on both; a
//! ratio is the engine's median over the floor's. The engine is measured by `hikyaku bench --only sync`; its disk floor writes batches of
//! as many records and octets as the engine's group commits had in the same round.

mod floor;
mod rig;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use floor::disk::{self, Durability};
use floor::grpc::{self, Shape};
use floor::{Sample, http2, smpp};
use rig::{grouped, median};
use serde_json::Value;

/// Octets of a message in the engine's journal, where the engine is not asked.
const RECORD_LEN: usize = 400;

/// The floors under the engine
#[derive(Parser)]
struct Args {
    /// A third of a second a floor
    #[arg(long)]
    quick: bool,
    /// Seconds a floor
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Rounds; figures are medians
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only floors whose name contains this, and not the engine
    #[arg(long)]
    only: Option<String>,
    /// Where files are written; the disk that is measured
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// One of the programs.
#[derive(Clone, Copy)]
enum Floor {
    /// Window.
    Smpp(usize),
    /// Records of a batch.
    Disk(u64, Durability),
    Grpc(Shape),
    /// Requests in flight.
    Http2(usize),
}

const FLOORS: [Floor; 12] = [
    Floor::Smpp(1),
    Floor::Smpp(10),
    Floor::Smpp(100),
    Floor::Smpp(1_000),
    Floor::Disk(1, Durability::Synced),
    Floor::Disk(16, Durability::Synced),
    Floor::Disk(1_000, Durability::Synced),
    Floor::Disk(1_000, Durability::Written),
    Floor::Grpc(Shape::Unary),
    Floor::Grpc(Shape::Stream(1)),
    Floor::Grpc(Shape::Stream(100)),
    Floor::Http2(100),
];

impl Floor {
    fn name(self) -> String {
        match self {
            Self::Smpp(window) => format!("smpp blaster and sink, window {window}"),
            Self::Disk(records, Durability::Synced) => {
                format!("disk, {records} records of {RECORD_LEN} B: write + fdatasync")
            }
            Self::Disk(records, Durability::Written) => {
                format!("disk, {records} records of {RECORD_LEN} B: write")
            }
            Self::Grpc(Shape::Unary) => "grpc unary, 64 in flight".to_owned(),
            Self::Grpc(Shape::Stream(batch)) => {
                format!("grpc stream, {batch} a request, 16 in flight")
            }
            Self::Http2(streams) => format!("h2 POST, {streams} in flight"),
        }
    }

    fn run(self, args: &Args) -> Result<Sample, String> {
        let running = Duration::from_secs_f64(args.seconds);
        let sample = match self {
            Self::Smpp(window) => smpp::run(window, running),
            Self::Disk(records, durability) => {
                let batch = (records, records as usize * RECORD_LEN);
                disk::run(&args.dir, batch, durability, running)
            }
            Self::Grpc(shape) => grpc::run(shape, running),
            Self::Http2(streams) => http2::run(streams, running),
        };
        sample.map_err(|error| format!("{}: {error}", self.name()))
    }
}

/// The engine with one way to sync, and the bare disk with batches as the engine's at saturation.
struct Pair {
    sync: String,
    engine: Value,
    /// At a part of saturation, for the latency: at saturation it is that of messages waiting for one another.
    paced: Value,
    disk: Sample,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        args.seconds = 0.33;
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let only = args.only.as_deref().unwrap_or_default();
    let floors: Vec<Floor> = FLOORS
        .into_iter()
        .filter(|floor| floor.name().contains(only))
        .collect();
    let mut samples: Vec<Vec<Sample>> = floors.iter().map(|_| Vec::new()).collect();
    let mut pairs = Vec::new();
    for round in 1..=args.rounds {
        for (floor, samples) in floors.iter().zip(&mut samples) {
            eprint!("\rround {round} of {}: {:<60}", args.rounds, floor.name());
            samples.push(floor.run(args)?);
        }
        if args.only.is_none() {
            eprint!("\rround {round} of {}: {:<60}", args.rounds, "the engine");
            pairs.extend(engine_and_disk(args)?);
        }
    }
    eprintln!();
    print_floors(&floors, &samples);
    print_pairs(&pairs);
    Ok(())
}

/// `hikyaku bench` of this build, once, each way to sync with its floor.
fn engine_and_disk(args: &Args) -> Result<Vec<Pair>, String> {
    let report = args.dir.join(format!("floors-{}.json", std::process::id()));
    let ended = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["bench", "--quick", "--only", "sync", "--repeats", "1"])
        .args(["--measured", &(args.seconds.max(1.0)).to_string()])
        .args([Path::new("--dir"), &args.dir, Path::new("--json"), &report])
        .output()
        .map_err(|error| error.to_string())?;
    if !ended.status.success() {
        return Err(String::from_utf8_lossy(&ended.stderr).into_owned());
    }
    let text = std::fs::read_to_string(&report).map_err(|error| error.to_string())?;
    std::fs::remove_file(&report).map_err(|error| error.to_string())?;
    let mut report: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let cases = report["cases"].as_array_mut().map(std::mem::take);
    let cases = cases.unwrap_or_default();
    let by_id = |id: &str| cases.iter().find(|case| case["id"] == id).cloned();
    let mut pairs = Vec::new();
    for case in &cases {
        let sync = case["parameters"]["sync"].as_str().unwrap_or_default();
        let id = format!("sync-{sync}");
        // Every case has a way to sync; those that are here for it are called after it.
        if case["id"] != *id {
            continue;
        }
        let paced = by_id(&format!("{id}-paced")).ok_or_else(|| format!("no {id}-paced"))?;
        pairs.push(pair(args, sync, case.clone(), paced)?);
    }
    Ok(pairs)
}

fn pair(args: &Args, sync: &str, engine: Value, paced: Value) -> Result<Pair, String> {
    let records = figure(&engine, "journal_records_per_sync").max(1.0);
    let per_message = figure(&engine, "journal_records_per_message").max(1.0);
    // As many messages as a group commit stands for: one has several records.
    let messages = (records / per_message).round().max(1.0);
    let bytes = messages * figure(&engine, "journal_bytes_per_message");
    let running = Duration::from_secs_f64(args.seconds);
    let batch = (messages as u64, bytes as usize);
    Ok(Pair {
        sync: sync.to_owned(),
        disk: disk::run(&args.dir, batch, Durability::Synced, running)?,
        engine,
        paced,
    })
}

/// The value of the only run; `NaN` where the engine does not say.
fn figure(case: &Value, name: &str) -> f64 {
    let figures = case["figures"].as_array().into_iter().flatten();
    let mut found = figures.filter(|figure| figure["name"] == name);
    found
        .next()
        .and_then(|figure| figure["median"].as_f64())
        .unwrap_or(f64::NAN)
}

#[allow(clippy::print_stdout, reason = "the table is what a bench is for")]
fn print_floors(floors: &[Floor], samples: &[Vec<Sample>]) {
    println!("| floor | a second [min–max] | CPU-s per 1M: asking (answering) | p50 / p99 ms |");
    println!("| --- | --- | --- | --- |");
    for (floor, samples) in floors.iter().zip(samples) {
        let of = |field: &dyn Fn(&Sample) -> f64| median(samples.iter().map(field));
        let rates = || samples.iter().map(Sample::per_second);
        println!(
            "| {} | {} [{}–{}] | {:.2} ({:.2}) | {:.3} / {:.3} |",
            floor.name(),
            grouped(median(rates())),
            grouped(rates().fold(f64::INFINITY, f64::min)),
            grouped(rates().fold(0.0, f64::max)),
            of(&Sample::near_cpu_s_per_million),
            of(&Sample::far_cpu_s_per_million),
            of(&|sample| sample.quantile_ms(0.5)),
            of(&|sample| sample.quantile_ms(0.99)),
        );
    }
}

#[allow(clippy::print_stdout, reason = "the table is what a bench is for")]
fn print_pairs(pairs: &[Pair]) {
    if pairs.is_empty() {
        return;
    }
    println!(
        "\nEngine : bare write + fdatasync of as large batches, in turns; in brackets the ratio.\n"
    );
    println!(
        "| journal.sync | messages/s | admit p50 ms : sync p50 | admit p99 : sync p99 | CPU-s per 1M | bytes a message, journal : floor | stored a message |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut modes: Vec<&str> = pairs.iter().map(|pair| &*pair.sync).collect();
    modes.sort_unstable();
    modes.dedup();
    for mode in modes {
        let of = |field: &dyn Fn(&Pair) -> f64| {
            median(pairs.iter().filter(|pair| pair.sync == mode).map(field))
        };
        let ratio = |engine: &dyn Fn(&Pair) -> f64, floor: &dyn Fn(&Pair) -> f64, digits: usize| {
            let (engine, floor) = (of(engine), of(floor));
            format!(
                "{engine:.digits$} : {floor:.digits$} ({:.2})",
                engine / floor
            )
        };
        let rate = (
            of(&|pair| figure(&pair.engine, "ended")),
            of(&|pair| pair.disk.per_second()),
        );
        println!(
            "| {mode} | {} : {} ({:.3}) | {} | {} | {} | {} | {:.0} |",
            grouped(rate.0),
            grouped(rate.1),
            rate.0 / rate.1,
            ratio(
                &|pair| figure(&pair.paced, "promotional_submit_to_admit_p50"),
                &|pair| pair.disk.quantile_ms(0.5),
                2
            ),
            ratio(
                &|pair| figure(&pair.paced, "promotional_submit_to_admit_p99"),
                &|pair| pair.disk.quantile_ms(0.99),
                2
            ),
            ratio(
                &|pair| figure(&pair.engine, "engine_cpu"),
                &|pair| pair.disk.near_cpu_s_per_million(),
                2
            ),
            ratio(
                &|pair| figure(&pair.engine, "journal_bytes_per_message"),
                &|pair| pair.disk.file_bytes as f64 / pair.disk.count as f64,
                0
            ),
            of(&|pair| figure(&pair.engine, "engine_storage_bytes_per_message")),
        );
    }
}
