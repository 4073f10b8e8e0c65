//! For tests of what no outside view shows: a shard without carriers, on a journal that writes when it is told to.

use std::path::PathBuf;

use journal::{Append as _, SteppedJournal};
use message::{CarrierId, IdSource, MessageId, Now, SegmentRef};
use partition::Record;
use partition::record::{Admitted, Outcome};

use super::{Helpers, Shard};
use crate::config::{EngineConfig, Limits};
use crate::events::EventDrive;
use crate::keys::KeyFiles;
use crate::reader::ReadBy;
use crate::shared::Shared;

pub(super) const NOW: Now = Now {
    mono_ns: 1_000_000_000,
    wall_ms: 1_700_000_000_000,
};
pub(super) const CARRIER: CarrierId = CarrierId(7);

const fn now() -> Now {
    NOW
}

/// What the carrier was asked to take first.
pub(super) const fn first_segment(message: MessageId) -> SegmentRef {
    SegmentRef {
        message,
        leg: 1,
        attempt: 1,
        segment: 1,
    }
}

/// A data directory that goes with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("hikyaku-shard-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) struct Rig {
    pub(super) shard: Shard,
    journal: SteppedJournal,
}

impl Rig {
    pub(super) fn open(directory: &Directory, limits: Limits) -> Self {
        let config = EngineConfig {
            limits,
            ..EngineConfig::new(directory.0.clone(), now)
        };
        let shared = Shared::new(config, 1).unwrap();
        let helpers = Helpers {
            key_files: KeyFiles::None,
            read_by: ReadBy::Asker,
            events: EventDrive::Turns,
        };
        let opened = Shard::open(shared, Vec::new(), helpers, |recovery, wake, clock| {
            let journal = recovery.start_stepped(wake, clock)?;
            Ok((journal.appender(), journal))
        });
        let (shard, journal) = opened.unwrap();
        let mut rig = Self { shard, journal };
        rig.sync();
        rig
    }

    /// Everything that was appended is durable, and the shard knows.
    pub(super) fn sync(&mut self) {
        self.shard.journal.commit();
        while self.shard.journal.durable() < self.shard.journal.appended() {
            self.journal.step();
        }
        self.shard.release_durable(NOW);
    }

    pub(super) fn record(&mut self, record: Record) {
        self.shard.record(record, NOW).unwrap();
    }

    /// A message of this partition, taken by the carrier under that id; its receipt is awaited.
    pub(super) fn submitted(&mut self, partition: u16, nth: u64, carrier_id: &str) -> MessageId {
        let id = IdSource::new(partition).peek(NOW.wall_ms + nth, nth);
        let octets = u128::from_be_bytes(id.to_bytes());
        self.record(Record::Admitted(Box::new(Admitted {
            id_high: (octets >> 64) as u64,
            id_low: octets as u64,
            category: 1,
            recipient: 819_012_345_678,
            sender_kind: 1,
            sender: "Hikyaku".into(),
            text: "Your code is 123456".into(),
            receipt_wanted: 1,
            admitted_ms: NOW.wall_ms,
            expires_ms: NOW.wall_ms + 300_000,
            claimed: true,
            segments: 1,
            cost_bytes: 512,
            ..Admitted::default()
        })));
        self.record(Record::Outcome(Outcome {
            segment: first_segment(id).into(),
            outcome: u32::from(message::OutcomeClass::Submitted.number()),
            reason: u32::from(message::Reason::TakenByCarrier.number()),
            carrier: CARRIER.0,
            carrier_message_id: carrier_id.as_bytes().to_vec(),
            at_ms: NOW.wall_ms,
            deadline_ms: NOW.wall_ms + 86_400_000,
            session: 1,
            ..Outcome::default()
        }));
        let mut facts = Vec::new();
        self.shard.partitions[usize::from(partition)].derived(id, &mut facts);
        for fact in facts {
            self.shard.restore_fact(fact);
        }
        id
    }

    /// Where the record of a message begins that lies on the disk now.
    pub(super) fn cold_at(&self, id: MessageId) -> Option<u64> {
        self.shard.partitions[usize::from(id.partition())].cold_position(id)
    }
}
