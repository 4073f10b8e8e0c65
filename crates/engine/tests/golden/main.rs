//! Golden files: what every release wrote stays readable, to the same records and to the same state.
//!
//! `sets/` holds small data directories that are never made again. When a record kind, a version of one, or a file format is added, add what
//! it says to `samples.rs` as a story of its own, add a set to [`SETS`], and run
//!
//! ```sh
//! HIKYAKU_BLESS=1 cargo test -p engine --test golden
//! ```
//!
//! which makes the sets that are missing and leaves the others alone. A kind without a golden record fails
//! [`every_kind_that_is_read_has_a_golden_record`].

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bytes;
mod keyed;
mod samples;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Event, OPENED_KIND, Opened};
use journal::keyed::{KeyedConfig, KeyedLog};
use journal::{
    Append as _, FileJournal, FileStorage, JournalConfig, Record as Frame, WrittenConfig,
    WrittenIn, WrittenLog,
};
use message::{MessageState, Now, Reason};
use partition::record::{Admitted, RECORD_VERSION, RecordError};
use partition::{Boot, Limits, Partition, Record, Recovered};

use bytes::HEADER_BYTES;
use samples::{ACKNOWLEDGED, CARRIED, DELIVERED, PARTITIONS, REPLACED, UNDER_WAY, UNREAD, id};

/// One committed data directory.
struct Set {
    name: &'static str,
    /// How it is made where it is missing.
    make: fn(&Path),
    /// The records of its journal beside the engine's own, and of its written log.
    journal: fn() -> Vec<Record>,
    written: fn() -> Vec<Record>,
}

const SETS: [Set; 2] = [
    Set {
        name: "format-1",
        make: |set| bytes::make(set, 1),
        journal: samples::journal,
        written: samples::written,
    },
    Set {
        name: "format-2",
        make: |set| bytes::make(set, 2),
        journal: samples::journal,
        written: samples::written,
    },
];

/// A copy of a set, since opening writes: gone when dropped.
struct Copy(PathBuf);

impl Copy {
    fn of(set: &Set, test: &str) -> Self {
        let golden = golden(set);
        if std::env::var_os("HIKYAKU_BLESS").is_some() && !golden.exists() {
            (set.make)(&golden);
        }
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "golden-{test}-{}-{}",
            set.name,
            std::process::id()
        ));
        let _ = fs::remove_dir_all(&copy);
        copy_folder(&golden, &copy);
        Self(copy)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn golden(set: &Set) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/sets")
        .join(set.name)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Replays a journal; hands out each frame.
