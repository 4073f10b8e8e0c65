//! The recent past in memory: the writer's batches as they were, shared with whoever watches.

use std::collections::VecDeque;
use std::sync::Arc;

use journal::keyed::KeyedIndex;

use super::{CHUNK_MAX, Event, EventKey};

#[derive(Debug)]
pub(super) struct Ring {
    batches: VecDeque<Arc<Vec<Event>>>,
    events: usize,
    capacity: usize,
    /// Every event after this key and up to `last` is here.
    before: EventKey,
    last: EventKey,
    history: Option<KeyedIndex>,
    open: bool,
}

/// Where what follows a key is.
pub(super) enum Place {
    /// Nothing follows yet.
    Nowhere,
    Here(Arc<Vec<Event>>, std::ops::Range<usize>),
    History(KeyedIndex),
    /// It is gone; this is the oldest key after which everything can be had.
    Lost(EventKey),
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            events: 0,
            capacity,
            before: EventKey::default(),
            last: EventKey::default(),
            history: None,
            open: false,
        }
    }

    /// Recovery is done: what happened up to `last` is in `history`, or nowhere.
    pub(super) fn open(&mut self, last: EventKey, history: Option<KeyedIndex>) {
        (self.before, self.last) = (last, last);
        self.history = history;
        self.open = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn last(&self) -> EventKey {
        self.last
    }

    pub(super) fn set_history(&mut self, history: Option<KeyedIndex>) {
        self.history = history;
    }

    /// Everything up to `lost` is gone.
    pub(super) fn clear(&mut self, lost: EventKey) {
        self.batches.clear();
        self.events = 0;
        self.before = lost;
        self.last = lost;
    }

    pub(super) fn push(&mut self, batch: Vec<Event>) {
        let Some(newest) = batch.last() else { return };
        self.last = newest.key;
        self.events += batch.len();
        self.batches.push_back(Arc::new(batch));
        // The newest batch stays, however long: whoever waits for it must find it.
        while self.events > self.capacity && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.events -= oldest.len();
                self.before = oldest.last().map_or(self.before, |event| event.key);
            }
        }
    }

    /// Bytes on the disk, and when the oldest file was begun.
    pub(super) fn history_held(&self) -> (u64, u64) {
        match &self.history {
            Some(history) => (history.disk_bytes(), history.oldest_ms()),
            None => (0, 0),
        }
    }

    pub(super) fn oldest(&self) -> EventKey {
        match &self.history {
            Some(history) => history.oldest().min(self.before),
            None => self.before,
        }
    }

    pub(super) fn after(&self, after: EventKey) -> Place {
        if after < self.before {
            return match &self.history {
                Some(history) if history.oldest() <= after => Place::History(history.clone()),
                Some(_) | None => Place::Lost(self.oldest()),
            };
        }
        let ends_later =
            |batch: &Arc<Vec<Event>>| batch.last().is_some_and(|event| event.key > after);
        let at = self.batches.partition_point(|batch| !ends_later(batch));
        let Some(batch) = self.batches.get(at) else {
            return Place::Nowhere;
        };
        let from = batch.partition_point(|event| event.key <= after);
        let to = batch.len().min(from + CHUNK_MAX);
        Place::Here(Arc::clone(batch), from..to)
    }
}
