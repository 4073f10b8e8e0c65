//! Carried records: who waits in a lane, and who awaits a receipt, stays cold, or goes cold again.

use message::{CarrierId, CarrierMessageId, MessageId, MessageState};
use partition::record::{Carried, joined};
use partition::{KeptCold, Record, Whole};

use super::{NO_SUCH_PARTITION, Replay, lane_of};
use crate::cell::{Whereabouts, name_of};

/// The name of a cold message, and its place among others.
#[derive(Debug)]
pub(super) struct CarriedName {
    admitted_at: u64,
    ordinal: u64,
    number: u16,
}

impl Replay<'_> {
    /// Takes a message that was carried and is quiet. `false` when it is to be made.
    pub(super) fn keep_carried(&mut self, carried: &Carried, begins: u64) -> Result<bool, String> {
        let id = joined(carried.message.id_high, carried.message.id_low).ok_or("id")?;
        let state = u8::try_from(carried.state).ok();
        match state.and_then(MessageState::from_number) {
            Some(MessageState::Queued) => self.keep_queued(id, carried, begins),
            Some(MessageState::Submitted) => self.keep_awaited(id, carried, begins),
            // Its time, or what is in doubt of it, is kept in memory.
            Some(_) | None => Ok(false),
        }
    }

    fn keep_queued(
        &mut self,
        id: MessageId,
        carried: &Carried,
        begins: u64,
    ) -> Result<bool, String> {
        let number = id.partition();
        let partition = self
            .partitions
            .get_mut(usize::from(number))
            .ok_or(NO_SUCH_PARTITION)?;
        let kept = partition.apply_carried_cold(carried, begins);
        let (ordinal, admitted_at) = match kept.map_err(|error| error.to_string())? {
            None => return Ok(false),
            Some(KeptCold::Moved) => return Ok(true),
            Some(KeptCold::New {
                ordinal,
                admitted_at,
            }) => (ordinal, admitted_at),
        };
        let message = &carried.message;
        let lane = lane_of(message.lane)?;
        let destination = || Ok(message.recipient);
        let Some(group) = self.group_of(message.group, destination)? else {
            // Nobody may pull it: made now, it ends for that reason.
            return self.warm_carried(id, carried, begins).map(|()| true);
        };
        let at = Whereabouts {
            group,
            lane,
            tenant: message.tenant,
            sender_hash: message::stable_hash(&[message.sender.as_bytes()]),
        };
        self.carried.entry(at).or_default().push(CarriedName {
            admitted_at,
            ordinal,
            number,
        });
        Ok(true)
    }

    /// Whether it was made of the records before or not: from its Carried record on it lies on the disk.
    fn keep_awaited(
        &mut self,
        id: MessageId,
        carried: &Carried,
        begins: u64,
    ) -> Result<bool, String> {
        let partition = self
            .partitions
            .get_mut(usize::from(id.partition()))
            .ok_or(NO_SUCH_PARTITION)?;
        let was_cold = partition.awaits_cold(id);
        let record = Record::Carried(Box::new(carried.clone()));
        let applied = partition.apply(record, begins);
        applied.map_err(|error| error.to_string())?;
        if was_cold || partition.cool(id).is_none() {
            return Ok(true);
        }
        for taken in &carried.taken {
            let carrier_id = CarrierMessageId::new(&taken.carrier_message_id);
            if !carrier_id.as_bytes().is_empty() {
                let of = (CarrierId(taken.carrier), &carrier_id, id);
                self.rows.add_replayed(of, carried.due_ms, self.now);
            }
        }
        Ok(true)
    }

    fn warm_carried(
        &mut self,
        id: MessageId,
        carried: &Carried,
        begins: u64,
    ) -> Result<(), String> {
        let whole = Whole::Carried(Box::new(carried.clone()));
        let partition = &mut self.partitions[usize::from(id.partition())];
        let warmed = partition.warm(whole, begins);
        warmed.map(drop).map_err(|error| error.to_string())
    }

    /// What came in with its Carried record was there before everything whose admission is still in the journal, in the order of its own.
    pub(in crate::shard) fn finish(mut self) -> Self {
        for (at, mut names) in self.carried.drain() {
            names.sort_unstable_by_key(|name| name.admitted_at);
            for name in names {
                self.cell
                    .spill_first(at, name_of(name.number, name.ordinal));
            }
        }
        self
    }
}
