//! Awaited receipts beyond the memory budget: the messages that have waited longest lie on the disk, and receipts find them there.
//!
//! ```text
//! taken ──► in memory: an entry, an expectation ──oldest, over the budget──► carried, durable ──► cold: a row in the partition
//!              ▲                                                                                     and a row by the carrier's id
//!              │ warm                                                                                     │ some 65,536 together
//!   receipt ──► not in memory ──► rows, then filters ──"perhaps"──► the reader: a block, the record       ▼
//!                                     └──"no"──► early, or by address                                  a file
//! ```
//!
//! A row by the carrier's id is a [`key_table`] row: a 128-bit hash of carrier and id, and the message. It is a hint: the record that it leads to is made
//! an entry again, with its expectations, and the receipt is then matched as any other. So rows of messages that have ended are harmless, and go with
//! their file when the last deadline in it is over.
//!
//! Rows and files are derived from Carried records. A restart deletes the files and makes them again while it replays; so no file can be ahead
//! of the journal, and one that is damaged is lost until then only.
//!
//! Limits: [`crate::Limits::receipts_in_memory`] and [`crate::Limits::receipts_awaited`]; [`CARRIED_PER_TURN`] messages carried a turn; rows that are
//! in no file, [`UNFILED_MAX`]; see [`looking`] for receipts that are being looked up.

pub(super) mod looking;
mod order;
mod rows;

use journal::{Append as _, Position};
use message::{CarrierId, CarrierMessageId, MessageId, Now};
use partition::{Derived, receipt_key};

use super::deferred::Deferred;
use super::space::NewWork;
use super::{DECISION_ROOM_BYTES, Shard, ShardFailure};
use looking::Looking;
use order::Order;
use rows::{Hint, Of};
pub(super) use rows::{Rows, open_directory};

/// Most messages carried in a turn: an otp waits for the turn to end.
const CARRIED_PER_TURN: usize = 32;
/// Most messages looked at for that in a turn.
const LOOKED_AT_PER_TURN: usize = 128;
/// Rows that may be in no file; while there are as many, no more messages are carried.
pub(super) const UNFILED_MAX: usize = 1 << 20;

/// The shard's part in it.
#[derive(Debug)]
pub(super) struct Awaited {
    order: Order,
    /// Messages that go cold when their record is durable.
    cooling: usize,
    rows: Rows,
    pub(super) looking: Looking,
    facts: Vec<Derived>,
}

impl Awaited {
    pub(super) fn new(rows: Rows) -> Self {
        Self {
            order: Order::default(),
            cooling: 0,
            rows,
            looking: Looking::default(),
            facts: Vec::new(),
        }
    }
}

impl Shard {
    /// A receipt is awaited for a message that is not cold.
    pub(super) fn note_awaited(&mut self, id: MessageId) {
        let partitions = &self.partitions;
        let awaits = |id: MessageId| {
            let partition = partitions.get(usize::from(id.partition()));
            partition.is_some_and(|partition| partition.awaits_receipt(id))
        };
        let alive = self.evidence.awaited();
        self.awaited.order.push(id, alive, awaits);
    }

    /// Receipts awaited, in memory and on the disk.
    pub(super) fn receipts_awaited(&self) -> u64 {
        self.evidence.awaited() as u64 + self.receipts_on_disk()
    }

    /// Messages that await a receipt and lie on the disk.
    pub(super) fn receipts_on_disk(&self) -> u64 {
        let partitions = self.partitions.iter();
        partitions.map(|it| it.counts().cold_awaited as u64).sum()
    }

    /// An id of a message that was done with before the restart; it may have been used again for one that lies on the disk. That there is a row
    /// for it says nothing: the message itself has left one if it lay there.
    pub(super) fn note_settled_before(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        now: Now,
    ) {
        let (rows, key) = (&self.awaited.rows, receipt_key(carrier, id));
        let last = match rows.hint(key) {
            Hint::Nobody => None,
            Hint::Message(message) => Some(message),
            Hint::Files => rows
                .tables()
                .find(key, now.wall_ms)
                .row
                .map(|row| row.message),
        };
        let lies_there = |message| self.cold_position(message).is_some();
        if !last.is_some_and(lies_there) {
            self.evidence.note_settled(carrier, id);
        }
    }

