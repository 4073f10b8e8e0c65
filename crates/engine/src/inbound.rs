//! Messages from handsets that wait for a client.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::{IdBuildHasher, MessageId};
use partition::InboundView;
use tokio::sync::Notify;

use crate::events::{EventKey, ResumePosition};

/// Most messages handed to a watcher at once.
const BATCH_MAX: usize = 512;

/// What no client has acknowledged yet, by the journal position of its record: the order of arrival, and the same after a restart. Bounded
/// by the partitions, which refuse what they cannot keep.
#[derive(Debug, Default)]
pub(crate) struct InboundStore {
    held: Mutex<Held>,
    grew: Notify,
}

#[derive(Debug, Default)]
struct Held {
    by_position: BTreeMap<u64, Arc<InboundView>>,
    positions: HashMap<MessageId, u64, IdBuildHasher>,
}

impl InboundStore {
    pub(crate) fn add(&self, position: u64, view: InboundView) {
        {
            let mut held = self.lock();
            held.positions.insert(view.id, position);
            held.by_position.insert(position, Arc::new(view));
        }
        self.grew.notify_waiters();
    }

    pub(crate) fn remove(&self, id: MessageId) {
        let mut held = self.lock();
        if let Some(position) = held.positions.remove(&id) {
            held.by_position.remove(&position);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows inbound messages.
#[derive(Debug)]
pub struct InboundWatcher {
    pub(crate) store: Arc<InboundStore>,
    pub(crate) data_id: u64,
    pub(crate) seen: u64,
}

impl InboundWatcher {
    /// Where another can go on once everything handed out was taken.
    #[must_use]
    pub const fn position(&self) -> ResumePosition {
        ResumePosition {
            data_id: self.data_id,
            key: EventKey::new(self.seen, 0),
        }
    }

    /// Moves inbound messages to the end of `out`, up to 512 at a time: first those after its position that nobody has
    /// acknowledged, then new ones as they come.
    pub async fn next(&mut self, out: &mut Vec<Arc<InboundView>>) {
        loop {
            let grew = self.store.grew.notified();
            tokio::pin!(grew);
            grew.as_mut().enable();
            {
                let held = self.store.lock();
                let before = out.len();
                for (position, view) in held.by_position.range(self.seen + 1..).take(BATCH_MAX) {
                    self.seen = *position;
                    out.push(Arc::clone(view));
                }
                if out.len() > before {
                    return;
                }
            }
            grew.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use message::{CarrierId, IdSource, InboundMessage};

    use super::*;

    fn view(n: u64) -> InboundView {
        InboundView {
            id: IdSource::new(0).peek(n, n),
            carrier: CarrierId(1),
            message: InboundMessage {
                from: "819012345678".into(),
                to: "12345".into(),
                text: "STOP".into(),
                octets: Bytes::from_static(b"STOP"),
                data_coding: 0,
            },
            received_ms: n,
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_new_watcher_sees_what_nobody_acknowledged() {
        let store = Arc::new(InboundStore::default());
        store.add(100, view(1));
        store.add(200, view(2));
        store.remove(view(1).id);
        let mut watcher = InboundWatcher {
            store: Arc::clone(&store),
            data_id: 7,
            seen: 0,
        };
        let mut out = Vec::new();
        watcher.next(&mut out).await;
        assert_eq!(
            out.iter().map(|view| view.received_ms).collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(watcher.position().key, EventKey::new(200, 0));
        store.add(300, view(3));
        out.clear();
        watcher.next(&mut out).await;
        assert_eq!(out[0].received_ms, 3);

        // After a restart the same messages come in the same places.
        let again = Arc::new(InboundStore::default());
        again.add(200, view(2));
        again.add(300, view(3));
        let mut resumed = InboundWatcher {
            store: again,
            data_id: 7,
            seen: 200,
        };
        out.clear();
        resumed.next(&mut out).await;
        assert_eq!((out.len(), out[0].received_ms), (1, 3));
    }
}
