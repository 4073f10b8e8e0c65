//! The figures of the policies that were in force when a record was made.
//!
//! Whoever opens the journal notes its policies in its Opened record, and they stay as they are until the next one. So a record's policies are
//! those of the last Opened record before it: this process's own, one that was read on the way, or one that the index kept.

use std::collections::BTreeMap;

use history_index::IndexError;
use message::{CarrierId, Category};
use partition::Policy;

use super::slot::OpenIndex;
use crate::config::EngineConfig;
use crate::opened::opened_policies;

/// How messages were admitted and attempts settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policies {
    pub(crate) config_version: u32,
    /// By [`Category::index`], in milliseconds.
    pub(crate) valid_for_ms: [u64; 4],
    /// Of carriers that have none of their own.
    pub(crate) default: Policy,
    pub(crate) of_carriers: Vec<(CarrierId, Policy)>,
}

impl Policies {
    fn of_config(config: &EngineConfig) -> Self {
        let limits = &config.limits.partition;
        Self {
            config_version: config.config_version,
            valid_for_ms: config.valid_for_ms,
            default: limits.policy,
            of_carriers: limits.carrier_policies.clone(),
        }
    }

    pub(super) fn of(&self, carrier: Option<CarrierId>) -> &Policy {
        self.of_carriers
            .iter()
            .find(|(id, _)| Some(*id) == carrier)
            .map_or(&self.default, |(_, policy)| policy)
    }

    pub(super) fn valid_for_ms(&self, category: Category) -> u64 {
        self.valid_for_ms[category.index()]
    }
}

/// The policies that were in force for the records of a message.
#[derive(Debug)]
pub(super) struct PolicyBook {
    /// What was noted where, of this process and of what was read.
    read: BTreeMap<u64, Option<Policies>>,
    /// What the index says is in force for a record, by where that begins.
    indexed: BTreeMap<u64, Option<Policies>>,
}

impl PolicyBook {
    /// Begins with the policies of this process, in force from `begins` on.
    pub(super) fn new(config: &EngineConfig, begins: u64) -> Self {
        Self {
            read: BTreeMap::from([(begins, Some(Policies::of_config(config)))]),
            indexed: BTreeMap::new(),
        }
    }

    /// An Opened record was read at `start`. What is read lies behind everything that is indexed.
    pub(super) fn note(&mut self, start: u64, payload: &[u8]) {
        self.read
            .entry(start)
            .or_insert_with(|| opened_policies(payload));
    }

    /// Asks the index for the policies of these records, all of which it knows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(super) fn look_up(
        &mut self,
        open: &OpenIndex,
        records: impl Iterator<Item = u64>,
    ) -> Result<(), IndexError> {
        for start in records {
            if self.at(start).is_none()
                && let Some(note) = open.index.opening_before(start)?
            {
                self.indexed.insert(start, opened_policies(&note));
            }
        }
        Ok(())
    }

    /// The policies in force for the record that begins at `start`; `None` when nothing tells.
    pub(super) fn at(&self, start: u64) -> Option<&Policies> {
        let read = self.read.range(..=start).next_back();
        let noted = read.map(|(_, noted)| noted);
        noted.or(self.indexed.get(&start))?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use message::Now;

    use super::*;

    #[test]
    fn a_record_has_the_policies_of_the_last_note_before_it() {
        let clock = || Now {
            mono_ns: 0,
            wall_ms: 0,
        };
        let config = EngineConfig::new("unused".into(), clock);
        let mut book = PolicyBook::new(&config, 1_000);
        assert_eq!(book.at(999), None);
        let mut note = Vec::new();
        crate::opened::opened_record(&config, 7).encode_into(&mut note);
        book.note(500, &note);
        book.note(700, b"of a newer release");
        assert_eq!(book.at(499), None);
        assert_eq!(book.at(500), Some(&Policies::of_config(&config)));
        assert_eq!(book.at(700), None);
        assert_eq!(book.at(1_000), book.at(500));
    }
}
