//! The kill test: the real binary on a real disk, killed with `kill -9` at moments drawn from a seed, and an account of every message kept by
//! the client, the simulated message centres and the journal itself.
//!
//! `cargo xtask kill-test --rounds 200` runs many rounds with the release build; `cargo test` runs a few. A round is one life of a data
//! directory: carriers, a load and a script of kills, all from the round's seed; round `i` of a run has the seed of the run + `i`, so that
//! `--seed N --rounds 1` plays round N again (the same plan; the machine's own timing stays its own).
//!
//! What must hold at the end of every round:
//!
//! - *Nothing is missing*: every accepted id has exactly one final state, and what ended as taken was taken.
//! - *No copy is silent*: a message that carriers got more than once is reported uncertain.
//! - *A kill costs at most what was claimed*: a message is copied at most as often as kills found its attempt written and unanswered, and what
//!   was written was claimed before.
//! - *Doubt has a reason*: a message is reported uncertain only if some kill found it so.
//!
//! A round that fails says its seed and keeps its folder: configuration, data, log.
//!
//! Environment: `HIKYAKU_KILL_ROUNDS`, `HIKYAKU_KILL_SEED`, `HIKYAKU_KILL_JOBS` (rounds at a time), `HIKYAKU_KILL_SUMMARY` (a file for the
//! summary, JSON).

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

#[path = "../engine_process/mod.rs"]
mod engine_process;
mod ledger;
mod moments;
mod plan;
mod round;
mod totals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plan::Plan;
use totals::Totals;

/// Rounds of `cargo test`.
const ROUNDS: u64 = 8;
/// Rounds mostly wait: for a restart, for receipts.
const JOBS: u64 = 2;

#[test]
fn killed_engines_lose_nothing_and_copies_are_flagged() {
    let number = |name: &str, otherwise: u64| {
        let given = std::env::var(name).ok();
        given.map_or(otherwise, |text| text.parse().unwrap())
    };
    let rounds = number("HIKYAKU_KILL_ROUNDS", ROUNDS);
    let first = number("HIKYAKU_KILL_SEED", 1);
    let jobs = number("HIKYAKU_KILL_JOBS", JOBS);
    println!("kill test: {rounds} rounds from seed {first}, {jobs} at a time");
    let next = AtomicU64::new(0);
    let totals = Mutex::new(Totals::new(rounds, first));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= rounds {
                        return;
                    }
                    let seed = first + nth;
                    let played = catch_unwind(AssertUnwindSafe(|| round::play(&Plan::of(seed))));
                    totals.lock().unwrap().add(seed, played.ok());
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    let summary = totals.summary();
    println!("{summary:#}");
    if let Ok(path) = std::env::var("HIKYAKU_KILL_SUMMARY") {
        std::fs::write(path, format!("{summary:#}\n")).unwrap();
    }
    totals.assert_kept();
}
