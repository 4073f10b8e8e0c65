//! What came for messages that lie on the disk, or may: kept until the reader has answered.
//!
//! ```text
//! receipt ──► hint: a message ──────────────► its record ──► warm ──► matched as any other
//!        └──► hint: files ──► the row ──► a message? ──┘
//!                                └──── none ─────────────────────────► matched as any other: early, or by address
//! answer of an attempt ──► its record ──► warm ──► decided
//! ```
//!
//! Limits: [`RECEIPTS_MAX`] receipts are looked up at once; the next is answered with a temporary error, and so is one that is not found within
//! [`LOOKED_UP_WITHIN_NS`]: the carrier sends it again. Answers of attempts are bounded by the windows.

use std::collections::{BTreeMap, VecDeque};

use connector::{Receipt, ReceiptHandle, Verdict};
use message::{CarrierId, MessageId, Now};
use partition::{Event, OutcomeReport, Whole, receipt_key};

use super::rows::Hint;
use crate::reader::{Sought, Urgency};
use crate::shard::backlog::{Purpose, Single};
use crate::shard::evidence::{Arrived, LookUp};
use crate::shard::{Shard, ShardFailure};

/// Most receipts looked up at once, 300 bytes each.
const RECEIPTS_MAX: usize = 8_192;
/// A receipt must be journalled within 5 s of its arrival or be answered with a temporary error; this leaves time for the journal.
const LOOKED_UP_WITHIN_NS: u64 = 4_000_000_000;
/// Places at the reader that are left to others.
const OTHERS: usize = 256;

/// What waits for a message from the disk, by ticket: tickets are given out in order, receipts and outcomes together.
#[derive(Debug, Default)]
pub(in crate::shard) struct Looking {
    /// Apart from the outcomes, which have no time limit: a late one must not keep a receipt from being answered in time.
    receipts: BTreeMap<u64, Arrived>,
    outcomes: BTreeMap<u64, OutcomeReport>,
    /// Tickets whose question has not been asked, in order.
    unasked: VecDeque<u64>,
    next: u64,
}

impl Looking {
    pub(in crate::shard) fn len(&self) -> usize {
        self.receipts.len() + self.outcomes.len()
    }

    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add_receipt(&mut self, arrived: Arrived) {
        let ticket = self.ticket();
        self.receipts.insert(ticket, arrived);
    }

    fn add_outcome(&mut self, report: OutcomeReport) {
        let ticket = self.ticket();
        self.outcomes.insert(ticket, report);
    }

    fn ticket(&mut self) -> u64 {
        let ticket = self.next;
        self.unasked.push_back(ticket);
        self.next += 1;
        ticket
    }

    fn waits(&self, ticket: u64) -> bool {
        self.receipts.contains_key(&ticket) || self.outcomes.contains_key(&ticket)
    }

    /// Takes out the first receipt, if it came before then.
    fn pop_late(&mut self, before_ns: u64) -> Option<Arrived> {
        let first = self.receipts.first_entry()?;
        if first.get().arrived_ns >= before_ns {
            return None;
        }
        let (ticket, arrived) = first.remove_entry();
        // While nothing is asked for, tickets of what is given up would add up.
        if let Ok(at) = self.unasked.binary_search(&ticket) {
            self.unasked.remove(at);
        }
        Some(arrived)
    }
}

impl Shard {
    /// Whether nobody in memory awaits a receipt and it may be about a message on the disk. Where nothing lies there, which is the rule, the
    /// receipt is not looked up for this.
    pub(in crate::shard) fn may_lie_on_disk(&self, carrier: CarrierId, receipt: &Receipt) -> bool {
        let id = &receipt.carrier_message_id;
        if self.awaited.rows.is_empty()
            || id.as_bytes().is_empty()
            || self.evidence.awaits(carrier, id)
            || self.evidence.is_settled(carrier, id)
        {
            return false;
        }
        self.awaited.rows.hint(receipt_key(carrier, id)) != Hint::Nobody
    }

    /// Keeps a receipt until it is looked up.
    pub(in crate::shard) fn look_up(&mut self, arrived: Arrived, now: Now) {
        if self.awaited.looking.receipts.len() >= RECEIPTS_MAX {
            self.send_again(arrived.carrier, arrived.handle, now);
            return;
        }
        self.shared.metrics.receipt_lookups.increment(1);
        self.awaited.looking.add_receipt(arrived);
    }

    /// Keeps an outcome until the message, which is cold, is read.
    pub(in crate::shard) fn await_message(&mut self, report: OutcomeReport) {
        self.awaited.looking.add_outcome(report);
    }

    fn send_again(&mut self, carrier: CarrierId, handle: ReceiptHandle, now: Now) {
        self.shared.metrics.receipt_lookups_refused.increment(1);
        self.cell
            .acknowledge(carrier, handle, Verdict::TemporaryError, now);
    }

    /// Gives up what waits too long, and asks the reader for what it has room for.
    pub(in crate::shard) fn ask_for_awaited(&mut self, now: Now) -> Result<(), ShardFailure> {
        let before_ns = now.mono_ns.saturating_sub(LOOKED_UP_WITHIN_NS);
        while let Some(late) = self.awaited.looking.pop_late(before_ns) {
            self.send_again(late.carrier, late.handle, now);
        }
        while self.backlog.reader.room() > OTHERS
            && let Some(ticket) = self.awaited.looking.unasked.pop_front()
        {
            self.ask_for(ticket, now)?;
        }
        Ok(())
    }

