//! What a power cut may take where the journal is relied on before it is synced: `sync = "interval"` and `"none"`.
//!
//! Messages that anybody heard of since the first record that was not synced may be gone, or may be what they were before; of all others
//! everything holds. How long that time is for an interval is checked here.

use engine::SyncPolicy;
use journal::Position;

use super::World;
use crate::clock::{MS, SECOND};

/// Since when which records count, and what of them no power cut can take.
#[derive(Debug, Default)]
pub(super) struct Setback {
    /// When the present process said how far its records are durable.
    said: Vec<(u64, Position)>,
    /// The same question for a process that has ended: since when it had told of what was not synced.
    left_ns: Option<u64>,
    /// How far no power cut can take them.
    synced: Position,
    /// Until when the process was stopped, or its disk was slow or failed.
    hampered_until_ns: u64,
}

impl World {
    /// Notes how far the journal may be relied on, in case the next thing is the end.
    pub(super) fn note_durable(&mut self) {
        let Some(process) = &self.process else { return };
        let durable = process.engine.durable();
        self.was_durable = self.was_durable.max(durable);
        self.setback.synced = self.setback.synced.max(process.engine.synced());
        let said = &mut self.setback.said;
        if said.last().is_none_or(|(_, before)| *before < durable) {
            said.push((self.clocks.true_ns(), durable));
        }
    }

    /// The process was stopped, or its disk is slow: an interval lasts as long as it does.
    pub(super) fn hampered(&mut self, until_ns: u64) {
        let until = &mut self.setback.hampered_until_ns;
        *until = (*until).max(until_ns);
    }

    /// A process has opened: what it found it has synced.
    pub(super) fn all_is_synced(&mut self) {
        self.setback.said.clear();
        self.setback.left_ns = None;
    }

    /// A process ends, its files stay as they are.
    pub(super) fn leave_unsynced(&mut self) {
        self.leave_inbound();
        self.note_durable();
        let synced = self.setback.synced;
        let mut said = self.setback.said.iter();
        let first = said.find(|(_, durable)| *durable > synced);
        self.setback.left_ns = self.setback.left_ns.or(first.map(|(at_ns, _)| *at_ns));
        self.setback.said.clear();
    }

    /// The power goes; the process was said to have ended before.
    pub(super) fn set_back(&mut self, ended_ns: u64) {
        self.was_durable = self.setback.synced;
        let Some(since_ns) = self.setback.left_ns.take() else {
            return;
        };
        match self.plan.sync {
            SyncPolicy::Always => self
                .broken
                .push("something was relied on before it was synced".into()),
            SyncPolicy::Interval { interval_ms } => {
                let disk = self.plan.disk;
                let most_ns = u64::from(interval_ms) * MS + disk.sync_ns.1 + 2 * disk.write_ns.1;
                let for_ns = ended_ns.saturating_sub(since_ns);
                // A failure that the engine has not come to know yet is one all the same.
                let works = self.disk_faults == 0 && since_ns > self.setback.hampered_until_ns;
                if works && for_ns > most_ns {
                    let seconds = for_ns as f64 / SECOND as f64;
                    self.broken.push(format!(
                        "for {seconds:.6} s nothing was synced; the interval is {interval_ms} ms"
                    ));
                }
            }
            SyncPolicy::None => {}
        }
        self.ledger.borrow_mut().set_back(since_ns);
    }

    /// After a power cut: what was answered too late to be certain and is not in the journal is as if it had never been.
    pub(super) fn lose_what_is_gone(&mut self) {
        let mut ledger = self.ledger.borrow_mut();
        let mut gone = Vec::new();
        for (id, log) in &mut ledger.messages {
            if log.loose && log.answered_ns.is_some() && !self.book.tallies.contains_key(id) {
                log.answered_ns = None;
                gone.extend(log.wish);
            }
        }
        for wish in gone {
            ledger.wishes[wish].admitted = None;
            ledger.wishes[wish].lost = true;
        }
    }
}
