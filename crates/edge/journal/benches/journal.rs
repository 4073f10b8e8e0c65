//! What a record costs: its frame in memory, and a group commit on this disk, by the number of records in it.
//!
//! ```text
//! cargo bench --package journal
//! ```
//!
//! The group commits write to cargo's target folder: a folder on another disk gives other figures.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use journal::{Append, Appender, FileJournal, JournalConfig};

/// A record of a message, about.
const PAYLOAD: [u8; 200] = [7; 200];
/// What a file holds before the next one begins.
const FILE_MAX_BYTES: u64 = 64 * 1_024 * 1_024;

/// A journal on disk; its directory is removed when dropped.
struct OnDisk {
    journal: Option<FileJournal>,
    appender: Appender,
    woken: Receiver<()>,
    directory: PathBuf,
}

impl OnDisk {
    fn open() -> Self {
        let name = format!("journal-bench-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).expect("cargo's folder can be written to");
        let config = JournalConfig {
            file_max_bytes: FILE_MAX_BYTES,
            ..JournalConfig::new(directory.clone())
        };
        let (wake, woken) = channel();
        let wake = std::sync::Mutex::new(wake);
        let wake = Arc::new(move || {
            let wake = wake.lock().expect("no waker panics");
            // Nobody waits any more: the bench is over.
            let _ = wake.send(());
        });
        let clock = Arc::new(message::Now::default);
        let journal = FileJournal::open(config)
            .expect("an empty directory opens")
            .start(wake, clock)
            .expect("a thread can be started");
        Self {
            appender: journal.appender(),
            journal: Some(journal),
            woken,
            directory,
        }
    }

    /// Appends, commits, and waits until all is durable and nothing of it is kept.
    fn commit(&mut self, records: u64) {
        for _ in 0..records {
            let written = self
                .appender
                .append(1, 1, &mut |out| out.extend_from_slice(black_box(&PAYLOAD)));
            written.expect("there is room for a batch");
        }
        self.appender.commit();
        let end = self.appender.appended();
        while self.appender.durable() < end {
            self.woken.recv().expect("the journal's thread lives");
        }
        self.appender.retain_from(end);
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        drop(self.journal.take());
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    for records in [1, 16, 256] {
        group.throughput(Throughput::Elements(records));
        let id = BenchmarkId::new("group commit, records", records);
        group.bench_function(id, |bencher| {
            let mut disk = OnDisk::open();
            bencher.iter(|| disk.commit(records));
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
