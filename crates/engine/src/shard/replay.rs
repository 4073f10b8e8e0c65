//! From the records to partitions, and to lanes of cold messages.
//!
//! Limits: what is in memory afterwards is what later records moved on; everything else is rows and names.

use std::collections::HashSet;
use std::sync::Arc;

use journal::{
    FileJournal, FrameRef, JournalConfig, Recovery, SyncPolicy, WrittenConfig, WrittenIn,
    WrittenLog,
};
use key_table::KeyTables;
use message::{IdBuildHasher, LANES, MessageId, Msisdn, Now, RouteGroupId};
use partition::record::RECORD_VERSION;
use partition::{Glance, Partition, Record};
use prost::Message as _;

use super::recover::OpenError;
use crate::cell::{Cell, Whereabouts, name_of};
use crate::config::EngineConfig;
use crate::events::{Event, EventKey, EventRecovery, JournalSpan};
use crate::opened::{OPENED_KIND, Opened};
use crate::reader::AdmittedSource;
use crate::shared::Shared;

const NO_SUCH_PARTITION: &str = "it belongs to a partition that is not configured";
const NO_SUCH_LANE: &str = "it names a lane that there is none of";

/// What replay leaves.
pub(super) struct Replay<'a> {
    config: &'a EngineConfig,
    pub(super) partitions: Vec<Partition>,
    /// Files of idempotency keys: what they know need not be in memory.
    key_files: KeyTables,
    /// Messages whose present attempt was claimed before this boot of the machine.
    pub(super) claimed_before_boot: HashSet<MessageId, IdBuildHasher>,
    /// Its lanes get the names of cold messages in the order of admission.
    cell: &'a mut Cell,
    /// Reads back the messages that a later record moves on.
    source: AdmittedSource,
    glance: Glance,
    /// Gets the events that it lacks.
    pub(super) events: EventRecovery,
    data_id: Option<u64>,
    /// When the last record was written.
    newest: WrittenIn,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        config: &'a EngineConfig,
        key_files: KeyTables,
        cell: &'a mut Cell,
        now: Now,
    ) -> Result<Self, OpenError> {
        let limits = &config.limits;
        Ok(Self {
            config,
            partitions: (0..limits.partitions)
                .map(|number| Partition::new(number, limits.partition.clone()))
                .collect(),
            key_files,
            claimed_before_boot: HashSet::default(),
            cell,
            source: AdmittedSource::open(config)?,
            glance: Glance::default(),
            events: EventRecovery::open(
                Arc::clone(&config.storage),
                config.events.log(&config.dir),
                now.wall_ms,
            ),
            data_id: None,
            newest: WrittenIn::ThisBoot,
        })
    }

    fn take(&mut self, record: journal::Record<'_>) -> Result<(), OpenError> {
        let FrameRef {
            kind,
            version,
            payload,
            ..
        } = record.frame;
        self.newest = record.written_in;
        let position = record.position.0;
        let unreadable = |what: String| OpenError::Record { position, what };
        if kind == OPENED_KIND {
            let opened = Opened::decode(payload).map_err(|error| unreadable(error.to_string()))?;
            self.data_id = Some(opened.data_id)
                .filter(|known| *known != 0)
                .or(self.data_id);
            return self.check_partitions(opened.partitions);
        }
        let begins = record.start.0;
        if self.keep_cold(record).map_err(unreadable)? {
            self.note_admitted(record).map_err(unreadable)?;
            return Ok(());
        }
        let mut decoded = Record::decode(kind, version, payload)
            .map_err(|error| unreadable(error.to_string()))?;
        if self.key_files.covers(position) {
            match &mut decoded {
                Record::Admitted(admitted) => admitted.idempotency = None,
                Record::KeyKept(_) => return Ok(()),
                Record::Claimed(_)
                | Record::Written(_)
                | Record::Outcome(_)
                | Record::Receipt(_)
                | Record::Final(_)
                | Record::EarlyReceipt(_)
                | Record::Inbound(_)
                | Record::InboundDone(_)
                | Record::Replaced(_) => {}
            }
        }
        self.note_claim(&decoded, record.written_in);
        self.warm_for(&decoded).map_err(unreadable)?;
        let partition = self
            .partitions
            .get_mut(usize::from(decoded.partition()))
            .ok_or_else(|| unreadable(NO_SUCH_PARTITION.into()))?;
        let change = partition
            .apply(decoded, begins)
            .map_err(|error| unreadable(error.to_string()))?;
        if self.events.lacks(record.position)
            && let Some(change) = change
            && let Some(view) = partition.find(change.id)
        {
            let key = EventKey::of_record(record.position);
            self.events.add(Event::new(key, &view, &change));
        }
        partition.drain_orphaned(|_, _, _| {});
        Ok(())
    }

    /// Takes a message that entered a lane unclaimed: it is not made until its turn comes, or a later record moves it on. `false` when the
    /// record is none of such.
    fn keep_cold(&mut self, record: journal::Record<'_>) -> Result<bool, String> {
        let FrameRef {
            kind,
            version,
            payload,
            ..
        } = record.frame;
        let looked = self.glance.look(kind, version, payload);
        if !looked.map_err(|error| error.to_string())? || !self.glance.may_be_cold() {
            return Ok(false);
        }
        if self.key_files.covers(record.position.0) {
            self.glance.idempotency = None;
        }
        let Some(at) = self.whereabouts(record.frame)? else {
            return Ok(false);
        };
        let number = self.glance.id().map_or(u16::MAX, MessageId::partition);
        let partition = self
            .partitions
            .get_mut(usize::from(number))
            .ok_or(NO_SUCH_PARTITION)?;
        let ordinal = partition
            .apply_cold(&self.glance, record.start.0)
            .map_err(|error| error.to_string())?;
        self.cell.spill(at, name_of(number, ordinal));
        Ok(true)
    }

    /// Makes the event of a message that was kept cold, if the event log lacks it.
    fn note_admitted(&mut self, record: journal::Record<'_>) -> Result<(), String> {
        if !self.events.lacks(record.position) {
            return Ok(());
        }
        let FrameRef {
            kind,
            version,
            payload,
            ..
        } = record.frame;
        let decoded = Record::decode(kind, version, payload).map_err(|error| error.to_string())?;
        if let Record::Admitted(admitted) = decoded {
            let key = EventKey::of_record(record.position);
            self.events.extend(Event::admitted(key, &admitted));
        }
        Ok(())
    }

    /// Where the message in `glance` waits. A group that is configured no more gives way to the present route; `None` without one.
    fn whereabouts(&self, frame: FrameRef<'_>) -> Result<Option<Whereabouts>, String> {
        let glance = &self.glance;
        let lane = usize::try_from(glance.lane).ok();
        let lane = lane
            .and_then(|index| LANES.get(index))
            .ok_or(NO_SUCH_LANE)?;
        let mut group = RouteGroupId(glance.group);
        if !self.cell.knows(group) {
            let decoded = Record::decode(frame.kind, frame.version, frame.payload);
            let Record::Admitted(whole) = decoded.map_err(|error| error.to_string())? else {
                return Ok(None);
            };
            let destination =
                Msisdn::from_u64(whole.recipient).map_err(|error| error.to_string())?;
            let query = routing::RouteQuery { destination };
            let Some(route) = self.config.routes.lookup(&query) else {
                return Ok(None);
            };
            group = route.group.id();
        }
        Ok(Some(Whereabouts {
            group,
            lane: *lane,
            tenant: glance.tenant,
            sender_hash: glance.sender_hash(),
        }))
    }

    /// Makes the message that a record moves on, if it is cold.
    fn warm_for(&mut self, record: &Record) -> Result<(), String> {
        let Some(id) = record.moves() else {
            return Ok(());
        };
        let Some(partition) = self.partitions.get_mut(usize::from(id.partition())) else {
            return Ok(());
        };
        let Some(begins) = partition.cold_position(id) else {
            return Ok(());
        };
        let admitted = self
            .source
            .fetch(begins)
            .map_err(|error| error.to_string())?;
        partition
            .warm(admitted, begins)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn check_partitions(&self, found: u32) -> Result<(), OpenError> {
        let configured = self.partitions.len();
        if found as usize == configured {
            return Ok(());
        }
        Err(OpenError::Partitions {
            found,
            configured: u16::try_from(configured).unwrap_or(u16::MAX),
        })
    }

    fn note_claim(&mut self, record: &Record, written_in: WrittenIn) {
        let claimed = match record {
            Record::Admitted(admitted) if admitted.claimed => {
                partition::record::joined(admitted.id_high, admitted.id_low)
            }
            Record::Claimed(claimed) => claimed.segment.to_ref().map(|segment| segment.message),
            Record::Outcome(outcome) if outcome.next_attempt != 0 => {
                outcome.segment.to_ref().map(|segment| segment.message)
            }
            Record::Replaced(replaced) => {
                if let Some(segment) = replaced.segment.to_ref() {
                    self.claimed_before_boot.remove(&segment.message);
                }
                None
            }
            Record::Final(done) => {
                if let Some(segment) = done.segment.to_ref() {
                    self.claimed_before_boot.remove(&segment.message);
                }
                None
            }
            Record::Admitted(_)
            | Record::Written(_)
            | Record::Outcome(_)
            | Record::Receipt(_)
            | Record::EarlyReceipt(_)
            | Record::Inbound(_)
            | Record::InboundDone(_)
            | Record::KeyKept(_) => None,
        };
        match (claimed, written_in) {
            (Some(id), WrittenIn::EarlierBoot) => {
                self.claimed_before_boot.insert(id);
            }
            (Some(id), WrittenIn::ThisBoot) => {
                self.claimed_before_boot.remove(&id);
            }
            (None, _) => {}
        }
    }
}

