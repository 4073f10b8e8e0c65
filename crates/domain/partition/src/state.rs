//! What a partition holds, and what of it the engine may ask for.
//!
//! Limits: one table each, bounded by [`Limits`] or by what intake admitted; deadlines and pins are as many as live messages at most.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use message::{
    CarrierId, CarrierMessageId, IdBuildHasher, IdSource, MessageId, MessageState, Now, SegmentRef,
};
use receipts::EarlyReceipts;

use crate::cold::ColdTable;
use crate::deadlines::Deadlines;
use crate::effect::{Enqueue, Place};
use crate::entry::{Entry, MessageView, Taken};
use crate::event::Event;
use crate::finished::FinishedMessages;
use crate::idempotency::{IdempotencyKeys, KeyGeneration};
use crate::inbound::{InboundMessages, InboundView};
use crate::policy::Limits;

/// A share of the recipients, and all that is durable about their messages. See the crate's head for how it is driven.
#[derive(Debug)]
pub struct Partition {
    pub(crate) number: u16,
    pub(crate) limits: Limits,
    pub(crate) ids: IdSource,
    /// Boxed: the table is rebuilt at twice its size now and then, which must neither take long nor take much.
    pub(crate) live: HashMap<MessageId, Box<Entry>, IdBuildHasher>,
    /// Live messages that wait to be sent and of which there is a row only.
    pub(crate) cold: ColdTable,
    /// Live messages that await a receipt and of which there is a row only.
    pub(crate) awaited: ColdTable,
    pub(crate) finished: FinishedMessages,
    pub(crate) deadlines: Deadlines,
    /// Waits by the monotonic clock: for answers, without a deadline beside them, and before retries, with one.
    pub(crate) answer_waits: Deadlines,
    pub(crate) retry_waits: Deadlines,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) early: EarlyReceipts,
    pub(crate) inbound: InboundMessages,
    /// Live messages by the part of the journal that holds the record it must be kept from for them.
    pub(crate) pins: Pins,
    /// Expectations of messages that were forgotten since the engine last asked.
    pub(crate) orphaned: Vec<Taken>,
}

/// What [`Partition::take_due`] found.
#[derive(Debug)]
pub enum Due {
    /// Put this into its lane: its time has come. No record is needed, since replay finds the same time in the record that set it.
    Release(Enqueue),
    /// Decide this event.
    Decide(Event),
}

impl Partition {
    /// An empty partition.
    ///
    /// # Panics
    /// When `number` is not below [`message::PARTITIONS_MAX`].
    #[must_use]
    pub fn new(number: u16, limits: Limits) -> Self {
        Self {
            number,
            ids: IdSource::new(number),
            live: HashMap::default(),
            cold: ColdTable::default(),
            awaited: ColdTable::default(),
            finished: FinishedMessages::new(limits.finished),
            deadlines: Deadlines::default(),
            answer_waits: Deadlines::default(),
            retry_waits: Deadlines::default(),
            idempotency: IdempotencyKeys::new(limits.idempotency_keys),
            early: EarlyReceipts::new(limits.early_receipts),
            inbound: InboundMessages::default(),
            pins: Pins::new(limits.pinned_by_bytes),
            orphaned: Vec::new(),
            limits,
        }
    }

    /// A message, live or lately finished. A cold one is unknown here; see [`Self::cold_position`] and [`Self::glimpse`].
    #[must_use]
    pub fn find(&self, id: MessageId) -> Option<MessageView> {
        match self.live.get(&id) {
            Some(entry) => Some(entry.view(id)),
            None => self.finished.find(id).map(|finished| finished.view.clone()),
        }
    }

    /// When something must happen to a message next, in milliseconds since the epoch; 0 when nothing must. By its state: the end of `send_at`
    /// or of a retry's delay, of its validity, of the wait for an answer, or of the wait for a receipt or other evidence. No part of the view:
    /// a message that was let into its lane has no record of that, so that replay may still think it scheduled.
    #[must_use]
    pub fn due_ms(&self, id: MessageId) -> u64 {
        self.live.get(&id).map_or(0, |entry| entry.due_ms)
    }

    /// What must happen now because of the time, one thing a call. The engine calls it until it gives `None`, and decides every
    /// [`Due::Decide`] before it asks again.
    pub fn take_due(&mut self, now: Now) -> Option<Due> {
        let kept_ms = self.limits.early_receipt_ms;
        if let Some((carrier, id)) = self.early.overdue(now.wall_ms, kept_ms) {
            return Some(Due::Decide(Event::EarlyReceiptLeaves { carrier, id }));
        }
        let kept_since = now.wall_ms.saturating_sub(self.limits.inbound_ms);
        if let Some(id) = self.inbound.overdue(kept_since) {
            return Some(Due::Decide(Event::InboundDone {
                id,
                acknowledged: false,
            }));
        }
        let waited = self.waited(now);
        let id = waited.or_else(|| self.deadlines.due(now.wall_ms))?;
        let entry = self
            .live
            .get_mut(&id)
            .expect("a deadline is removed with its message");
        if entry.state != MessageState::Scheduled || now.wall_ms >= entry.payload.expires_ms {
            return Some(Due::Decide(Event::Due(id)));
        }
        entry.state = MessageState::Queued;
        entry.whole = false;
        let enqueue = entry.enqueue(id, entry.attempt, Place::Back);
        self.set_due(id, enqueue.payload.expires_ms);
        Some(Due::Release(enqueue))
    }

    /// The earliest deadline of a message, in milliseconds since the epoch: [`Self::take_due`] has something then at the latest, unless the
    /// clock is set. Early receipts, inbound messages and cold messages end without being named here; asking every second is enough for them.
    #[must_use]
    pub fn next_due_ms(&self, now: Now) -> Option<u64> {
        let times = [self.deadlines.first_ms(), self.first_waited_ms(now)];
        times.into_iter().flatten().min()
    }

