//! From the journal back to a running shard.
//!
//! Opening the journal comes before anything else touches the data directory: its lock says that nobody else has it.
//!
//! 1. Replay the journal: every record is applied, as it was when it was new. A message that entered a lane unclaimed is kept cold, however
//!    short the lane: most records of a long journal are of such, and a row costs a tenth of an entry. Reading ahead brings them back. Events
//!    that the event log lacks are made again.
//! 2. Replay the Written log: attempts without an outcome that were handed to a session are Attempting again.
//! 3. Rebuild what is derived: credits (overdrawn if need be), expectations, uncertain attempts.
//! 4. Put what waits back into the lanes, oldest first, and decide an uncertain outcome for what may have been sent.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use journal::{Appender, Clock, Position, Recovery, Wake};
use key_table::{KeyDirectory, KeyTables};
use message::{CarrierId, IdBuildHasher, LANES, MessageId, Now};
use partition::{Boot, Derived, Partition, Place, Recovered};
use queue::Amount;

use super::awaited::{Awaited, Rows, open_directory};
use super::backlog::Backlog;
use super::housekeeping::Housekeeping;
use super::keys::Keys;
use super::replay::{Replay, open_journal, open_written, replay_journal};
use super::retention::Retention;
use super::unpin::Unpinning;
use super::{DeferredQueue, Evidence, Shard, ShardFailure};
use crate::cell::{Carrier, CarrierSetup, Cell, Wishes};
use crate::config::EngineConfig;
use crate::events::{EventDrive, EventDriver, EventRecovery, JournalSpan};
use crate::keys::{Keeper, KeyDesk, KeyFiles};
use crate::reader::{ReadBy, Reader, WholeSource};
use crate::shared::{Life, Shared};

