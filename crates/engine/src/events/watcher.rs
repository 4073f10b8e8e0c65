//! A watcher: a key, and where what follows it is found.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use journal::keyed::{KeyedIndex, KeyedReader, ReadEnd, ReadFault};

use super::ring::Place;
use super::{CHUNK_MAX, Event, EventKey, EventLog, ResumePosition, codec};

/// What follows the position asked for is gone, or the position was never given out, or by another data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what follows the position is gone; the oldest position left is {oldest:?}")]
pub struct PositionLost {
    /// The oldest position after which everything can be had.
    pub oldest: ResumePosition,
}

/// Why nobody can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchRefused {
    /// The position cannot be resumed from.
    #[error(transparent)]
    Position(#[from] PositionLost),
    /// The engine is over.
    #[error("the engine has ended")]
    Over,
}

/// Some events in the order of their keys, shared with whoever else watches.
#[derive(Clone, Debug)]
pub struct EventChunk {
    batch: Arc<Vec<Event>>,
    range: Range<usize>,
    position: ResumePosition,
}

impl EventChunk {
    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.batch[self.range.clone()]
    }

    /// The position to resume from once all of them were taken.
    #[must_use]
    pub const fn position(&self) -> ResumePosition {
        self.position
    }

    /// The position to resume from once one of them, and all before it, were taken.
    #[must_use]
    pub const fn position_of(&self, event: &Event) -> ResumePosition {
        ResumePosition {
            key: event.key,
            ..self.position
        }
    }
}

/// Follows what happens to messages.
#[derive(Debug)]
pub struct Watcher {
    log: Arc<EventLog>,
    after: EventKey,
    /// Where it reads on the disk, while it is behind.
    reader: Option<KeyedReader>,
}

impl EventLog {
    /// A watcher of what comes after `from`, or after now.
    pub(crate) fn watch(
        self: &Arc<Self>,
        from: Option<ResumePosition>,
    ) -> Result<Watcher, PositionLost> {
        let ring = self.ring();
        let data_id = self.data_id();
        let after = from.map_or_else(|| ring.last(), |from| from.key);
        let lost = match ring.after(after) {
            Place::Lost(_) => true,
            Place::Nowhere => after > ring.last(),
            Place::Here(..) | Place::History(_) => false,
        };
        if lost || from.is_some_and(|from| from.data_id != data_id) {
            let key = ring.oldest();
            let oldest = ResumePosition { data_id, key };
            return Err(PositionLost { oldest });
        }
        self.watchers.fetch_add(1, Ordering::AcqRel);
        Ok(Watcher {
            log: Arc::clone(self),
            after,
            reader: None,
        })
    }
}

impl Watcher {
    /// The position after which it goes on.
    #[must_use]
    pub fn position(&self) -> ResumePosition {
        self.at(self.after)
    }

    fn at(&self, key: EventKey) -> ResumePosition {
        let data_id = self.log.data_id();
        ResumePosition { data_id, key }
    }

    /// Waits for events: from memory where it keeps up, from the disk where it is behind. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// When what follows is gone: it has fallen behind history, or the log has failed.
    pub async fn next(&mut self) -> Result<EventChunk, PositionLost> {
        loop {
            let log = Arc::clone(&self.log);
            let grew = log.grew.notified();
            tokio::pin!(grew);
            // Registered before the look, so that growth between the look and the wait is not missed.
            grew.as_mut().enable();
            let place = log.ring().after(self.after);
            match place {
                Place::Nowhere => grew.await,
                Place::Here(batch, range) => {
                    self.reader = None;
                    if let Some(last) = batch[range.clone()].last() {
                        self.after = last.key;
                    }
                    let position = self.position();
                    return Ok(EventChunk {
                        batch,
                        range,
                        position,
                    });
                }
                Place::Lost(oldest) => {
                    let oldest = self.at(oldest);
                    return Err(PositionLost { oldest });
                }
                Place::History(index) => {
                    if let Some(chunk) = self.read(index).await? {
                        return Ok(chunk);
                    }
                }
            }
        }
    }

    /// The next events on the disk; none when it has caught up with what is in memory.
    async fn read(&mut self, index: KeyedIndex) -> Result<Option<EventChunk>, PositionLost> {
        let from = self.after;
        let log = Arc::clone(&self.log);
        let lost = |oldest: EventKey| PositionLost {
            oldest: ResumePosition {
                data_id: log.data_id(),
                key: oldest,
            },
        };
        // Closed only with the log itself, which we hold.
        let _place = log.history_reads.acquire().await.map_err(|_| lost(from))?;
        let mut reader = self.reader.take().unwrap_or_else(|| index.reader(from));
        if reader.after() != from {
            reader.seek(from);
        }
        let read = tokio::task::spawn_blocking(move || {
            let events = read_chunk(&mut reader);
            (reader, events)
        });
        // The runtime is going down: so is whoever waits.
        let (reader, events) = read.await.map_err(|_| lost(from))?;
        let events = events.map_err(lost)?;
        let after = reader.after();
        if events.is_empty() && after == from {
            return Err(lost(log.ring().oldest()));
        }
        (self.after, self.reader) = (after, Some(reader));
        if events.is_empty() {
            return Ok(None);
        }
        Ok(Some(EventChunk {
            range: 0..events.len(),
            batch: Arc::new(events),
            position: self.position(),
        }))
    }
}

/// The next events; where there are none, the oldest key to go on after.
fn read_chunk(reader: &mut KeyedReader) -> Result<Vec<Event>, EventKey> {
    let mut events = Vec::with_capacity(CHUNK_MAX);
    loop {
        let read = reader.read(CHUNK_MAX - events.len(), &mut |key, version, payload| {
            events.extend(codec::decode(key, version, payload));
        });
        match read {
            Ok(ReadEnd::More) if events.is_empty() => {}
            Ok(ReadEnd::More | ReadEnd::CaughtUp) => return Ok(events),
            Err(_) if !events.is_empty() => return Ok(events),
            Err(fault) => return Err(told(&fault, reader)),
        }
    }
}

/// Damage ends the watch: whoever resumes from where it can be read again does so knowingly.
fn told(fault: &ReadFault, reader: &KeyedReader) -> EventKey {
    match fault {
        ReadFault::Lost { oldest } => *oldest,
        ReadFault::Damage { next, .. } => {
            tracing::error!(%fault, "the event log is damaged; watchers are told to go on behind it");
            *next
        }
        ReadFault::Io { .. } => {
            tracing::error!(%fault, "the event log cannot be read");
            reader.after()
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.log.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}
