//! What a kill left behind, read from the data directory itself: a copy of it is replayed by the same `apply` that the engine will use.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use journal::storage::FileStorage;
use journal::{FileJournal, FrameRef, JournalConfig, WrittenConfig, WrittenLog};
use message::MessageId;
use partition::{Boot, Limits, Partition, Record, Recovered};

use crate::engine_process::load::Fate;
use crate::plan::PARTITIONS;

/// Over all kills of a round.
#[derive(Default)]
pub(crate) struct Ledger {
    /// How many kills found the message's attempt claimed, written or not, and unanswered.
    claimed: HashMap<MessageId, u32>,
    /// How many found it written too.
    written: HashMap<MessageId, u32>,
    pub(crate) claims: u64,
    pub(crate) writes: u64,
}

impl Ledger {
    /// Reads what a killed engine left. Panics where the order of the records was broken.
    ///
    /// `seen` says how often carriers got a message.
    pub(crate) fn note(&mut self, data: &Path, seen: impl Fn(MessageId) -> u32) {
        let copy = data.with_file_name("look");
        copy_folder(data, &copy);
        let mut partitions = replay_journal(&copy);
        let claimed = ids(&partitions, |partition, id| {
            is_doubtful(partition, id, Boot::New)
        });
        replay_written(&copy, &mut partitions);
        fs::remove_dir_all(&copy).unwrap();
        let written = ids(&partitions, |partition, id| {
            is_doubtful(partition, id, Boot::Same)
        });
        for id in &written {
            assert!(
                claimed.contains(id),
                "{id} was written before it was claimed"
            );
        }
        for id in ids(&partitions, |partition, id| {
            let recovered = partition.recovered(id, Boot::Same);
            matches!(recovered, Some(Recovered::Queued(_))) && !partition.is_in_doubt(id)
        }) {
            assert_eq!(seen(id), 0, "{id} left before it was noted as written");
        }
        self.claims += claimed.len() as u64;
        self.writes += written.len() as u64;
        for (of, table) in [(claimed, &mut self.claimed), (written, &mut self.written)] {
            for id in of {
                *table.entry(id).or_default() += 1;
            }
        }
    }

    /// Panics where a message was copied, or is in doubt, and no kill explains it.
    pub(crate) fn compare(&self, fates: &HashMap<MessageId, Fate>) {
        for (id, fate) in fates {
            let claimed = self.claimed.get(id).copied().unwrap_or(0);
            let written = self.written.get(id).copied().unwrap_or(0);
            assert!(
                fate.seen.saturating_sub(1) <= written,
                "{id}: {fate:?}, and {written} kills found it written, {claimed} claimed"
            );
            assert!(
                written > 0 || !fate.uncertain,
                "{id} is reported uncertain and no kill found it so"
            );
        }
    }
}

fn is_doubtful(partition: &Partition, id: MessageId, boot: Boot) -> bool {
    matches!(partition.recovered(id, boot), Some(Recovered::Doubtful(_)))
}

fn ids(
    partitions: &[Partition],
    which: impl Fn(&Partition, MessageId) -> bool,
) -> HashSet<MessageId> {
    let of = |partition: &Partition| {
        let mut ids = partition.live_ids();
        ids.retain(|id| which(partition, *id));
        ids
    };
    partitions.iter().flat_map(of).collect()
}

fn replay_journal(data: &Path) -> Vec<Partition> {
    let mut partitions: Vec<_> = (0..PARTITIONS)
        .map(|number| Partition::new(number, Limits::default()))
        .collect();
    let config = JournalConfig::new(data.join("journal"));
    let replayed = FileJournal::open(config).unwrap().replay(|record| {
        let FrameRef {
            kind,
            version,
            payload,
            ..
        } = record.frame;
        // Below are the engine's own records.
        if kind >= partition::record::KIND_MIN {
            let decoded = Record::decode(kind, version, payload).map_err(|it| it.to_string())?;
            let partition = &mut partitions[usize::from(decoded.partition())];
            let applied = partition.apply(decoded, record.start.0);
            applied.map_err(|error| error.to_string())?;
            partition.drain_orphaned(|_, _, _| {});
        }
        Ok::<_, String>(())
    });
    replayed.unwrap();
    partitions
}

fn replay_written(data: &Path, partitions: &mut [Partition]) {
    let config = WrittenConfig::new(data.join("written"));
    let replayed = WrittenLog::open(FileStorage::shared(), config)
        .unwrap()
        .replay(|record| {
            let FrameRef {
                kind,
                version,
                payload,
                ..
            } = record.frame;
            let decoded = Record::decode(kind, version, payload).map_err(|it| it.to_string())?;
            let at = usize::from(decoded.partition());
            if let Record::Written(written) = decoded {
                partitions[at].recover_written(written);
            }
            Ok::<_, String>(())
        });
    replayed.unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // The engine may have been killed before it made anything.
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
