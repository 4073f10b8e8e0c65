//! Rows by carrier id: in memory first, then in files.
//!
//! ```text
//! present ──FILED_ROWS, or an hour──► sealed ──the keeper's thread──► file ──last deadline over──► deleted
//! ```
//!
//! Asked in the order of age, the youngest first: where a carrier uses an id again, the later message has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use key_table::{Covered, KeyBatch, KeyDirectory, KeyRow, KeyTableError, KeyTables};
use message::{CarrierId, CarrierMessageId, MessageId, Now};
use metrics::Counter;
use partition::{KeyGeneration, PriorKey, receipt_key};

use super::UNFILED_MAX;
use crate::config::EngineConfig;
use crate::keys::{Done, Filing, Keeper, KeyDesk, KeysWhenFull};
use crate::shard::ShardFailure;

/// Rows that become a file together.
const FILED_ROWS: usize = 65_536;
/// Fewer become a file when so long has passed since the first of them came.
const FILED_AFTER_MS: u64 = 3_600_000;
/// A row outlives the deadline of its message by so long: the end of a cold message is late by seconds at most.
const SPARE_MS: u64 = 600_000;

/// Whom a row is about: the carrier, its id, and our message.
pub(in crate::shard) type Of<'a> = (CarrierId, &'a CarrierMessageId, MessageId);

/// What is known of a key without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nobody awaits it on the disk.
    Nobody,
    /// This message does, or did.
    Message(MessageId),
    /// A file may know.
    Files,
}

#[derive(Debug)]
pub(in crate::shard) struct Rows {
    present: KeyGeneration,
    sealed: Option<Arc<KeyGeneration>>,
    /// Where replay files what memory should not hold.
    directory: Option<KeyDirectory>,
    filed_in_replay: FiledInReplay,
    /// With so many rows replay makes a file: [`UNFILED_MAX`].
    replayed_max: usize,
    desk: KeyDesk,
    tables: Arc<KeyTables>,
}

/// Whether replay has met a disk that takes no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FiledInReplay {
    SoFar,
    Failed,
}

/// An empty directory of rows: those of an earlier run are made again from the journal.
pub(in crate::shard) fn open_directory(
    config: &EngineConfig,
) -> Result<KeyDirectory, KeyTableError> {
    let dir = directory(&config.dir);
    let kept_ms = super::longest_wait_ms(&config.limits.partition).saturating_add(SPARE_MS);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, dir = %dir.display(), "old rows of awaited receipts could not be removed; they do no harm but take space");
        }
        Ok(()) | Err(_) => {}
    }
    // Rows that could not be removed lead to messages that are not cold any more, or to the right ones.
    Ok(KeyDirectory::open(&dir, kept_ms)?.directory)
}

fn directory(data: &Path) -> PathBuf {
    data.join("receipts")
}

impl Rows {
    /// Without a directory, rows stay in memory.
    pub(in crate::shard) fn new(directory: Option<KeyDirectory>) -> Self {
        Self {
            present: KeyGeneration::default(),
            sealed: None,
            directory,
            filed_in_replay: FiledInReplay::SoFar,
            replayed_max: UNFILED_MAX,
            desk: KeyDesk::without_files(),
            tables: Arc::default(),
        }
    }

    pub(in crate::shard) fn add(&mut self, of: Of<'_>, due_ms: u64, made_ms: u64) {
        let (carrier, id, message) = of;
        let row = PriorKey {
            body: 0,
            message,
            until_ms: due_ms.saturating_add(SPARE_MS),
        };
        self.present.add(receipt_key(carrier, id), row, made_ms);
    }

