use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use message::{CarrierId, IdBuildHasher, MessageId};
use tokio::sync::Notify;

/// Most messages handed to a watcher at once.
const BATCH_MAX: usize = 512;

/// A message from a handset.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundEvent {
    /// Its place in the log of this run.
    pub position: u64,
    /// Our id of it: what to acknowledge.
    pub id: MessageId,
    /// The carrier it came from.
    pub carrier: CarrierId,
    /// The handset.
    pub from: Box<str>,
    /// Our number.
    pub to: Box<str>,
    /// The text, decoded.
    pub text: Box<str>,
    /// The octets.
    pub octets: Bytes,
    /// The alphabet as the carrier stated it.
    pub data_coding: u8,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
}

impl std::fmt::Debug for InboundEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundEvent")
            .field("id", &self.id)
            .field("octets", &self.octets.len())
            .finish_non_exhaustive()
    }
}

/// What no client has acknowledged yet, in order of arrival. Bounded by the partitions, which refuse what they cannot keep.
#[derive(Debug, Default)]
pub(crate) struct InboundStore {
    held: Mutex<Held>,
    grew: Notify,
}

#[derive(Debug, Default)]
struct Held {
    by_position: BTreeMap<u64, Arc<InboundEvent>>,
    positions: HashMap<MessageId, u64, IdBuildHasher>,
    last: u64,
}

impl InboundStore {
    pub(crate) fn add(&self, mut event: InboundEvent) {
        {
            let mut held = self.lock();
            held.last += 1;
            event.position = held.last;
            held.positions.insert(event.id, event.position);
            held.by_position.insert(event.position, Arc::new(event));
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
    pub(crate) seen: u64,
}

impl InboundWatcher {
    /// Moves inbound messages to the end of `out`, up to 512 at a time: first all that nobody has acknowledged, then new ones as they come.
    pub async fn next(&mut self, out: &mut Vec<Arc<InboundEvent>>) {
        loop {
            let grew = self.store.grew.notified();
            tokio::pin!(grew);
            grew.as_mut().enable();
            {
                let held = self.store.lock();
                let before = out.len();
                let unseen = held.by_position.range(self.seen + 1..);
                out.extend(unseen.take(BATCH_MAX).map(|(_, event)| Arc::clone(event)));
                if out.len() > before {
                    self.seen = out.last().map_or(self.seen, |event| event.position);
                    return;
                }
            }
            grew.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use message::IdSource;

    use super::*;

    fn event(n: u64) -> InboundEvent {
        InboundEvent {
            position: 0,
            id: IdSource::new(0).peek(n, n),
            carrier: CarrierId(1),
            from: "819012345678".into(),
            to: "12345".into(),
            text: "STOP".into(),
            octets: Bytes::from_static(b"STOP"),
            data_coding: 0,
            received_ms: n,
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_new_watcher_sees_what_nobody_acknowledged() {
        let store = Arc::new(InboundStore::default());
        store.add(event(1));
        store.add(event(2));
        store.remove(event(1).id);
        let mut watcher = InboundWatcher {
            store: Arc::clone(&store),
            seen: 0,
        };
        let mut out = Vec::new();
        watcher.next(&mut out).await;
        assert_eq!(
            out.iter()
                .map(|event| event.received_ms)
                .collect::<Vec<_>>(),
            [2]
        );
        store.add(event(3));
        out.clear();
        watcher.next(&mut out).await;
        assert_eq!(out[0].received_ms, 3);
    }
}
