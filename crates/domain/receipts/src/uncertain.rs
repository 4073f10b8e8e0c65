//! Attempts whose fate is unknown, by address.
//!
//! Limits: at most two a live message.

use std::collections::HashMap;

use message::{CarrierId, IdBuildHasher, SegmentRef, stable_hash};

/// Uncertain attempts by carrier, sender and recipient: the last resort for receipts whose id nobody knows.
///
/// Addresses are kept as a hash only, since numbers are indexed by nothing else; a receipt whose addresses fit more than one attempt
/// settles none.
#[derive(Debug, Default)]
pub struct UncertainAttempts {
    by_address: HashMap<u64, Vec<SegmentRef>, IdBuildHasher>,
    len: usize,
}

impl UncertainAttempts {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers an uncertain attempt; twice is once.
    pub fn add(&mut self, carrier: CarrierId, recipient: &str, sender: &str, segment: SegmentRef) {
        let waiting = self
            .by_address
            .entry(address_hash(carrier, recipient, sender))
            .or_default();
        if !waiting.contains(&segment) {
            waiting.push(segment);
            self.len += 1;
        }
    }

    /// Forgets it: it is settled.
    pub fn remove(
        &mut self,
        carrier: CarrierId,
        recipient: &str,
        sender: &str,
        segment: SegmentRef,
    ) {
        let hash = address_hash(carrier, recipient, sender);
        if let Some(waiting) = self.by_address.get_mut(&hash) {
            let before = waiting.len();
            waiting.retain(|other| *other != segment);
            self.len -= before - waiting.len();
            if waiting.is_empty() {
                self.by_address.remove(&hash);
            }
        }
    }

    /// An attempt of the one message that fits, if it is exactly one; its copies have the same addresses.
    #[must_use]
    pub fn only_match(
        &self,
        carrier: CarrierId,
        recipient: &str,
        sender: &str,
    ) -> Option<SegmentRef> {
        match self
            .by_address
            .get(&address_hash(carrier, recipient, sender))?
            .as_slice()
        {
            [first, others @ ..] if others.iter().all(|it| it.message == first.message) => {
                Some(*first)
            }
            [..] => None,
        }
    }

    /// How many attempts are uncertain.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is uncertain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// What stands for a carrier, a recipient and a sender where numbers may not stand; a leading + makes no difference.
#[must_use]
pub fn address_hash(carrier: CarrierId, recipient: &str, sender: &str) -> u64 {
    let bare = |address: &str| address.trim_start_matches('+').as_bytes().to_owned();
    stable_hash(&[&carrier.0.to_be_bytes(), &bare(recipient), &bare(sender)])
}

#[cfg(test)]
mod tests {
    use message::IdSource;

    use super::*;

    fn segment(n: u64) -> SegmentRef {
        SegmentRef {
            message: IdSource::new(0).peek(n, n),
            leg: 0,
            attempt: 1,
            segment: 0,
        }
    }

    #[test]
    fn only_an_exact_and_lonely_fit_matches() {
        let mut table = UncertainAttempts::new();
        table.add(CarrierId(1), "819012345678", "Hikyaku", segment(1));
        table.add(CarrierId(1), "819012345678", "Hikyaku", segment(1));
        assert_eq!(table.len(), 1);
        assert_eq!(
            table.only_match(CarrierId(1), "+819012345678", "Hikyaku"),
            Some(segment(1))
        );
        assert_eq!(
            table.only_match(CarrierId(2), "819012345678", "Hikyaku"),
            None
        );
        assert_eq!(
            table.only_match(CarrierId(1), "819012345678", "Other"),
            None
        );
        table.add(CarrierId(1), "819012345678", "Hikyaku", segment(2));
        assert_eq!(
            table.only_match(CarrierId(1), "819012345678", "Hikyaku"),
            None
        );
        table.remove(CarrierId(1), "819012345678", "Hikyaku", segment(1));
        assert_eq!(
            table.only_match(CarrierId(1), "819012345678", "Hikyaku"),
            Some(segment(2))
        );
        let copy = SegmentRef {
            attempt: 2,
            ..segment(2)
        };
        table.add(CarrierId(1), "819012345678", "Hikyaku", copy);
        assert_eq!(
            table.only_match(CarrierId(1), "819012345678", "Hikyaku"),
            Some(segment(2)),
            "a copy is the same message"
        );
        table.remove(CarrierId(1), "819012345678", "Hikyaku", copy);
        table.remove(CarrierId(1), "819012345678", "Hikyaku", segment(2));
        assert!(table.is_empty());
    }
}
