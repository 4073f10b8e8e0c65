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
//!
//! Written records go by time, and never before what followed from them is durable:
//!
//! ```text
//! mark ──old, and every attempt before it has an outcome──► answered ──those outcomes are durable──► let go
//! ```

use std::collections::VecDeque;

use journal::{Append as _, Position};
use message::Now;
use partition::Limits as PartitionLimits;

use super::{Shard, ShardFailure};
use crate::opened::{OPENED_KIND, Opened, opened_record};

/// Full files that recovery reads at least, before the one being written.
const FILES_MIN: u64 = 2;
/// Written records are needed until the outcome of their attempt is durable. Where the disk takes everything that is long before twice the longest
/// `uncertain_after_ms` and so long again, for which they are kept: they are shown as well.
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
    /// Written records before the first may go once the journal is durable up to the second.
    written_answered: Option<(Position, Position)>,
    /// How long Written records are kept.
    written_kept_ns: u64,
}

/// What Written records are judged by.
#[derive(Clone, Copy, Debug)]
struct WrittenBy {
    now_ns: u64,
    /// Behind the last Written record.
    written: Position,
    /// Behind the last journal record, and how far those are durable.
    appended: Position,
    durable: Position,
    /// When the first wait for an answer is over, or was; `None` where there is none.
    answer_due_ns: Option<u64>,
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

    /// Before which position Written records may go now, if there are any that may.
    ///
    /// Without its Written record an attempt counts as unsent after a kill, and is sent again without a word. So a record may go only when the
    /// outcome of its attempt is durable: age alone says nothing where the disk is full, since outcomes then wait in memory, decided or not.
    ///
    /// 1. An attempt waits for an answer from the instant of its Written record until its outcome is appended, and the wait is over at the latest
    ///    the longest `uncertain_after_ms` after that instant. If the first such end lies more than the whole keeping time after a mark was set,
    ///    no attempt of before the mark waits: each has an outcome in the journal, or its message has ended in another way, which is there too. The
    ///    attempts of earlier runs were given one by the start, before the first mark.
    /// 2. All these records lie before what is appended at that moment, not before what was appended when the mark was set. When the journal is
    ///    durable up to there, so are they.
    fn written_to_let_go(&mut self, by: WrittenBy) -> Option<Position> {
        let kept_ns = self.written_kept_ns;
        let marks = &mut self.written_marks;
        // Where nothing is written, the last mark stands for now too, and the others get no more.
        if marks.back().is_none_or(|(at_ns, written)| {
            *written < by.written && by.now_ns - at_ns > kept_ns / 20
        }) {
            marks.push_back((by.now_ns, by.written));
        }
        let gone = self
            .written_answered
            .take_if(|(_, outcomes)| *outcomes <= by.durable);
        if self.written_answered.is_none() {
            while let Some((at_ns, written)) = marks.front()
                && by.now_ns - at_ns > kept_ns
                && by
                    .answer_due_ns
                    .is_none_or(|due_ns| due_ns > at_ns + kept_ns)
            {
                self.written_answered = Some((*written, by.appended));
                marks.pop_front();
            }
        }
        gone.map(|(written, _)| written)
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
        let partitions = self.partitions.iter();
        let by = WrittenBy {
            now_ns: now.mono_ns,
            written: self.written.written(),
            appended: self.journal.appended(),
            durable: self.journal.durable(),
            answer_due_ns: partitions
                .filter_map(partition::Partition::first_answer_due_ns)
                .min(),
        };
        if let Some(position) = self.retention.written_to_let_go(by) {
            self.written.retain_from(position);
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

    #[test]
    fn written_records_go_when_the_outcomes_of_their_attempts_are_durable() {
        const MIN_NS: u64 = 60_000_000_000;
        let mut retention = Retention::new(&PartitionLimits::default());
        let mut by = WrittenBy {
            now_ns: MIN_NS,
            written: Position(100),
            appended: Position(1_000),
            durable: Position(1_000),
            answer_due_ns: Some(MIN_NS + MIN_NS / 2),
        };
        assert_eq!(retention.written_to_let_go(by), None);
        // The disk is full: the answer has come, and there is no room to decide about it.
        by.now_ns = 60 * MIN_NS;
        assert_eq!(retention.written_to_let_go(by), None);
        assert_eq!(retention.written_to_let_go(by), None);
        // It is decided. That lies in memory.
        by.answer_due_ns = None;
        by.appended = Position(1_100);
        assert_eq!(retention.written_to_let_go(by), None);
        by.now_ns = 120 * MIN_NS;
        assert_eq!(retention.written_to_let_go(by), None);
        // Records of before the mark are durable, and the outcome is not.
        by.durable = Position(1_099);
        assert_eq!(retention.written_to_let_go(by), None);
        by.appended = Position(1_200);
        by.durable = Position(1_100);
        assert_eq!(retention.written_to_let_go(by), Some(Position(100)));
        assert_eq!(retention.written_to_let_go(by), None, "once");
    }

    #[test]
    fn written_records_go_on_going_while_others_are_under_way_and_marks_are_few() {
        let mut retention = Retention::new(&PartitionLimits::default());
        let mut gone = Position(0);
        let mut most = 0;
        for second in 0..7_200_u64 {
            let now_ns = second * 1_000_000_000;
            let by = WrittenBy {
                now_ns,
                written: Position(second),
                appended: Position(second),
                durable: Position(second),
                answer_due_ns: Some(now_ns + 1),
            };
            gone = retention.written_to_let_go(by).unwrap_or(gone);
            most = most.max(retention.written_marks.len());
        }
        assert!(gone.0 > 7_200 - 720, "{gone:?}");
        assert!(most < 30, "{most} marks");
    }
}
