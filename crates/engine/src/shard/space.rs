//! What the shard does while the disk is full: nothing new is admitted or sent, so that what space is left takes the outcomes, receipts
//! and ends of what is in flight. The logs look for space themselves; when they have it, everything goes on.

use journal::{Append as _, JournalState, WrittenRoom};

use super::{Shard, ShardFailure};
use crate::shared::Life;

/// Room in the Written log that one turn's dispatch may take for each carrier: eight batches of 64 records, generously.
const WRITTEN_ROOM_BYTES: usize = 64 << 10;
/// And for all of them: half a file of that log.
const WRITTEN_ROOM_MAX_BYTES: usize = 4 << 20;

/// Whether there is space for new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NewWork {
    #[default]
    Fits,
    MustWait,
}

impl Shard {
    /// Once a turn, before anything is admitted: a look at both logs.
    pub(super) fn look_at_space(&mut self) -> Result<(), ShardFailure> {
        let journal = match self.journal.state() {
            JournalState::Reserve | JournalState::Full => NewWork::MustWait,
            // A failed journal is told of by the next append and by housekeeping.
            JournalState::Healthy | JournalState::Failed { .. } => NewWork::Fits,
        };
        let carriers = self.cell.carriers.len().max(1);
        let wanted = WRITTEN_ROOM_BYTES.saturating_mul(carriers);
        let room = self
            .written
            .make_room(wanted.min(WRITTEN_ROOM_MAX_BYTES))
            .map_err(|failure| ShardFailure::Written(failure.to_string()))?;
        let found = match (journal, room) {
            (NewWork::Fits, WrittenRoom::Made) => NewWork::Fits,
            (NewWork::MustWait, _) | (_, WrittenRoom::None) => NewWork::MustWait,
        };
        if found != self.new_work {
            self.new_work = found;
            self.tell_of_space();
        }
        Ok(())
    }

    fn tell_of_space(&self) {
        let free_bytes = self
            .shared
            .config
            .storage
            .free_bytes(&self.shared.config.dir);
        let free_bytes = free_bytes.unwrap_or_default();
        match self.new_work {
            NewWork::MustWait => tracing::error!(
                free_bytes,
                "no space for the journal: submissions are refused with JOURNAL_NO_SPACE and nothing new is sent until there is"
            ),
            NewWork::Fits => tracing::info!(free_bytes, "the journal has space again"),
        }
        self.shared.set_no_space(self.new_work == NewWork::MustWait);
    }

    /// Whether anything may be sent.
    pub(super) fn may_dispatch(&self) -> bool {
        self.shared.life() == Life::Open
            && self.new_work == NewWork::Fits
            && self.journal.room_bytes() >= super::DECISION_ROOM_BYTES
    }

    /// Journal room that intake leaves for outcomes and receipts of what is already under way: half of it.
    pub(super) fn intake_room_bytes(&self) -> usize {
        self.shared.config.journal_buffer_max_bytes / 2
    }
}