    /// Lets go of those that have waited longest, as long as there are too many.
    pub(super) fn cool_awaited(&mut self, now: Now) -> Result<(), ShardFailure> {
        let budget = self.shared.config.limits.receipts_in_memory;
        let mut carried = 0;
        for _ in 0..LOOKED_AT_PER_TURN {
            let staying = self.evidence.awaited().saturating_sub(self.awaited.cooling);
            if staying as u64 <= budget
                || carried == CARRIED_PER_TURN
                || self.new_work == NewWork::MustWait
                || self.awaited.rows.unfiled() >= UNFILED_MAX
                || self.journal.room_bytes() < DECISION_ROOM_BYTES
            {
                return Ok(());
            }
            let Some(id) = self.awaited.order.pop_oldest() else {
                return Ok(());
            };
            carried += usize::from(self.begin_to_cool(id, now)?);
        }
        Ok(())
    }

    /// Whether it goes cold, now or when its record is durable.
    fn begin_to_cool(&mut self, id: MessageId, now: Now) -> Result<bool, ShardFailure> {
        let partition = &self.partitions[usize::from(id.partition())];
        if !partition.awaits_receipt(id) {
            return Ok(false);
        }
        // Cold, it would be read at once because its time is over, and could go cold again before the deadlines of this turn are looked at:
        // for ever, where memory holds too many.
        if partition.due_ms(id) <= now.wall_ms {
            self.note_awaited(id);
            return Ok(false);
        }
        let position = match partition.whole_at(id) {
            Some(begins) if begins < self.durable.0 => {
                self.cool_one(id, now);
                return Ok(true);
            }
            Some(_) => self.journal.appended(),
            None => match partition.carried(id, now) {
                Some(record) => self.record(record, now)?,
                None => return Ok(false),
            },
        };
        self.awaited.cooling += 1;
        self.deferred.push(position, Deferred::Cool(id));
        Ok(true)
    }

    /// The record of a message that was to go cold is durable. Something may have happened to it since.
    pub(super) fn cool_durable(&mut self, id: MessageId, now: Now) {
        self.awaited.cooling -= 1;
        let partition = &self.partitions[usize::from(id.partition())];
        if !partition.awaits_receipt(id) {
            return;
        }
        match partition.whole_at(id) {
            Some(begins) if begins < self.durable.0 => self.cool_one(id, now),
            Some(_) | None => self.note_awaited(id),
        }
    }

    /// The message becomes a row, and so do its expectations.
    fn cool_one(&mut self, id: MessageId, now: Now) {
        let partition = &mut self.partitions[usize::from(id.partition())];
        let mut facts = std::mem::take(&mut self.awaited.facts);
        partition.derived(id, &mut facts);
        let due_ms = partition.due_ms(id);
        if partition.cool(id).is_some() {
            for fact in facts.drain(..) {
                if let Derived::Expectation {
                    carrier,
                    id,
                    segment,
                } = fact
                    && self.evidence.lift(carrier, &id, segment)
                {
                    let of = (carrier, &id, segment.message);
                    self.awaited.rows.add(of, due_ms, now.wall_ms);
                }
            }
        }
        facts.clear();
        self.awaited.facts = facts;
    }

    /// Whether the carrier's id of a message that comes back from the disk names a later one by now: it stays with that, and with nobody once
    /// that is done with.
    ///
    /// The reader cannot be waited for here, so files are not asked. A filter that says "perhaps" has seen the message's own row, most
    /// likely: taken for another's, it would cost every message that is asked about its receipt. So of two messages that lie in files
    /// under one id, the earlier has it again if it comes back first and not because of a receipt.
    pub(super) fn is_taken_over(&self, of: Of<'_>) -> bool {
        let (carrier, id, message) = of;
        self.evidence.awaits(carrier, id)
            || self.evidence.is_settled(carrier, id)
            || self
                .awaited
                .rows
                .find_unfiled(receipt_key(carrier, id))
                .is_some_and(|youngest| youngest != message)
    }

    /// Moves rows into files: called now and then.
    pub(super) fn tick_awaited(&mut self, now: Now) -> Result<(), ShardFailure> {
        let failures = &self.shared.metrics.receipt_file_failures;
        let durable: Position = self.journal.durable();
        self.awaited.rows.tick(durable.0, now, failures)?;
        let metrics = &self.shared.metrics;
        metrics.receipts_held[0].set(self.evidence.awaited() as f64);
        metrics.receipts_held[1].set(self.receipts_on_disk() as f64);
        metrics.receipt_files.set(self.awaited.rows.files() as f64);
        let kept_ms = longest_wait_ms(&self.shared.config.limits.partition);
        let window_ms = self.awaited.rows.window_ms(now.wall_ms, kept_ms);
        metrics.receipt_window.set(window_ms as f64 / 1e3);
        metrics
            .receipt_lookups_waiting
            .set(self.awaited.looking.len() as f64);
        Ok(())
    }
}

