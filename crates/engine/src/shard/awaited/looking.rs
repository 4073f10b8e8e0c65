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
use crate::shard::backlog::Purpose;
use crate::shard::evidence::{Arrived, LookUp};
use crate::shard::{Shard, ShardFailure};

/// Most receipts looked up at once, 300 bytes each.
const RECEIPTS_MAX: usize = 8_192;
/// A receipt must be journalled within 5 s of its arrival or be answered with a temporary error; this leaves time for the journal.
const LOOKED_UP_WITHIN_NS: u64 = 4_000_000_000;
/// Places at the reader that are left to others.
const OTHERS: usize = 256;

/// What waits for a message from the disk.
#[derive(Debug)]
enum Waiting {
    Receipt(Arrived),
    Outcome(OutcomeReport),
}

/// What waits, in the order in which it came, by ticket.
#[derive(Debug, Default)]
pub(in crate::shard) struct Looking {
    waiting: BTreeMap<u64, Waiting>,
    /// Tickets whose question has not been asked.
    unasked: VecDeque<u64>,
    next: u64,
}

impl Looking {
    pub(in crate::shard) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn add(&mut self, waiting: Waiting) {
        self.waiting.insert(self.next, waiting);
        self.unasked.push_back(self.next);
        self.next += 1;
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
        if self.awaited.looking.len() >= RECEIPTS_MAX {
            self.send_again(arrived.carrier, arrived.handle, now);
            return;
        }
        self.shared.metrics.receipt_lookups.increment(1);
        self.awaited.looking.add(Waiting::Receipt(arrived));
    }

    /// Keeps an outcome until the message, which is cold, is read.
    pub(in crate::shard) fn await_message(&mut self, report: OutcomeReport) {
        self.awaited.looking.add(Waiting::Outcome(report));
    }

    fn send_again(&mut self, carrier: CarrierId, handle: ReceiptHandle, now: Now) {
        self.shared.metrics.receipt_lookups_refused.increment(1);
        self.cell
            .acknowledge(carrier, handle, Verdict::TemporaryError, now);
    }

    /// Gives up what waits too long, and asks the reader for what it has room for.
    pub(in crate::shard) fn ask_for_awaited(&mut self, now: Now) -> Result<(), ShardFailure> {
        let before_ns = now.mono_ns.saturating_sub(LOOKED_UP_WITHIN_NS);
        while let Some(first) = self.awaited.looking.waiting.first_entry() {
            match first.get() {
                Waiting::Receipt(arrived) if arrived.arrived_ns < before_ns => {
                    let (carrier, handle) = (arrived.carrier, arrived.handle);
                    first.remove();
                    self.send_again(carrier, handle, now);
                }
                Waiting::Receipt(_) | Waiting::Outcome(_) => break,
            }
        }
        while self.backlog.reader.room() > OTHERS
            && let Some(ticket) = self.awaited.looking.unasked.pop_front()
        {
            self.ask_for(ticket, now)?;
        }
        Ok(())
    }

    fn ask_for(&mut self, ticket: u64, now: Now) -> Result<(), ShardFailure> {
        let hint = match self.awaited.looking.waiting.get(&ticket) {
            None => return Ok(()),
            Some(Waiting::Outcome(report)) => Hint::Message(report.segment.message),
            Some(Waiting::Receipt(arrived)) => {
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
                if let Some(Waiting::Receipt(arrived)) = self.awaited.looking.waiting.get(&ticket) {
                    let id = &arrived.receipt.carrier_message_id;
                    let sought = Sought::Row {
                        tables: self.awaited.rows.tables(),
                        key: receipt_key(arrived.carrier, id),
                        now_ms: now.wall_ms,
                    };
                    let reader = &mut self.backlog.reader;
                    reader.seek(Urgency::Urgent, Purpose::Awaited(ticket), sought);
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
                reader.ask(Urgency::Urgent, Purpose::Awaited(ticket), vec![position]);
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
            if self.awaited.looking.waiting.contains_key(&ticket) {
                self.warm(record, position)?;
            }
        }
        self.go_on(ticket, now)
    }

    /// Whatever can be known is known.
    fn go_on(&mut self, ticket: u64, now: Now) -> Result<(), ShardFailure> {
        match self.awaited.looking.waiting.remove(&ticket) {
            None => Ok(()),
            Some(Waiting::Receipt(arrived)) => self.match_receipt(arrived, LookUp::Done, now),
            Some(Waiting::Outcome(report)) => {
                let at = usize::from(report.segment.message.partition());
                self.decide(at, Event::Outcome(report), now).map(drop)
            }
        }
    }
}
