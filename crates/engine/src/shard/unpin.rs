//! Un-pinning: what has waited long is written again, so that the journal behind it need not be replayed for its sake.
//!
//! ```text
//! Resting ──replay set too large──► Searching ──all looked at──► Carrying ──all written──► Resting
//!                                   a few thousand looks a turn   a few records a turn      the mark moves (see retention)
//! ```
//!
//! Too large is a replay set of more than [`FILES_MIN`] full files and more than [`SHARE`] times what a record of each live message would
//! take. Then whatever the older half of it is kept for is written once more, each message as one Carried record: that is at most a quarter
//! of what a restart need not read any more. Ten million messages that wait are not written again and again for that: they are most of
//! the replay set themselves.
//!
//! Limits: [`CARRIED_PER_TURN`] records and [`LOOKS_PER_TURN`] looks a turn, since an otp waits for the turn to end; [`FOUND_MAX`] messages a
//! search; and over time at most half as many bytes as everything else writes ([`Unpinning::budget_bytes`]), whatever the estimate says.

use journal::{Append as _, JournalState, Position};
use message::Now;
use partition::{Behind, BehindSearch, Record, Whole};

use super::backlog::{Batch, Purpose};
use super::{DECISION_ROOM_BYTES, Shard, ShardFailure};
use crate::reader::Urgency;
use crate::shared::Life;

/// Full files that the replay set may have, whatever it holds: 256 MiB, by default.
const FILES_MIN: u64 = 4;
/// How many times what its live messages need a replay set may take.
const SHARE: u64 = 4;
/// Most records written in a turn.
const CARRIED_PER_TURN: usize = 64;
/// Most messages looked at in a turn.
const LOOKS_PER_TURN: usize = 2_048;
/// Most messages found before they are carried.
const FOUND_MAX: usize = 65_536;
/// Cold messages read at once.
const BATCH: usize = 256;
/// From the end of a search to the next.
const REST_NS: u64 = 1_000_000_000;
/// What a Carried record is taken to be before there was one, in bytes.
const CARRIED_BYTES: u64 = 512;
/// How many records the estimate of the next one's size goes by.
const WEIGHT: u64 = 16;

/// How far it has come.
#[derive(Debug)]
pub(super) struct Unpinning {
    state: State,
    /// Not before, monotonic.
    rest_until_ns: u64,
    /// How many bytes may be carried: half of what was appended otherwise.
    budget_bytes: u64,
    /// What was appended when the budget was last counted up.
    counted_to: Position,
    /// The size of a Carried record, going by the last ones.
    carried_bytes: u64,
}

#[derive(Debug)]
enum State {
    Resting,
    Searching {
        before: u64,
        /// The partition that is looked at.
        at: usize,
        search: BehindSearch,
        found: Behind,
    },
    Carrying {
        found: Behind,
        /// Whether cold ones are being read.
        reading: bool,
    },
}

impl Unpinning {
    /// `appended` is the end of the journal, of whose files one has `file_bytes`.
    pub(super) const fn new(appended: Position, file_bytes: u64) -> Self {
        Self {
            state: State::Resting,
            rest_until_ns: 0,
            // So that a process that is started with a long replay set, and little to do, can shorten it.
            budget_bytes: file_bytes,
            counted_to: appended,
            carried_bytes: CARRIED_BYTES,
        }
    }

    fn rest(&mut self, now: Now) {
        self.state = State::Resting;
        self.rest_until_ns = now.mono_ns.saturating_add(REST_NS);
    }
}

impl Shard {
    /// Does a little of it. `true` when another turn has something to do at once.
    pub(super) fn unpin(&mut self, now: Now) -> Result<bool, ShardFailure> {
        match &mut self.unpinning.state {
            State::Resting => Ok(false),
            State::Searching { .. } => {
                self.search_behind(now);
                Ok(true)
            }
            State::Carrying { .. } => self.carry_found(now),
        }
    }

