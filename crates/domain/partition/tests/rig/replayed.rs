//! Partitions made of a log, and what their state implies.

use message::MessageId;
use partition::record::{Admitted, RECORD_VERSION};
use partition::{Derived, Glance, MessageView, Partition, Record};

use super::{Indexes, limits};

/// The partition that the first `records` of a log make.
pub(crate) fn replay(log: &[(u8, Vec<u8>)]) -> Partition {
    let mut partition = Partition::new(3, limits());
    for (position, (kind, octets)) in log.iter().enumerate() {
        let record = Record::decode(*kind, RECORD_VERSION, octets).expect("our own");
        partition.apply(record, position as u64).expect("our own");
    }
    partition.drain_orphaned(|_, _, _| {});
    partition
}

/// The same, but that every message which may be cold is cold until a record moves it on.
pub(crate) fn replay_cold(log: &[(u8, Vec<u8>)]) -> Partition {
    let mut partition = Partition::new(3, limits());
    let mut glance = Glance::default();
    for (position, (kind, octets)) in log.iter().enumerate() {
        let position = position as u64;
        let looked = glance.look(*kind, RECORD_VERSION, octets).expect("our own");
        if looked && glance.may_be_cold() {
            partition.apply_cold(&glance, position).expect("our own");
            continue;
        }
        let record = Record::decode(*kind, RECORD_VERSION, octets).expect("our own");
        let cold = record.moves().and_then(|id| partition.cold_position(id));
        if let Some(position) = cold {
            let warmed = partition.warm(admitted_at(log, position), position);
            assert!(warmed.expect("our own").is_some());
        }
        partition.apply(record, position).expect("our own");
    }
    partition.drain_orphaned(|_, _, _| {});
    partition
}

pub(crate) fn admitted_at(log: &[(u8, Vec<u8>)], position: u64) -> Admitted {
    let (kind, octets) = &log[usize::try_from(position).expect("small")];
    match Record::decode(*kind, RECORD_VERSION, octets).expect("our own") {
        Record::Admitted(record) => *record,
        other => panic!("not an Admitted record: {other:?}"),
    }
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
            .glimpse(admitted_at(log, position), position)
            .expect("our own"),
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
