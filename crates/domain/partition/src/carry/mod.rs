//! Carried messages: one record that says everything about one live message, so that the journal need not be kept for its older ones.
//!
//! ```text
//! Admitted ─ Outcome ─ … ──carried──► Carried: from here on the journal is kept for this one record
//!    └── may be let go of, with everything else before the oldest that is still needed
//! ```
//!
//! Nothing happens to a carried message: state, sequence and times stay, no event is made. Its place among the others is that of its
//! admission ([`Partition::admitted_at`]), not that of the new record.
//!
//! What the journal is kept for ([`Partition::oldest_position`]), and how each lets go of it:
//!
//! | what | lets go |
//! |---|---|
//! | a live message, in any state | [`Partition::carried`]; one that is cold, [`Partition::carried_cold`]. One that waits for an answer is not searched for: that is over in seconds |
//! | an inbound message that nobody has acknowledged | [`Partition::carried_inbound`]: its record once more |
//! | an early receipt | by itself, after [`crate::Limits::early_receipt_ms`] (a minute) |
//! | idempotency keys that are in no file | by themselves, at the next sealing: an hour, or a stretch of journal that the engine bounds |
//!
//! Finished messages keep nothing. Replay finds those whose Final record is in the journal; late evidence about an older one meets an unknown
//! message after a restart.
//!
//! Limits: a record is as large as its message, and 28 octets and an id for each attempt that was taken; a search looks at as many messages as
//! it is told.

mod search;
mod whole;

pub use search::{Behind, BehindSearch};
pub use whole::Whole;

use message::{
    AttemptNo, CarrierId, CarrierMessageId, MessageId, MessageState, Now, Reason, ReceiptState,
};
use receipts::Fold;

use crate::admission::{entry_of, message_record};
use crate::apply::ApplyError;
use crate::entry::{Entry, Taken, UncertainAttempt};
use crate::record::{
    Carried, CarriedDoubt, CarriedTaken, CarriedVerdict, Record, carrier_id_octets, joined,
};
use crate::state::Partition;

/// The kind of Carried records, for errors about them.
const CARRIED: u8 = 26;

/// How a Carried record came to lie cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptCold {
    /// The partition did not know the message: this is its name, and where it was admitted among all.
    New {
        /// As [`Partition::cool`] gives it.
        ordinal: u64,
        /// As [`Partition::admitted_at`] gives it.
        admitted_at: u64,
    },
    /// Its row was there and was moved to this record.
    Moved,
}

impl Partition {
    /// The record that says everything about a live message; `None` when it is not live, or cold.
    #[must_use]
    pub fn carried(&self, id: MessageId, now: Now) -> Option<Record> {
        let entry = self.live.get(&id)?;
        Some(Record::Carried(Box::new(entry.carried(id, now))))
    }

    /// The same for the cold message whose record `whole` begins at `position`; `None` when it is cold there no more.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn carried_cold(
        &self,
        whole: Whole,
        position: u64,
        now: Now,
    ) -> Result<Option<Record>, ApplyError> {
        let (id, entry) = whole.into_entry(position)?;
        let cold = self.cold_position(id) == Some(position);
        Ok(cold.then(|| Record::Carried(Box::new(entry.carried(id, now)))))
    }

    /// The record of an inbound message that waits for a client once more, so that the journal need not be kept for the first.
    #[must_use]
    pub fn carried_inbound(&self, id: MessageId) -> Option<Record> {
        let (first_at, view) = self.inbound.find(id)?;
        let mut record = view.record();
        record.first_at = Some(first_at);
        Some(Record::Inbound(Box::new(record)))
    }

    /// Folds a Carried record into the state as a cold message, if the message can be cold and is not known as another. `None` when it is to be
    /// [applied](Self::apply).
    ///
    /// # Errors
    /// When a field is out of range; the state is unchanged then.
    pub fn apply_carried_cold(
        &mut self,
        record: &Carried,
        position: u64,
    ) -> Result<Option<KeptCold>, ApplyError> {
        let id = joined(record.message.id_high, record.message.id_low).ok_or(bad("id"))?;
        let Some(ordinal) = id.ordinal().filter(|_| !self.live.contains_key(&id)) else {
            return Ok(None);
        };
        let entry = entry_of_carried(record.clone(), position).map_err(bad)?.1;
        let Some(shelf) = entry.shelf() else {
            return Ok(None);
        };
        let moved = self.remove_cold(ordinal);
        self.ids.observe(id);
        self.pins.pin(position);
        self.shelve(shelf, (ordinal, position, entry.due_ms));
        Ok(Some(match moved {
            Some(from) => {
                self.pins.unpin(from);
                KeptCold::Moved
            }
            None => KeptCold::New {
                ordinal,
                admitted_at: record.admitted_at,
            },
        }))
    }

    pub(crate) fn apply_carried(
        &mut self,
        record: Carried,
        position: u64,
    ) -> Result<(), &'static str> {
        let (id, mut entry) = entry_of_carried(record, position)?;
        self.ids.observe(id);
        let was_cold = id.ordinal().and_then(|ordinal| self.remove_cold(ordinal));
        if let (Some(from), Some(ordinal), Some(shelf)) = (was_cold, id.ordinal(), entry.shelf()) {
            self.pins.unpin(from);
            self.pins.pin(position);
            self.shelve(shelf, (ordinal, position, entry.due_ms));
            return Ok(());
        }
        if let Some(from) = was_cold {
            self.pins.unpin(from);
        }
        let wait = self.live.get(&id).and_then(|known| known.wait);
        self.set_due(id, 0);
        if let Some(known) = self.live.remove(&id) {
            self.pins.unpin(known.record_at);
            if known.payload == entry.payload {
                // Lanes share it.
                entry.payload = known.payload;
            }
        }
        self.pins.pin(position);
        self.insert_live(id, entry);
        if let Some(wait) = wait {
            self.keep_waiting(id, wait);
        }
        Ok(())
    }
}

