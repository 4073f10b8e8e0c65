//! From the records to partitions, and to lanes of cold messages.
//!
//! Limits: what is in memory afterwards is what later records moved on; everything else is rows and names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use journal::{
    FileJournal, FrameRef, JournalConfig, Recovery, Replayed, ReplayedFrom, SyncPolicy,
    WrittenConfig, WrittenIn, WrittenLog,
};
use key_table::KeyTables;
use message::{IdBuildHasher, LANES, Lane, MessageId, MessageState, Msisdn, Now, RouteGroupId};
use partition::record::{RECORD_VERSION, joined};
use partition::{Glance, Partition, Record};
use prost::Message as _;
use routing::RouteQuery;

use super::awaited::Rows;
use super::recover::OpenError;
use crate::cell::{Cell, Whereabouts, name_of};
use crate::config::EngineConfig;
use crate::events::{Event, EventKey, EventRecovery, JournalSpan};
use crate::opened::{OPENED_KIND, Opened};
use crate::reader::WholeSource;
use crate::shared::Shared;

mod carried;

use carried::CarriedName;

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
    source: WholeSource,
    glance: Glance,
    /// Gets the events that it lacks.
    pub(super) events: EventRecovery,
    /// Cold messages of which only a Carried record is left, by the sub-queue that they wait in.
    carried: HashMap<Whereabouts, Vec<CarriedName>>,
    /// Of cold messages that await a receipt.
    pub(super) rows: Rows,
    now: Now,
    data_id: Option<u64>,
    /// By the last Opened record.
    pub(super) inbound_expired_at: u64,
    /// How far the written log reached, by the last Opened record; `None` before the first.
    written_end: Option<u64>,
    /// When the last record was written.
    newest: WrittenIn,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        config: &'a EngineConfig,
        (key_files, rows): (KeyTables, Rows),
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
            source: WholeSource::open(config)?,
            glance: Glance::default(),
            events: EventRecovery::open(
                Arc::clone(&config.storage),
                config.events.log(&config.dir),
                now.wall_ms,
            ),
            carried: HashMap::new(),
            rows,
            now,
            data_id: None,
            inbound_expired_at: 0,
            written_end: None,
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
            self.inbound_expired_at = opened.inbound_expired_at;
            self.written_end = Some(opened.written_end);
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
                | Record::Carried(_)
                | Record::Replaced(_) => {}
            }
        }
        self.note_claim(&decoded, record.written_in);
        if let Record::Carried(carried) = &decoded
            && self.keep_carried(carried, begins).map_err(unreadable)?
        {
            return Ok(());
        }
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
        let destination = || {
            let decoded = Record::decode(frame.kind, frame.version, frame.payload);
            match decoded.map_err(|error| error.to_string())? {
                Record::Admitted(whole) => Ok(whole.recipient),
                other => Err(format!("record kind {} is there", other.kind())),
            }
        };
        let lane = lane_of(glance.lane)?;
        let group = self.group_of(glance.group, destination)?;
        Ok(group.map(|group| Whereabouts {
            group,
            lane,
            tenant: glance.tenant,
            sender_hash: glance.sender_hash(),
        }))
    }

    /// The group that may pull a message now; `None` when there is none.
    fn group_of(
        &self,
        recorded: u32,
        destination: impl FnOnce() -> Result<u64, String>,
    ) -> Result<Option<RouteGroupId>, String> {
        let group = RouteGroupId(recorded);
        if self.cell.knows(group) {
            return Ok(Some(group));
        }
        let destination = Msisdn::from_u64(destination()?).map_err(|error| error.to_string())?;
        let route = self.config.routes.lookup(&RouteQuery { destination });
        Ok(route.map(|route| route.group.id()))
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
        let whole = self
            .source
            .fetch(begins)
            .map_err(|error| error.to_string())?;
        partition
            .warm(whole, begins)
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
            // Whoever carried it ran in the boot that claimed it: what an earlier one had claimed is decided before anything else.
            Record::Carried(carried)
                if carried.message.claimed
                    || carried.state == u32::from(MessageState::Attempting.number()) =>
            {
                joined(carried.message.id_high, carried.message.id_low)
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
            | Record::Carried(_)
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

impl Replay<'_> {
    /// Within a boot the written log is whole, and its silence means that a claimed message was not sent. Where files of it are gone, it means
    /// nothing.
    fn judge_written(&mut self, found: &Replayed) {
        let Some(written_end) = self.written_end else {
            return;
        };
        let is_short = found.files == 0 || found.end.0 < written_end;
        if !is_short || self.newest == WrittenIn::EarlierBoot {
            return;
        }
        tracing::error!(
            found_end = found.end.0,
            written_end,
            "files of the written log are missing: nobody can say which claimed messages were sent, and all of them count as uncertain"
        );
        for partition in &self.partitions {
            self.claimed_before_boot.extend(partition.live_ids());
        }
    }
}

fn lane_of(number: u32) -> Result<Lane, String> {
    let lane = usize::try_from(number).ok();
    let lane = lane.and_then(|index| LANES.get(index));
    lane.copied().ok_or_else(|| NO_SUCH_LANE.into())
}

/// Takes the data directory's lock, and changes nothing yet.
pub(super) fn open_journal(config: &EngineConfig) -> Result<Recovery, journal::OpenError> {
    let journal = JournalConfig {
        file_max_bytes: config.journal_file_max_bytes,
        buffer_max_bytes: config.journal_buffer_max_bytes,
        reserve_bytes: config.journal_reserve_bytes,
        sync: config.journal_sync,
        history: config.journal_history,
        ..JournalConfig::new(config.dir.join("journal"))
    };
    FileJournal::open_on(Arc::clone(&config.storage), journal)
}

pub(super) fn replay_journal(
    config: &EngineConfig,
    recovery: &mut Recovery,
    replay: &mut Replay<'_>,
) -> Result<JournalSpan, OpenError> {
    let replayed = recovery
        .replay(|record| replay.take(record))
        .map_err(flatten)?;
    tell_beginning(&replayed.from);
    if let Some(torn) = &replayed.torn {
        tracing::warn!(file = %torn.file.display(), offset = torn.offset, bytes = torn.cut_bytes, "torn tail cut");
    }
    // Without a sync of every batch a power cut may have taken records whose events were seen: their positions are given out again, to others.
    let nothing_lost =
        config.journal_sync == SyncPolicy::Always || replay.newest == WrittenIn::ThisBoot;
    Ok(JournalSpan {
        begin: replayed.begin,
        end: replayed.end,
        data_id: replay.data_id.filter(|_| nothing_lost),
    })
}

/// Says what the journal found before the place from which it was replayed.
fn tell_beginning(from: &ReplayedFrom) {
    match from {
        ReplayedFrom::Begin => {}
        ReplayedFrom::Mark { faults, .. } => {
            for fault in faults {
                tracing::error!(%fault, "a part of the history is damaged: explanations of old messages may lack records; no live message is affected");
            }
        }
        ReplayedFrom::Distrust(why) => {
            tracing::error!(%why, "the replay mark cannot be trusted: the whole journal was read");
        }
    }
}

pub(super) fn open_written(
    shared: &Arc<Shared>,
    replay: &mut Replay<'_>,
) -> Result<WrittenLog, OpenError> {
    let mut recovery = WrittenLog::open(
        Arc::clone(&shared.config.storage),
        WrittenConfig::new(shared.config.dir.join("written")),
    )?;
    let replayed = recovery
        .replay(|record| {
            let position = record.position.0;
            let unreadable = |what: String| OpenError::Record { position, what };
            let FrameRef { kind, payload, .. } = record.frame;
            let decoded = Record::decode(kind, RECORD_VERSION, payload)
                .map_err(|error| unreadable(error.to_string()))?;
            let at = usize::from(decoded.partition());
            // A claim that was not synced may be gone while the record of its write is there.
            // One that awaits a receipt was written long ago, and stays where it is.
            let awaits = |id: MessageId| {
                let partition = replay.partitions.get(usize::from(id.partition()));
                partition.is_some_and(|partition| partition.awaits_cold(id))
            };
            if !decoded.moves().is_some_and(awaits) {
                replay.warm_for(&decoded).map_err(unreadable)?;
            }
            if let (Record::Written(written), Some(partition)) =
                (decoded, replay.partitions.get_mut(at))
            {
                partition.recover_written(written);
            }
            Ok(())
        })
        .map_err(flatten)?;
    replay.judge_written(&replayed);
    Ok(recovery.start(Arc::new(shared.config.clock))?)
}

fn flatten(error: journal::ReplayError<OpenError>) -> OpenError {
    match error {
        journal::ReplayError::Log(error) => OpenError::Journal(error),
        journal::ReplayError::Record { source, .. } => source,
    }
}
