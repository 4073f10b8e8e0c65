//! What a frame of each log says.

use engine::{Event, EventKey, OPENED_KIND, Opened};
use journal::FrameRef;
use journal::keyed::{self, Entry, EntryMark};
use partition::Record;

use super::place::Log;

/// A frame, read.
pub(super) enum Entered {
    /// Who opened the journal, and what the numbers in records stand for.
    Opened(Opened),
    /// A record of a partition.
    Record(Record),
    /// How far the event log is complete.
    Mark(EntryMark),
    /// An event.
    Event(EventKey, Box<Event>),
}

/// The names of the kinds that `--kind` takes, beside those of newer releases.
pub(super) const KINDS: [&str; 15] = [
    "opened",
    "admitted",
    "claimed",
    "written",
    "outcome",
    "receipt",
    "final",
    "early_receipt",
    "inbound",
    "inbound_done",
    "key_kept",
    "carried",
    "replaced",
    "mark",
    "event",
];

/// Reads a frame of a log.
///
/// # Errors
/// Why this release cannot.
pub(super) fn read(log: Log, frame: FrameRef<'_>) -> Result<Entered, String> {
    let FrameRef {
        kind,
        version,
        key_id,
        payload,
    } = frame;
    if key_id != 0 {
        return Err(format!(
            "record kind {kind} is encrypted with key {key_id}; this release knows no keys"
        ));
    }
    match log {
        Log::Journal if kind == OPENED_KIND => Opened::of_payload(payload).map(Entered::Opened),
        Log::Journal | Log::Written => Record::decode(kind, version, payload)
            .map(Entered::Record)
            .map_err(|error| error.to_string()),
        Log::Events => match keyed::entry(frame) {
            Some(Entry::Mark(mark)) => Ok(Entered::Mark(mark)),
            Some(Entry::Record { key, payload }) => Event::of_log(key, version, payload)
                .map(|event| Entered::Event(key, Box::new(event)))
                .ok_or_else(|| {
                    format!("an event of version {version} that this release does not read")
                }),
            None => Err(format!(
                "kind {kind} is none of an event log in this release"
            )),
        },
    }
}

impl Entered {
    /// What kind of record it is: one of [`KINDS`].
    pub(super) const fn kind_name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Mark(_) => "mark",
            Self::Event(..) => "event",
            Self::Record(record) => match record {
                Record::Admitted(_) => "admitted",
                Record::Claimed(_) => "claimed",
                Record::Written(_) => "written",
                Record::Outcome(_) => "outcome",
                Record::Receipt(_) => "receipt",
                Record::Final(_) => "final",
                Record::EarlyReceipt(_) => "early_receipt",
                Record::Inbound(_) => "inbound",
                Record::InboundDone(_) => "inbound_done",
                Record::KeyKept(_) => "key_kept",
                Record::Carried(_) => "carried",
                Record::Replaced(_) => "replaced",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_that_is_read_has_a_name_that_can_be_asked_for() {
        for kind in 0..=u8::MAX {
            let frame = FrameRef {
                kind,
                version: partition::record::RECORD_VERSION,
                key_id: 0,
                payload: &[],
            };
            if let Ok(entered) = read(Log::Journal, frame) {
                assert!(KINDS.contains(&entered.kind_name()), "kind {kind}");
            }
        }
        assert!(
            read(
                Log::Written,
                FrameRef {
                    kind: 99,
                    version: 1,
                    key_id: 0,
                    payload: &[]
                }
            )
            .is_err()
        );
        assert!(
            read(
                Log::Journal,
                FrameRef {
                    kind: 16,
                    version: 1,
                    key_id: 3,
                    payload: &[]
                }
            )
            .is_err()
        );
    }
}