fn replay_journal(dir: PathBuf, mut each: impl FnMut(Frame<'_>)) {
    let mut recovery = FileJournal::open(JournalConfig::new(dir)).unwrap();
    let replayed = recovery.replay(|record| {
        each(record);
        Ok::<_, Infallible>(())
    });
    assert_eq!(replayed.unwrap().torn, None);
}

fn replay_written(dir: PathBuf, mut each: impl FnMut(Frame<'_>)) {
    let config = WrittenConfig::new(dir);
    let mut recovery = WrittenLog::open(FileStorage::shared(), config).unwrap();
    let replayed = recovery.replay(|record| {
        each(record);
        Ok::<_, Infallible>(())
    });
    assert_eq!(replayed.unwrap().torn, None);
}

fn decoded(frame: &Frame<'_>) -> Record {
    let frame = frame.frame;
    Record::decode(frame.kind, frame.version, frame.payload).unwrap()
}

/// Every field, as prost prints it: `Debug` of a record hides people, and a difference must be seen.
fn spelled(records: &[Record]) -> Vec<(u8, Vec<u8>)> {
    let frames = records.iter().map(bytes::frame_of);
    frames.map(|(kind, _, payload)| (kind, payload)).collect()
}

#[test]
fn every_set_is_read_to_the_same_records() {
    for set in &SETS {
        let copy = Copy::of(set, "records");
        let mut records = Vec::new();
        let mut own = Vec::new();
        let mut end = 0;
        replay_journal(copy.folder("journal"), |frame| {
            assert_eq!(frame.written_in, WrittenIn::EarlierBoot);
            assert_eq!(frame.start.0, end, "records follow each other");
            end = frame.position.0;
            if frame.frame.kind == OPENED_KIND {
                own.push(Opened::of_payload(frame.frame.payload).unwrap());
            } else {
                records.push(decoded(&frame));
            }
        });
        assert_eq!(own, [samples::opened(), samples::opened()], "{}", set.name);
        assert_eq!(spelled(&records), spelled(&(set.journal)()), "{}", set.name);
        assert_eq!(records, (set.journal)(), "{}", set.name);
        let mut written = Vec::new();
        replay_written(copy.folder("written"), |frame| {
            written.push(decoded(&frame))
        });
        assert_eq!(written, (set.written)(), "{}", set.name);
    }
}

#[test]
fn every_set_is_folded_to_the_same_state() {
    for set in &SETS {
        let copy = Copy::of(set, "state");
        let mut partitions: Vec<_> = (0..PARTITIONS)
            .map(|number| Partition::new(number, Limits::default()))
            .collect();
        replay_journal(copy.folder("journal"), |frame| {
            if frame.frame.kind != OPENED_KIND {
                let record = decoded(&frame);
                let at = usize::from(record.partition());
                partitions[at].apply(record, frame.start.0).unwrap();
            }
        });
        replay_written(copy.folder("written"), |frame| {
            if let Record::Written(written) = decoded(&frame) {
                let at = usize::from(Record::Written(written).partition());
                partitions[at].recover_written(written);
            }
        });
        check_state(&partitions);
    }
}

fn check_state(partitions: &[Partition]) {
    let of = |text: &str| &partitions[usize::from(id(text).partition())];
    let view = |text: &str| of(text).find(id(text)).unwrap();
    let delivered = view(DELIVERED);
    assert_eq!(delivered.state, MessageState::Delivered);
    assert_eq!(delivered.reason, Reason::ReceiptDelivered);
    assert_eq!(delivered.carrier_message_id.unwrap().as_bytes(), b"c0de-1");
    assert_eq!(&delivered.context[..], b"order \x00 99");
    let replaced = view(REPLACED);
    assert_eq!(replaced.state, MessageState::Scheduled);
    assert_eq!(
        (replaced.attempt, replaced.expires_ms),
        (2, keyed::MADE_MS + 400_000)
    );
    assert_eq!(of(REPLACED).due_ms(id(REPLACED)), keyed::MADE_MS + 70_000);
    assert_eq!(view(UNDER_WAY).state, MessageState::Attempting);
    for boot in [Boot::Same, Boot::New] {
        let recovered = of(UNDER_WAY).recovered(id(UNDER_WAY), boot);
        assert!(
            matches!(recovered, Some(Recovered::Doubtful(_))),
            "{recovered:?}"
        );
    }
    let inbound: Vec<_> = of(UNREAD).inbound().map(|(_, view)| view.clone()).collect();
    assert_eq!(inbound.len(), 1);
    assert!(of(UNREAD).find_inbound(id(UNREAD)).is_some());
    assert!(of(ACKNOWLEDGED).find_inbound(id(ACKNOWLEDGED)).is_none());
    let early = message::CarrierMessageId::new(b"c0de-9");
    assert!(partitions[2].has_early(message::CarrierId(samples::CARRIER), &early));
    let carried = view(CARRIED);
    assert_eq!(carried.state, MessageState::Submitted);
    assert_eq!((carried.sequence, carried.attempt), (6, 2));
    assert_eq!(carried.carrier_message_id.unwrap().as_bytes(), b"c0de-2");
    assert_eq!(of(CARRIED).admitted_at(id(CARRIED)), Some(4711));
    let live: usize = partitions.iter().map(|it| it.counts().live).sum();
    assert_eq!(live, 3);
    assert!(of(DELIVERED).oldest_key_position().is_some());
}

#[test]
fn every_kind_that_is_read_has_a_golden_record() {
    let mut golden = BTreeSet::new();
    for set in &SETS {
        let copy = Copy::of(set, "kinds");
        replay_journal(copy.folder("journal"), |frame| {
            golden.insert((frame.frame.kind, frame.frame.version));
        });
        replay_written(copy.folder("written"), |frame| {
            golden.insert((frame.frame.kind, frame.frame.version));
        });
    }
    let mut known = BTreeSet::from([(OPENED_KIND, RECORD_VERSION)]);
    for kind in 0..=u8::MAX {
        for version in 0..=u8::MAX {
            match Record::decode(kind, version, &[]) {
                Err(RecordError::Kind(_) | RecordError::Version { .. }) => {}
                Ok(_) | Err(RecordError::Payload { .. }) => {
                    known.insert((kind, version));
                }
            }
        }
    }
    assert_eq!(golden, known, "kinds and versions; see this file's head");
}

#[test]
fn the_golden_event_log_and_keys_are_read_to_the_same() {
    let copy = Copy::of(&SETS[1], "keyed");
    let config = KeyedConfig::new(copy.folder("events"));
    let opened = KeyedLog::open(FileStorage::shared(), config, keyed::MADE_MS).unwrap();
    assert_eq!(opened.cuts, []);
    assert_eq!(opened.note, Some([0x5eed, 0xfeed]));
    let index = opened.log.index();
    assert_eq!(
        (index.oldest(), index.last()),
        (keyed::THROUGH, keyed::EVENT_KEY)
    );
    let mut events = Vec::new();
    let mut reader = index.reader(keyed::THROUGH);
    reader
        .read(10, &mut |key, version, payload| {
            events.push(Event::of_log(key, version, payload).unwrap());
        })
        .unwrap();
    assert_eq!(events, [keyed::expected_event()]);

    let mut found = Vec::new();
    key_table::audit(&copy.folder("keys"), &mut |file| found.push(file)).unwrap();
    assert_eq!((found.len(), found[0].damage), (1, None));
    let opened = key_table::KeyDirectory::open(&copy.folder("keys"), 86_400_000).unwrap();
    let tables = opened.directory.tables();
    for row in keyed::rows() {
        assert_eq!(tables.find(row.key, keyed::LATER_MS).row, Some(row));
    }
    assert!(tables.covers(4711) && !tables.covers(12));
}

/// Two lives of a journal with today's code, against the files made by hand after the page.
#[test]
fn what_is_written_today_is_the_format_of_the_page() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("golden-written-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let mut start = 0;
    for frames in bytes::journal_frames() {
        let config = JournalConfig::new(dir.clone());
        let clock = Arc::new(Now::default);
        let journal = FileJournal::open(config)
            .unwrap()
            .start(Arc::new(|| ()), clock)
            .unwrap();
        let mut appender = journal.appender();
        for (kind, version, payload) in &frames {
            appender
                .append(*kind, *version, &mut |out| out.extend_from_slice(payload))
                .unwrap();
        }
        let end = journal.close().unwrap();
        let expected = bytes::Batch {
            start,
            frames: &frames,
            opens: true,
        };
        let file = fs::read(dir.join(format!("{start:016x}.journal"))).unwrap();
        assert_eq!(file[HEADER_BYTES..], expected.bytes());
        assert_eq!(file[..13], *b"HKYKJRNL\x02\0\0\0\x01");
        start = end.0;
    }
    fs::remove_dir_all(&dir).unwrap();
}

/// A lane of cold messages reads admissions without decoding them whole.
#[test]
fn a_glance_at_a_golden_admission_sees_what_decoding_does() {
    let copy = Copy::of(&SETS[0], "glance");
    let mut glance = partition::Glance::default();
    let mut seen = 0;
    replay_journal(copy.folder("journal"), |frame| {
        let body = frame.frame;
        if body.kind != OPENED_KIND
            && let Record::Admitted(admitted) = decoded(&frame)
        {
            assert!(glance.look(body.kind, body.version, body.payload).unwrap());
            let Admitted {
                lane,
                group,
                tenant,
                ..
            } = *admitted;
            assert_eq!(
                (glance.lane, glance.group, glance.tenant),
                (lane, group, tenant)
            );
            assert_eq!(
                glance.id(),
                partition::record::joined(admitted.id_high, admitted.id_low)
            );
            seen += 1;
        }
    });
    assert_eq!(seen, 3);
}
