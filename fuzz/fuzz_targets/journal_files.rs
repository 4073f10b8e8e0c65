//! The reader of journal and written log: any bytes in their files are records or an error, the same each time; looking changes nothing and
//! agrees with opening; and what was opened once opens again to the same.
#![no_main]

use std::ops::ControlFlow;
use std::path::PathBuf;

use fake_disk::FakeDisk;
use hikyaku_fuzz::{DIR, Input, contents};
use journal::{
    FileFinding, FileJournal, JournalConfig, LogAudit, LogContents, Record, Replayed,
    WrittenConfig, WrittenLog,
};
use libfuzzer_sys::fuzz_target;

type Seen = Vec<(u64, u64, u8, Vec<u8>)>;

fn noted(record: Record<'_>) -> (u64, u64, u8, Vec<u8>) {
    let payload = record.frame.payload.to_vec();
    (
        record.start.0,
        record.position.0,
        record.frame.kind,
        payload,
    )
}

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::parse(data) else {
        return;
    };
    for log in [LogContents::Journal, LogContents::Written] {
        let number = match log {
            LogContents::Journal => 1,
            LogContents::Written => 2,
            LogContents::Keyed => 3,
        };
        let disk = input.disk(number);
        let before = contents(&disk);
        let (looked, is_whole) = look(&disk, log);
        assert_eq!(contents(&disk), before, "looking changed something");
        let opened = open(&disk, log);
        assert_eq!(opened, open(&input.disk(number), log), "another verdict");
        let Ok((replayed, seen)) = opened else {
            assert!(!is_whole, "what was found whole cannot be opened");
            continue;
        };
        assert_eq!(is_whole, replayed.torn.is_none());
        assert!(looked.starts_with(&seen), "looking saw something else");
        assert_eq!(replayed.records, seen.len() as u64);
        assert!(
            seen.windows(2).all(|two| two[0].1 == two[1].0),
            "a record was skipped"
        );
        disk.kill();
        let (again, seen_again) = open(&disk, log).expect("what was opened opens again");
        assert!(again.torn.is_none() && seen_again == seen);
    }
});

/// Every record, and whether all is whole.
fn look(disk: &FakeDisk, log: LogContents) -> (Seen, bool) {
    let Ok(audit) = LogAudit::open(disk.storage(), PathBuf::from(DIR), log) else {
        return (Seen::new(), false);
    };
    let mut audit = audit.without_writer();
    let (mut seen, mut is_whole) = (Seen::new(), true);
    while let Some(file) = audit.next_file(&mut |record| {
        seen.push(noted(record));
        ControlFlow::Continue(())
    }) {
        is_whole &= matches!(file.finding, FileFinding::Whole);
    }
    (seen, is_whole)
}

fn open(disk: &FakeDisk, log: LogContents) -> Result<(Replayed, Seen), String> {
    let mut seen = Seen::new();
    let each = |record: Record<'_>| {
        seen.push(noted(record));
        Ok::<(), std::convert::Infallible>(())
    };
    let (storage, dir) = (disk.storage(), PathBuf::from(DIR));
    let replayed = if log == LogContents::Journal {
        let opened = FileJournal::open_on(storage, JournalConfig::new(dir));
        opened.map_err(|error| error.to_string())?.replay(each)
    } else {
        let opened = WrittenLog::open(storage, WrittenConfig::new(dir));
        opened.map_err(|error| error.to_string())?.replay(each)
    };
    let replayed = replayed.map_err(|error| error.to_string())?;
    Ok((replayed, seen))
}
