//! What became of every message: `Explain` and `List`.
//!
//! ```text
//! journal ──durable records──► Feed::step ──facts──► history-index (rows, positions)      thread `history`, few percent of a core
//!    │                                                      │
//!    └──single records, and those not indexed yet───────────┴──► explain, list             blocking threads, a few at a time
//! ```
//!
//! The journal is the history. The index says where in it the records of a message lie, and lists messages by recipient, state and time.
//! It follows the journal as far as that is durable, a few seconds behind; what it has not reached yet [`Handle::explain`] reads from the
//! journal itself. Writes to sockets are in the written log instead, for minutes ([`written`]). The index can be deleted: the next start makes it again from the journal that is held.
//!
//! Nothing here can hold up the shard or stop the engine: the feeder reads files, the queries read files and the index, and an index that
//! fails is closed, said so loudly, and opened or built again.
//!
//! Limits: [`HistoryLimits`]; a portion of 8,192 records in memory; an explanation of [`RECORDS_MAX`] records that
//! reads at most [`SCAN_MAX_BYTES`] of journal beyond the index and 64 MiB of written log; pages of [`history_index::PAGE_MAX`] messages.
//!
//! [`Handle::explain`]: crate::Handle::explain

mod awaited;
mod explain;
mod facts;
mod feed;
mod figures;
mod found;
mod list;
mod policies;
mod recall;
mod record;
mod rules;
mod slot;
mod thread;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journal::{Append as _, Appender, LogContents, LogReader, Position};
use tokio::sync::Semaphore;

use crate::config::EngineConfig;

pub use awaited::Awaited;
pub(crate) use explain::explain;
pub use explain::{Explanation, Missing, Submitted};
pub(crate) use list::list;
pub use list::{HistoryPage, HistoryQuery};
pub(crate) use policies::Policies;
pub(crate) use recall::recall;
pub use record::{HistoryRecord, RecordKind};
pub use rules::{NOT_RECORDED, Rule, RuleKind};
pub(crate) use slot::IndexSlot;
pub(crate) use thread::HistoryThread;

/// Most records that an explanation shows; the oldest are shown.
pub const RECORDS_MAX: usize = 1_000;
/// Most journal that an explanation reads beyond what is indexed; the newest is read.
pub(crate) const SCAN_MAX_BYTES: u64 = 256 << 20;

/// How long a question waits for the records of the moment to become durable, and how often it looks.
const SETTLE_MAX: Duration = Duration::from_secs(2);
const SETTLE_LOOK: Duration = Duration::from_millis(1);

/// Bounds of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Share of one core that feeding the index may take, in percent, 1 to 100.
    pub cpu_percent: u32,
    /// Questions answered at a time; one more is refused.
    pub queries: usize,
    /// Memory for what questions read of the index, in bytes.
    pub cache_bytes: u64,
    /// The longest that a durable record waits for the feeder to look, in milliseconds.
    pub feed_every_ms: u64,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            cpu_percent: 10,
            queries: 4,
            cache_bytes: 16 << 20,
            feed_every_ms: 2_000,
        }
    }
}

/// Why a question about the history was not answered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HistoryError {
    /// The tenant has no such message, or nothing is left of it.
    #[error("no such message is known: it never was, or its history has been dropped")]
    Unknown,
    /// As many questions are being answered as may be.
    #[error(
        "{0} questions about the history are being answered, and no more are taken: try again shortly"
    )]
    Busy(usize),
    /// The engine has not opened its journal yet, or has ended.
    #[error("the history cannot be read now: the engine is starting or has ended")]
    Closed,
    /// The index is being opened or built again.
    #[error("the history index is not open: {0}; it is opened or rebuilt by itself")]
    NoIndex(String),
    /// Reading failed.
    #[error("the history cannot be read: {0}")]
    Unreadable(String),
}

/// How far the index reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Every record before this journal position is in the index.
    pub position: u64,
    /// The time of the latest of them, in milliseconds since the epoch; 0 when there is none.
    pub until_ms: u64,
}

/// The journal, for those who read it.
#[derive(Clone, Debug)]
pub(crate) struct LogSource {
    pub(crate) reader: LogReader,
    pub(crate) appender: Appender,
    /// Where this process began to write.
    begins: Position,
    written_reader: LogReader,
    written: Arc<AtomicU64>,
}

impl LogSource {
    pub(crate) fn durable(&self) -> Position {
        self.appender.durable()
    }

    /// Behind the last record that is in the written log.
    fn written(&self) -> Position {
        Position(self.written.load(Ordering::Acquire))
    }
}

/// What the front doors and the feeder share.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) limits: HistoryLimits,
    pub(crate) slot: IndexSlot,
    source: std::sync::OnceLock<LogSource>,
    questions: Arc<Semaphore>,
    pub(crate) figures: figures::Figures,
    /// Questions refused because too many were being answered.
    pub(crate) refused: AtomicU64,
}

impl History {
    pub(crate) fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            slot: IndexSlot::default(),
            source: std::sync::OnceLock::new(),
            questions: Arc::new(Semaphore::new(limits.queries)),
            figures: figures::Figures::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The journal and the written log are open. Returns where the cell tells how far it has written.
    pub(crate) fn attach(
        &self,
        config: &EngineConfig,
        appender: Appender,
        written: Position,
    ) -> Result<Arc<AtomicU64>, journal::OpenError> {
        let open = |dir, contents| {
            LogReader::open(Arc::clone(&config.storage), config.dir.join(dir), contents)
        };
        let written = Arc::new(AtomicU64::new(written.0));
        // Set once: an engine opens its journal once.
        let _ = self.source.set(LogSource {
            reader: open("journal", LogContents::Journal)?,
            begins: appender.appended(),
            appender,
            written_reader: open("written", LogContents::Written)?,
            written: Arc::clone(&written),
        });
        Ok(written)
    }

    pub(crate) fn source(&self) -> Result<&LogSource, HistoryError> {
        self.source.get().ok_or(HistoryError::Closed)
    }

    /// Waits until what has been appended so far is durable: the engine's view of a message is one group commit ahead of the journal that
    /// can be read. Gives up after [`SETTLE_MAX`]; then the newest records are missing.
    pub(crate) async fn settle(&self) {
        let Ok(source) = self.source() else {
            return;
        };
        let appended = source.appender.appended();
        let settled = async {
            while source.durable() < appended {
                tokio::time::sleep(SETTLE_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(SETTLE_MAX, settled).await;
    }

    /// Does blocking work for a question, if one more may be answered. The place is held until the work has ended, even when whoever asked
    /// has gone.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let Ok(place) = Arc::clone(&self.questions).try_acquire_owned() else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(HistoryError::Busy(self.limits.queries));
        };
        let answered = tokio::task::spawn_blocking(move || {
            let answered = work();
            drop(place);
            answered
        });
        answered
            .await
            .unwrap_or_else(|failed| Err(HistoryError::Unreadable(failed.to_string())))
    }

    /// Questions being answered now.
    pub(crate) fn answering(&self) -> usize {
        self.limits.queries - self.questions.available_permits()
    }
}
