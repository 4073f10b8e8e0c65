//! The records of one message: those that the index names, and those that it has not reached.

use std::collections::BTreeMap;

use history_index::IndexError;
use journal::{Position, ReadError};
use message::MessageId;
use partition::Record;

use super::policies::PolicyBook;
use super::record::message_of;
use super::slot::OpenIndex;
use super::{HistoryError, Indexed, LogSource, Missing, RECORDS_MAX, SCAN_MAX_BYTES};
use crate::opened::OPENED_KIND;
use crate::shared::Shared;

/// The records found so far, by where they begin.
pub(super) struct Found {
    pub(super) id: MessageId,
    pub(super) records: BTreeMap<u64, Record>,
    pub(super) missing: Missing,
    pub(super) policies: PolicyBook,
}

impl Found {
    /// What the index knows of a message, how far it reaches, and the index itself where it is open.
    pub(super) fn begin(
        shared: &Shared,
        source: &LogSource,
        id: MessageId,
    ) -> Result<(Self, Indexed, Option<OpenIndex>), HistoryError> {
        let mut found = Self::new(id, PolicyBook::new(&shared.config, source.begins.0));
        let open = shared.history.slot.open().ok();
        let indexed = match &open {
            Some(open) => found.fetch_indexed(source, open)?,
            None => Indexed::default(),
        };
        Ok((found, indexed, open))
    }

    fn new(id: MessageId, policies: PolicyBook) -> Self {
        Self {
            id,
            records: BTreeMap::new(),
            missing: Missing::default(),
            policies,
        }
    }

    /// Fetches what the index knows of; returns how far it reaches at least.
    fn fetch_indexed(
        &mut self,
        source: &LogSource,
        open: &OpenIndex,
    ) -> Result<Indexed, HistoryError> {
        // Before the positions: what the index learns meanwhile is found twice rather than missed.
        let progress = open.index.progress().map_err(unreadable)?;
        let positions = open.index.positions(self.id, RECORDS_MAX + 1);
        let mut fetcher = source.reader.fetcher();
        for position in positions.map_err(unreadable)? {
            match fetcher.fetch(Position(position)) {
                Ok(record) => self.take(record),
                Err(ReadError::Gone { .. }) => self.missing.forgotten += 1,
                Err(ReadError::NoRecord { .. } | ReadError::Log(_)) => self.missing.unreadable += 1,
            }
        }
        Ok(Indexed {
            position: progress.position,
            until_ms: progress.at_ms,
        })
    }

    /// Reads what is not indexed yet, or the newest part of it, until no more can be shown.
    pub(super) fn scan(
        &mut self,
        source: &LogSource,
        from: Position,
        until: Position,
    ) -> Result<(), HistoryError> {
        let mut begin = from;
        if until.0.saturating_sub(from.0) > SCAN_MAX_BYTES {
            let files = source
                .reader
                .files()
                .map_err(|error| HistoryError::Unreadable(error.to_string()))?;
            let starts = files.iter().map(|file| file.start);
            let newest = starts
                .filter(|start| until.0.saturating_sub(start.0) <= SCAN_MAX_BYTES)
                .min();
            begin = newest.unwrap_or(until).max(from);
            self.missing.unread_bytes = begin.0 - from.0;
        }
        let word = id_word(self.id);
        let mut cursor = source.reader.cursor(begin);
        while !self.missing.more {
            let at = cursor.position();
            match cursor.next(until) {
                Ok(Some(record)) => {
                    let frame = record.frame;
                    if frame.kind == OPENED_KIND {
                        self.policies.note(record.start.0, frame.payload);
                    } else if frame.payload.windows(8).any(|octets| octets == word) {
                        self.take(record);
                    }
                }
                Ok(None) => break,
                Err(ReadError::Gone { oldest, .. }) if oldest > at => {
                    self.missing.unread_bytes += oldest.0 - at.0;
                    cursor = source.reader.cursor(oldest);
                }
                Err(error) => return Err(HistoryError::Unreadable(error.to_string())),
            }
        }
        Ok(())
    }

