use std::collections::HashMap;

use message::{CarrierId, CarrierMessageId, IdBuildHasher, SegmentRef};

/// Which segment awaits the receipt of which carrier id.
///
/// A table per carrier, since two carriers may use the same id; one table with both as its key would need a key made, and so an id copied,
/// for every receipt. Ids are chosen by carriers, so these tables keep the standard library's keyed hasher: a hostile or unlucky carrier
/// cannot make them slow.
#[derive(Debug, Default)]
pub struct Expectations {
    by_carrier: HashMap<CarrierId, HashMap<CarrierMessageId, SegmentRef>, IdBuildHasher>,
    awaited: usize,
}

impl Expectations {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Awaits a receipt for `segment`. When the carrier gave the same id twice, the later segment has it and the earlier is returned:
    /// its receipt can no longer be told apart.
    pub fn expect(
        &mut self,
        carrier: CarrierId,
        id: CarrierMessageId,
        segment: SegmentRef,
    ) -> Option<SegmentRef> {
        let earlier = self
            .by_carrier
            .entry(carrier)
            .or_default()
            .insert(id, segment);
        self.awaited += usize::from(earlier.is_none());
        earlier
    }

    /// The segment that awaits this receipt. The id alone does not do: two carriers may use the same one.
    #[must_use]
    pub fn find(&self, carrier: CarrierId, id: &CarrierMessageId) -> Option<SegmentRef> {
        self.by_carrier.get(&carrier)?.get(id).copied()
    }

    /// The segments that await a receipt of this carrier, in no order.
    pub fn of(&self, carrier: CarrierId) -> impl Iterator<Item = SegmentRef> + '_ {
        let table = self.by_carrier.get(&carrier);
        table.into_iter().flat_map(|table| table.values().copied())
    }

    /// Awaits it no longer. The id is given up only if it still belongs to `segment`'s message; whether it did.
    pub fn forget(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        segment: SegmentRef,
    ) -> bool {
        if let Some(table) = self.by_carrier.get_mut(&carrier)
            && table
                .get(id)
                .is_some_and(|owner| owner.message == segment.message)
        {
            table.remove(id);
            self.awaited -= 1;
            return true;
        }
        false
    }

    /// How many are awaited.
    #[must_use]
    pub fn len(&self) -> usize {
        self.awaited
    }

    /// Whether none is awaited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.awaited == 0
    }
}

#[cfg(test)]
mod tests {
    use message::{IdSource, MessageId};

    use super::*;

    fn message(n: u64) -> MessageId {
        IdSource::new(0).peek(n, n)
    }

    fn segment(n: u64) -> SegmentRef {
        SegmentRef {
            message: message(n),
            leg: 0,
            attempt: 1,
            segment: 0,
        }
    }

    #[test]
    fn carriers_do_not_share_ids() {
        let mut table = Expectations::new();
        let id = CarrierMessageId::new(b"42");
        assert_eq!(table.expect(CarrierId(1), id.clone(), segment(1)), None);
        assert_eq!(table.expect(CarrierId(2), id.clone(), segment(2)), None);
        assert_eq!(table.find(CarrierId(1), &id), Some(segment(1)));
        assert_eq!(table.find(CarrierId(2), &id), Some(segment(2)));
        assert_eq!(table.find(CarrierId(3), &id), None);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn an_id_given_twice_belongs_to_the_later_and_is_not_forgotten_for_the_earlier() {
        let mut table = Expectations::new();
        let id = CarrierMessageId::new(b"42");
        table.expect(CarrierId(1), id.clone(), segment(1));
        assert_eq!(
            table.expect(CarrierId(1), id.clone(), segment(2)),
            Some(segment(1))
        );
        table.forget(CarrierId(1), &id, segment(1));
        assert_eq!(table.find(CarrierId(1), &id), Some(segment(2)));
        assert_eq!(table.len(), 1);
        table.forget(CarrierId(1), &id, segment(2));
        assert!(table.is_empty());
    }
}