/// The longest that any carrier's receipt is awaited.
pub(super) fn longest_wait_ms(limits: &partition::Limits) -> u64 {
    let of_carriers = limits.carrier_policies.iter().map(|(_, policy)| policy);
    let policies = of_carriers.chain([&limits.policy]);
    policies
        .map(|policy| policy.receipt_deadline_ms)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use message::{CarrierMessageId, MessageId};
    use partition::Whole;

    use crate::config::Limits;
    use crate::shard::rig::{CARRIER, Directory, NOW, Rig, first_segment};

    /// Makes a message of partition 0 that the carrier has taken cold; gives its record too.
    fn cold(rig: &mut Rig, nth: u64, carrier_id: &str) -> (MessageId, Whole) {
        let id = rig.submitted(0, nth, carrier_id);
        let record = rig.shard.partitions[0].carried(id, NOW).unwrap();
        rig.record(record.clone());
        rig.sync();
        rig.shard.cool_one(id, NOW);
        (id, Whole::try_from(record).unwrap())
    }

    fn warm(rig: &mut Rig, (id, whole): &(MessageId, Whole)) {
        let position = rig.cold_at(*id).unwrap();
        let warmed = rig.shard.warm(whole.clone(), position).unwrap();
        assert!(warmed.is_some());
    }

    #[test]
    fn a_message_that_comes_back_takes_no_id_away_from_a_later_one() {
        let directory = Directory::new("taken-over");
        let mut rig = Rig::open(&directory, Limits::default());
        let alone = cold(&mut rig, 1, "alone");
        let earlier = cold(&mut rig, 2, "twice");
        let later = cold(&mut rig, 3, "twice");
        let awaits = |rig: &Rig, id: &str| {
            let id = CarrierMessageId::new(id.as_bytes());
            rig.shard.evidence.awaits(CARRIER, &id)
        };
        warm(&mut rig, &alone);
        assert!(awaits(&rig, "alone"));
        warm(&mut rig, &earlier);
        assert!(!awaits(&rig, "twice"), "the later one has it, on the disk");
        warm(&mut rig, &later);
        assert!(awaits(&rig, "twice"));
    }

    #[test]
    fn the_end_of_an_earlier_message_hides_no_later_one_on_the_disk() {
        let directory = Directory::new("hides");
        let mut rig = Rig::open(&directory, Limits::default());
        let earlier = rig.submitted(0, 1, "twice");
        cold(&mut rig, 2, "twice");
        let carrier_message_id = CarrierMessageId::new(b"twice");
        let segment = first_segment(earlier);
        rig.shard
            .evidence
            .forget(CARRIER, &carrier_message_id, segment);
        let receipt = connector::Receipt {
            carrier_message_id,
            state: message::ReceiptState::Delivered,
            error: "".into(),
            recipient: "".into(),
            sender: "".into(),
        };
        assert!(rig.shard.may_lie_on_disk(CARRIER, &receipt));
    }

    #[test]
    fn an_id_whose_later_message_is_done_with_goes_back_to_nobody() {
        let directory = Directory::new("settled");
        let mut rig = Rig::open(&directory, Limits::default());
        let earlier = cold(&mut rig, 1, "twice");
        let id = CarrierMessageId::new(b"twice");
        let later = rig.submitted(0, 2, "twice");
        let segment = first_segment(later);
        rig.shard.evidence.forget(CARRIER, &id, segment);
        warm(&mut rig, &earlier);
        assert!(!rig.shard.evidence.awaits(CARRIER, &id));
    }

    #[test]
    fn after_a_restart_too_those_that_have_waited_longest_go_first() {
        let directory = Directory::new("oldest-first");
        let mut rig = Rig::open(&directory, Limits::default());
        let ids: Vec<_> = (1..=6)
            .map(|nth| rig.submitted(6 - u16::try_from(nth).unwrap(), nth, &nth.to_string()))
            .collect();
        rig.sync();
        drop(rig);
        let limits = Limits {
            receipts_in_memory: 4,
            ..Limits::default()
        };
        let mut rig = Rig::open(&directory, limits);
        rig.shard.cool_awaited(NOW).unwrap();
        rig.sync();
        let cold: Vec<_> = ids.iter().map(|id| rig.cold_at(*id).is_some()).collect();
        assert_eq!(cold, [true, true, false, false, false, false]);
    }
}
