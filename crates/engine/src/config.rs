//! What the engine is told: its bounds, its carriers, tenants and routes, and the defaults of whatever configuration leaves out.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use connector::Connector;
use journal::keyed::KeyedConfig;
use message::{CarrierId, Now, Slug, TenantId};
use partition::Limits as PartitionLimits;
use routing::RouteTable;
use throttle::Contract;

use crate::history::HistoryLimits;
use crate::keys::KeysWhenFull;

/// Makes the connectors, on the shard's thread. They call the given closure whenever a turn may have something to do: an event is waiting or
/// a slot became free.
pub type ConnectorFactory = Box<dyn FnOnce(Rc<dyn Fn()>) -> Vec<Box<dyn Connector>> + Send>;

/// What the engine needs to know of a carrier.
#[derive(Clone, Debug)]
pub struct CarrierConfig {
    /// Its permanent name.
    pub name: Slug,
    /// Segments a second; `None` for as many as its windows carry.
    pub contract: Option<Contract>,
}

/// What the engine needs to know of a tenant.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its permanent name.
    pub name: Slug,
    /// Its share of a lane, 1 and up.
    pub weight: u32,
    /// Otp submissions a second; `None` for no limit of its own.
    pub otp_per_second: Option<u32>,
}

/// Bounds of the engine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Messages that may wait in the lanes.
    pub messages: u64,
    /// Bytes they may hold.
    pub bytes: u64,
    /// Messages that may wait in the journal alone, beyond what memory holds of their lanes; 0 for none.
    pub backlog_messages: u64,
    /// Messages that one sub-queue (a sender's of a tenant, in a lane) keeps in memory before further ones wait in the journal alone.
    pub head_messages: usize,
    /// Receipts that may be awaited, in memory and on the disk.
    pub receipts_awaited: u64,
    /// Receipts that are awaited in memory; beyond, the messages that have waited longest lie on the disk.
    pub receipts_in_memory: u64,
    /// Submissions that may wait for the shard, otp and alerts apart from the others: so many of either.
    pub intake_slots: usize,
    /// Events kept in memory for watchers; those that are further behind read them from the disk.
    pub events: usize,
    /// Partitions; fixed for the life of a data directory.
    pub partitions: u16,
    /// Idempotency keys known, in memory and in files. Those in no file have limits of their own: those of the partitions.
    pub idempotency_keys: u64,
    /// What becomes of a new key beyond them.
    pub keys_when_full: KeysWhenFull,
    /// Bounds of each partition.
    pub partition: PartitionLimits,
    /// Bounds of the history.
    pub history: HistoryLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 1_000_000,
            bytes: 512 << 20,
            backlog_messages: 20_000_000,
            head_messages: 32_768,
            receipts_awaited: 10_000_000,
            receipts_in_memory: 500_000,
            intake_slots: 16_384,
            events: 100_000,
            partitions: 16,
            idempotency_keys: IDEMPOTENCY_KEYS,
            keys_when_full: KeysWhenFull::Refuse,
            partition: PartitionLimits::default(),
            history: HistoryLimits::default(),
        }
    }
}

/// Everything the engine needs.
pub struct EngineConfig {
    /// The data directory.
    pub dir: PathBuf,
    /// The disk it is on; [`journal::FileStorage`] but in a simulation.
    pub storage: Arc<dyn journal::Storage>,
    /// Bounds.
    pub limits: Limits,
    /// The carriers, in the order of their connectors.
    pub carriers: Vec<CarrierConfig>,
    /// The tenants.
    pub tenants: Vec<TenantConfig>,
    /// Which carriers may pull which messages.
    pub routes: RouteTable,
    /// How long a message is worth sending unless the client says otherwise, in milliseconds, by
    /// [`message::Category::index`].
    pub valid_for_ms: [u64; 4],
    /// The lane of each category, by the same index.
    pub lanes: [message::Lane; 4],
    /// Shares of alert, normal and bulk in what otp leaves.
    pub lane_weights: [u32; 3],
    /// An otp lane holds at most what the group's carriers send in this time, in milliseconds.
    pub otp_lane_ms: u64,
    /// A journal file that would grow beyond this is closed and the next one begun, in bytes.
    pub journal_file_max_bytes: u64,
    /// When a record may be relied on.
    pub journal_sync: journal::SyncPolicy,
    /// Space kept for what is in flight when the disk is full, in bytes; 0 for none.
    pub journal_reserve_bytes: u64,
    /// How much of the journal is kept beyond what recovery needs, for questions about the past.
    pub journal_history: journal::HistoryRetention,
    /// What may wait for the disk, in bytes.
    pub journal_buffer_max_bytes: usize,
    /// What is kept of what happened.
    pub events: EventHistory,
    /// The furthest `send_at`, in milliseconds from admission.
    pub send_at_horizon_ms: u64,
    /// Rises with every change of configuration.
    pub config_version: u32,
    /// Both clocks, read together.
    pub clock: fn() -> Now,
}