/// Why a shard could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal or the Written log cannot be opened, or is damaged.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// A record cannot be read.
    #[error("the journal holds a record at position {position} that cannot be read: {what}")]
    Record {
        /// Behind the record.
        position: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The data directory was made with another number of partitions.
    #[error(
        "the data directory has {found} partitions and the configuration says {configured}: the number is fixed for the life of a data directory; configure {found}, or another directory"
    )]
    Partitions {
        /// As made.
        found: u32,
        /// As configured.
        configured: u16,
    },
    /// The carriers could not be set up.
    #[error("{0}")]
    Carriers(String),
    /// The journal failed while the recovered messages were decided.
    #[error(transparent)]
    Failed(#[from] ShardFailure),
    /// The directory of idempotency keys cannot be used.
    #[error(transparent)]
    Keys(#[from] key_table::KeyTableError),
    /// The thread that files idempotency keys could not be started.
    #[error("the thread that files idempotency keys could not be started: {0}")]
    Thread(std::io::Error),
    /// The thread that writes events could not be started.
    #[error("the thread that writes events could not be started: {0}")]
    Events(std::io::Error),
    /// The thread that reads records back could not be started.
    #[error("the reader's thread could not be started: {0}")]
    Reader(std::io::Error),
    /// The thread's runtime could not be made.
    #[error("the shard's runtime could not be made: {0}")]
    Runtime(std::io::Error),
}

impl Shard {
    /// Opens the data directory, replays it and makes everything ready. Returns the journal too: closing it is the last thing to do.
    ///
    /// `start` sets the journal going, with or without a thread.
    pub(crate) fn open<J>(
        shared: Arc<Shared>,
        connectors: Vec<crate::cell::BoxedConnector>,
        helpers: Helpers,
        start: impl FnOnce(Recovery, Wake, Clock) -> Result<(Appender, J), journal::OpenError>,
    ) -> Result<(Self, J), OpenError> {
        let now = (shared.config.clock)();
        let config = &shared.config;
        let mut recovery = open_journal(config)?;
        let (key_directory, known) = open_files(config, helpers.key_files, now)?;
        let mut cell = cell(config, connectors, now)?;
        let mut replay = Replay::new(config, known, &mut cell, now)?;
        let span = replay_journal(config, &mut recovery, &mut replay)?;
        let flag = Arc::clone(&shared.flag);
        let (appender, journal) = start(
            recovery,
            Arc::new(move || flag.notify()),
            Arc::new(config.clock),
        )?;
        let written = open_written(&shared, &mut replay)?;
        let keys = start_keys(&shared, key_directory, appender.appended(), now)?;
        let Replay {
            partitions,
            claimed_before_boot,
            events,
            inbound_expired_at,
            mut rows,
            ..
        } = replay.finish();
        shared.inbound.begin_at(span.end.0, inbound_expired_at);
        rows.start(now).map_err(OpenError::Thread)?;
        let event_driver = start_events(&shared, events, span, helpers.events)?;
        let written_readable =
            shared
                .history
                .attach(config, appender.clone(), written.written())?;
        let unpinning = Unpinning::new(appender.appended(), config.journal_file_max_bytes);
        let mut shard = Self {
            backlog: Backlog::new(start_reader(&shared, helpers.read_by)?),
            opened_ns: now.mono_ns,
            partitions,
            cell,
            journal: appender,
            written,
            written_readable,
            evidence: Evidence::default(),
            awaited: Awaited::new(rows),
            deferred: DeferredQueue::default(),
            housekeeping: Housekeeping::default(),
            retention: Retention::new(&shared.config.limits.partition),
            unpinning,
            keys,
            event_driver,
            decision: partition::Decision::default(),
            followups: VecDeque::new(),
            inbox: VecDeque::new(),
            arrivals: Vec::new(),
            requests: Vec::new(),
            wishes: Wishes::default(),
            submit_to_admit: LANES.map(|_| crate::cell::histogram()),
            durable: Position(0),
            draining: false,
            new_work: super::space::NewWork::default(),
            shared,
        };
        shard.retention.opened_at = shard.append_opened()?;
        shard.restore(&claimed_before_boot, now)?;
        shard.open_intake(now);
        Ok((shard, journal))
    }

    fn open_intake(&mut self, now: Now) {
        for carrier in &mut self.cell.carriers {
            carrier.refresh(now);
        }
        // A drain that was asked for during replay stands.
        if self.shared.life() == Life::Starting {
            self.shared.set_life(Life::Open);
        }
    }

    fn restore(
        &mut self,
        claimed_before_boot: &HashSet<MessageId, IdBuildHasher>,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let mut live = Vec::new();
        let mut finished = Vec::new();
        let mut settled = Vec::new();
        for partition in &self.partitions {
            let ids = partition.live_ids().into_iter();
            live.extend(ids.map(|id| (partition.admitted_at(id), id)));
            finished.extend(partition.finished_with_expectations());
            let ids = partition.settled_ids();
            settled.extend(ids.map(|(carrier, id)| (carrier, id.clone())));
        }
        for (carrier, id) in settled {
            self.note_settled_before(carrier, &id, now);
        }
        self.restore_inbound();
        // By position, so that this is the order of admission over all partitions: what has waited longest for its receipt is the first that
        // memory lets go of.
        live.sort_unstable();
        let mut facts = Vec::new();
        for id in finished.into_iter().chain(live.iter().map(|(_, id)| *id)) {
            self.partitions[usize::from(id.partition())].derived(id, &mut facts);
            for fact in facts.drain(..) {
                self.restore_fact(fact);
            }
        }
        let count = live.len();
        let cold: usize = self
            .partitions
            .iter()
            .map(|partition| partition.counts().cold)
            .sum();
        for _ in 0..cold {
            self.note_cold();
        }
        for (_, id) in live {
            let boot = if claimed_before_boot.contains(&id) {
                Boot::New
            } else {
                Boot::Same
            };
            self.restore_message(id, boot, now)?;
        }
        tracing::info!(live = count, cold, "journal replayed");
        Ok(())
    }

    /// Shows what no client has acknowledged to watchers again, in the order in which it came to the engine, not to each partition.
    fn restore_inbound(&self) {
        let partitions = self.partitions.iter();
        let mut waiting: Vec<_> = partitions.flat_map(Partition::inbound).collect();
        waiting.sort_unstable_by_key(|(position, _)| *position);
        for (position, view) in waiting {
            self.shared.inbound.add(position, view.clone());
        }
        for partition in &self.partitions {
            self.shared
                .inbound
                .note_expired(partition.inbound_expired_at());
        }
    }

    pub(super) fn restore_fact(&mut self, fact: Derived) {
        match fact {
            Derived::Expectation {
                carrier,
                id,
                segment,
            } => {
                self.evidence.expect(carrier, id, segment);
                self.note_awaited(segment.message);
            }
            Derived::Uncertain {
                carrier,
                segment,
                payload,
            } => {
                self.doubt(carrier, segment, &payload);
            }
            Derived::Credits {
                payload,
                cost_bytes,
                ..
            } => {
                let scopes = self.shared.scopes(payload.lane);
                let overdrawn = scopes.overdraw(Amount::one(u64::from(cost_bytes)));
                let _held_by_the_message = overdrawn.into_held();
            }
        }
    }

    fn restore_message(&mut self, id: MessageId, boot: Boot, now: Now) -> Result<(), ShardFailure> {
        let at = usize::from(id.partition());
        match self.partitions[at].recovered(id, boot) {
            None => Ok(()),
            Some(Recovered::Waiting) => {
                self.partitions[at].begin_wait(id, now);
                Ok(())
            }
            Some(Recovered::Queued(mut enqueue)) => {
                if enqueue.claimed {
                    // It had its turn, and what waits cold behind it has not.
                    enqueue.place = Place::Front;
                }
                self.enter_lane(enqueue, 0, now);
                self.decide_followups(now)
            }
            Some(Recovered::Doubtful(event)) => self.decide(at, event, now).map(drop),
        }
    }
}

fn cell(
    config: &EngineConfig,
    connectors: Vec<crate::cell::BoxedConnector>,
    now: Now,
) -> Result<Cell, OpenError> {
    let mut cell = Cell::new(&config.routes, carriers(config, connectors, now)?);
    for tenant in &config.tenants {
        cell.set_weight(tenant.id(), tenant.weight);
    }
    Ok(cell)
}

/// The directory of idempotency keys, what it knows, and where rows of awaited receipts go.
fn open_files(
    config: &EngineConfig,
    files: KeyFiles,
    now: Now,
) -> Result<(Option<KeyDirectory>, (KeyTables, Rows)), OpenError> {
    match files {
        KeyFiles::OnDisk => {
            let keys = open_keys(config, now)?;
            let known = keys.tables();
            Ok((
                Some(keys),
                (known, Rows::new(Some(open_directory(config)?))),
            ))
        }
        KeyFiles::None => Ok((None, (KeyTables::default(), Rows::new(None)))),
    }
}

fn open_keys(config: &EngineConfig, now: Now) -> Result<KeyDirectory, OpenError> {
    let kept_ms = config.limits.partition.idempotency_ms;
    let opened = KeyDirectory::open(&crate::keys::directory(&config.dir), kept_ms)?;
    if opened.removed > 0 {
        tracing::info!(
            files = opened.removed,
            "half-made files of idempotency keys removed"
        );
    }
    let mut directory = opened.directory;
    directory.expire(now.wall_ms)?;
    Ok(directory)
}

/// Who does what the shard leaves to others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Helpers {
    pub(crate) key_files: KeyFiles,
    pub(crate) read_by: ReadBy,
    pub(crate) events: EventDrive,
}