    fn take(&mut self, found: journal::Record<'_>) {
        let frame = found.frame;
        if frame.kind < partition::record::KIND_MIN {
            return;
        }
        match Record::decode(frame.kind, frame.version, frame.payload) {
            Ok(record) if message_of(&record) == Some(self.id) => {
                if self.records.len() < RECORDS_MAX {
                    self.records.insert(found.start.0, record);
                } else {
                    self.missing.more |= !self.records.contains_key(&found.start.0);
                }
            }
            Ok(_) => {}
            Err(_) => self.missing.unreadable += 1,
        }
    }
}

/// The half of an id that differs most, as records carry it: most that are about others are told by that, without decoding.
pub(super) fn id_word(id: MessageId) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&id.to_bytes()[8..]);
    // Halves are little-endian words in records.
    word.reverse();
    word
}

/// What a record says of the submission, and whether that had an idempotency key: the admission, or where that is gone, a record that repeats it.
pub(super) fn admission(record: &Record) -> Option<(&partition::record::Admitted, bool)> {
    match record {
        Record::Admitted(record) => Some((record, record.idempotency.is_some())),
        Record::Carried(record) => Some((&record.message, record.keyed)),
        Record::Claimed(_)
        | Record::Written(_)
        | Record::Outcome(_)
        | Record::Receipt(_)
        | Record::Final(_)
        | Record::EarlyReceipt(_)
        | Record::Inbound(_)
        | Record::InboundDone(_)
        | Record::KeyKept(_)
        | Record::Replaced(_) => None,
    }
}

pub(super) fn unreadable(error: IndexError) -> HistoryError {
    HistoryError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use journal::{
        Append as _, FileJournal, FileStorage, JournalConfig, LogContents, LogReader, Placed,
    };
    use message::{Now, SegmentRef};
    use partition::record::{Claimed, RECORD_VERSION};

    use super::*;
    use crate::config::EngineConfig;

    #[test]
    fn a_full_explanation_reads_no_further_and_says_that_there_is_more() {
        let name = format!("hikyaku-found-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let recovery = FileJournal::open(JournalConfig::new(dir.clone())).unwrap();
        let journal = recovery
            .start(Arc::new(|| {}), Arc::new(Now::default))
            .unwrap();
        let mut appender = journal.appender();
        let id = message::IdSource::new(0).peek(1_000, 1);
        let segment = SegmentRef {
            message: id,
            leg: 0,
            attempt: 1,
            segment: 0,
        };
        let claimed = Record::Claimed(Claimed {
            segment: segment.into(),
        });
        let mut append = |rest: &[u8]| -> Placed {
            let mut encode = |out: &mut Vec<u8>| {
                claimed.encode(out);
                out.extend_from_slice(rest);
            };
            let placed = appender.append(claimed.kind(), RECORD_VERSION, &mut encode);
            placed.unwrap()
        };
        let first = append(&[]);
        for _ in 0..RECORDS_MAX {
            append(&[]);
        }
        // Whoever reads on meets what cannot be decoded.
        let end = append(&[0xff]).end;
        appender.commit();
        while appender.durable() < end {
            std::thread::yield_now();
        }
        let reader =
            || LogReader::open(FileStorage::shared(), dir.clone(), LogContents::Journal).unwrap();
        let source = LogSource {
            reader: reader(),
            appender,
            begins: Position(0),
            written_reader: reader(),
            written: Arc::new(AtomicU64::new(0)),
        };
        let config = EngineConfig::new(dir.clone(), Now::default);
        let mut found = Found::new(id, PolicyBook::new(&config, 0));
        found.scan(&source, first.start, end).unwrap();
        assert_eq!(found.records.len(), RECORDS_MAX);
        let full = Missing {
            more: true,
            ..Missing::default()
        };
        assert_eq!(found.missing, full);
        let mut fetcher = source.reader.fetcher();
        found.take(fetcher.fetch(first.start).unwrap());
        assert_eq!(
            found.missing, full,
            "a record that is known takes nothing back"
        );
        drop((source, fetcher));
        journal.close().unwrap();
        let _ = std::fs::remove_dir_all(dir);
    }
}
