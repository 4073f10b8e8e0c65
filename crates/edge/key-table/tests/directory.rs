//! What is filed is found, after merges and restarts; what is damaged answers nothing and is told.

mod scratch;

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use key_table::{Damage, KeyDirectory, KeyFile, PARTS_MAX};
use scratch::{HOUR_MS, KEPT_MS, Scratch, batch, key, row};

/// Some hour.
const HOUR: u64 = 400_000;
const T0: u64 = HOUR * HOUR_MS;

#[test]
fn filed_keys_are_found_until_their_time_is_over() {
    let scratch = Scratch::new("found");
    let mut directory = scratch.open();
    directory.file(batch(0..1_000, T0), T0).unwrap();
    for directory in [directory, scratch.open()] {
        let tables = directory.tables();
        assert_eq!((tables.files(), tables.rows()), (1, 1_000));
        for nth in 0..1_000 {
            let found = tables.find(key(nth), T0 + 1);
            assert_eq!((found.row, found.reads), (Some(row(nth, T0)), 1));
        }
        assert_eq!(tables.find(key(7), T0 + KEPT_MS).row, None);
        let strangers = (1_000..11_000).map(|nth| tables.find(key(nth), T0 + 1));
        let reads: u32 = strangers.map(|found| found.reads).sum();
        assert!(reads < 100, "{reads} reads for 10,000 unknown keys");
        assert!(tables.covers(1) && tables.covers(1_000));
        assert!(!tables.covers(0) && !tables.covers(1_001));
        assert_eq!(tables.window_ms(T0 + 5, KEPT_MS), KEPT_MS);
    }
    let mut directory = scratch.open();
    directory.expire(T0 + KEPT_MS).unwrap();
    assert_eq!(directory.tables().files(), 0);
    assert!(scratch.names("").is_empty());
}

#[test]
fn nobody_else_may_read_them() {
    let scratch = Scratch::new("mode");
    scratch.open().file(batch(0..3, T0), T0).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scratch.path()), 0o700);
    let file = scratch.path().join(&scratch.names("keys")[0]);
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn parts_become_one_file_when_their_hour_is_over_or_they_are_many() {
    let scratch = Scratch::new("merge");
    let mut directory = scratch.open();
    let parts = PARTS_MAX as u64;
    for part in 0..parts {
        assert!(!directory.merge(T0 + part).unwrap(), "{part} parts are few");
        let keys = batch(part * 100..part * 100 + 150, T0 + part);
        directory.file(keys, T0 + part).unwrap();
    }
    assert!(directory.merge(T0 + parts).unwrap());
    assert!(!directory.merge(T0 + parts).unwrap());
    assert_eq!(scratch.names("keys").len(), 1);
    let more = batch(9_000..9_100, T0 + parts);
    directory.file(more, T0 + parts).unwrap();
    assert!(directory.merge(T0 + HOUR_MS).unwrap(), "the hour is over");

    for directory in [directory, scratch.open()] {
        let tables = directory.tables();
        let rows = (parts - 1) * 100 + 150 + 100;
        assert_eq!((tables.files(), tables.rows()), (1, rows));
        // Key 120 stood in two parts: the later one lasts longer.
        assert_eq!(tables.find(key(120), T0).row, Some(row(120, T0 + 1)));
        assert_eq!(
            tables.find(key(9_099), T0).row,
            Some(row(9_099, T0 + parts))
        );
        assert_eq!(tables.covered_to(), 9_100);
    }
}

#[test]
fn a_snapshot_outlives_the_files_it_was_taken_of() {
    let scratch = Scratch::new("snapshot");
    let mut directory = scratch.open();
    directory.file(batch(0..10, T0), T0).unwrap();
    directory.file(batch(10..20, T0), T0).unwrap();
    let before = directory.tables();
    assert!(directory.merge(T0 + HOUR_MS).unwrap());
    assert!((0..20).all(|nth| before.find(key(nth), T0).row.is_some()));
}

#[test]
fn keys_given_up_by_choice_shrink_the_window_even_after_a_restart() {
    let scratch = Scratch::new("forget");
    let mut directory = scratch.open();
    directory.file(batch(0..10, T0), T0).unwrap();
    directory.file(batch(10..20, T0 + HOUR_MS), T0).unwrap();
    assert!(directory.forget_oldest().unwrap());
    let now_ms = T0 + 3 * HOUR_MS;
    for directory in [directory, scratch.open()] {
        let tables = directory.tables();
        assert_eq!(tables.find(key(3), now_ms).row, None);
        assert!(tables.find(key(13), now_ms).row.is_some());
        assert_eq!(tables.window_ms(now_ms, KEPT_MS), 3 * HOUR_MS);
    }
    let mut directory = scratch.open();
    assert!(directory.forget_oldest().unwrap());
    assert!(!directory.forget_oldest().unwrap());
    assert_eq!(directory.tables().window_ms(now_ms, KEPT_MS), 2 * HOUR_MS);
    assert_eq!(scratch.names("forgotten").len(), 1);
    directory.expire(T0 + HOUR_MS + KEPT_MS).unwrap();
    assert!(scratch.names("").is_empty());
    assert_eq!(directory.tables().window_ms(now_ms, KEPT_MS), KEPT_MS);
}