    /// Begins a search if the replay set is too large; called now and then.
    pub(super) fn tick_unpinning(&mut self, now: Now) {
        let appended = self.journal.appended();
        let file_bytes = self.shared.config.journal_file_max_bytes;
        let replayed = appended.0 - self.journal.replay_from().0;
        let unpinning = &mut self.unpinning;
        let added = (appended.0 - unpinning.counted_to.0) / 2;
        unpinning.counted_to = appended;
        // Never more than a search would find to write.
        let most = file_bytes.max(replayed / SHARE);
        unpinning.budget_bytes = unpinning.budget_bytes.saturating_add(added).min(most);
        let rests = matches!(unpinning.state, State::Resting);
        if !rests || now.mono_ns < unpinning.rest_until_ns || !self.may_unpin() {
            return;
        }
        let counts = self.partitions.iter().map(partition::Partition::counts);
        let live: u64 = counts.map(|it| (it.live + it.inbound) as u64).sum();
        let needed = live.saturating_mul(self.unpinning.carried_bytes);
        if replayed <= FILES_MIN * file_bytes || replayed <= SHARE.saturating_mul(needed) {
            return;
        }
        let before = appended.0 - replayed / 2;
        let partitions = self.partitions.iter();
        let oldest = partitions.filter_map(partition::Partition::oldest_message_position);
        // What else pins the journal goes by itself.
        if oldest.min().is_some_and(|oldest| oldest < before) {
            self.unpinning.state = State::Searching {
                before,
                at: 0,
                search: BehindSearch::default(),
                found: Behind::default(),
            };
        }
    }

    /// Not on a disk that has space for what is in flight only, and not in haste at the end.
    fn may_unpin(&self) -> bool {
        self.shared.life() == Life::Open && self.journal.state() == JournalState::Healthy
    }

    fn search_behind(&mut self, now: Now) {
        let State::Searching {
            before,
            at,
            search,
            found,
        } = &mut self.unpinning.state
        else {
            return;
        };
        let count = |found: &Behind| found.live.len() + found.cold.len() + found.inbound.len();
        let Some(partition) = self.partitions.get(*at) else {
            let found = std::mem::take(found);
            if count(&found) == 0 {
                self.unpinning.rest(now);
            } else {
                let reading = false;
                self.unpinning.state = State::Carrying { found, reading };
            }
            return;
        };
        if !partition.search_behind(*before, search, LOOKS_PER_TURN, found) {
            *at += 1;
            *search = BehindSearch::default();
        }
        if count(found) >= FOUND_MAX {
            // The rest is found by the next search.
            *at = self.partitions.len();
        }
    }

    fn carry_found(&mut self, now: Now) -> Result<bool, ShardFailure> {
        let mut left = CARRIED_PER_TURN;
        while self.has_room_to_carry() {
            let State::Carrying { found, reading } = &mut self.unpinning.state else {
                return Ok(false);
            };
            if left == 0 {
                return Ok(true);
            }
            left -= 1;
            let (live, inbound) = (found.live.pop(), found.inbound.pop());
            if live.is_none() && inbound.is_none() {
                if *reading || found.cold.is_empty() {
                    if !*reading {
                        self.unpinning.rest(now);
                    }
                    return Ok(false);
                }
                self.read_cold();
                return Ok(false);
            }
            for id in [live, inbound].into_iter().flatten() {
                // It may have ended, or become cold, since it was found.
                let record = self.partition_of(id).and_then(|at| {
                    let partition = &self.partitions[at];
                    let carried = partition.carried(id, now);
                    carried.or_else(|| partition.carried_inbound(id))
                });
                if let Some(record) = record {
                    self.carry(record, now)?;
                }
            }
        }
        // Another turn at once would find no more room.
        Ok(false)
    }

    fn has_room_to_carry(&self) -> bool {
        self.journal.room_bytes() >= DECISION_ROOM_BYTES && self.may_carry()
    }

    /// Looked at before each record: cold ones are read in batches, and the disk may have filled up since one was asked for.
    pub(super) fn may_carry(&self) -> bool {
        self.unpinning.budget_bytes > 0 && self.may_unpin()
    }

