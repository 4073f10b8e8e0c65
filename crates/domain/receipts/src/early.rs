use std::collections::{HashMap, VecDeque};

use message::{CarrierId, CarrierMessageId, ReceiptState};

/// Most receipts kept for one id: on its way, taken over, delivered, and some repeats. A further one replaces the last, since carriers say
/// the most definite thing last.
const PER_ID_MAX: usize = 8;

/// A receipt that came before the response it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyReceipt {
    /// What it says.
    pub state: ReceiptState,
    /// The carrier's error code; empty when none.
    pub error: Box<str>,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
}

/// Early receipts, each kept until its expectation appears, its time is over, or room is needed.
///
/// A carrier may send several receipts for one id (on its way, then delivered); they are kept in order, up to 8 of them.
#[derive(Debug)]
pub struct EarlyReceipts {
    by_id: HashMap<(CarrierId, CarrierMessageId), Vec<EarlyReceipt>>,
    order: VecDeque<Kept>,
    capacity: usize,
}

/// When an id's time is over, and from where on its records lie in the journal.
#[derive(Debug)]
struct Kept {
    until_ms: u64,
    position: u64,
    carrier: CarrierId,
    id: CarrierMessageId,
}

impl EarlyReceipts {
    /// Room for `capacity` ids.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            by_id: HashMap::new(),
            order: VecDeque::new(),
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
        let waiting = self.by_id.entry((carrier, id.clone())).or_default();
        if waiting.is_empty() {
            self.order.push_back(Kept {
                until_ms,
                position,
                carrier,
                id,
            });
        }
        waiting.truncate(PER_ID_MAX - 1);
        waiting.push(receipt);
    }

    /// From where on the journal must be kept for the sake of what waits; may lie earlier than needed, never later.
    #[must_use]
    pub fn oldest_position(&self) -> Option<u64> {
        self.order.front().map(|kept| kept.position)
    }

    /// Takes what has come for this id.
    pub fn take(&mut self, carrier: CarrierId, id: &CarrierMessageId) -> Vec<EarlyReceipt> {
        self.by_id
            .remove(&(carrier, id.clone()))
            .unwrap_or_default()
    }

    /// Whether anything has come for this id.
    #[must_use]
    pub fn contains(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        !self.by_id.is_empty() && self.by_id.contains_key(&(carrier, id.clone()))
    }

    /// The id that must leave now, because its time is over or because there is one too many. The caller records the leaving and then
    /// calls [`Self::take`].
    pub fn overdue(&mut self, now_ms: u64) -> Option<(CarrierId, CarrierMessageId)> {
        while let Some(kept) = self.order.front() {
            let key = (kept.carrier, kept.id.clone());
            if !self.by_id.contains_key(&key) {
                self.order.pop_front();
                continue;
            }
            let leaves = kept.until_ms <= now_ms || self.by_id.len() > self.capacity;
            return leaves.then_some(key);
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
        }
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
        assert_eq!(early.overdue(99), None);
        let taken = early.take(CarrierId(1), &a);
        assert_eq!(taken.len(), 2);
        assert_eq!(taken[1].state, ReceiptState::Delivered);
        assert_eq!(early.overdue(129), None);
        assert_eq!(early.overdue(130), Some((CarrierId(1), b)));
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
            early.overdue(0),
            Some((CarrierId(1), CarrierMessageId::new(b"a")))
        );
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
        assert_eq!(early.overdue(0), None);
        assert_eq!(early.oldest_position(), None);
    }
}
