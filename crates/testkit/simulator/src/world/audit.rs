//! The journal is read from the disk whenever a process begins or ends, and held against it.

use std::collections::BTreeMap;

use engine::Known;

use super::World;
use super::process::Process;
use crate::checks::journal::{self, Extent};

/// When the journal is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A process has replayed it.
    Opened,
    /// A process is at work.
    Running,
    /// A process was ended, and what it held is still there to compare with.
    Ended,
}

impl World {
    /// Reads the journal as it lies on the disk, and compares it with what the process holds and with what was said.
    pub(crate) fn audit(&mut self, at: At) {
        if !self.read_book(at) {
            return;
        }
        let Some(process) = self.process.take() else {
            return;
        };
        match at {
            At::Opened if self.book.read_to() < self.was_durable => {
                let (was, is) = (self.was_durable, self.book.read_to());
                self.broken.push(format!(
                    "the journal was durable up to {was} and ends at {is}"
                ));
            }
            At::Opened | At::Running | At::Ended => {}
        }
        let engine = &process.engine;
        if self.book.read_to() < engine.durable() {
            let (told, read) = (engine.durable(), self.book.read_to());
            self.broken.push(format!(
                "the engine relies on records up to {told}, readers find them up to {read}"
            ));
        }
        let extent = match at {
            At::Running if engine.durable() == engine.appended() => Extent::All,
            At::Opened | At::Running | At::Ended => Extent::Part,
        };
        let mut findings = Vec::new();
        journal::fold_is_state(self, &|id| engine.known(id), extent, &mut findings);
        journal::told_is_written(self, &mut findings);
        self.broken.append(&mut findings);
        self.process = Some(process);
        self.note_durable();
    }

    /// What a process holds of every message that anybody has heard of.
    pub(super) fn all_known(&self, process: &Process) -> BTreeMap<message::MessageId, Known> {
        let ledger = self.ledger.borrow();
        let ids = ledger.messages.keys().chain(self.book.tallies.keys());
        ids.map(|id| (*id, process.engine.known(*id))).collect()
    }

    /// After an end in order everything is in the journal.
    pub(super) fn audit_closed(&mut self, known: &BTreeMap<message::MessageId, Known>) {
        if !self.read_book(At::Ended) {
            return;
        }
        let mut findings = Vec::new();
        let of = |id| known.get(&id).cloned().unwrap_or(Known::Cold);
        journal::fold_is_state(self, &of, Extent::All, &mut findings);
        journal::told_is_written(self, &mut findings);
        self.broken.append(&mut findings);
    }

    fn read_book(&mut self, at: At) -> bool {
        let read = self.book.read_on(self.disk.storage());
        // What a kill in the middle of a write left half made the next process puts in order.
        let half_made = at == At::Ended && self.killed_in_write;
        if let (Err(what), false) = (&read, half_made) {
            self.broken
                .push(format!("the journal cannot be read: {what}"));
        }
        read.is_ok()
    }
}
