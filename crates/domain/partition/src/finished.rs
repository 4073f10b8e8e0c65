use std::collections::{HashMap, VecDeque};

use message::{IdBuildHasher, MessageId, ReceiptWanted};

use crate::entry::{MessageView, Taken};

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
#[derive(Debug)]
pub(crate) struct FinishedMessages {
    by_id: HashMap<MessageId, Finished, IdBuildHasher>,
    order: VecDeque<MessageId>,
    capacity: usize,
}

impl FinishedMessages {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            by_id: HashMap::default(),
            order: VecDeque::new(),
            capacity,
        }
    }

    /// Remembers a message and forgets the oldest if there is one too many; returns the forgotten one's open expectations.
    pub(crate) fn push(&mut self, finished: Finished) -> Vec<Taken> {
        let id = finished.view.id;
        if self.by_id.insert(id, finished).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() <= self.capacity {
            return Vec::new();
        }
        self.order
            .pop_front()
            .and_then(|oldest| self.by_id.remove(&oldest))
            .map(|oldest| oldest.taken)
            .unwrap_or_default()
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<&Finished> {
        self.by_id.get(&id)
    }

    pub(crate) fn find_mut(&mut self, id: MessageId) -> Option<&mut Finished> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finished> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
