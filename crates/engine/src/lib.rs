//! Drives partitions, journal and connectors.
//!
//! ```text
//! Handle (any thread) ──ring──► shard (one thread): partitions, cell, journal's writing end ──► connectors
//!        ◄── answers, events ───┘                                 └──► journal writer (one thread, one sync a batch)
//! ```
//!
//! The engine decides nothing about messages (partitions do) and nothing about wires (connectors do); it keeps the order: durable before
//! answered, claimed before sent, written down before written out, recorded before acknowledged.
//!
//! Limits: see [`Limits`]; every queue between threads is one of its fields, or a constant beside the queue.

mod caller;
mod cell;
mod config;
mod control;
mod events;
mod handle;
mod history;
mod inbound;
mod intake;
mod keys;
mod metrics;
mod opened;
mod reader;
mod reply;
mod shard;
mod shared;
mod stats;
mod stepped;

use std::sync::Arc;
use std::thread::JoinHandle;

pub use caller::{Admission, AdmitReply, Caller, Refusal, Violation};
pub use config::{
    CarrierConfig, ConnectorFactory, EngineConfig, EventHistory, IDEMPOTENCY_KEYS,
    JOURNAL_BUFFER_MAX_BYTES, JOURNAL_FILE_MAX_BYTES, JOURNAL_RESERVE_BYTES, LANE_WEIGHTS, Limits,
    OTP_LANE_MS, SEND_AT_HORIZON_MS, TenantConfig, VALID_FOR_MS,
};
pub use events::{
    Encoded, Event, EventChunk, EventKey, PositionLost, ResumePosition, WatchRefused, Watcher,
};
pub use handle::Handle;
pub use history::{
    Awaited, Explanation, HistoryError, HistoryLimits, HistoryPage, HistoryQuery, HistoryRecord,
    Indexed, Missing, NOT_RECORDED, RECORDS_MAX, RecordKind, Rule, RuleKind, Submitted,
};
pub use history_index::{MessageSummary, PAGE_MAX};
pub use inbound::InboundWatcher;
pub use intake::VALID_FOR_MIN_MS;
pub use journal::{FileStorage, HistoryRetention, Storage, SyncPolicy};
pub use keys::{KeysWhenFull, UNFILED_KEYS_MAX};
pub use metrics::{Description, Kind, METRICS};
pub use opened::{OPENED_KIND, Opened, OpenedName, OpenedPolicy};
pub use partition::Limits as PartitionLimits;
pub use partition::{
    CancelVerdict, InboundView, MessageView, OnUncertain, Policy, ReplaceVerdict, Replacement,
    RetryPolicy,
};
pub use reply::{ReplySink, ReplyTo};
pub use shard::{EngineFailure, OpenError, ShardFailure};
pub use shared::{Life, LimitError};
pub use stats::{CarrierStats, EngineStats, LaneStats, Percentiles};
pub use stepped::{Held, Known, Next, Stepped};

/// A running engine: the owner of its thread. Dropping it leaves the thread running; see [`Engine::stop`].
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
    thread: JoinHandle<Result<(), EngineFailure>>,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A limit cannot be used.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The operating system gave no randomness.
    #[error("the operating system gives no random bytes: {0}")]
    Random(std::io::Error),
    /// The thread could not be started.
    #[error("the shard's thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl Engine {
    /// Starts the shard's thread, which makes the connectors (one per configured carrier, in that order), replays the journal and then opens;
    /// follow [`Handle::life`].
    ///
    /// # Errors
    /// See [`StartError`]. What goes wrong on the thread is told by [`Self::join`].
    pub fn start(config: EngineConfig, connectors: ConnectorFactory) -> Result<Self, StartError> {
        let seed = config.storage.random_seed().map_err(StartError::Random)?;
        let mut word = [0; 8];
        word.copy_from_slice(&seed[..8]);
        let shared = shared::Shared::new(config, u64::from_le_bytes(word))?;
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("shard-0".into())
            .spawn(move || run_thread(running, connectors))
            .map_err(StartError::Thread)?;
        Ok(Self {
            handle: Handle { shared },
            thread,
        })
    }

    /// What the outside sees.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Begins the end: nothing more is admitted or sent; what is in flight is answered, sessions unbind. What still waits stays in the journal.
    pub fn drain(&self) {
        self.handle.shared.set_life(Life::Draining);
    }

    /// Ends at once: what is in flight counts as uncertain after the next start.
    pub fn stop(&self) {
        self.handle.shared.set_life(Life::Stopped);
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread. Blocks: call it from a thread that may.
    ///
    /// # Errors
    /// Why it ended, unless it was asked to.
    pub fn join(self) -> Result<(), EngineFailure> {
        self.thread.join().unwrap_or(Err(EngineFailure::Panicked))
    }
}

fn run_thread(
    shared: Arc<shared::Shared>,
    connectors: ConnectorFactory,
) -> Result<(), EngineFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(OpenError::Runtime);
    let ended = runtime.map_err(EngineFailure::from).and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, shard::run(Arc::clone(&shared), connectors))
    });
    if let Err(failure) = &ended {
        shared.set_life(Life::Failed);
        tracing::error!(%failure, "the engine ended");
    }
    ended
}