pub(super) fn replay_journal(
    shared: &Arc<Shared>,
    replay: &mut Replay<'_>,
) -> Result<(Recovery, JournalSpan), OpenError> {
    let config = JournalConfig {
        file_max_bytes: shared.config.journal_file_max_bytes,
        buffer_max_bytes: shared.config.journal_buffer_max_bytes,
        reserve_bytes: shared.config.journal_reserve_bytes,
        sync: shared.config.journal_sync,
        ..JournalConfig::new(shared.config.dir.join("journal"))
    };
    let mut recovery = FileJournal::open_on(Arc::clone(&shared.config.storage), config)?;
    let replayed = recovery
        .replay(|record| replay.take(record))
        .map_err(flatten)?;
    if let Some(torn) = &replayed.torn {
        tracing::warn!(file = %torn.file.display(), offset = torn.offset, bytes = torn.cut_bytes, "torn tail cut");
    }
    // Without a sync of every batch a power cut may have taken records whose events were seen: their positions are given out again, to others.
    let nothing_lost =
        shared.config.journal_sync == SyncPolicy::Always || replay.newest == WrittenIn::ThisBoot;
    let span = JournalSpan {
        begin: replayed.begin,
        end: replayed.end,
        data_id: replay.data_id.filter(|_| nothing_lost),
    };
    Ok((recovery, span))
}