    fn read_cold(&mut self) {
        let State::Carrying { found, reading } = &mut self.unpinning.state else {
            return;
        };
        if self.backlog.reader.room() == 0 {
            return;
        }
        let rest = found.cold.len().saturating_sub(BATCH);
        let mut positions = found.cold.split_off(rest);
        // Since the search some may have ended or been carried, and the journal may have let go of where they were.
        positions.retain(|position| self.retention.may_be_live(*position));
        if positions.is_empty() {
            return;
        }
        positions.sort_unstable();
        *reading = true;
        let reader = &mut self.backlog.reader;
        reader.ask(Urgency::Ahead, Purpose::Batch(Batch::Carried), positions);
    }

    /// All records of a batch have been served.
    pub(super) fn cold_was_read(&mut self) {
        if let State::Carrying { reading, .. } = &mut self.unpinning.state {
            *reading = false;
        }
    }

    /// Carries the cold message of a record that was read for that, if it is cold there still.
    pub(super) fn carry_cold(
        &mut self,
        record: Whole,
        position: u64,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let Some(at) = record.id().and_then(|id| self.partition_of(id)) else {
            return Ok(());
        };
        let carried = self.partitions[at]
            .carried_cold(record, position, now)
            .map_err(|error| ShardFailure::Journal(error.to_string()))?;
        match carried {
            Some(record) => self.carry(record, now),
            None => Ok(()),
        }
    }

    fn carry(&mut self, record: Record, now: Now) -> Result<(), ShardFailure> {
        let before = self.journal.appended();
        let end = self.record(record, now)?;
        let bytes = end.0 - before.0;
        let unpinning = &mut self.unpinning;
        unpinning.budget_bytes = unpinning.budget_bytes.saturating_sub(bytes);
        // It is not what others wrote.
        unpinning.counted_to.0 += bytes;
        unpinning.carried_bytes = (unpinning.carried_bytes * (WEIGHT - 1) + bytes) / WEIGHT;
        self.shared.metrics.carried.increment(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::shard::rig::{Directory, NOW, Rig};

    /// Has the reader bring the record of a cold message so that it is carried, and gives where its record begins then.
    fn carried_to(rig: &mut Rig, id: message::MessageId) -> u64 {
        let position = rig.cold_at(id).unwrap();
        let shard = &mut rig.shard;
        shard.unpinning.state = State::Carrying {
            found: Behind::default(),
            reading: true,
        };
        let purpose = Purpose::Batch(Batch::Carried);
        let reader = &mut shard.backlog.reader;
        reader.ask(Urgency::Ahead, purpose, vec![position]);
        shard.read_ahead(NOW).unwrap();
        let state = &shard.unpinning.state;
        assert!(matches!(state, State::Carrying { reading: false, .. }));
        assert!(shard.backlog.is_idle());
        rig.cold_at(id).unwrap()
    }

    #[test]
    fn what_was_read_to_be_carried_stays_where_it_is_when_it_must_not_be_written() {
        let directory = Directory::new("may-carry");
        let mut rig = Rig::open(&directory, Limits::default());
        let id = rig.submitted(0, 1, "1");
        let record = rig.shard.partitions[0].carried(id, NOW).unwrap();
        rig.record(record);
        rig.sync();
        rig.shard.partitions[0].cool(id).unwrap();
        let first = rig.cold_at(id).unwrap();

        rig.shard.shared.set_life(Life::Draining);
        assert_eq!(carried_to(&mut rig, id), first, "not in haste at the end");
        rig.shard.shared.set_life(Life::Open);
        let budget_bytes = std::mem::take(&mut rig.shard.unpinning.budget_bytes);
        assert_eq!(carried_to(&mut rig, id), first, "not past the budget");
        rig.shard.unpinning.budget_bytes = budget_bytes;
        assert!(carried_to(&mut rig, id) > first);
    }
}