#[test]
fn a_crash_while_a_file_is_made_leaves_nothing() {
    let scratch = Scratch::new("crash");
    scratch.open().file(batch(0..10, T0), T0).unwrap();
    fs::write(scratch.path().join("000002.tmp"), b"half a header").unwrap();
    let opened = KeyDirectory::open(scratch.path(), KEPT_MS).unwrap();
    assert_eq!(opened.removed, 1);
    assert_eq!(scratch.names("").len(), 1);
    assert_eq!(opened.directory.tables().damages().count(), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_window_it_took() {
    let scratch = Scratch::new("unreadable");
    let mut directory = scratch.open();
    directory.file(batch(0..10, T0), T0).unwrap();
    directory.file(batch(10..20, T0 + HOUR_MS), T0).unwrap();
    let first = scratch.path().join(&scratch.names("keys")[0]);
    fs::write(&first, b"HYKY").unwrap();

    let mut directory = scratch.open();
    let now_ms = T0 + 2 * HOUR_MS;
    let tables = directory.tables();
    let damages: Vec<_> = tables.damages().collect();
    assert_eq!(damages.len(), 1);
    assert_eq!(damages[0].path, first);
    assert_eq!(damages[0].damage, Damage::Short { bytes: 4 });
    assert_eq!(tables.window_ms(now_ms, KEPT_MS), 2 * HOUR_MS);
    assert_eq!(tables.find(key(3), now_ms).row, None);
    assert!(tables.find(key(13), now_ms).row.is_some());
    assert!(!tables.covers(5), "its keys may still be in the journal");

    directory.expire(T0 + KEPT_MS).unwrap();
    assert_eq!(directory.tables().damages().count(), 0);
    assert_eq!(scratch.names("keys").len(), 1);
}

#[test]
fn a_bad_block_loses_its_own_keys_only_and_keeps_its_hour_from_being_merged() {
    let scratch = Scratch::new("block");
    let mut directory = scratch.open();
    directory.file(batch(0..500, T0), T0).unwrap();
    directory.file(batch(500..510, T0), T0).unwrap();
    let file = scratch.path().join(&scratch.names("keys")[0]);
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&[0xff; 8], 4096 * 2 + 100).unwrap();

    let tables = directory.tables();
    assert_eq!(tables.damages().count(), 0, "not met yet");
    let lost = (0..500).filter(|nth| tables.find(key(*nth), T0).row.is_none());
    assert_eq!(lost.count(), 85, "the rows of one block");
    let damages: Vec<_> = tables.damages().collect();
    assert_eq!(damages[0].damage, Damage::Block { number: 1 });
    let now_ms = T0 + HOUR_MS;
    assert_eq!(tables.window_ms(now_ms, KEPT_MS), HOUR_MS);
    assert!(!directory.merge(now_ms).unwrap());

    // Met by the merge itself: the parts stay, and the next merge leaves them alone.
    let mut directory = scratch.open();
    assert!(directory.merge(now_ms).is_err());
    assert!(!directory.merge(now_ms).unwrap());
    assert_eq!(directory.tables().files(), 2);
    assert!(scratch.names("tmp").is_empty());
}

#[test]
fn files_ahead_of_the_journal_are_set_aside() {
    let scratch = Scratch::new("ahead");
    let mut directory = scratch.open();
    directory.file(batch(0..10, T0), T0).unwrap();
    directory.file(batch(10..20, T0 + 5), T0).unwrap();
    directory.set_aside_ahead(20).unwrap();
    assert_eq!(directory.tables().files(), 2);
    directory.set_aside_ahead(19).unwrap();
    for directory in [directory, scratch.open()] {
        let tables = directory.tables();
        assert_eq!((tables.files(), tables.damages().count()), (1, 1));
        assert_eq!(tables.window_ms(T0 + 1_005, KEPT_MS), 1_000);
        assert!(tables.find(key(15), T0).row.is_none());
    }
}

#[test]
fn keys_whose_time_is_over_make_no_file() {
    let scratch = Scratch::new("over");
    let mut directory = scratch.open();
    directory.file(batch(0..10, T0), T0 + KEPT_MS).unwrap();
    assert!(scratch.names("").is_empty());
    directory.file(batch(0..10, T0), T0).unwrap();
    directory.file(batch(5..15, T0), T0).unwrap();
    assert!(directory.merge(T0 + KEPT_MS).unwrap());
    assert!(scratch.names("").is_empty());
}

/// Every byte of a small file decides: with any bit flipped, a key is found as it was or not at all.
#[test]
fn a_flipped_bit_never_changes_an_answer() {
    let scratch = Scratch::new("flip");
    scratch.open().file(batch(0..100, T0), T0).unwrap();
    let path = scratch.path().join(&scratch.names("keys")[0]);
    let whole = fs::read(path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let Ok(file) = KeyFile::open(&bytes[..]) else {
            continue;
        };
        let mut damaged = 0;
        for nth in 0..100 {
            assert!(
                file.may_hold(key(nth)),
                "byte {at}: the filter denies a key"
            );
            match file.find(key(nth)) {
                Ok(found) => assert_eq!(found, Some(row(nth, T0)), "byte {at}"),
                Err(_) => damaged += 1,
            }
        }
        assert!(damaged > 0, "byte {at}: nobody noticed");
    }
}
