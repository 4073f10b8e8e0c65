//! The event log after a start: what a crash took from its end is made again from the journal.
//!
//! 1. The log is opened and says up to which key it is whole.
//! 2. While the journal is replayed, the fold yields the same changes as it did live; those beyond that key are appended.
//! 3. Where journal and log do not fit together (the log was lost, is of another data directory, or ends before the journal begins),
//!    history begins here, and whoever resumes from before is told so. Where the log knows of more than the journal, the journal has
//!    lost records: positions would be given out a second time, so the data directory gets a new identity and old ones are refused.

use std::sync::Arc;

use journal::keyed::{KeyedConfig, KeyedLog};
use journal::{Position, Storage};

use super::{Event, EventKey, EventLog, EventWriter, writer};

/// Events collected before they are written.
const BATCH: usize = 1_024;

/// An event log in recovery.
#[derive(Debug)]
pub(crate) struct EventRecovery {
    storage: Arc<dyn Storage>,
    config: KeyedConfig,
    log: Option<KeyedLog>,
    /// The data directory that the log belongs to; none when it is new.
    of: Option<u64>,
    /// Up to where it was whole when it was opened.
    through: EventKey,
    batch: Vec<Event>,
    now_ms: u64,
}

/// What a replay found of the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalSpan {
    /// Before the first record.
    pub(crate) begin: Position,
    /// Behind the last.
    pub(crate) end: Position,
    /// The identity of the data directory; none when it has none yet.
    pub(crate) data_id: Option<u64>,
}

impl EventRecovery {
    /// Opens the log. One that cannot be opened costs watchers their history, not the engine its start.
    pub(crate) fn open(storage: Arc<dyn Storage>, config: KeyedConfig, now_ms: u64) -> Self {
        let opened = KeyedLog::open(Arc::clone(&storage), config.clone(), now_ms);
        let (log, of) = match opened {
            Ok(opened) => {
                for cut in &opened.cuts {
                    tracing::warn!(file = %cut.file.display(), offset = cut.offset, what = cut.what, "event log cut");
                }
                (Some(opened.log), opened.note.map(|note| note[0]))
            }
            Err(error) => {
                tracing::error!(%error, "the event log cannot be opened: watchers have no history; it is tried again every 10 s, without a restart");
                (None, None)
            }
        };
        Self {
            storage,
            config,
            through: log.as_ref().map_or(EventKey::default(), KeyedLog::through),
            log,
            of,
            batch: Vec::new(),
            now_ms,
        }
    }

    /// Whether the event of the record that ends at `position` is missing in the log.
    pub(crate) fn lacks(&self, position: Position) -> bool {
        EventKey::of_record(position) > self.through
    }

    /// Appends an event that the log lacks.
    pub(crate) fn add(&mut self, event: Event) {
        self.batch.push(event);
        if self.batch.len() >= BATCH {
            self.write();
        }
    }

    /// The same, where there may be none.
    pub(crate) fn extend(&mut self, event: Option<Event>) {
        event.into_iter().for_each(|event| self.add(event));
    }

    fn write(&mut self) {
        let written = match &mut self.log {
            Some(log) => writer::append(log, &self.batch, self.now_ms),
            None => Ok(()),
        };
        if let Err(failure) = written {
            tracing::error!(%failure, "the event log cannot be written");
            self.log = None;
        }
        self.batch.clear();
    }

    /// The journal is replayed: everything up to its end has happened. Returns the writer for what follows. The data directory's identity
    /// is that of the journal, or `fresh`.
    pub(crate) fn settle(
        mut self,
        hub: Arc<EventLog>,
        journal: JournalSpan,
        fresh: u64,
    ) -> EventWriter {
        self.write();
        let last = EventKey {
            position: journal.end,
            ordinal: u32::MAX,
        };
        let ahead = self.through > last;
        let data_id = journal.data_id.filter(|_| !ahead).unwrap_or(fresh);
        if let Some(log) = &mut self.log {
            log.set_note([data_id, 0]);
            let another = self.of.is_some() && self.of != journal.data_id;
            let short = self.through < EventKey::of_record(journal.begin);
            let settled = if ahead || another || short {
                tracing::warn!(
                    ahead,
                    another,
                    short,
                    "event log and journal do not fit: history begins here"
                );
                log.begin_anew(last, self.now_ms)
            } else {
                writer::mark(log, Position(journal.end.0 + 1), self.now_ms)
            };
            if let Err(failure) = settled {
                tracing::error!(%failure, "the event log cannot be written");
                self.log = None;
            }
        }
        EventWriter::new(
            hub,
            (self.storage, self.config),
            (self.log, last),
            (data_id, self.now_ms),
        )
    }
}