impl Entry {
    fn carried(&self, id: MessageId, now: Now) -> Carried {
        let (delivered, failure) = self.fold.parts();
        let words = delivered.len()
            - delivered
                .iter()
                .rev()
                .take_while(|word| **word == 0)
                .count();
        let number = |carrier: Option<CarrierId>| carrier.map_or(0, |carrier| carrier.0);
        Carried {
            message: message_record(self, id),
            state: u32::from(self.state.number()),
            reason: u32::from(self.reason.number()),
            status: self.status,
            sequence: self.sequence,
            attempt: u32::from(self.attempt),
            tries: u32::from(self.tries),
            resent: self.resent,
            ever_uncertain: self.ever_uncertain,
            released: self.released,
            doubts: self
                .doubts
                .iter()
                .map(|doubt| CarriedDoubt {
                    segment: doubt.segment.into(),
                    carrier: number(doubt.carrier),
                })
                .collect(),
            parked: self.parked.map(|(state, reason)| CarriedVerdict {
                state: u32::from(state.number()),
                reason: u32::from(reason.number()),
            }),
            carrier: number(self.carrier),
            taken: self
                .taken
                .iter()
                .map(|taken| CarriedTaken {
                    segment: taken.segment.into(),
                    carrier: taken.carrier.0,
                    carrier_message_id: carrier_id_octets(&taken.id),
                })
                .collect(),
            delivered: delivered[..words].to_vec(),
            failure: failure.map_or(0, |state| u32::from(state.number())),
            due_ms: self.due_ms,
            changed_ms: self.changed_ms,
            admitted_at: self.admitted_at,
            keyed: self.keyed,
            at_ms: now.wall_ms,
        }
    }
}

/// The live message of a Carried record.
fn entry_of_carried(
    mut record: Carried,
    position: u64,
) -> Result<(MessageId, Entry), &'static str> {
    let id = joined(record.message.id_high, record.message.id_low).ok_or("id")?;
    record.message.idempotency = None;
    let carrier = |number: u32| (number != 0).then_some(CarrierId(number));
    let reason = |number: u32| {
        let number = u16::try_from(number).ok();
        number.and_then(Reason::from_number).ok_or("reason")
    };
    let state = |number: u32| {
        let number = u8::try_from(number).ok();
        number.and_then(MessageState::from_number)
    };
    let fold = fold_of(&record)?;
    let mut entry = entry_of(record.message, position)?;
    entry.state = state(record.state)
        .filter(|state| !state.is_final())
        .ok_or("state")?;
    entry.reason = reason(record.reason)?;
    entry.status = record.status;
    entry.sequence = record.sequence;
    entry.attempt = AttemptNo::try_from(record.attempt)
        .ok()
        .filter(|attempt| *attempt > 0)
        .ok_or("attempt")?;
    entry.tries = u16::try_from(record.tries).map_err(|_| "tries")?;
    entry.resent = record.resent;
    entry.ever_uncertain = record.ever_uncertain;
    entry.released = record.released;
    for doubt in record.doubts {
        let segment = doubt.segment.to_ref().filter(|it| it.message == id);
        entry.doubts.push(UncertainAttempt {
            segment: segment.ok_or("doubts")?,
            carrier: carrier(doubt.carrier),
        });
    }
    entry.parked = match record.parked {
        None => None,
        Some(verdict) => {
            let ends = state(verdict.state).filter(|state| state.is_final());
            Some((ends.ok_or("parked")?, reason(verdict.reason)?))
        }
    };
    entry.carrier = carrier(record.carrier);
    for taken in record.taken {
        let segment = taken.segment.to_ref().filter(|it| it.message == id);
        entry.taken.push(Taken {
            segment: segment.ok_or("taken")?,
            carrier: CarrierId(taken.carrier),
            id: CarrierMessageId::new(&taken.carrier_message_id),
        });
    }
    entry.fold = fold;
    entry.due_ms = Some(record.due_ms)
        .filter(|due| *due != 0)
        .ok_or("due_ms")?;
    entry.changed_ms = record.changed_ms;
    entry.admitted_at = record.admitted_at;
    entry.keyed = record.keyed;
    Ok((id, entry))
}

fn fold_of(record: &Carried) -> Result<Fold, &'static str> {
    let mut delivered = [0; 4];
    if record.delivered.len() > delivered.len() {
        return Err("delivered");
    }
    delivered[..record.delivered.len()].copy_from_slice(&record.delivered);
    let failure = match record.failure {
        0 => None,
        number => {
            let number = u8::try_from(number).ok();
            let state = number.and_then(ReceiptState::from_number);
            Some(state.ok_or("failure")?)
        }
    };
    Ok(Fold::of_parts(delivered, failure))
}

fn bad(field: &'static str) -> ApplyError {
    ApplyError {
        kind: CARRIED,
        field,
    }
}