    /// Whether receipts that came early wait for this id.
    #[must_use]
    pub fn has_early(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        self.early.contains(carrier, id)
    }

    /// Takes the receipts that came early for this id; the engine decides each as [`Event::Receipt`] in its message's partition and then
    /// [`Event::EarlyReceiptLeaves`] here.
    #[must_use]
    pub fn take_early(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Vec<receipts::EarlyReceipt> {
        self.early.take(carrier, id)
    }

    /// The ids of early receipts that say what became of a message to this address ([`receipts::address_hash`]), at `since_ms` or later.
    pub fn early_at(
        &self,
        address: u64,
        since_ms: u64,
    ) -> impl Iterator<Item = &(CarrierId, CarrierMessageId)> {
        self.early.final_at(address, since_ms)
    }

    /// Expectations that ended because their finished message was forgotten.
    pub fn drain_orphaned(
        &mut self,
        mut each: impl FnMut(CarrierId, &CarrierMessageId, SegmentRef),
    ) {
        for taken in self.orphaned.drain(..) {
            if taken.is_expected() {
                each(taken.carrier, &taken.id, taken.segment);
            }
        }
    }

    /// An inbound message that waits for a client, with the position of its first record.
    #[must_use]
    pub fn find_inbound(&self, id: MessageId) -> Option<(u64, &InboundView)> {
        self.inbound.find(id)
    }

    /// Inbound messages that wait for a client, in order of arrival, each with the position of its first record: several partitions together
    /// are in order of arrival by that.
    pub fn inbound(&self) -> impl Iterator<Item = (u64, &InboundView)> {
        self.inbound.iter()
    }

    /// The position of the last inbound message whose time was over before a client acknowledged it; 0 for none since the journal that was
    /// replayed.
    #[must_use]
    pub fn inbound_expired_at(&self) -> u64 {
        self.inbound.expired_at()
    }

    /// The journal must be kept from here on for the sake of live messages, early receipts, unacknowledged inbound messages
    /// and idempotency keys that are in no file; `None` when for nothing.
    #[must_use]
    pub fn oldest_position(&self) -> Option<u64> {
        [
            self.pins.oldest(),
            self.inbound.oldest_position(),
            self.early.oldest_position(),
            self.idempotency.oldest_position(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The same for the sake of what can be carried: live messages and unacknowledged inbound messages.
    #[must_use]
    pub fn oldest_message_position(&self) -> Option<u64> {
        let oldest = [self.pins.oldest(), self.inbound.oldest_position()];
        oldest.into_iter().flatten().min()
    }

    /// Closes the present generation of idempotency keys, which is to become part of a file; it goes on answering until
    /// [`Self::keys_filed`]. `None` when there are no keys, or while the generation before is in no file yet.
    pub fn seal_keys(&mut self) -> Option<Arc<KeyGeneration>> {
        self.idempotency.seal()
    }

    /// The sealed generation is in a file, which answers for it from now on: its memory is freed and the journal is not kept for it any more.
    pub fn keys_filed(&mut self) {
        self.idempotency.filed();
    }

    /// The journal must be kept from here on for the sake of idempotency keys that are in no file.
    #[must_use]
    pub fn oldest_key_position(&self) -> Option<u64> {
        self.idempotency.oldest_position()
    }

    /// Counts for metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            live: self.live.len() + self.cold.len() + self.awaited.len(),
            cold: self.cold.len(),
            cold_awaited: self.awaited.len(),
            finished: self.finished.len(),
            deadlines: self.deadlines.len() + self.answer_waits.len(),
            idempotency_keys: self.idempotency.len(),
            early_receipts: self.early.len(),
            inbound: self.inbound.len(),
        }
    }

    /// Adds a live message with its deadline.
    pub(crate) fn insert_live(&mut self, id: MessageId, entry: Entry) {
        self.deadlines.change(id, 0, entry.due_ms);
        self.live.insert(id, Box::new(entry));
    }
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live messages, cold ones included.
    pub live: usize,
    /// Cold messages that wait to be sent: only a row of each is kept in memory.
    pub cold: usize,
    /// Cold messages that await a receipt.
    pub cold_awaited: usize,
    /// Finished messages that can still be looked up.
    pub finished: usize,
    /// Live messages with a deadline of their own; those of cold ones are kept by the chunk.
    pub deadlines: usize,
    /// Idempotency keys that are in no file.
    pub idempotency_keys: usize,
    /// Carrier ids with early receipts.
    pub early_receipts: usize,
    /// Inbound messages that wait for a client.
    pub inbound: usize,
}

/// Live messages counted by stretches of journal: exact enough to free whole files, and one small map instead of an ordered set of all.
#[derive(Debug)]
pub(crate) struct Pins {
    by_part: BTreeMap<u64, u32>,
    part_bytes: u64,
}

impl Pins {
    pub(crate) fn new(part_bytes: u64) -> Self {
        Self {
            by_part: BTreeMap::new(),
            part_bytes: part_bytes.max(1),
        }
    }

    pub(crate) fn pin(&mut self, position: u64) {
        *self.by_part.entry(position / self.part_bytes).or_default() += 1;
    }

    pub(crate) fn unpin(&mut self, position: u64) {
        let part = position / self.part_bytes;
        if let Some(count) = self.by_part.get_mut(&part) {
            *count -= 1;
            if *count == 0 {
                self.by_part.remove(&part);
            }
        }
    }

    fn oldest(&self) -> Option<u64> {
        self.by_part
            .first_key_value()
            .map(|(part, _)| part * self.part_bytes)
    }
}