    /// The same during replay, which files by itself what memory should not hold. Where that cannot be written rows stay in memory, however many
    /// they are, until the thread can file them: a start must not need space.
    pub(in crate::shard) fn add_replayed(&mut self, of: Of<'_>, due_ms: u64, now: Now) {
        self.add(of, due_ms, now.wall_ms);
        if self.present.rows().len() < self.replayed_max {
            return;
        }
        let Some(directory) = &mut self.directory else {
            return;
        };
        if self.filed_in_replay == FiledInReplay::Failed {
            return;
        }
        let rows = self.present.rows().map(|(key, prior)| KeyRow {
            key,
            body: prior.body,
            message: prior.message,
            until_ms: prior.until_ms,
        });
        let batch = KeyBatch {
            rows: rows.collect(),
            made_ms: self.present.made_ms().unwrap_or_default(),
            covered: COVERED,
        };
        match directory.file(batch, now.wall_ms) {
            Ok(()) => self.present = KeyGeneration::default(),
            Err(error) => {
                self.filed_in_replay = FiledInReplay::Failed;
                tracing::warn!(%error, "rows of awaited receipts could not be filed while the journal is replayed; they stay in memory until they can be");
            }
        }
    }

    /// Replay is over: from now on a thread of its own files.
    pub(in crate::shard) fn start(&mut self, now: Now) -> std::io::Result<()> {
        if let Some(directory) = self.directory.take() {
            self.tables = Arc::new(directory.tables());
            let keeper = Keeper::new(directory, u64::MAX, KeysWhenFull::Refuse);
            self.desk = KeyDesk::start("receipts", keeper, now)?;
        }
        Ok(())
    }

    pub(super) fn hint(&self, key: u128) -> Hint {
        match self.find_unfiled(key) {
            Some(message) => Hint::Message(message),
            None => self.hint_of_files(key),
        }
    }

    /// The last message with this key whose row is in no file.
    pub(super) fn find_unfiled(&self, key: u128) -> Option<MessageId> {
        let generations = [Some(&self.present), self.sealed.as_deref()];
        let mut known = generations.into_iter().flatten();
        known.find_map(|rows| rows.find(key)).map(|row| row.message)
    }