/// Sets going whoever reads records of cold messages back.
fn start_reader(
    shared: &Shared,
    read_by: ReadBy,
) -> Result<Reader<super::backlog::Purpose>, OpenError> {
    let source = WholeSource::open(&shared.config)?;
    Reader::start(source, read_by, Arc::clone(&shared.flag)).map_err(OpenError::Reader)
}

/// Sets going whoever writes events, after replay.
fn start_events(
    shared: &Arc<Shared>,
    events: EventRecovery,
    journal: JournalSpan,
    drive: EventDrive,
) -> Result<EventDriver, OpenError> {
    // Never 0, which means that there is none.
    let fresh = shared.random() | 1;
    let hub = Arc::clone(&shared.events);
    let writer = events.settle(hub, journal, fresh);
    EventDriver::start(writer, drive, shared.config.clock).map_err(OpenError::Events)
}

/// Sets going whoever files keys, after replay.
fn start_keys(
    shared: &Shared,
    directory: Option<KeyDirectory>,
    appended: Position,
    now: Now,
) -> Result<Keys, OpenError> {
    let Some(mut directory) = directory else {
        return Ok(Keys::new(KeyDesk::without_files(), 0, 0, now));
    };
    directory.set_aside_ahead(appended.0)?;
    let tables = directory.tables();
    // A damaged file covers nothing for certain: what the journal still had of it was replayed and is sealed with what comes.
    let sealed_to = match tables.damages().next() {
        None => tables.covered_to(),
        Some(_) => 0,
    };
    let limits = &shared.config.limits;
    let keeper = Keeper::new(directory, limits.idempotency_keys, limits.keys_when_full);
    let desk = KeyDesk::start("keys", keeper, now).map_err(OpenError::Thread)?;
    Ok(Keys::new(desk, shared.keys.publish(tables), sealed_to, now))
}

fn carriers(
    config: &EngineConfig,
    connectors: Vec<crate::cell::BoxedConnector>,
    now: Now,
) -> Result<Vec<Carrier>, OpenError> {
    if connectors.len() != config.carriers.len() {
        return Err(OpenError::Carriers(format!(
            "{} carriers are configured and {} connectors were made",
            config.carriers.len(),
            connectors.len()
        )));
    }
    let setups = config.carriers.iter().zip(connectors);
    setups
        .map(|(carrier, connector)| {
            let setup = CarrierSetup {
                lane_weights: config.lane_weights,
                otp_lane_ms: config.otp_lane_ms,
                id: CarrierId::of(&carrier.name),
                contract: carrier.contract,
                connector,
            };
            Carrier::new(setup, now).map_err(|error| OpenError::Carriers(error.to_string()))
        })
        .collect()
}
