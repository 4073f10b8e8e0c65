//! Messages that are done with: remembered for `Get`, for late evidence and for repeats.
//!
//! Limits: `capacity` messages, the oldest leaves first.

use std::collections::{HashMap, VecDeque};

use message::{IdBuildHasher, MessageId, ReceiptWanted};

use crate::entry::{MessageView, Taken};

/// The most messages that room is made for at the start; the default of 262,144 over 16 partitions.
const RESERVED_MAX: usize = 16_384;

/// A message that is done with, as long as it is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) view: MessageView,
    /// Expectations that stay open, because evidence may still raise the state.
    pub(crate) taken: Vec<Taken>,
    /// Which receipts the client wanted: without any, a late answer is all the evidence there will be.
    pub(crate) receipt_wanted: ReceiptWanted,
}

/// The last finished messages, the oldest leaves first.
///
/// They stand in a row and the table has only their places: a table of whole messages would be rebuilt, and moved, at twice its size some time
/// after it has filled, because removals leave marks in it. The row is reserved at the start for the same reason: memory that is not used
/// costs nothing, but a row that grows is moved, and everybody waits meanwhile.
#[derive(Debug)]
pub(crate) struct FinishedMessages {
    row: VecDeque<Finished>,
    /// How many have left the row: a place is counted from the first message that ever finished.
    left: u64,
    places: HashMap<MessageId, u64, IdBuildHasher>,
    capacity: usize,
}

impl FinishedMessages {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            row: VecDeque::with_capacity(capacity.min(RESERVED_MAX)),
            left: 0,
            places: HashMap::default(),
            capacity,
        }
    }

    /// Remembers a message and forgets the oldest if there is one too many; returns the forgotten one's open expectations.
    pub(crate) fn push(&mut self, finished: Finished) -> Vec<Taken> {
        if let Some(known) = self.find_mut(finished.view.id) {
            *known = finished;
            return Vec::new();
        }
        if self.capacity == 0 {
            return finished.taken;
        }
        let orphaned = if self.row.len() == self.capacity {
            self.forget_oldest()
        } else {
            Vec::new()
        };
        let place = self.left + self.row.len() as u64;
        self.places.insert(finished.view.id, place);
        self.row.push_back(finished);
        orphaned
    }

    fn forget_oldest(&mut self) -> Vec<Taken> {
        let Some(oldest) = self.row.pop_front() else {
            return Vec::new();
        };
        self.left += 1;
        self.places.remove(&oldest.view.id);
        oldest.taken
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<&Finished> {
        self.row.get(self.at(id)?)
    }

    pub(crate) fn find_mut(&mut self, id: MessageId) -> Option<&mut Finished> {
        let at = self.at(id)?;
        self.row.get_mut(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finished> {
        self.row.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.row.len()
    }

    fn at(&self, id: MessageId) -> Option<usize> {
        let place = self.places.get(&id)?;
        usize::try_from(place - self.left).ok()
    }
}

#[cfg(test)]
mod tests {
    use message::{CallerId, IdSource, MessageState, Reason, TenantId};

    use super::*;

    fn finished(nth: u64, status: u32) -> Finished {
        Finished {
            view: MessageView {
                id: IdSource::new(0).peek(nth, nth),
                tenant: TenantId(1),
                caller: CallerId(1),
                state: MessageState::Delivered,
                reason: Reason::ReceiptDelivered,
                sequence: 8,
                attempt: 1,
                segments: 1,
                uncertain: false,
                late: false,
                carrier: None,
                carrier_message_id: None,
                status,
                admitted_ms: nth,
                changed_ms: nth,
                expires_ms: nth,
                batch_id: None,
                context: bytes::Bytes::new(),
                config_version: 1,
            },
            taken: Vec::new(),
            receipt_wanted: ReceiptWanted::Always,
        }
    }

    #[test]
    fn the_oldest_leaves_and_the_rest_is_found_where_it_stands() {
        let mut known = FinishedMessages::new(3);
        let id = |nth| finished(nth, 0).view.id;
        for nth in 1..=5 {
            let _ = known.push(finished(nth, 10 + u32::try_from(nth).unwrap()));
        }
        let found = [1, 2, 3, 4, 5].map(|nth| known.find(id(nth)).map(|found| found.view.status));
        assert_eq!(found, [None, None, Some(13), Some(14), Some(15)]);

        // One that is known already takes the place it has.
        let _ = known.push(finished(4, 20));
        assert_eq!(known.len(), 3);
        assert_eq!(known.find_mut(id(4)).unwrap().view.status, 20);
        let _ = known.push(finished(6, 16));
        assert!(known.find(id(3)).is_none());
        let statuses: Vec<_> = known.iter().map(|kept| kept.view.status).collect();
        assert_eq!(statuses, [20, 15, 16]);
    }

    #[test]
    fn nothing_is_kept_without_capacity() {
        let mut known = FinishedMessages::new(0);
        let _ = known.push(finished(1, 0));
        assert_eq!((known.len(), known.iter().count()), (0, 0));
        assert!(known.find(finished(1, 0).view.id).is_none());
    }
}