/// How much of what happened is kept on the disk, for watchers that resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHistory {
    /// Bytes of all files; the oldest are deleted beyond it. 64 MiB and up.
    pub max_bytes: u64,
    /// Events older than this are deleted, in milliseconds; by whole files, so that some stay a sixteenth longer.
    pub max_age_ms: u64,
}

impl Default for EventHistory {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            max_age_ms: 86_400_000,
        }
    }
}

impl EventHistory {
    pub(crate) fn log(&self, dir: &std::path::Path) -> KeyedConfig {
        KeyedConfig {
            max_bytes: self.max_bytes,
            max_age_ms: self.max_age_ms,
            ..KeyedConfig::new(dir.join("events"))
        }
    }
}

impl EngineConfig {
    /// An engine on the real disk with every default, and with no carrier, tenant or route: it admits nothing until it has some.
    #[must_use]
    pub fn new(dir: PathBuf, clock: fn() -> Now) -> Self {
        Self {
            dir,
            storage: journal::FileStorage::shared(),
            limits: Limits::default(),
            carriers: Vec::new(),
            tenants: Vec::new(),
            routes: RouteTable::default(),
            valid_for_ms: VALID_FOR_MS,
            lanes: message::LANES,
            lane_weights: LANE_WEIGHTS,
            otp_lane_ms: OTP_LANE_MS,
            journal_file_max_bytes: JOURNAL_FILE_MAX_BYTES,
            journal_sync: journal::SyncPolicy::Always,
            journal_reserve_bytes: JOURNAL_RESERVE_BYTES,
            journal_history: journal::HistoryRetention::default(),
            journal_buffer_max_bytes: JOURNAL_BUFFER_MAX_BYTES,
            events: EventHistory::default(),
            send_at_horizon_ms: SEND_AT_HORIZON_MS,
            config_version: 1,
            clock,
        }
    }
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig")
            .field("dir", &self.dir)
            .field("limits", &self.limits)
            .field("carriers", &self.carriers)
            .finish_non_exhaustive()
    }
}

/// Shares of alert, normal and bulk unless configured.
pub const LANE_WEIGHTS: [u32; 3] = queue::DEFAULT_WEIGHTS;
/// Time that an otp lane may hold unless configured, in milliseconds.
pub const OTP_LANE_MS: u64 = 10_000;
/// Size of a journal file unless configured, in bytes.
pub const JOURNAL_FILE_MAX_BYTES: u64 = 64 << 20;
/// Space kept for what is in flight when the disk is full, unless configured, in bytes.
pub const JOURNAL_RESERVE_BYTES: u64 = 16 << 20;
/// Size of the journal's buffer unless configured, in bytes. Intake leaves half of it for what is already under way.
pub const JOURNAL_BUFFER_MAX_BYTES: usize = 16 << 20;

/// The furthest `send_at` unless configured, in milliseconds from admission: a week.
pub const SEND_AT_HORIZON_MS: u64 = 7 * 86_400_000;

/// Idempotency keys known unless configured: 2.4 GB of disk and 85 MB of memory when all are there.
pub const IDEMPOTENCY_KEYS: u64 = 50_000_000;

/// Validity by category unless configured, in milliseconds: otp 5 min, alert 1 h, transactional 24 h, promotional 48 h.
pub const VALID_FOR_MS: [u64; 4] = [300_000, 3_600_000, 86_400_000, 172_800_000];

impl CarrierConfig {
    /// The carrier's number.
    #[must_use]
    pub fn id(&self) -> CarrierId {
        CarrierId::of(&self.name)
    }
}

impl TenantConfig {
    /// The tenant's number.
    #[must_use]
    pub fn id(&self) -> TenantId {
        TenantId::of(&self.name)
    }
}