    pub(super) fn hint_of_files(&self, key: u128) -> Hint {
        if self.tables.may_hold(key) {
            Hint::Files
        } else {
            Hint::Nobody
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unfiled() == 0 && self.tables.files() == 0
    }

    pub(super) fn tables(&self) -> Arc<KeyTables> {
        Arc::clone(&self.tables)
    }

    pub(super) fn unfiled(&self) -> usize {
        let sealed = self.sealed.as_ref().map_or(0, |rows| rows.rows().len());
        self.present.rows().len() + sealed
    }

    pub(super) fn files(&self) -> usize {
        self.tables.files()
    }

    pub(super) fn window_ms(&self, now_ms: u64, kept_ms: u64) -> u64 {
        self.tables.window_ms(now_ms, kept_ms)
    }

    pub(super) fn tick(
        &mut self,
        durable: u64,
        now: Now,
        failures: &Counter,
    ) -> Result<(), ShardFailure> {
        let report = self.desk.report(now).map_err(|_| ShardFailure::Receipts)?;
        if let Some(report) = report {
            // In this order: a row is in memory or in the files that are shown, at any time.
            self.tables = Arc::new(report.tables);
            match report.done {
                Ok(Done::Filed) => self.sealed = None,
                Ok(Done::Merged | Done::Tidy) => {}
                Err(error) => {
                    failures.increment(1);
                    tracing::warn!(%error, "rows of awaited receipts could not be filed or merged; tried again");
                }
            }
        }
        if self.desk.is_idle() && self.is_due(now) {
            let sealed = Arc::new(std::mem::take(&mut self.present));
            self.sealed = Some(Arc::clone(&sealed));
            self.desk.take(Filing {
                sealed: vec![sealed],
                covered: COVERED,
            });
        }
        self.desk.hand_on(durable, now);
        Ok(())
    }

    fn is_due(&self, now: Now) -> bool {
        let first_ms = self.present.made_ms().map(|(first_ms, _)| first_ms);
        first_ms.is_some_and(|first_ms| {
            self.present.rows().len() >= FILED_ROWS
                || now.wall_ms.saturating_sub(first_ms) >= FILED_AFTER_MS
        })
    }
}

/// Rows are made of records that are durable, and files of them live no longer than the process: they cover no stretch of the journal.
const COVERED: Covered = Covered { from: 0, to: 0 };

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use message::IdSource;
    use proptest::prelude::*;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let nth = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let name = format!("hikyaku-rows-{}-{nth}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Whom the rows lead to, with the read that a file needs.
    fn found(rows: &Rows, key: u128, now_ms: u64) -> Option<MessageId> {
        match rows.hint(key) {
            Hint::Nobody => None,
            Hint::Message(id) => Some(id),
            Hint::Files => rows.tables().find(key, now_ms).row.map(|row| row.message),
        }
    }

    fn carrier_id(nth: u16) -> CarrierMessageId {
        CarrierMessageId::new(nth.to_string().as_bytes())
    }

    #[test]
    fn a_replay_that_cannot_file_keeps_its_rows_until_they_can_be_filed() {
        let scratch = Scratch::new();
        let opened = KeyDirectory::open(&scratch.0, 86_400_000).unwrap();
        let mut rows = Rows::new(Some(opened.directory));
        let now = Now {
            mono_ns: 1,
            wall_ms: 1_700_000_000_000,
        };
        rows.replayed_max = 1_000;
        std::fs::remove_dir_all(&scratch.0).unwrap();
        let id = IdSource::new(0).peek(now.wall_ms, 7);
        let names = || (0..=FILED_ROWS).map(|nth| CarrierMessageId::new(&nth.to_be_bytes()));
        for name in names() {
            rows.add_replayed((CarrierId(1), &name, id), now.wall_ms + 864_000_000, now);
        }
        assert_eq!(rows.unfiled(), FILED_ROWS + 1);
        std::fs::create_dir_all(&scratch.0).unwrap();
        rows.start(now).unwrap();
        while rows.files() == 0 {
            rows.tick(u64::MAX, now, &Counter::noop()).unwrap();
        }
        for name in names().step_by(FILED_ROWS / 8) {
            assert_eq!(
                found(&rows, receipt_key(CarrierId(1), &name), now.wall_ms),
                Some(id)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn an_id_leads_to_the_last_message_that_had_it_wherever_its_row_lies(
            script in proptest::collection::vec((0..3_u32, 0..200_u16, 0..60_u8), 1..300),
        ) {
            let scratch = Scratch::new();
            let opened = KeyDirectory::open(&scratch.0, 86_400_000).unwrap();
            let mut rows = Rows::new(Some(opened.directory));
            let mut now = Now { mono_ns: 1, wall_ms: 1_700_000_000_000 };
            rows.start(now).unwrap();
            let mut model = HashMap::new();
            let mut source = IdSource::new(0);
            for (carrier, nth, what) in script {
                if what == 0 {
                    // An hour is over: what is there is filed.
                    now = now.plus_ms(FILED_AFTER_MS);
                    while rows.is_due(now) || rows.sealed.is_some() {
                        rows.tick(u64::MAX, now, &Counter::noop()).unwrap();
                    }
                    continue;
                }
                let id = source.peek(now.wall_ms, 7);
                source.observe(id);
                let carrier_id = carrier_id(nth);
                rows.add((CarrierId(carrier), &carrier_id, id), now.wall_ms + 864_000_000, now.wall_ms);
                model.insert((carrier, nth), id);
            }
            for carrier in 0..4_u32 {
                for nth in 0..210_u16 {
                    let key = receipt_key(CarrierId(carrier), &carrier_id(nth));
                    let wanted = model.get(&(carrier, nth)).copied();
                    prop_assert_eq!(found(&rows, key, now.wall_ms), wanted);
                }
            }
        }
    }
}
