//! What the written log still holds of a message.
//!
//! The written log is for recovery: the cell lets go of its records minutes after they were made, however long the journal is kept. While
//! they are there they are shown; after that the outcome of an attempt still names carrier and session.

use journal::{FileState, LogFile, OpenError, Position, ReadError};
use message::{MessageId, OutcomeClass};
use partition::Record;

use super::found::id_word;
use super::record::{HistoryRecord, RecordKind, message_of};
use super::{HistoryError, LogSource};

/// Most of the written log that an explanation reads; the newest is read.
const READ_MAX_BYTES: u64 = 64 << 20;

/// The writes of a message that were found.
#[derive(Debug, Default)]
pub(super) struct Writes {
    records: Vec<HistoryRecord>,
    /// What was not read, since it would have been too much, in bytes.
    pub(super) unread_bytes: u64,
}

/// Reads the writes of a message, all of which were made between these times, in milliseconds since the epoch.
///
/// # Errors
/// [`HistoryError::Unreadable`].
pub(super) fn read(
    source: &LogSource,
    id: MessageId,
    times_ms: (u64, u64),
) -> Result<Writes, HistoryError> {
    let until = source.written();
    let files = source.written_reader.files().map_err(unreadable)?;
    let mut writes = Writes::default();
    let mut left = READ_MAX_BYTES;
    for (at, file) in files.iter().enumerate().rev() {
        let next_made_ms = files.get(at + 1).and_then(|next| next.made_at_ms);
        if !overlaps(file, next_made_ms, times_ms) {
            continue;
        }
        let end = match file.state {
            FileState::Sealed { end } => end,
            FileState::Last => until,
        };
        let bytes = end.0.saturating_sub(file.start.0);
        if bytes > left {
            writes.unread_bytes += bytes;
            continue;
        }
        left -= bytes;
        writes.read_file(source, id, (file.start, end))?;
    }
    Ok(writes)
}

/// A file without a time may hold anything.
fn overlaps(file: &LogFile, next_made_ms: Option<u64>, (from_ms, until_ms): (u64, u64)) -> bool {
    file.made_at_ms.is_none_or(|made_ms| made_ms <= until_ms)
        && next_made_ms.is_none_or(|made_ms| made_ms >= from_ms)
}

fn unreadable(error: OpenError) -> HistoryError {
    HistoryError::Unreadable(format!("the written log: {error}"))
}

impl Writes {
    fn read_file(
        &mut self,
        source: &LogSource,
        id: MessageId,
        (start, end): (Position, Position),
    ) -> Result<(), HistoryError> {
        let word = id_word(id);
        let mut cursor = source.written_reader.cursor(start);
        loop {
            match cursor.next(end) {
                Ok(Some(found)) => {
                    let frame = found.frame;
                    if !frame.payload.windows(8).any(|octets| octets == word) {
                        continue;
                    }
                    let record = Record::decode(frame.kind, frame.version, frame.payload).ok();
                    let ours = record.filter(|record| message_of(record) == Some(id));
                    let shown = ours.and_then(|record| HistoryRecord::of(found.start.0, &record));
                    self.records.extend(shown);
                }
                // Let go of meanwhile, or never synced before a power cut.
                Ok(None) | Err(ReadError::Gone { .. } | ReadError::NoRecord { .. }) => {
                    return Ok(());
                }
                Err(ReadError::Log(error)) => return Err(unreadable(error)),
            }
        }
    }

    /// Puts each write in front of what followed from it, and returns how many outcomes have none.
    pub(super) fn merge_into(mut self, records: &mut Vec<HistoryRecord>) -> usize {
        self.records.sort_by_key(|write| write.position);
        let written = |outcome: &&HistoryRecord| {
            !self
                .records
                .iter()
                .any(|write| place(write) == place(outcome))
        };
        let missing = records.iter().filter(had_write).filter(written).count();
        for write in self.records {
            let follows = |record: &HistoryRecord| {
                let about = matches!(
                    record.kind,
                    RecordKind::Outcome | RecordKind::Receipt | RecordKind::Final
                );
                (about && record.attempt >= write.attempt) || record.at_ms > write.at_ms
            };
            let at = records.iter().position(follows);
            records.insert(at.unwrap_or(records.len()), write);
        }
        missing
    }
}

fn place(record: &HistoryRecord) -> (u8, u16, u8) {
    (record.leg, record.attempt, record.segment)
}

/// Whether the outcome is the word of a session, so that its segment was written.
fn had_write(record: &&HistoryRecord) -> bool {
    match record.outcome {
        Some(
            OutcomeClass::Submitted
            | OutcomeClass::Throttled
            | OutcomeClass::RejectedRetry
            | OutcomeClass::RejectedFinal
            | OutcomeClass::Uncertain,
        ) => record.session != 0,
        Some(OutcomeClass::Unwritten) | None => false,
    }
}
