//! How much is kept of the logs: where recovery must begin, and since when the Written log is needed.
//!
//! ```text
//!           history                                replay set
//!  ─────────────────────────────┬──────────────────────────────────────────────────────────►
//!   the journal deletes by age  mark      oldest needed   (the last two files, whatever they hold)
//! ```
//!
//! The replay mark moves in two steps: what must outlive the records before it is written again, and only when that, and with it every
//! Final that made them dispensable, survives a power cut, is the journal told. Needed are live messages, early receipts, unacknowledged
//! inbound messages, idempotency keys that are in no file, and whatever the event log has not secured. Finished messages do not count, but the last
//! [`FILES_MIN`] files are always replayed, so that late evidence about them is recognised after a restart too.

use std::collections::VecDeque;

use journal::{Append as _, Position};
use message::Now;
use partition::Limits as PartitionLimits;

use super::{Shard, ShardFailure};
use crate::opened::{OPENED_KIND, Opened, opened_record};

/// Full files that recovery reads at least, before the one being written.
const FILES_MIN: u64 = 2;
/// Written records are needed until their attempt has an outcome, which the longest `uncertain_after_ms` bounds; they are kept for twice that
/// and so long again, for the outcome to become durable.
const WRITTEN_SPARE_MS: u64 = 600_000;

/// What is on its way to be let go.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// Where the Opened record of this run stands.
    pub(super) opened_at: Position,
    /// Recovery need not read what lies before the first once the second is synced.
    pending: Option<(Position, Position)>,
    /// Nothing live is recorded before this. It stands at the first of `pending`, and stays when that is through.
    let_go: Position,
    /// Positions of the Written log by time.
    written_marks: VecDeque<(u64, Position)>,
    /// How long Written records are kept.
    written_kept_ns: u64,
}

impl Retention {
    pub(super) fn new(limits: &PartitionLimits) -> Self {
        let of_carriers = limits.carrier_policies.iter().map(|(_, policy)| policy);
        let longest_ms = of_carriers
            .chain([&limits.policy])
            .flat_map(|policy| policy.uncertain_after_ms)
            .max()
            .unwrap_or(0);
        let kept_ms = longest_ms
            .saturating_mul(2)
            .saturating_add(WRITTEN_SPARE_MS);
        Self {
            written_kept_ns: kept_ms.saturating_mul(1_000_000),
            ..Self::default()
        }
    }

    /// Whether a live message may be recorded at a position that was noted some time ago. If not, the record may be gone: the message has
    /// ended or lies elsewhere.
    pub(super) const fn may_be_live(&self, position: u64) -> bool {
        position >= self.let_go.0
    }
}

impl Shard {
    /// Moves the replay mark on where it can move, and has the journal look at the limits of its history.
    pub(super) fn retain(&mut self) -> Result<(), ShardFailure> {
        let mut needed = Position(0);
        if let Some((oldest, carried)) = self.retention.pending {
            // The event log is told of each record before the journal lets go of it: a power cut must not take both.
            // And what is being read back from before may have been carried meanwhile.
            let read = self.backlog.reader.oldest_wanted();
            let is_read = read.is_none_or(|wanted| wanted >= oldest.0);
            if carried <= self.journal.synced() && is_read && self.events_secured(oldest) {
                self.retention.pending = None;
                needed = oldest;
            }
        } else if let Some(oldest) = self.next_mark() {
            if self.retention.opened_at < oldest {
                self.retention.opened_at = self.append_opened()?;
            }
            self.journal.commit();
            self.retention.pending = Some((oldest, self.journal.appended()));
            self.retention.let_go = oldest;
        }
        self.journal.retain_from(needed);
        Ok(())
    }

    /// Where recovery could begin, if that is another file than now.
    fn next_mark(&self) -> Option<Position> {
        let spare = FILES_MIN * self.shared.config.journal_file_max_bytes;
        let latest = Position(self.journal.appended().0.saturating_sub(spare));
        let next = self.journal.next_replay_from();
        if latest < next {
            return None;
        }
        let partitions = self.partitions.iter();
        let oldest = partitions.filter_map(partition::Partition::oldest_position);
        let oldest = oldest.min().map_or(latest, Position).min(latest);
        (oldest >= next).then_some(oldest)
    }

    pub(super) fn append_opened(&mut self) -> Result<Position, ShardFailure> {
        let opened = Opened {
            inbound_expired_at: self.shared.inbound.expired_at(),
            written_end: self.written.written().0,
            ..opened_record(&self.shared.config, self.shared.events.data_id())
        };
        self.journal
            .append(OPENED_KIND, partition::record::RECORD_VERSION, &mut |out| {
                opened.encode_into(out)
            })
            .map(|placed| placed.end)
            .map_err(|error| ShardFailure::Journal(error.to_string()))
    }

    pub(super) fn retain_written(&mut self, now: Now) {
        let kept_ns = self.retention.written_kept_ns;
        let marks = &mut self.retention.written_marks;
        if marks
            .back()
            .is_none_or(|(at_ns, _)| now.mono_ns - at_ns > kept_ns / 20)
        {
            marks.push_back((now.mono_ns, self.written.written()));
        }
        while let Some((at_ns, position)) = marks.front()
            && now.mono_ns - at_ns > kept_ns
        {
            self.written.retain_from(*position);
            marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use message::CarrierId;
    use partition::Policy;

    use super::*;

    #[test]
    fn written_records_outlive_the_longest_wait_for_an_answer() {
        let kept_ms = |limits: &PartitionLimits| Retention::new(limits).written_kept_ns / 1_000_000;
        let mut limits = PartitionLimits::default();
        assert_eq!(kept_ms(&limits), 660_000);
        let patient = Policy {
            uncertain_after_ms: [5_000, 10_000, 30_000, 86_400_000],
            ..Policy::default()
        };
        limits.carrier_policies.push((CarrierId(1), patient));
        assert_eq!(kept_ms(&limits), 2 * 86_400_000 + 600_000);
    }
}
