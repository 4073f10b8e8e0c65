//! House tasks, run as `cargo xtask NAME` from anywhere in the workspace.
//!
//! `tidy`: the checks that rustfmt, clippy and cargo-deny cannot make. It reads the tree and changes nothing. Limits
//! live beside the check they belong to (`tidy/source.rs`, `tidy/arrows.rs`, `tidy/purity.rs`).
//!
//! `kill-test`: many rounds of `tests/kill_rounds`, with the binary as it is shipped.
//!
//! `dashboard-picture`: the Grafana dashboard as an SVG, from what a Prometheus has scraped.
//!
//! `backlog`: more messages than memory holds, with the binary as it is shipped.
//!
//! `simulate`: many runs of the simulator, in virtual time.

mod backlog;
mod kill_test;
mod picture;
mod simulate;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask TASK

tasks:
  tidy         layers, purity, file and function sizes, names, leftovers, clippy bans, machine paths
  kill-test    kill the engine under load, many times, and account for every message
                 --rounds N       how many (default 200)
                 --seed N         of the first round; the next has N + 1 (default: the clock)
                 --jobs N         rounds at a time (default 2)
                 --summary FILE   where the summary goes (JSON)
                 --debug          the unoptimised build
  backlog      admit more than memory holds, and measure memory, disk, an otp beside it and a restart
                 --messages N     bulk messages (default 1,000,000)
                 --head-messages N  how many of a queue stay in memory (default 32,768)
                 --contract N     segments a second of the carrier (default 1,000)
                 --otps N         otp in each measurement (default 2,000)
                 --json           one JSON object
  simulate     live through many seeded runs in virtual time, and check the promises after each
                 --seeds N        how many (default 200)
                 --from N         the first seed (default 0)
                 --jobs N         threads (default 2)
                 --mutant NAME    plant a defect that the checks must catch
                 --trace SEED     everything that was seen in one run
  dashboard-picture --prometheus HOST:PORT --seconds N --out FILE
               draw deploy/grafana/hikyaku.json with the last N seconds of a Prometheus, as SVG";

fn main() -> ExitCode {
    let tasks: Vec<String> = std::env::args().skip(1).collect();
    match tasks
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["tidy"] => report(tidy::run(&workspace_root())),
        ["kill-test", options @ ..] => match kill_test::Options::parse(options) {
            Ok(options) => kill_test::run(&workspace_root(), &options),
            Err(what) => {
                eprintln!("{what}\n\n{USAGE}");
                ExitCode::from(2)
            }
        },
        ["dashboard-picture", options @ ..] => match picture::Options::parse(options) {
            Ok(options) => picture::run(&workspace_root(), &options),
            Err(what) => {
                eprintln!("{what}\n\n{USAGE}");
                ExitCode::from(2)
            }
        },
        ["backlog", options @ ..] => backlog::run(&workspace_root(), options),
        ["simulate", options @ ..] => simulate::run(&workspace_root(), options),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Runs cargo for a task that is a program of its own; its failure is the task's.
fn outcome(cargo: &mut Command) -> ExitCode {
    match cargo.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo could not be started: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints every finding, one a line, so that an editor can jump to it; any finding fails the task.
fn report(outcome: Result<Vec<tidy::Finding>, String>) -> ExitCode {
    match outcome {
        Ok(findings) if findings.is_empty() => {
            println!("tidy: no findings");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            eprintln!("tidy: {} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(trouble) => {
            eprintln!("tidy could not run: {trouble}");
            ExitCode::from(2)
        }
    }
}

/// The workspace is the parent of this crate's folder; cargo fixes that path when it compiles the task.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
