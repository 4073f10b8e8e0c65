//! What happened, for watchers: the recent past in memory, the past as far as history reaches on the disk.
//!
//! ```text
//! shard ── hand_over ──► [waiting] ──► writer ──► data/events/ (keyed log) ── chunks ──► watchers that are behind
//!                                        └──────► [ring] ────────────────────────────► watchers that keep up
//! ```
//!
//! **Positions.** An event's key is the journal position of the record it follows from and a number among those from there, so that it
//! is the same over restarts: what a record led to has number 0, what the journal does not hold (an attempt handed to a session) counts
//! on from 1 at the position at which it happened. A watcher resumes after a key.
//!
//! **Never in the way.** The shard moves events into a vector and goes on. A writer that cannot keep up, or a disk that fails, costs
//! watchers their history ([`PositionLost`]) and is told by a gauge; nothing waits for either.
//!
//! **Nothing lost.** Events are written behind the journal and without a sync. What a crash took is made again from the journal's replay
//! (see `recovery`); before the journal lets go of records the log is synced up to there (`EventLog::secured`). An attempt that was
//! handed to a session in the last moment before a crash may lack its event: the journal does not hold it. The outcome that follows
//! names the attempt.
//!
//! **Limits.** Waiting for the writer: [`WAITING_MAX`] events. In memory: [`crate::Limits::events`]. On the disk:
//! [`crate::EventHistory`]. Handed to a watcher at once: [`CHUNK_MAX`]. Reading from the disk at once: [`HISTORY_READS_MAX`] watchers.
//! An event is encoded for watchers at most once, and only if one of them wants it.

mod codec;
mod queue;
mod recovery;
mod ring;
mod watcher;
mod writer;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use message::{AttemptNo, CallerId, CarrierId, MessageId, MessageState, Reason, TenantId};
use partition::{Change, MessageView};

pub use journal::keyed::Key as EventKey;
pub(crate) use queue::EventLog;
pub(crate) use recovery::{EventRecovery, JournalSpan};
pub use watcher::{EventChunk, PositionLost, WatchRefused, Watcher};
pub(crate) use writer::{EventDrive, EventDriver, EventWriter};

/// Most events that may wait for the writer; beyond it, watchers lose their history up to here.
pub(crate) const WAITING_MAX: usize = 262_144;
/// Most events handed to a watcher at once.
pub(crate) const CHUNK_MAX: usize = 512;
/// Most watchers that read from the disk at once.
pub(crate) const HISTORY_READS_MAX: usize = 4;

/// A place to resume from: a key, and the data directory in which it means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePosition {
    /// The identity of the data directory.
    pub data_id: u64,
    /// What comes after this key follows.
    pub key: EventKey,
}

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events, over restarts.
    pub key: EventKey,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// The batch it belongs to.
    pub batch_id: Option<Arc<str>>,
    /// Rises with every event of the message.
    pub sequence: u32,
    /// The leg.
    pub leg: u8,
    /// The attempt; 0 when it is about none.
    pub attempt: AttemptNo,
    /// The segment.
    pub segment: u8,
    /// Segments of an attempt.
    pub segments: u8,
    /// The state after it.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// The raw `command_status`.
    pub status: u32,
    /// Whether any attempt was ever uncertain.
    pub uncertain: bool,
    /// Whether it came after a final state.
    pub late: bool,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// The configuration the message was admitted under.
    pub config_version: u32,
    /// The carrier it is about.
    pub carrier: Option<CarrierId>,
    /// The caller's context.
    pub context: Bytes,
    /// See [`Event::encoded`].
    pub encoded: Encoded,
}

/// An event as the contract has it, made when the first watcher wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded(OnceLock<Bytes>);

impl Event {
    /// What a change is to watchers.
    pub(crate) fn new(key: EventKey, view: &MessageView, change: &Change) -> Self {
        Self {
            key,
            message: change.id,
            tenant: view.tenant,
            caller: view.caller,
            batch_id: view.batch_id.clone(),
            sequence: change.sequence,
            leg: 0,
            attempt: change.attempt,
            segment: change.segment,
            segments: view.segments,
            state: change.state,
            reason: change.reason,
            status: change.status,
            uncertain: change.uncertain,
            late: change.late,
            at_ms: change.at_ms,
            config_version: view.config_version,
            carrier: change.carrier,
            context: view.context.clone(),
            encoded: Encoded::default(),
        }
    }

    /// The event of an admission that entered its lane at once, without the message it made; none when the record is none of ours.
    pub(crate) fn admitted(key: EventKey, record: &partition::record::Admitted) -> Option<Self> {
        Some(Self {
            key,
            message: partition::record::joined(record.id_high, record.id_low)?,
            tenant: TenantId(record.tenant),
            caller: CallerId(record.caller),
            batch_id: (!record.batch_id.is_empty()).then(|| Arc::from(&*record.batch_id)),
            sequence: partition::FIRST_SEQUENCE,
            leg: 0,
            attempt: 0,
            segment: 0,
            segments: u8::try_from(record.segments).ok()?,
            state: MessageState::Admitted,
            reason: Reason::Admitted,
            status: 0,
            uncertain: false,
            late: false,
            at_ms: record.admitted_ms,
            config_version: record.config_version,
            carrier: None,
            context: record.context.clone(),
            encoded: Encoded::default(),
        })
    }

    /// The event of a record in the event log; none when it is not one that this release writes.
    #[must_use]
    pub fn of_log(key: EventKey, version: u8, payload: &[u8]) -> Option<Self> {
        codec::decode(key, version, payload)
    }

    /// The event in the encoding of the contract, which the engine does not know: made by `encode` for the first who asks, shared by all
    /// who ask later.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.0.get_or_init(|| encode(self)).clone()
    }
}

#[cfg(test)]
mod tests;
