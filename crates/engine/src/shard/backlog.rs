//! Messages beyond the memory budget: into the journal's keeping when they enter a long sub-queue, and back when their turn comes near.
//!
//! ```text
//! admitted, durable ──► sub-queue short ──► lane
//!                  └──► sub-queue long ───► cold: a row in the partition, a name in the lane, credits given back
//!                                              │ its turn comes near          ▲
//!                                              ▼                              │ the reader's thread
//!                         lane ◄── warm ◄── answers ◄──────── questions ──────┘
//! ```
//!
//! What expires goes the same way, and so does what is asked about a single cold message: see [`super::cold_requests`].
//!
//! Limits: a sub-queue keeps [`crate::Limits::head_messages`] in memory, and a sixteenth of that while more than half of the credits are in
//! use; a turn warms at most [`WARMED_PER_TURN`] messages; at most [`AHEAD_MAX`] batches are read ahead; cold messages are bounded by
//! [`crate::Limits::backlog_messages`].

use journal::Append as _;
use message::{MessageId, Now};
use partition::{ApplyError, Derived, Enqueue, Event, Warmed, Whole};
use queue::{Amount, Spilled, Thirst};

use super::{DECISION_ROOM_BYTES, Shard, ShardFailure};
use crate::cell::{LaneReading, LaneThirst, Whereabouts, name_of};
use crate::control::Control;
use crate::reader::{Found, Place, ReadFailed, Reader, Urgency};

/// Most messages warmed in a turn: an otp waits for the turn to end.
const WARMED_PER_TURN: usize = 64;
/// Messages read ahead at once.
const BATCH: usize = 512;
/// Batches under way.
const AHEAD_MAX: usize = 16;
/// A sub-queue keeps at least so many, or permits would wait for the disk.
const HEAD_MIN: usize = 16;
/// By how much heads shrink when more than half of the credits are in use.
const PRESSED: usize = 16;
/// How often expiries of cold messages are looked for.
const EXPIRY_EVERY_NS: u64 = 1_000_000_000;
/// Most expired messages read at once.
const EXPIRED_BATCH: usize = 1_024;

/// What is read for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// One message, at once.
    Single(Single),
    /// Records in order, a few each turn.
    Batch(Batch),
}

/// What a single message is read for.
#[derive(Debug)]
pub(super) enum Single {
    /// Somebody asks about it.
    Asked(Control),
    /// A receipt or an outcome came that may be about it, under this ticket.
    Awaited(u64),
}

/// What a batch of records is read for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Batch {
    /// Their turn comes near.
    Ahead(LaneReading),
    /// Their time is over.
    Expired,
    /// They are to be written again, for they keep the journal from moving on.
    Carried,
}

/// A batch that was read and is being gone through.
#[derive(Debug)]
struct Warming {
    place: Place,
    batch: Batch,
    /// From last to first.
    records: Vec<(u64, Whole)>,
}

/// What of the backlog is on its way back.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) reader: Reader<Purpose>,
    /// At most one; one turn may not finish it.
    warming: Option<Warming>,
    ahead: usize,
    /// Whether a batch of expired messages is under way.
    expiring: bool,
    expiry_looked_ns: u64,
    names: Vec<Spilled>,
    /// Of a message that becomes warm.
    facts: Vec<Derived>,
}

