//! The account of a run.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::round::Played;

/// Over all rounds so far.
pub(crate) struct Totals {
    rounds: u64,
    first_seed: u64,
    began: Instant,
    played: u64,
    accepted: u64,
    ended: BTreeMap<&'static str, u64>,
    /// By moment: kills, and those that met it.
    kills: BTreeMap<&'static str, (u64, u64)>,
    claimed: u64,
    written: u64,
    read_back: u64,
    copies: u64,
    uncertain: u64,
    unseen: u64,
    untold: u64,
    failed: Vec<u64>,
}

impl Totals {
    pub(crate) fn new(rounds: u64, first_seed: u64) -> Self {
        Self {
            rounds,
            first_seed,
            began: Instant::now(),
            played: 0,
            accepted: 0,
            ended: BTreeMap::new(),
            kills: BTreeMap::new(),
            claimed: 0,
            written: 0,
            read_back: 0,
            copies: 0,
            uncertain: 0,
            unseen: 0,
            untold: 0,
            failed: Vec::new(),
        }
    }

    /// Adds a round, none when it failed, and prints a line.
    pub(crate) fn add(&mut self, seed: u64, played: Option<Played>) {
        self.played += 1;
        let Some(played) = played else {
            self.failed.push(seed);
            println!(
                "round {}/{} seed {seed}: FAILED; again: cargo xtask kill-test --seed {seed} --rounds 1",
                self.played, self.rounds
            );
            return;
        };
        let audit = &played.audit;
        self.accepted += played.messages;
        for (state, count) in &audit.ended {
            *self.ended.entry(state).or_default() += count;
        }
        for (moment, met) in &played.kills {
            let (kills, hits) = self.kills.entry(moment).or_default();
            *kills += 1;
            *hits += u64::from(*met);
        }
        self.claimed += played.claimed;
        self.written += played.written;
        self.read_back += played.read_back;
        self.copies += audit.copies;
        self.uncertain += audit.uncertain;
        self.unseen += audit.unseen;
        self.untold += audit.untold;
        println!(
            "round {}/{} seed {seed}: {} accepted, {} kills, {} copies, {} uncertain, {} written of {} claimed, {:.1} s | \
             all: {} accepted, {} missing, {} kills, {} copies, {} uncertain, {} failed",
            self.played,
            self.rounds,
            played.messages,
            played.kills.len(),
            audit.copies,
            audit.uncertain,
            played.written,
            played.claimed,
            played.took.as_secs_f64(),
            self.accepted,
            self.missing(),
            self.kill_count(),
            self.copies,
            self.uncertain,
            self.failed.len(),
        );
    }

    /// Accepted messages of the rounds that held, without a final state.
    fn missing(&self) -> u64 {
        self.accepted - self.ended.values().sum::<u64>()
    }

    fn kill_count(&self) -> u64 {
        self.kills.values().map(|(kills, _)| kills).sum()
    }

    pub(crate) fn summary(&self) -> Value {
        let kills: BTreeMap<_, _> = self
            .kills
            .iter()
            .map(|(moment, (kills, met))| (*moment, json!({ "kills": kills, "met": met })))
            .collect();
        json!({
            "rounds": self.played,
            "first_seed": self.first_seed,
            "seconds": (self.began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            "failed_seeds": self.failed,
            "accepted": self.accepted,
            "missing": self.missing(),
            "ended": self.ended,
            "kills": self.kill_count(),
            "kills_by_moment": kills,
            "claimed_at_kills": self.claimed,
            "written_at_kills": self.written,
            "read_back_from_the_journal": self.read_back,
            "copies": self.copies,
            "uncertain": self.uncertain,
            "never_at_a_carrier": self.unseen,
            "end_not_told_by_watch": self.untold,
        })
    }

    /// Panics where a round failed, or where many rounds hit nothing: then the test tests nothing.
    pub(crate) fn assert_kept(&self) {
        assert!(self.failed.is_empty(), "failed seeds: {:?}", self.failed);
        assert_eq!(self.missing(), 0);
        assert!(self.copies <= self.written && self.written <= self.claimed);
        let many = self.played >= 8;
        assert!(!many || self.uncertain > 0, "no kill hit anything");
    }
}
