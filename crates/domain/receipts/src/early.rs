//! Receipts that came before the response they belong to.
//!
//! Limits: a capacity in ids, [`PER_ID_MAX`] receipts an id, a time each; places in the order of at most twice as many ids, and [`SPARE`].

use std::collections::{HashMap, VecDeque};

use message::{CarrierId, CarrierMessageId, IdBuildHasher, ReceiptState};

/// Most receipts kept for one id: on its way, taken over, delivered, and some repeats. A further one replaces the last, since carriers say
/// the most definite thing last.
const PER_ID_MAX: usize = 8;

/// So many places of ids that were taken may stand in the order, whatever else does.
const SPARE: usize = 1_024;

/// A receipt that came before the response it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyReceipt {
    /// What it says.
    pub state: ReceiptState,
    /// The carrier's error code; empty when none.
    pub error: Box<str>,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
    /// Whom it is about, as [`crate::address_hash`]; 0 when it does not say.
    pub address: u64,
}

/// Early receipts, each kept until its expectation appears, its time is over, or room is needed.
///
/// A carrier may send several receipts for one id (on its way, then delivered); they are kept in order, up to 8 of them. The address of
/// the first holds for all.
#[derive(Debug)]
pub struct EarlyReceipts {
    by_id: HashMap<(CarrierId, CarrierMessageId), Waiting>,
    ids_by_address: HashMap<u64, Vec<(CarrierId, CarrierMessageId)>, IdBuildHasher>,
    order: VecDeque<Kept>,
    next: u64,
    capacity: usize,
}

/// What has come for an id.
#[derive(Debug)]
struct Waiting {
    /// Of its place in the order.
    number: u64,
    receipts: Vec<EarlyReceipt>,
}

/// When an id's time is over, and from where on its records lie in the journal. The id may have been taken since, and may wait again at a
/// place of its own.
#[derive(Debug)]
struct Kept {
    number: u64,
    until_ms: u64,
    position: u64,
    carrier: CarrierId,
    id: CarrierMessageId,
}

impl Kept {
    /// Whether its id still waits, and has not been taken and come again.
    fn waits_in(&self, by_id: &HashMap<(CarrierId, CarrierMessageId), Waiting>) -> bool {
        let waiting = by_id.get(&(self.carrier, self.id.clone()));
        waiting.is_some_and(|waiting| waiting.number == self.number)
    }
}

