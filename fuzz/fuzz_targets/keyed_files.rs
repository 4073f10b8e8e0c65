//! The reader of the event log: any bytes in its files are a log, cut where it is not whole, or an error, the same each time; keys rise;
//! and what was opened once is cut no further.
#![no_main]

use std::ops::ControlFlow;
use std::path::PathBuf;

use fake_disk::FakeDisk;
use hikyaku_fuzz::{DIR, Input, contents};
use journal::keyed::{Cut, Key, KeyedConfig, KeyedLog, ReadEnd, ReadFault, entry};
use journal::{LogAudit, LogContents};
use libfuzzer_sys::fuzz_target;

/// Reads of one log: each ends at damage, and there is at most one in each file.
const READS_MAX: usize = 16;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::parse(data) else {
        return;
    };
    let disk = input.disk(3);
    let before = contents(&disk);
    look(&disk);
    assert_eq!(contents(&disk), before, "looking changed something");
    let opened = open(&disk);
    assert_eq!(opened, open(&input.disk(3)), "another verdict");
    let Ok((_, through, keys)) = opened else {
        return;
    };
    disk.kill();
    let (cuts, through_again, keys_again) = open(&disk).expect("what was opened opens again");
    assert_eq!(
        (cuts, through_again, keys_again),
        (Vec::new(), through, keys)
    );
});

fn look(disk: &FakeDisk) {
    let opened = LogAudit::open(disk.storage(), PathBuf::from(DIR), LogContents::Keyed);
    let Ok(audit) = opened else {
        return;
    };
    let mut audit = audit.without_writer();
    let mut entries = 0;
    while audit
        .next_file(&mut |record| {
            entries += usize::from(entry(record.frame).is_some());
            ControlFlow::Continue(())
        })
        .is_some()
    {}
}

fn open(disk: &FakeDisk) -> Result<(Vec<Cut>, Key, Vec<Key>), String> {
    let config = KeyedConfig::new(PathBuf::from(DIR));
    let opened = KeyedLog::open(disk.storage(), config, 1).map_err(|error| error.to_string())?;
    let index = opened.log.index();
    let (mut keys, mut reader) = (Vec::new(), index.reader(index.oldest()));
    for _ in 0..READS_MAX {
        let read = reader.read(usize::MAX, &mut |key, _, _| {
            assert!(keys.last() < Some(&key), "keys rise");
            keys.push(key);
        });
        match read {
            Ok(ReadEnd::CaughtUp | ReadEnd::More) => break,
            Err(ReadFault::Damage { next, .. }) if next > reader.after() => reader.seek(next),
            Err(error) => {
                let _ = error.to_string();
                break;
            }
        }
    }
    Ok((opened.cuts, opened.log.through(), keys))
}
