//! A few hundred seeds of the whole world, seeds that once found a defect, and planted defects that must be found.

use simulator::{Mutant, run};

/// Seeds of every test run. More: `cargo xtask simulate`.
const SEEDS: u64 = 240;
/// Runs that a planted defect may survive at most.
const MUTANT_SEEDS: u64 = 60;

fn keep(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Err(broken) = run(seed, None) {
            panic!("{broken}");
        }
    }
}

#[test]
fn the_promises_hold_for_even_seeds() {
    keep((0..SEEDS).step_by(2));
}

#[test]
fn the_promises_hold_for_odd_seeds() {
    keep((1..SEEDS).step_by(2));
}

#[test]
fn a_seed_is_one_run() {
    for seed in [0, 7, 18, 42, 125] {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for mutant in Mutant::ALL {
        let found = (0..MUTANT_SEEDS).any(|seed| run(seed, Some(mutant)).is_err());
        assert!(found, "{} survived {MUTANT_SEEDS} runs", mutant.name());
    }
}