impl Backlog {
    pub(super) fn new(reader: Reader<Purpose>) -> Self {
        Self {
            reader,
            warming: None,
            ahead: 0,
            expiring: false,
            expiry_looked_ns: 0,
            names: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Whether another turn has something to do at once.
    pub(super) fn is_busy(&self) -> bool {
        self.warming.is_some() || self.reader.has_answer()
    }

    /// Whether nobody waits for a record.
    pub(super) const fn is_idle(&self) -> bool {
        self.reader.is_idle()
    }
}

impl From<ReadFailed> for ShardFailure {
    fn from(failed: ReadFailed) -> Self {
        Self::Journal(failed.to_string())
    }
}

pub(super) fn unreadable(error: ApplyError) -> ShardFailure {
    ShardFailure::Journal(error.to_string())
}

impl Shard {
    /// Puts a message that was just admitted into its lane, or makes it cold when its sub-queue is long.
    pub(super) fn enter_lane_first(&mut self, enqueue: Enqueue, admitted_ns: u64, now: Now) {
        let at = Whereabouts::of(&enqueue);
        if self.is_long(at) && self.spill(&enqueue, at) {
            return;
        }
        self.enter_lane(enqueue, admitted_ns, now);
    }

    /// Whether a message would deepen a sub-queue that is as deep as memory should hold, or follow others to the disk.
    fn is_long(&self, at: Whereabouts) -> bool {
        if self.shared.config.limits.backlog_messages == 0 {
            return false;
        }
        let held = self.cell.held(at);
        held.spilled > 0 || held.items >= self.head_messages()
    }

    fn spill(&mut self, enqueue: &Enqueue, at: Whereabouts) -> bool {
        let partition = &mut self.partitions[usize::from(enqueue.id.partition())];
        let Some(ordinal) = partition.cool(enqueue.id) else {
            // It was claimed with its admission, or something was decided about it on its way here.
            return false;
        };
        let known = self
            .cell
            .spill(at, name_of(enqueue.id.partition(), ordinal));
        debug_assert!(known, "a lane that holds something is known");
        let held = Amount::one(u64::from(enqueue.cost_bytes));
        self.shared.scopes(at.lane).release(held);
        self.note_cold();
        true
    }

    /// Counts a message that lies cold from now on.
    pub(super) fn note_cold(&self) {
        let cold = self.shared.backlog_scope().overdraw(Amount::one(0));
        let _held_by_the_message = cold.into_held();
    }

    /// How many messages a sub-queue may have in memory now.
    fn head_messages(&self) -> usize {
        let limits = &self.shared.config.limits;
        let credits = &self.shared.engine_credits;
        let (used, limit) = (credits.in_use(), credits.limit());
        let pressed = used.messages > limit.messages / 2 || used.bytes > limit.bytes / 2;
        let head = limits.head_messages / if pressed { PRESSED } else { 1 };
        head.max(HEAD_MIN)
    }

    /// Takes what was read, and asks for what comes next. `true` when another turn has something to do at once.
    pub(super) fn read_ahead(&mut self, now: Now) -> Result<bool, ShardFailure> {
        self.warm_answers(now)?;
        self.ask_ahead();
        self.ask_expired(now);
        Ok(self.backlog.is_busy())
    }

    /// How much each lane reads back. That takes credits which intake could have had, so no more than fills half a head; and once a lane
    /// has used up its own, it reads only what it would stand still without, or an otp would be refused for bulk that was read too early.
    fn thirsts(&self) -> [LaneThirst; 4] {
        let half = self.head_messages() / 2;
        std::array::from_fn(|lane| {
            let left = self.shared.lane_credits[lane].available();
            if left.messages == 0 || left.bytes == 0 {
                return LaneThirst::IfEmpty(Thirst {
                    below: 0,
                    batch: HEAD_MIN / 2,
                });
            }
            LaneThirst::Any(Thirst {
                below: half,
                batch: half.min(BATCH),
            })
        })
    }

    fn ask_ahead(&mut self) {
        let thirsts = self.thirsts();
        while self.backlog.ahead < AHEAD_MAX && self.backlog.reader.room() > 0 {
            let mut names = std::mem::take(&mut self.backlog.names);
            names.clear();
            let reading = self.cell.next_thirsty(&thirsts, &mut names);
            let positions: Vec<_> = names
                .iter()
                .filter_map(|name| {
                    self.partitions[usize::from(name.shelf)].cold_position_of(name.key)
                })
                .collect();
            let gone = names.len() - positions.len();
            self.backlog.names = names;
            let Some(reading) = reading else { return };
            for _ in 0..gone {
                self.cell.give_up(reading);
            }
            if !positions.is_empty() {
                self.backlog.ahead += 1;
                let purpose = Purpose::Batch(Batch::Ahead(reading));
                self.backlog.reader.ask(Urgency::Ahead, purpose, positions);
            }
        }
    }

    fn ask_expired(&mut self, now: Now) {
        let looked_ns = self.backlog.expiry_looked_ns;
        let backlog = &mut self.backlog;
        if backlog.expiring
            || backlog.reader.room() == 0
            || now.mono_ns.saturating_sub(looked_ns) < EXPIRY_EVERY_NS
        {
            return;
        }
        let mut due = Vec::new();
        for partition in &mut self.partitions {
            if due.len() < EXPIRED_BATCH {
                partition.take_cold_due(now, EXPIRED_BATCH - due.len(), &mut due);
            }
        }
        if due.len() < EXPIRED_BATCH {
            backlog.expiry_looked_ns = now.mono_ns;
        }
        if !due.is_empty() {
            backlog.expiring = true;
            let purpose = Purpose::Batch(Batch::Expired);
            backlog.reader.ask(Urgency::Ahead, purpose, due);
        }
    }

    fn warm_answers(&mut self, now: Now) -> Result<(), ShardFailure> {
        let mut left = WARMED_PER_TURN;
        while left > 0 && self.journal.room_bytes() >= DECISION_ROOM_BYTES {
            if let Some(warming) = self.backlog.warming.take() {
                self.warm_batch(warming, &mut left, now)?;
                continue;
            }
            let Some(answer) = self.backlog.reader.take_answer() else {
                return Ok(());
            };
            let place = answer.place;
            match (answer.purpose, answer.found) {
                (Purpose::Batch(batch), Found::Records(records)) => {
                    let mut records = records?;
                    records.reverse();
                    self.backlog.warming = Some(Warming {
                        place,
                        batch,
                        records,
                    });
                }
                (Purpose::Single(single), Found::Records(records)) => {
                    left -= 1;
                    self.backlog.reader.give_back(place);
                    let found = records?.pop();
                    match single {
                        Single::Asked(request) => self.serve_answer(request, found, now)?,
                        Single::Awaited(ticket) => self.take_awaited(ticket, found, now)?,
                    }
                }
                (Purpose::Single(Single::Awaited(ticket)), Found::Row(message)) => {
                    self.backlog.reader.give_back(place);
                    self.ask_for_record(ticket, message, now)?;
                }
                // Rows are sought for receipts only.
                (Purpose::Single(Single::Asked(_)) | Purpose::Batch(_), Found::Row(_)) => {
                    self.backlog.reader.give_back(place);
                }
            }
        }
        Ok(())
    }

    fn warm_batch(
        &mut self,
        warming: Warming,
        left: &mut usize,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let Warming {
            place,
            batch,
            mut records,
        } = warming;
        while *left > 0
            && let Some((position, record)) = records.pop()
        {
            let moved = match batch {
                Batch::Ahead(_) | Batch::Expired => self.moved(&record, position)?,
                // It was carried already.
                Batch::Carried => None,
            };
            if let Some(moved) = moved {
                // From here on the rest is read again, so that all of it comes in order.
                let rest = records.drain(..).rev().map(|(position, _)| position);
                let positions = std::iter::once(moved).chain(rest).collect();
                let reader = &mut self.backlog.reader;
                reader.give_back(place);
                reader.ask(Urgency::Ahead, Purpose::Batch(batch), positions);
                return Ok(());
            }
            *left -= 1;
            match batch {
                Batch::Ahead(reading) => self.warm_ahead(reading, record, position, now)?,
                Batch::Expired => self.expire(record, position, now)?,
                Batch::Carried if self.may_carry() => self.carry_cold(record, position, now)?,
                // Another search finds them again; kept, they would hold up whatever was read after them.
                Batch::Carried => records.clear(),
            }
        }
        if !records.is_empty() {
            self.backlog.warming = Some(Warming {
                place,
                batch,
                records,
            });
            return Ok(());
        }
        self.backlog.reader.give_back(place);
        match batch {
            Batch::Ahead(_) => self.backlog.ahead -= 1,
            Batch::Expired => self.backlog.expiring = false,
            Batch::Carried => self.cold_was_read(),
        }
        Ok(())
    }

    /// Where to read instead, if the message of a record was carried while the record was being read.
    pub(super) fn moved(&self, record: &Whole, position: u64) -> Result<Option<u64>, ShardFailure> {
        let id = id_of(record)?;
        let present = self.partitions[usize::from(id.partition())].cold_position(id);
        Ok(present.filter(|present| *present != position))
    }

    fn expire(&mut self, record: Whole, position: u64, now: Now) -> Result<(), ShardFailure> {
        match self.warm(record, position)? {
            Some(Warmed::Queued(Enqueue { id, .. })) => {
                self.decide(usize::from(id.partition()), Event::Due(id), now)?;
                // The lanes hold a name of it at most, which leads nowhere now.
                self.cell.left_lanes(id);
            }
            // It has a deadline of its own again, which is over.
            Some(Warmed::Waiting(_)) | None => {}
        }
        Ok(())
    }

    fn warm_ahead(
        &mut self,
        reading: LaneReading,
        record: Whole,
        position: u64,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let admitted_ms = record.message().admitted_ms;
        match self.warm(record, position)? {
            None | Some(Warmed::Waiting(_)) => self.cell.give_up(reading),
            Some(Warmed::Queued(enqueue)) => {
                let waited_ns = now
                    .wall_ms
                    .saturating_sub(admitted_ms)
                    .saturating_mul(1_000_000);
                let admitted_ns = now.mono_ns.saturating_sub(waited_ns);
                let queued_ns = admitted_ns.max(self.opened_ns);
                self.shared.metrics.read_ahead.increment(1);
                self.cell.refill(reading, enqueue, queued_ns, now);
            }
        }
        Ok(())
    }

    /// Makes a message warm, if it is cold still, and gives back to it what it held before: credits, or its expectations.
    pub(super) fn warm(
        &mut self,
        record: Whole,
        position: u64,
    ) -> Result<Option<Warmed>, ShardFailure> {
        let id = id_of(&record)?;
        let at = usize::from(id.partition());
        let warmed = self.partitions[at]
            .warm(record, position)
            .map_err(unreadable)?;
        if warmed.is_some() {
            let mut facts = std::mem::take(&mut self.backlog.facts);
            self.partitions[at].derived(id, &mut facts);
            for fact in facts.drain(..) {
                if let Derived::Credits { .. } = &fact {
                    self.shared.backlog_scope().release(Amount::one(0));
                }
                let taken_over = matches!(&fact, Derived::Expectation { carrier, id: of, .. }
                    if self.is_taken_over((*carrier, of, id)));
                if !taken_over {
                    self.restore_fact(fact);
                }
            }
            self.backlog.facts = facts;
        }
        Ok(warmed)
    }
}

pub(super) fn id_of(record: &Whole) -> Result<MessageId, ShardFailure> {
    record
        .id()
        .ok_or_else(|| ShardFailure::Journal("a record of a cold message names none".into()))
}
