//! Partitions made of a log, and what their state implies.

use message::{MessageId, MessageState};
use partition::record::RECORD_VERSION;
use partition::{Derived, Glance, MessageView, Partition, Record, Warmed, Whole};

use super::{Indexes, Rig, limits};

impl Rig {
    /// Makes a message cold if it may be: its lane, its credits and the table of what is expected let go of it.
    pub(crate) fn cool(&mut self, id: MessageId) {
        let Some(MessageView { state, .. }) = self.partition.find(id) else {
            return;
        };
        if self.partition.cool(id).is_none() {
            return;
        }
        assert_eq!(
            self.lanes.remove(&id).is_some(),
            state == MessageState::Queued
        );
        let held = self.indexes.credits.remove(&id);
        assert_eq!(held, state != MessageState::Submitted);
        let expectations = &mut self.indexes.expectations;
        expectations.retain(|(_, _, segment)| segment.message != id);
    }

    /// The record that says everything about a message, warm or cold.
    fn everything(&self, id: MessageId) -> Option<Record> {
        let Some(position) = self.partition.cold_position(id) else {
            return self.partition.carried(id, self.now);
        };
        let whole = whole_at(&self.log, position);
        let carried = self.partition.carried_cold(whole, position, self.now);
        Some(carried.expect("our own").expect("it is cold there"))
    }

    /// Writes that record.
    pub(crate) fn carry(&mut self, id: MessageId) {
        let record = self.everything(id);
        let before = find(&self.partition, &self.log, id);
        if let Some(record) = record.clone() {
            let change = self.apply(record);
            assert!(!change, "no event is made");
        }
        let after = find(&self.partition, &self.log, id);
        assert_eq!(before, after, "nothing is seen");
        assert_eq!(record, self.everything(id), "nothing is lost");
    }

    /// Makes a cold message warm again, as the engine does before anything is decided about it.
    pub(crate) fn warm(&mut self, id: MessageId) {
        let Some(position) = self.partition.cold_position(id) else {
            return;
        };
        let whole = whole_at(&self.log, position);
        let warmed = self.partition.warm(whole, position).expect("our own");
        if let Warmed::Queued(enqueue) = warmed.expect("it was cold") {
            self.lanes.insert(id, enqueue);
        }
        assert_eq!(self.partition.cold_position(id), None);
        let derived = derived(&self.partition, &[id]);
        self.indexes.credits.extend(derived.credits);
        self.indexes.expectations.extend(derived.expectations);
        assert!(derived.doubts.is_empty());
    }
}

/// Where the record of a log begins: each in a part of the journal of its own, so that what is let go of is let go of exactly.
pub(crate) const fn position_of(index: usize) -> u64 {
    (index as u64) << 20
}

/// The record that begins at, or next after, a position.
pub(crate) fn index_of(position: u64) -> usize {
    usize::try_from(position.div_ceil(1 << 20)).expect("small")
}

/// The partition that a log makes.
pub(crate) fn replay(log: &[(u8, Vec<u8>)]) -> Partition {
    replay_from(log, 0)
}

/// The partition that a log makes whose records before the `from`th are gone.
pub(crate) fn replay_from(log: &[(u8, Vec<u8>)], from: usize) -> Partition {
    let mut partition = Partition::new(3, limits());
    for (index, (kind, octets)) in log.iter().enumerate().skip(from) {
        let record = Record::decode(*kind, RECORD_VERSION, octets).expect("our own");
        partition
            .apply(record, position_of(index))
            .expect("our own");
    }
    partition.drain_orphaned(|_, _, _| {});
    partition
}

/// As [`replay`], but every message which may be cold is cold until a record moves it on.
pub(crate) fn replay_cold(log: &[(u8, Vec<u8>)]) -> Partition {
    replay_cold_from(log, 0)
}

/// As [`replay_from`], but every message which may be cold is cold until a record moves it on.
pub(crate) fn replay_cold_from(log: &[(u8, Vec<u8>)], from: usize) -> Partition {
    let mut partition = Partition::new(3, limits());
    let mut glance = Glance::default();
    for (index, (kind, octets)) in log.iter().enumerate().skip(from) {
        let position = position_of(index);
        let looked = glance.look(*kind, RECORD_VERSION, octets).expect("our own");
        if looked && glance.may_be_cold() {
            partition.apply_cold(&glance, position).expect("our own");
            continue;
        }
        let record = Record::decode(*kind, RECORD_VERSION, octets).expect("our own");
        if let Record::Carried(carried) = &record {
            let kept = partition.apply_carried_cold(carried, position);
            if kept.expect("our own").is_some() {
                continue;
            }
        }
        let cold = record.moves().and_then(|id| partition.cold_position(id));
        if let Some(position) = cold {
            let warmed = partition.warm(whole_at(log, position), position);
            assert!(warmed.expect("our own").is_some());
        }
        partition.apply(record, position).expect("our own");
    }
    partition.drain_orphaned(|_, _, _| {});
    partition
}

pub(crate) fn whole_at(log: &[(u8, Vec<u8>)], position: u64) -> Whole {
    let (kind, octets) = &log[index_of(position)];
    let record = Record::decode(*kind, RECORD_VERSION, octets).expect("our own");
    Whole::try_from(record).expect("a record that says everything")
}

/// A message, warm, cold or finished.
pub(crate) fn find(
    partition: &Partition,
    log: &[(u8, Vec<u8>)],
    id: MessageId,
) -> Option<MessageView> {
    match partition.cold_position(id) {
        None => partition.find(id),
        Some(position) => partition
            .glimpse(whole_at(log, position), position)
            .expect("our own")
            .map(|(view, _)| view),
    }
}

/// The indexes that a partition's state implies.
pub(crate) fn derived(partition: &Partition, ids: &[MessageId]) -> Indexes {
    let mut indexes = Indexes::default();
    for id in ids {
        let mut facts = Vec::new();
        partition.derived(*id, &mut facts);
        for fact in facts {
            match fact {
                Derived::Expectation {
                    carrier,
                    id,
                    segment,
                } => {
                    indexes.expectations.insert((carrier.0, id, segment));
                }
                Derived::Uncertain {
                    carrier, segment, ..
                } => {
                    indexes
                        .doubts
                        .insert((carrier.map_or(0, |it| it.0), segment));
                }
                Derived::Credits { .. } => {
                    indexes.credits.insert(*id);
                }
            }
        }
    }
    indexes
}
