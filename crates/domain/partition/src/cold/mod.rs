//! Cold messages: how a message becomes a row of a table, and a message again.
//!
//! ```text
//!  Admitted, Carried, applied ──► entry ──cool──► row ──warm──► entry ──► claimed, written, receipt, ...
//!  Admitted, Carried, replayed ────apply_cold────► ▲
//! ```
//!
//! No record tells of either step: a row and the record it leads to say what the entry said. So a state in which other messages are cold is
//! the same state, and live operation need not agree with replay about which are.
//!
//! Cold can be who is quiet and of whom one record says everything ([`crate::Whole`]): who waits in a lane or for its time, nothing of it claimed or in
//! doubt, and who awaits a receipt. The two lie in tables of their own, since what they hold is counted apart.
//!
//! Whoever decides or applies something about a cold message must warm it first ([`Partition::cold_position`] says whether); to an event, a
//! cold message is unknown. Limits: see [`table`].

mod column;
mod glance;
mod table;

pub use glance::Glance;
pub(crate) use table::ColdTable;

use message::{MessageId, MessageState, Now};

use crate::apply::ApplyError;
use crate::carry::Whole;
use crate::effect::{Enqueue, Place};
use crate::entry::{Entry, MessageView};
use crate::record::{self, Record};
use crate::state::Partition;

/// The kind of Admitted records, for errors about them.
const ADMITTED: u8 = 16;

/// A message that was cold.
#[derive(Debug)]
pub enum Warmed {
    /// It waits in a lane, which must hold this of it.
    Queued(Enqueue),
    /// It waits for its time or a receipt.
    Waiting(MessageId),
}

/// Which table a cold message lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// It waits to be sent.
    Unsent,
    /// It awaits a receipt.
    Awaited,
}

impl Partition {
    /// Makes a message cold if it is quiet and one record says everything about it: it keeps a row only. Gives the name it has from now on;
    /// whoever holds its place in a lane must remember it by that.
    pub fn cool(&mut self, id: MessageId) -> Option<u64> {
        let ordinal = id.ordinal()?;
        let entry = self.live.get(&id).filter(|entry| entry.whole)?;
        let shelf = entry.shelf()?;
        let (position, due_ms) = (entry.record_at, entry.due_ms);
        self.shelve(shelf, (ordinal, position, due_ms));
        self.set_due(id, 0);
        self.live.remove(&id);
        Some(ordinal)
    }

    /// Whether a live message that is not cold awaits a receipt and nothing else, so that it can be cold once one record says everything about it.
    #[must_use]
    pub fn awaits_receipt(&self, id: MessageId) -> bool {
        let entry = self.live.get(&id);
        entry.is_some_and(|entry| entry.shelf() == Some(Shelf::Awaited))
    }

    /// Where the record begins that says everything about a live message that is not cold; `None` when there is none.
    #[must_use]
    pub fn whole_at(&self, id: MessageId) -> Option<u64> {
        let entry = self.live.get(&id).filter(|entry| entry.whole)?;
        Some(entry.record_at)
    }

    /// Whether a message awaits a receipt and is cold.
    #[must_use]
    pub fn awaits_cold(&self, id: MessageId) -> bool {
        self.awaited.len() > 0
            && id
                .ordinal()
                .is_some_and(|ordinal| self.awaited.find(ordinal).is_some())
    }

    pub(crate) fn shelve(&mut self, shelf: Shelf, (ordinal, position, due_ms): (u64, u64, u64)) {
        let table = match shelf {
            Shelf::Unsent => &mut self.cold,
            Shelf::Awaited => &mut self.awaited,
        };
        table.insert(ordinal, position, due_ms);
    }

    /// Takes a row out of its table; gives where its record begins.
    pub(crate) fn remove_cold(&mut self, ordinal: u64) -> Option<u64> {
        let unsent = self.cold.remove(ordinal);
        unsent.or_else(|| self.awaited.remove(ordinal))
    }

    /// Where the record that says everything about a message begins, if the message is cold.
    #[must_use]
    pub fn cold_position(&self, id: MessageId) -> Option<u64> {
        if self.cold.len() + self.awaited.len() == 0 {
            return None;
        }
        self.cold_position_of(id.ordinal()?)
    }

    /// The same by the name that [`Self::cool`] gave.
    #[must_use]
    pub fn cold_position_of(&self, ordinal: u64) -> Option<u64> {
        self.cold
            .find(ordinal)
            .or_else(|| self.awaited.find(ordinal))
    }

    /// Makes the message of a record, which begins at `position`, an entry again; gives what must be done for it. `None` when it is not
    /// cold (any more), or by another record.
    ///
    /// # Errors
    /// When a field is out of range; the state is unchanged then.
    pub fn warm(&mut self, whole: Whole, position: u64) -> Result<Option<Warmed>, ApplyError> {
        let (id, entry) = whole.into_entry(position)?;
        let Some(ordinal) = id.ordinal() else {
            return Ok(None);
        };
        if self.cold_position_of(ordinal) != Some(position) {
            return Ok(None);
        }
        self.remove_cold(ordinal);
        let warmed = if entry.state == MessageState::Queued {
            Warmed::Queued(entry.enqueue(id, entry.attempt, Place::Back))
        } else {
            Warmed::Waiting(id)
        };
        self.insert_live(id, entry);
        Ok(Some(warmed))
    }

    /// What a client may see of the cold message of a record, and when something must happen to it next ([`Self::due_ms`]); `None` when it is
    /// not cold there.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn glimpse(
        &self,
        whole: Whole,
        position: u64,
    ) -> Result<Option<(MessageView, u64)>, ApplyError> {
        let (id, entry) = whole.into_entry(position)?;
        if self.cold_position(id) != Some(position) {
            return Ok(None);
        }
        Ok(Some((entry.view(id), entry.due_ms)))
    }

    /// Cold messages whose time is over, at most `max`, as the positions of their records: each is to be warmed, and then is due as any
    /// other. Each is handed out once.
    pub fn take_cold_due(&mut self, now: Now, max: usize, due: &mut Vec<u64>) {
        let mut rows = Vec::new();
        self.cold.take_due(now.wall_ms, max, &mut rows);
        let left = max.saturating_sub(rows.len());
        self.awaited.take_due(now.wall_ms, left, &mut rows);
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
    /// Where it can lie cold, if its record says everything about it. One whose first attempt is claimed is about to be sent; one with doubts is in
    /// indexes that only its evidence or its deadline, an hour by default, may take it out of.
    pub(crate) fn shelf(&self) -> Option<Shelf> {
        match self.state {
            _ if !self.doubts.is_empty() || self.parked.is_some() => None,
            MessageState::Queued | MessageState::Scheduled if !self.claimed => Some(Shelf::Unsent),
            MessageState::Submitted if self.released => Some(Shelf::Awaited),
            MessageState::Admitted
            | MessageState::Scheduled
            | MessageState::Queued
            | MessageState::Attempting
            | MessageState::Submitted
            | MessageState::Delivered
            | MessageState::Sent
            | MessageState::Undeliverable
            | MessageState::Rejected
            | MessageState::Expired
            | MessageState::Cancelled
            | MessageState::Failed
            | MessageState::Unknown => None,
        }
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
            | Self::KeyKept(_)
            | Self::Carried(_) => return None,
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
