//! Messages from handsets that wait for a client.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::{IdBuildHasher, MessageId};
use partition::InboundView;
use tokio::sync::Notify;

use crate::events::{EventKey, PositionLost, ResumePosition};

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
    /// The highest position of a message whose time was over before a client acknowledged it.
    expired_at: u64,
    /// The highest position that a watcher can have been given: the newest message's, or the journal's end at the start.
    given_until: u64,
}

impl InboundStore {
    /// The journal is replayed: whatever was given out before lies at or before its end. To be called before anybody may ask for a
    /// position, which is when the events are open.
    pub(crate) fn begin_at(&self, journal_end: u64, expired_at: u64) {
        self.note_expired(expired_at);
        let mut held = self.lock();
        held.given_until = held.given_until.max(journal_end);
    }

    pub(crate) fn add(&self, position: u64, view: InboundView) {
        {
            let mut held = self.lock();
            held.given_until = held.given_until.max(position);
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

    /// The message's time is over.
    pub(crate) fn expire(&self, id: MessageId) {
        let mut held = self.lock();
        if let Some(position) = held.positions.remove(&id) {
            held.by_position.remove(&position);
            held.expired_at = held.expired_at.max(position);
        }
        drop(held);
        // Those who had not come that far must hear of it.
        self.grew.notify_waiters();
    }

    /// A message at this position went unacknowledged at some time; 0 for none.
    pub(crate) fn note_expired(&self, position: u64) {
        let mut held = self.lock();
        held.expired_at = held.expired_at.max(position);
        // A refusal names it as where to go on.
        held.given_until = held.given_until.max(position);
    }

    pub(crate) fn expired_at(&self) -> u64 {
        self.lock().expired_at
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
    /// What had expired up to here when the watcher began is not held against it: it asked for what was left.
    pub(crate) forgiven: u64,
}

impl InboundWatcher {
    /// Begins with what is left, or behind a position that was given out.
    ///
    /// # Errors
    /// [`PositionLost`] for a position of another data directory, for one that was never given out (a watcher there would miss whatever
    /// comes until the journal has grown so far), and where a message behind it has expired, unseen and unacknowledged.
    pub(crate) fn begin(
        store: Arc<InboundStore>,
        data_id: u64,
        after: Option<ResumePosition>,
    ) -> Result<Self, PositionLost> {
        let (seen, forgiven) = {
            let held = store.lock();
            match after {
                None => (0, held.expired_at),
                Some(ResumePosition { data_id: of, key })
                    if of == data_id
                        && (held.expired_at..=held.given_until).contains(&key.position.0) =>
                {
                    (key.position.0, key.position.0)
                }
                Some(_) => return Err(lost(data_id, held.expired_at)),
            }
        };
        Ok(Self {
            store,
            data_id,
            seen,
            forgiven,
        })
    }

    fn lost_until(&self, expired_at: u64) -> Option<PositionLost> {
        (expired_at > self.seen.max(self.forgiven)).then(|| lost(self.data_id, expired_at))
    }

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
    ///
    /// # Errors
    /// [`PositionLost`] when a message that this watcher had not come to has expired: nobody will see it. The position in the error is
    /// behind it.
    pub async fn next(&mut self, out: &mut Vec<Arc<InboundView>>) -> Result<(), PositionLost> {
        loop {
            let grew = self.store.grew.notified();
            tokio::pin!(grew);
            grew.as_mut().enable();
            {
                let held = self.store.lock();
                if let Some(lost) = self.lost_until(held.expired_at) {
                    return Err(lost);
                }
                let before = out.len();
                for (position, view) in held.by_position.range(self.seen + 1..).take(BATCH_MAX) {
                    self.seen = *position;
                    out.push(Arc::clone(view));
                }
                if out.len() > before {
                    return Ok(());
                }
            }
            grew.await;
        }
    }
}

/// From behind the last that expired on, everything can be had.
fn lost(data_id: u64, expired_at: u64) -> PositionLost {
    let oldest = ResumePosition {
        data_id,
        key: EventKey::new(expired_at, 0),
    };
    PositionLost { oldest }
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

    fn begin(
        store: &Arc<InboundStore>,
        after: Option<u64>,
    ) -> Result<InboundWatcher, PositionLost> {
        let after = after.map(|position| ResumePosition {
            data_id: 7,
            key: EventKey::new(position, 0),
        });
        InboundWatcher::begin(Arc::clone(store), 7, after)
    }

    #[test]
    fn a_position_that_was_never_given_out_is_refused_with_the_oldest() {
        let store = Arc::new(InboundStore::default());
        store.begin_at(50, 0);
        let refused = |after| begin(&store, Some(after)).unwrap_err().oldest.key;
        assert_eq!(begin(&store, Some(50)).unwrap().seen, 50);
        assert_eq!(refused(51), EventKey::new(0, 0));
        for nth in 1..=3 {
            store.add(nth * 100, view(nth));
        }
        store.remove(view(3).id);
        assert_eq!(begin(&store, Some(300)).unwrap().seen, 300);
        store.expire(view(1).id);
        for never in [301, u64::MAX] {
            assert_eq!(refused(never), EventKey::new(100, 0));
        }

        let of_another = ResumePosition {
            data_id: 8,
            key: EventKey::new(200, 0),
        };
        let lost = InboundWatcher::begin(Arc::clone(&store), 7, Some(of_another)).unwrap_err();
        // What the refusal names is not refused.
        assert_eq!(begin(&store, Some(100)).unwrap().position(), lost.oldest);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_new_watcher_sees_what_nobody_acknowledged() {
        let store = Arc::new(InboundStore::default());
        store.add(100, view(1));
        store.add(200, view(2));
        store.remove(view(1).id);
        let mut watcher = begin(&store, None).unwrap();
        let mut out = Vec::new();
        watcher.next(&mut out).await.unwrap();
        assert_eq!(
            out.iter().map(|view| view.received_ms).collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(watcher.position().key, EventKey::new(200, 0));
        store.add(300, view(3));
        out.clear();
        watcher.next(&mut out).await.unwrap();
        assert_eq!(out[0].received_ms, 3);

        // After a restart the same messages come in the same places.
        let again = Arc::new(InboundStore::default());
        again.add(200, view(2));
        again.add(300, view(3));
        let mut resumed = begin(&again, Some(200)).unwrap();
        out.clear();
        resumed.next(&mut out).await.unwrap();
        assert_eq!((out.len(), out[0].received_ms), (1, 3));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_watcher_that_had_not_come_to_an_expired_message_is_told_where_to_go_on() {
        let store = Arc::new(InboundStore::default());
        for nth in 1..=4 {
            store.add(nth * 100, view(nth));
        }
        let mut out = Vec::new();
        let mut ahead = begin(&store, None).unwrap();
        ahead.next(&mut out).await.unwrap();
        assert_eq!(out.len(), 4);
        let mut behind = begin(&store, Some(100)).unwrap();
        store.expire(view(1).id);
        assert_eq!(behind.lost_until(store.expired_at()), None);
        store.expire(view(2).id);
        let lost = behind.next(&mut out).await.unwrap_err();
        assert_eq!(lost.oldest.key, EventKey::new(200, 0));
        assert_eq!((ahead.lost_until(store.expired_at()), out.len()), (None, 4));

        // From the position named, or from none, everything that is left comes.
        for after in [Some(200), None] {
            let mut again = begin(&store, after).unwrap();
            out.clear();
            again.next(&mut out).await.unwrap();
            assert_eq!(out.len(), 2, "{after:?}");
        }
    }
}
