//! Cold messages: how a message becomes a row of the table, and a message again.
//!
//! ```text
//!  Admitted, applied ──► entry ──cool──► row ──warm──► entry ──► claimed, written, ...
//!  Admitted, replayed ────apply_cold────► ▲
//! ```
//!
//! No record tells of either step: a row and its Admitted record say what the entry said. So a state in which other messages are cold is the
//! same state, and live operation need not agree with replay about which are.
//!
//! Whoever decides or applies something about a cold message must warm it first ([`Partition::cold_position`] says whether); to an event, a
//! cold message is unknown. Limits: see [`table`].

mod column;
mod glance;
mod table;

pub use glance::Glance;
pub(crate) use table::ColdTable;

use message::{MessageId, MessageState, Now, Reason};

use crate::admission::entry_of;
use crate::apply::ApplyError;
use crate::effect::{Enqueue, Place};
use crate::entry::{Entry, MessageView};
use crate::record::{self, Admitted, Record};
use crate::state::Partition;

/// The kind of Admitted records, for errors about them.
const ADMITTED: u8 = 16;

impl Partition {
    /// Makes a message cold if nothing happened to it but its admission: it keeps a row only. Gives the name it has from now on; whoever
    /// holds its place in a lane must remember it by that.
    pub fn cool(&mut self, id: MessageId) -> Option<u64> {
        let ordinal = id.ordinal()?;
        let entry = self.live.get(&id).filter(|entry| entry.is_untouched())?;
        self.cold
            .insert(ordinal, entry.admitted_at, entry.payload.expires_ms);
        self.set_due(id, 0);
        self.live.remove(&id);
        Some(ordinal)
    }

    /// Where the Admitted record of a message begins, if the message is cold.
    #[must_use]
    pub fn cold_position(&self, id: MessageId) -> Option<u64> {
        if self.cold.len() == 0 {
            return None;
        }
        self.cold_position_of(id.ordinal()?)
    }

    /// The same by the name that [`Self::cool`] gave.
    #[must_use]
    pub fn cold_position_of(&self, ordinal: u64) -> Option<u64> {
        self.cold.find(ordinal)
    }

    /// Makes the message of an Admitted record, which begins at `position`, an entry again; gives what its lane must hold of it. `None` when
    /// it is not cold (any more).
    ///
    /// # Errors
    /// When a field is out of range; the state is unchanged then.
    pub fn warm(&mut self, record: Admitted, position: u64) -> Result<Option<Enqueue>, ApplyError> {
        let id = record::joined(record.id_high, record.id_low).ok_or(bad("id"))?;
        if self.cold_position(id).is_none() {
            return Ok(None);
        }
        let entry = entry_of(record, position).map_err(bad)?;
        if let Some(ordinal) = id.ordinal() {
            self.cold.remove(ordinal);
        }
        let enqueue = entry.enqueue(id, entry.attempt, Place::Back);
        let due_ms = entry.payload.expires_ms;
        self.live.insert(id, Box::new(entry));
        self.set_due(id, due_ms);
        Ok(Some(enqueue))
    }

    /// What a client may see of the cold message of an Admitted record; `None` when it is not cold.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn glimpse(
        &self,
        record: Admitted,
        position: u64,
    ) -> Result<Option<MessageView>, ApplyError> {
        let id = record::joined(record.id_high, record.id_low).ok_or(bad("id"))?;
        if self.cold_position(id).is_none() {
            return Ok(None);
        }
        let entry = entry_of(record, position).map_err(bad)?;
        Ok(Some(entry.view(id)))
    }

    /// Cold messages whose time is over, at most `max`, as the positions of their records: each is to be warmed, and then is due as any
    /// other. Each is handed out once.
    pub fn take_cold_due(&mut self, now: Now, max: usize, due: &mut Vec<u64>) {
        let mut rows = Vec::new();
        self.cold.take_due(now.wall_ms, max, &mut rows);
        due.extend(rows.into_iter().map(|(_, position)| position));
    }

    /// Folds an Admitted record of which [`Glance::may_be_cold`] holds into the state as a cold message. Gives its name.
    ///
    /// # Errors
    /// When the id is none of ours; the state is unchanged then.
    pub fn apply_cold(&mut self, glance: &Glance, position: u64) -> Result<u64, ApplyError> {
        let id = glance.id().ok_or(bad("id"))?;
        let ordinal = id.ordinal().ok_or(bad("id"))?;
        self.ids.observe(id);
        if let Some(idempotency) = glance.idempotency {
            self.remember(idempotency, id, (glance.admitted_ms, position));
        }
        self.pins.pin(position);
        self.cold.insert(ordinal, position, glance.expires_ms);
        Ok(ordinal)
    }
}

impl Entry {
    /// Whether its Admitted record says everything about it, and it waits in a lane.
    fn is_untouched(&self) -> bool {
        self.state == MessageState::Queued
            && self.reason == Reason::Admitted
            && self.sequence == 2
            && !self.claimed
            && self.changed_ms == self.admitted_ms
    }
}

impl Record {
    /// The message that the record moves on: it must not be cold when the record is applied. `None` for records that make a message, or are
    /// about none.
    #[must_use]
    pub fn moves(&self) -> Option<MessageId> {
        let segment = match self {
            Self::Claimed(record) => record.segment,
            Self::Written(record) => record.segment,
            Self::Outcome(record) => record.segment,
            Self::Receipt(record) => record.segment,
            Self::Final(record) => record.segment,
            Self::Replaced(record) => record.segment,
            Self::Admitted(_)
            | Self::EarlyReceipt(_)
            | Self::Inbound(_)
            | Self::InboundDone(_)
            | Self::KeyKept(_) => return None,
        };
        record::joined(segment.id_high, segment.id_low)
    }
}

fn bad(field: &'static str) -> ApplyError {
    ApplyError {
        kind: ADMITTED,
        field,
    }
}
