//! Carrier ids whose messages are done with.
//!
//! Limits: the last [`SETTLED_MAX`] ids, some 48 octets each; the oldest leaves first.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use message::{CarrierId, CarrierMessageId, IdBuildHasher, stable_hash};

/// Most ids remembered: far more than the receipts that a carrier can have unanswered, which are those that it sends again after a
/// session was lost.
pub const SETTLED_MAX: usize = 262_144;

/// Carrier ids that named a message which needs no receipt any more.
///
/// A carrier that did not get our answer sends a receipt again, mostly after a session was lost: just when other attempts are in doubt.
/// Such a repeat must not be taken for the receipt of a doubted attempt to the same address. Ids are kept as a hash: should two ever
/// meet, an attempt merely stays in doubt.
#[derive(Debug, Default)]
pub struct SettledIds {
    /// By the number of their place in the order.
    hashes: HashMap<u64, u64, IdBuildHasher>,
    /// Places of ids that were removed stay until they are the oldest.
    order: VecDeque<(u64, u64)>,
    next: u64,
}

impl SettledIds {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers an id, and forgets the oldest if there is one too many; twice is once.
    pub fn add(&mut self, carrier: CarrierId, id: &CarrierMessageId) {
        let hash = hash_of(carrier, id);
        let Entry::Vacant(vacant) = self.hashes.entry(hash) else {
            return;
        };
        vacant.insert(self.next);
        self.order.push_back((hash, self.next));
        self.next += 1;
        // Removed and added again, an id has a younger place than this.
        if self.order.len() > SETTLED_MAX
            && let Some((oldest, number)) = self.order.pop_front()
            && self.hashes.get(&oldest) == Some(&number)
        {
            self.hashes.remove(&oldest);
        }
    }

    /// The id names a message that awaits its receipt again: the carrier has used it once more.
    pub fn remove(&mut self, carrier: CarrierId, id: &CarrierMessageId) {
        self.hashes.remove(&hash_of(carrier, id));
    }

    /// Whether the id named a message that is done with.
    #[must_use]
    pub fn contains(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        self.hashes.contains_key(&hash_of(carrier, id))
    }
}

fn hash_of(carrier: CarrierId, id: &CarrierMessageId) -> u64 {
    stable_hash(&[&carrier.0.to_be_bytes(), id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> CarrierMessageId {
        CarrierMessageId::new(number.to_string().as_bytes())
    }

    #[test]
    fn an_id_is_known_at_its_own_carrier_only() {
        let mut settled = SettledIds::new();
        settled.add(CarrierId(1), &id(7));
        settled.add(CarrierId(1), &id(7));
        assert!(settled.contains(CarrierId(1), &id(7)));
        assert!(!settled.contains(CarrierId(2), &id(7)));
        assert!(!settled.contains(CarrierId(1), &id(8)));
        assert_eq!(settled.order.len(), 1, "twice is once");
        settled.remove(CarrierId(1), &id(7));
        assert!(!settled.contains(CarrierId(1), &id(7)));
    }

    #[test]
    fn an_id_that_was_used_again_stays_as_long_as_any() {
        let mut settled = SettledIds::new();
        settled.add(CarrierId(1), &id(0));
        settled.remove(CarrierId(1), &id(0));
        for number in 1..SETTLED_MAX {
            settled.add(CarrierId(1), &id(number));
        }
        settled.add(CarrierId(1), &id(0));
        assert!(settled.contains(CarrierId(1), &id(0)), "its old place went");
        settled.add(CarrierId(1), &id(SETTLED_MAX));
        assert!(settled.contains(CarrierId(1), &id(0)));
        assert!(!settled.contains(CarrierId(1), &id(1)));
    }

    #[test]
    fn the_oldest_leaves_when_there_is_no_room() {
        let mut settled = SettledIds::new();
        for number in 0..=SETTLED_MAX {
            settled.add(CarrierId(1), &id(number));
        }
        assert!(!settled.contains(CarrierId(1), &id(0)));
        assert!(settled.contains(CarrierId(1), &id(1)));
        assert!(settled.contains(CarrierId(1), &id(SETTLED_MAX)));
        assert_eq!(settled.hashes.len(), SETTLED_MAX);
    }
}