impl EarlyReceipts {
    /// Room for `capacity` ids.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            by_id: HashMap::new(),
            ids_by_address: HashMap::default(),
            order: VecDeque::new(),
            next: 0,
            capacity,
        }
    }

    /// Keeps a receipt until `until_ms`; its record stands at `position` in the journal.
    pub fn keep(
        &mut self,
        (carrier, id): (CarrierId, CarrierMessageId),
        receipt: EarlyReceipt,
        until_ms: u64,
        position: u64,
    ) {
        let key = (carrier, id.clone());
        let number = self.next;
        let new = || Waiting {
            number,
            receipts: Vec::new(),
        };
        let waiting = self.by_id.entry(key.clone()).or_insert_with(new);
        let receipts = &mut waiting.receipts;
        if receipts.is_empty() {
            if receipt.address != 0 {
                let ids = self.ids_by_address.entry(receipt.address).or_default();
                ids.push(key);
            }
            self.next += 1;
            self.order.push_back(Kept {
                number,
                until_ms,
                position,
                carrier,
                id,
            });
        }
        receipts.truncate(PER_ID_MAX - 1);
        receipts.push(receipt);
        self.forget_taken();
    }

    /// Drops the places of ids that were taken, once they are the most: one that nobody takes would keep all that came after it.
    fn forget_taken(&mut self) {
        if self.order.len() <= 2 * self.by_id.len() + SPARE {
            return;
        }
        let by_id = &self.by_id;
        self.order.retain(|kept| kept.waits_in(by_id));
    }

    /// From where on the journal must be kept for the sake of what waits; may lie earlier than needed, never later.
    #[must_use]
    pub fn oldest_position(&self) -> Option<u64> {
        self.order.front().map(|kept| kept.position)
    }

    /// Takes what has come for this id.
    pub fn take(&mut self, carrier: CarrierId, id: &CarrierMessageId) -> Vec<EarlyReceipt> {
        let key = (carrier, id.clone());
        let taken = self.by_id.remove(&key);
        let taken = taken.map_or_else(Vec::new, |waiting| waiting.receipts);
        if let Some(first) = taken.first()
            && let Some(ids) = self.ids_by_address.get_mut(&first.address)
        {
            ids.retain(|other| *other != key);
            if ids.is_empty() {
                self.ids_by_address.remove(&first.address);
            }
        }
        taken
    }

    /// The ids at this address for which a final state has come at `since_ms` or later.
    pub fn final_at(
        &self,
        address: u64,
        since_ms: u64,
    ) -> impl Iterator<Item = &(CarrierId, CarrierMessageId)> {
        let ids = self.ids_by_address.get(&address).into_iter().flatten();
        ids.filter(move |key| {
            let waiting = self.by_id.get(key).into_iter();
            waiting
                .flat_map(|waiting| &waiting.receipts)
                .any(|it| it.state.is_final() && it.received_ms >= since_ms)
        })
    }

    /// Whether anything has come for this id.
    #[must_use]
    pub fn contains(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        !self.by_id.is_empty() && self.by_id.contains_key(&(carrier, id.clone()))
    }

    /// The id that must leave now, because its time is over or because there is one too many. None waits longer than `kept_ms` from now on,
    /// which is what a clock that was set back would make of it. The caller records the leaving and then calls [`Self::take`].
    pub fn overdue(&mut self, now_ms: u64, kept_ms: u64) -> Option<(CarrierId, CarrierMessageId)> {
        while let Some(kept) = self.order.front() {
            if !kept.waits_in(&self.by_id) {
                self.order.pop_front();
                continue;
            }
            let latest_ms = now_ms.saturating_add(kept_ms);
            if kept.until_ms > latest_ms {
                for kept in &mut self.order {
                    kept.until_ms = kept.until_ms.min(latest_ms);
                }
                continue;
            }
            let leaves = kept.until_ms <= now_ms || self.by_id.len() > self.capacity;
            return leaves.then(|| (kept.carrier, kept.id.clone()));
        }
        None
    }

    /// How many ids wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(state: ReceiptState) -> EarlyReceipt {
        EarlyReceipt {
            state,
            error: "".into(),
            received_ms: 0,
            address: 0,
        }
    }

    #[test]
    fn an_id_is_found_by_address_from_its_final_state_until_it_is_taken() {
        let mut early = EarlyReceipts::new(10);
        let id = CarrierMessageId::new(b"a");
        let at = |state, received_ms| EarlyReceipt {
            received_ms,
            address: 7,
            ..receipt(state)
        };
        let found = |early: &EarlyReceipts, address, since_ms| {
            early
                .final_at(address, since_ms)
                .cloned()
                .collect::<Vec<_>>()
        };
        let key = (CarrierId(1), id.clone());
        early.keep(key.clone(), at(ReceiptState::Enroute, 50), 100, 1);
        assert_eq!(found(&early, 7, 0), []);
        early.keep(key.clone(), at(ReceiptState::Delivered, 60), 100, 2);
        assert_eq!(found(&early, 7, 60), std::slice::from_ref(&key));
        assert_eq!(found(&early, 7, 61), [], "older than what is asked about");
        assert_eq!(found(&early, 8, 0), []);
        let nowhere = (CarrierId(1), CarrierMessageId::new(b"b"));
        early.keep(nowhere, receipt(ReceiptState::Delivered), 100, 3);
        assert_eq!(found(&early, 0, 0), [], "no address is no common address");
        assert_eq!(early.take(CarrierId(1), &id).len(), 2);
        assert_eq!(found(&early, 7, 0), []);
        assert!(early.ids_by_address.is_empty());
    }

    #[test]
    fn receipts_wait_in_order_and_leave_when_their_time_is_over() {
        let mut early = EarlyReceipts::new(10);
        let (a, b) = (CarrierMessageId::new(b"a"), CarrierMessageId::new(b"b"));
        early.keep(
            (CarrierId(1), a.clone()),
            receipt(ReceiptState::Enroute),
            100,
            1,
        );
        early.keep(
            (CarrierId(1), a.clone()),
            receipt(ReceiptState::Delivered),
            120,
            120,
        );
        early.keep(
            (CarrierId(1), b.clone()),
            receipt(ReceiptState::Delivered),
            130,
            130,
        );
        assert_eq!(early.overdue(99, 2_000), None);
        let taken = early.take(CarrierId(1), &a);
        assert_eq!(taken.len(), 2);
        assert_eq!(taken[1].state, ReceiptState::Delivered);
        assert_eq!(early.overdue(129, 2_000), None);
        assert_eq!(early.overdue(130, 2_000), Some((CarrierId(1), b)));
    }

    #[test]
    fn the_oldest_leaves_when_there_is_no_room() {
        let mut early = EarlyReceipts::new(1);
        for id in [b"a", b"b"] {
            let id = CarrierMessageId::new(id);
            early.keep(
                (CarrierId(1), id),
                receipt(ReceiptState::Delivered),
                1_000,
                1_000,
            );
        }
        assert_eq!(
            early.overdue(0, 2_000),
            Some((CarrierId(1), CarrierMessageId::new(b"a")))
        );
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_for_longer_than_usual() {
        let mut early = EarlyReceipts::new(10);
        let key = |id: &[u8]| (CarrierId(1), CarrierMessageId::new(id));
        for id in [b"a", b"b"] {
            early.keep(key(id), receipt(ReceiptState::Delivered), 100_000, 1);
        }
        assert_eq!(early.overdue(5_000, 60), None);
        assert_eq!(early.overdue(5_059, 60), None);
        for id in [b"a", b"b"] {
            assert_eq!(early.overdue(5_060, 60), Some(key(id)));
            early.take(CarrierId(1), &key(id).1);
        }
    }

    #[test]
    fn an_id_that_comes_again_waits_its_own_time_and_taken_ones_leave_nothing() {
        let mut early = EarlyReceipts::new(10);
        let key = |id: &[u8]| (CarrierId(1), CarrierMessageId::new(id));
        early.keep(key(b"front"), receipt(ReceiptState::Delivered), 50, 1);
        early.keep(key(b"again"), receipt(ReceiptState::Delivered), 60, 2);
        early.take(CarrierId(1), &key(b"again").1);
        early.keep(key(b"again"), receipt(ReceiptState::Delivered), 90, 3);
        early.take(CarrierId(1), &key(b"front").1);
        assert_eq!(early.overdue(89, 60), None);
        assert_eq!(early.oldest_position(), Some(3));
        assert_eq!(early.overdue(90, 60), Some(key(b"again")));
        for nth in 0..10_000_u32 {
            let key = key(&nth.to_be_bytes());
            early.keep(key.clone(), receipt(ReceiptState::Delivered), 100, 4);
            early.take(key.0, &key.1);
        }
        assert!(early.order.len() <= SPARE + 2, "{}", early.order.len());
    }

    #[test]
    fn a_flood_for_one_id_keeps_the_first_and_the_last() {
        let mut early = EarlyReceipts::new(1);
        let id = CarrierMessageId::new(b"a");
        for _ in 0..1_000 {
            early.keep(
                (CarrierId(1), id.clone()),
                receipt(ReceiptState::Enroute),
                100,
                7,
            );
        }
        early.keep(
            (CarrierId(1), id.clone()),
            receipt(ReceiptState::Delivered),
            100,
            9,
        );
        assert_eq!(early.oldest_position(), Some(7));
        let taken = early.take(CarrierId(1), &id);
        assert_eq!(taken.len(), PER_ID_MAX);
        assert_eq!(taken[PER_ID_MAX - 1].state, ReceiptState::Delivered);
        assert_eq!(early.overdue(0, 2_000), None);
        assert_eq!(early.oldest_position(), None);
    }
}
