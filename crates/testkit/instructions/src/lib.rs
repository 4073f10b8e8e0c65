//! Instructions that a small piece of work takes: the same on a busy machine and on a quiet one, so that a change of a few percent shows.
//!
//! Counted by Valgrind's cachegrind, which runs the bench's own program again: each case with some rounds and with twice as many. The
//! difference is what the rounds took, without the start of the program, the making of what is worked on, or the end. That needs Valgrind
//! (Debian's package) and nothing else; gungraun was refused for its runner, a program of exactly its own version that has to be installed
//! beside `cargo bench`, and hardware counters since virtual machines seldom have them. Without Valgrind nothing is counted, and that is said.
//!
//! What the kernel does is not in the figures, nor is waiting for memory. They belong to one compiler and one kind of processor: libraries
//! choose other instructions on others.

mod options;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use options::Options;

/// One piece of work.
#[derive(Debug)]
pub struct Case {
    /// What it is called, for ever: committed figures are found by it.
    pub name: &'static str,
    /// Rounds that take long enough to drown what differs from run to run (the seeds of hash tables), and not longer.
    pub rounds: u64,
    /// Operations in a round, 1 and up: the figure is of one.
    pub operations: u64,
    /// Does so many rounds.
    pub run: fn(u64),
}

/// The whole of a bench's `main`: counts the cases that the arguments of the process name, and prints each beside its committed figure in the
/// JSON file `figures` (instructions by name).
#[must_use]
pub fn bench(cases: &[Case], figures: &Path) -> ExitCode {
    let done = Options::of(std::env::args().skip(1)).and_then(|options| match &options.run {
        Some((name, rounds)) => run(cases, name, *rounds),
        None => compare(cases, figures, &options),
    });
    done.unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

/// What is counted.
fn run(cases: &[Case], name: &str, rounds: u64) -> Result<ExitCode, String> {
    let case = cases.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("there is no case `{name}`"))?;
    (case.run)(rounds);
    Ok(ExitCode::SUCCESS)
}

fn compare(cases: &[Case], figures: &Path, options: &Options) -> Result<ExitCode, String> {
    let Some(valgrind) = version() else {
        eprintln!(
            "!!! SKIPPED: `valgrind` cannot be run here (Debian: apt-get install valgrind): no instructions were counted"
        );
        return Ok(ExitCode::SUCCESS);
    };
    let known = if options.bless {
        BTreeMap::new()
    } else {
        read(figures)?
    };
    println!("instructions of one operation, by {valgrind}; in brackets the committed figure\n");
    let mut counted = BTreeMap::new();
    let mut beyond = Vec::new();
    for case in cases.iter().filter(|case| options.names(case)) {
        let each = count(case)?;
        let beside = match known.get(case.name) {
            Some(figure) => {
                let ratio = each / figure;
                if options.at_most.is_some_and(|most| ratio > most) {
                    beyond.push(case.name);
                }
                format!("[{figure:>9.1}]  {ratio:.3}")
            }
            None => "[no figure]".to_owned(),
        };
        println!("{:<46} {each:>9.1}  {beside}", case.name);
        counted.insert(case.name.to_owned(), (each * 10.0).round() / 10.0);
    }
    if options.bless {
        write(figures, &counted)?;
    }
    if beyond.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("more than was allowed: {}", beyond.join(", ")))
}

/// Instructions of one operation.
fn count(case: &Case) -> Result<f64, String> {
    let less = total(case, case.rounds)?;
    let more = total(case, 2 * case.rounds)?;
    let operations = case.rounds * case.operations;
    Ok(more.saturating_sub(less) as f64 / operations as f64)
}

/// Instructions of a whole run of this program.
fn total(case: &Case, rounds: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program)
        .args(["--run", case.name, &rounds.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "`{}` ended with {}:\n{said}",
            case.name, output.status
        ));
    }
    references(&said).ok_or_else(|| format!("valgrind told no count:\n{said}"))
}

/// The line `I refs:` of cachegrind's summary, with more or fewer blanks by version.
fn references(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find(|line| line.contains("I ") && line.contains("refs:"))?;
    let (_, count) = line.rsplit_once(':')?;
    let digits: String = count.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}; --bless makes it", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, counted: &BTreeMap<String, f64>) -> Result<(), String> {
    let text = serde_json::to_string_pretty(counted).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_cachegrind_is_read() {
        let said = "==7== Cachegrind, a cache and branch-prediction profiler\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(references(said), Some(1_234_567));
        assert_eq!(references("==7== I refs:  89\n"), Some(89));
        assert_eq!(references("==7== nothing\n"), None);
    }
}
