//! A record from the appender through a group commit, on one thread; what the kernel does about it is not counted.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use journal::{Append as _, FileJournal, JournalConfig, Step};

use instructions::Case;

pub(super) const COMMIT_OF_1: Case = Case {
    name: "journal: record of 200 B in a commit of 1",
    rounds: 200,
    operations: 1,
    run: |rounds| commits(rounds, 1),
};
pub(super) const COMMIT_OF_16: Case = Case {
    name: "journal: record of 200 B in a commit of 16",
    rounds: 100,
    operations: 16,
    run: |rounds| commits(rounds, 16),
};
pub(super) const COMMIT_OF_256: Case = Case {
    name: "journal: record of 200 B in a commit of 256",
    rounds: 50,
    operations: 256,
    run: |rounds| commits(rounds, 256),
};

/// A record of a message, about.
const PAYLOAD: [u8; 200] = [7; 200];

fn commits(rounds: u64, records: u64) {
    let name = format!("instructions-{}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("cargo's folder can be written to");
    let clock = Arc::new(message::Now::default);
    let mut journal = FileJournal::open(JournalConfig::new(directory.clone()))
        .expect("an empty directory opens")
        .start_stepped(Arc::new(|| {}), clock)
        .expect("a file can be made");
    let mut appender = journal.appender();
    for _ in 0..rounds {
        for _ in 0..records {
            let written =
                appender.append(1, 1, &mut |out| out.extend_from_slice(black_box(&PAYLOAD)));
            written.expect("there is room for a batch");
        }
        appender.commit();
        while journal.step() != Step::Idle {}
    }
    assert_eq!(appender.durable(), appender.appended());
    drop(journal);
    // Whatever stays is in cargo's folder.
    let _ = std::fs::remove_dir_all(&directory);
}
