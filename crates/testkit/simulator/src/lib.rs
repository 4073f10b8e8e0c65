//! The engine in virtual time: seeded, one thread, against a fake disk and a fake network.
//!
//! One seed is one run: it chooses carriers and their faults, a workload, and what goes wrong with disk, process, network and clocks.
//! Everything of the engine is the real thing (intake, shard, partitions, queue, cell, throttle, journal, written log, connector,
//! protocol); only clock, disk, network and randomness are not. At the end the world comes to rest and the promises are
//! checked against what clients, carriers and the wire have seen (`checks`).
//!
//! ```text
//! clients ──► engine::Stepped ──► SmppConnector on a SimWire ──► Link ──► Carrier (the centre's end of smpp-session)
//!                  │  journal, written log                                     │
//!                  └──► Disk (kill, power cut, errors, full)                   └──► answers and receipts by a seeded script
//! ```
//!
//! Limits: a run has at most a few hundred messages and a few virtual minutes, so that thousands of runs fit into minutes.

mod book;
mod carrier;
mod checks;
mod clock;
mod dice;
mod disk;
mod ledger;
mod mutant;
mod net;
mod note;
mod plan;
mod spy;
mod world;

pub use mutant::Mutant;

use world::{At, World};

/// What a run was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Things that happened.
    pub events: u64,
    /// Messages that clients were given an id for.
    pub messages: u64,
    /// Requests that reached a carrier.
    pub received: u64,
    /// Messages that a carrier took more than once, each of them flagged.
    pub copies: u64,
    /// Messages whose state was Delivered in the end.
    pub delivered: u64,
    /// Processes that were started.
    pub starts: u32,
    /// Records of live messages that were written again to shorten the replay set.
    pub carried: u64,
    /// Where a restart would begin to read the journal, in the end.
    pub replayed_from: u64,
    /// A digest of everything that was seen: equal for equal seeds.
    pub digest: u64,
}

/// A promise that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The run.
    pub seed: u64,
    /// Each promise that was broken, and by which message, with its trace.
    pub findings: Vec<String>,
}

/// Lives through one run and checks the promises.
///
/// # Errors
/// What was broken.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<Report, Broken> {
    let mut world = World::new(seed, mutant);
    let rests = world.run();
    let mut findings = std::mem::take(&mut world.broken);
    if rests {
        let held = world.held();
        world.ask_all();
        world.audit(At::Running);
        checks::all(&world, &mut findings);
        checks::after_rest(&world, held, &mut findings);
        let waiting = world.inbound_waiting();
        checks::handsets::are_kept(&world, &waiting, &mut findings);
        findings.append(&mut world.broken);
        if findings.is_empty() {
            let before = checks::states(&world);
            world.restart();
            world.ask_all();
            checks::same_after_restart(&world, &before, &mut findings);
        }
    } else {
        findings.push(format!(
            "the world does not come to rest: {}",
            world.unrest()
        ));
        world.ask_all();
        checks::unfinished(&world, &mut findings);
        checks::all(&world, &mut findings);
    }
    findings.append(&mut world.broken);
    if findings.is_empty() {
        Ok(world.report())
    } else {
        Err(Broken { seed, findings })
    }
}

/// Everything that was seen in a run, message by message.
#[must_use]
pub fn trace(seed: u64) -> String {
    let mut world = World::new(seed, None);
    world.run();
    world.ask_all();
    world.story()
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN_MAX: usize = 5;
        writeln!(f, "seed {}: {} findings", self.seed, self.findings.len())?;
        for finding in self.findings.iter().take(SHOWN_MAX) {
            writeln!(f, "- {finding}")?;
        }
        write!(
            f,
            "again: cargo xtask simulate --seeds 1 --from {seed}; everything: cargo xtask simulate --trace {seed}",
            seed = self.seed
        )
    }
}

impl std::error::Error for Broken {}