pub(super) fn open_written(
    shared: &Arc<Shared>,
    replay: &mut Replay<'_>,
) -> Result<WrittenLog, OpenError> {
    let mut recovery = WrittenLog::open(
        Arc::clone(&shared.config.storage),
        WrittenConfig::new(shared.config.dir.join("written")),
    )?;
    recovery
        .replay(|record| {
            let position = record.position.0;
            let unreadable = |what: String| OpenError::Record { position, what };
            let FrameRef { kind, payload, .. } = record.frame;
            let decoded = Record::decode(kind, RECORD_VERSION, payload)
                .map_err(|error| unreadable(error.to_string()))?;
            let at = usize::from(decoded.partition());
            // A claim that was not synced may be gone while the record of its write is there.
            replay.warm_for(&decoded).map_err(unreadable)?;
            if let (Record::Written(written), Some(partition)) =
                (decoded, replay.partitions.get_mut(at))
            {
                partition.recover_written(written);
            }
            Ok(())
        })
        .map_err(flatten)?;
    Ok(recovery.start(Arc::new(shared.config.clock))?)
}

fn flatten(error: journal::ReplayError<OpenError>) -> OpenError {
    match error {
        journal::ReplayError::Log(error) => OpenError::Journal(error),
        journal::ReplayError::Record { source, .. } => source,
    }
}