    fn ask_for(&mut self, ticket: u64, now: Now) -> Result<(), ShardFailure> {
        let looking = &self.awaited.looking;
        let hint = match (looking.outcomes.get(&ticket), looking.receipts.get(&ticket)) {
            (None, None) => return Ok(()),
            (Some(report), _) => Hint::Message(report.segment.message),
            (None, Some(arrived)) => {
                let key = receipt_key(arrived.carrier, &arrived.receipt.carrier_message_id);
                match self.awaited.rows.hint(key) {
                    // An id that was used before: files may know of another message.
                    Hint::Message(id) if self.cold_position(id).is_none() => {
                        self.awaited.rows.hint_of_files(key)
                    }
                    hint => hint,
                }
            }
        };
        match hint {
            Hint::Message(id) => self.ask_for_record(ticket, Some(id), now),
            Hint::Nobody => self.go_on(ticket, now),
            Hint::Files => {
                if let Some(arrived) = self.awaited.looking.receipts.get(&ticket) {
                    let id = &arrived.receipt.carrier_message_id;
                    let sought = Sought::Row {
                        tables: self.awaited.rows.tables(),
                        key: receipt_key(arrived.carrier, id),
                        now_ms: now.wall_ms,
                    };
                    let reader = &mut self.backlog.reader;
                    reader.seek(
                        Urgency::Urgent,
                        Purpose::Single(Single::Awaited(ticket)),
                        sought,
                    );
                }
                Ok(())
            }
        }
    }

    pub(super) fn cold_position(&self, id: MessageId) -> Option<u64> {
        let at = self.partition_of(id)?;
        self.partitions[at].cold_position(id)
    }

    /// Files have answered, or a row in memory: asks for the message's record, if it is cold still.
    pub(in crate::shard) fn ask_for_record(
        &mut self,
        ticket: u64,
        message: Option<MessageId>,
        now: Now,
    ) -> Result<(), ShardFailure> {
        match message.and_then(|id| self.cold_position(id)) {
            Some(position) => {
                let reader = &mut self.backlog.reader;
                reader.ask(
                    Urgency::Urgent,
                    Purpose::Single(Single::Awaited(ticket)),
                    vec![position],
                );
                Ok(())
            }
            None => self.go_on(ticket, now),
        }
    }

    /// The record was read.
    pub(in crate::shard) fn take_awaited(
        &mut self,
        ticket: u64,
        found: Option<(u64, Whole)>,
        now: Now,
    ) -> Result<(), ShardFailure> {
        if let Some((position, record)) = found {
            if self.moved(&record, position)?.is_some() {
                return self.ask_for_record(ticket, record.id(), now);
            }
            // Nobody asks any more? Then it stays where it is.
            if self.awaited.looking.waits(ticket) {
                self.warm(record, position)?;
            }
        }
        self.go_on(ticket, now)
    }

    /// Whatever can be known is known.
    fn go_on(&mut self, ticket: u64, now: Now) -> Result<(), ShardFailure> {
        if let Some(arrived) = self.awaited.looking.receipts.remove(&ticket) {
            return self.match_receipt(arrived, LookUp::Done, now);
        }
        if let Some(report) = self.awaited.looking.outcomes.remove(&ticket) {
            let at = usize::from(report.segment.message.partition());
            self.decide(at, Event::Outcome(report), now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use connector::SessionNo;
    use message::{CarrierMessageId, IdSource, Outcome, ReceiptState, SegmentRef};

    use super::*;

    fn receipt(arrived_ns: u64) -> Arrived {
        Arrived {
            carrier: CarrierId(1),
            handle: ReceiptHandle {
                session: SessionNo(1),
                sequence: 1,
            },
            receipt: Receipt {
                carrier_message_id: CarrierMessageId::new(b"7"),
                state: ReceiptState::Delivered,
                error: "".into(),
                recipient: "".into(),
                sender: "".into(),
            },
            arrived_ns,
        }
    }

    fn outcome() -> OutcomeReport {
        OutcomeReport {
            segment: SegmentRef {
                message: IdSource::new(0).peek(1, 1),
                leg: 1,
                attempt: 1,
                segment: 1,
            },
            carrier: None,
            outcome: Outcome::Throttled,
            status: 0,
            session: 1,
        }
    }

    #[test]
    fn an_outcome_that_waits_first_keeps_no_receipt_past_its_time() {
        let mut looking = Looking::default();
        looking.add_outcome(outcome());
        for arrived_ns in [10, 20, 30] {
            looking.add_receipt(receipt(arrived_ns));
        }
        let late = std::iter::from_fn(|| looking.pop_late(30));
        let late: Vec<_> = late.map(|arrived| arrived.arrived_ns).collect();
        assert_eq!(late, [10, 20]);
        assert_eq!(
            looking.unasked,
            [0, 3],
            "nothing is asked for what was given up"
        );
        assert!(looking.waits(0) && looking.waits(3) && looking.len() == 2);
    }
}
