//! What the disk promises about itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use fake_disk::{FakeDisk, Operation};
use journal::storage::{Access, Locked, Storage};

fn started(seed: u64) -> (FakeDisk, Arc<dyn Storage>) {
    let disk = FakeDisk::new(seed);
    let storage = disk.storage();
    storage.make_directory(Path::new("d")).unwrap();
    (disk, storage)
}

#[test]
fn a_killed_process_loses_nothing_but_its_handles_and_locks() {
    let (disk, storage) = started(1);
    let path = Path::new("d/a");
    let file = storage.create(path).unwrap();
    file.write_all_at(b"abc", 2).unwrap();
    let held = storage.lock(Path::new("d/lock")).unwrap();
    assert!(matches!(held, Locked::Held(_)));
    assert!(matches!(
        storage.lock(Path::new("d/lock")).unwrap(),
        Locked::Taken
    ));
    let boot = storage.boot_id().unwrap();
    disk.kill();
    assert!(file.write_all_at(b"x", 0).is_err());
    let locked = storage.lock(Path::new("d/lock")).unwrap();
    drop(held);
    assert!(matches!(
        storage.lock(Path::new("d/lock")).unwrap(),
        Locked::Taken
    ));
    drop(locked);
    assert_eq!(disk.contents(path).unwrap(), b"\0\0abc");
    assert_eq!(storage.boot_id().unwrap(), boot);
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_any_part_of_the_rest() {
    let mut kept = [0_u32; 3];
    for seed in 0..300 {
        let (disk, storage) = started(seed);
        let path = Path::new("d/a");
        let file = storage.create(path).unwrap();
        file.write_all_at(&[1; 1024], 0).unwrap();
        file.sync_data().unwrap();
        storage.sync_directory(Path::new("d")).unwrap();
        file.write_all_at(&[2; 1024], 512).unwrap();
        let boot = storage.boot_id().unwrap();
        disk.cut_power();
        assert_ne!(storage.boot_id().unwrap(), boot);
        let found = disk.contents(path).unwrap();
        assert_eq!(&found[..512], &[1; 512]);
        assert!(found.len() == 1024 || found.len() == 1536);
        let second = &found[512..1024];
        if second == [1; 512] {
            kept[0] += 1;
        } else if second == [2; 512] {
            kept[1] += 1;
        } else {
            kept[2] += 1;
        }
    }
    assert!(kept.iter().all(|count| *count > 10), "{kept:?}");
}

#[test]
fn unsynced_names_come_and_go() {
    let mut seen = [0_u32; 4];
    for seed in 0..200 {
        let (disk, storage) = started(seed);
        storage.create(Path::new("d/old")).unwrap();
        storage.sync_directory(Path::new("d")).unwrap();
        storage
            .rename(Path::new("d/old"), Path::new("d/new"))
            .unwrap();
        storage.create(Path::new("d/more")).unwrap();
        disk.cut_power();
        let names = disk.files();
        let has = |name: &str| names.iter().any(|path| path == Path::new(name));
        assert_ne!(has("d/old"), has("d/new"), "a rename is one step");
        seen[usize::from(has("d/new")) * 2 + usize::from(has("d/more"))] += 1;
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

#[test]
fn a_cut_that_was_only_data_synced_may_come_undone_and_a_fully_synced_one_not() {
    let undone = |all: bool| {
        (0..100).any(|seed| {
            let (disk, storage) = started(seed);
            let file = storage.create(Path::new("d/a")).unwrap();
            file.write_all_at(&[1; 1024], 0).unwrap();
            file.sync_all().unwrap();
            storage.sync_directory(Path::new("d")).unwrap();
            file.set_length(100).unwrap();
            if all {
                file.sync_all().unwrap();
            } else {
                file.sync_data().unwrap();
            }
            disk.cut_power();
            disk.contents(Path::new("d/a")).unwrap().len() != 100
        })
    };
    assert!(undone(false));
    assert!(!undone(true));
}

#[test]
fn a_failed_sync_loses_its_data_and_the_next_one_succeeds() {
    let lost = (0..50).filter(|seed| {
        let (disk, storage) = started(*seed);
        let file = storage.create(Path::new("d/a")).unwrap();
        storage.sync_directory(Path::new("d")).unwrap();
        file.write_all_at(b"lost", 0).unwrap();
        disk.fail_next(Operation::Sync, ErrorKind::Other);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        disk.cut_power();
        disk.contents(Path::new("d/a")).unwrap() != b"lost"
    });
    assert_eq!(lost.count(), 50);
}

#[test]
fn a_full_disk_refuses_what_was_not_reserved() {
    let (disk, storage) = started(1);
    let file = storage.create(Path::new("d/a")).unwrap();
    file.allocate(4096).unwrap();
    disk.set_capacity(Some(4096 + 512));
    file.write_all_at(&[1; 4096], 0).unwrap();
    let other = storage.create(Path::new("d/b")).unwrap();
    other.write_all_at(&[1; 512], 0).unwrap();
    assert_eq!(storage.free_bytes(Path::new("d")).unwrap(), 0);
    let refused = other.write_all_at(&[1], 512).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    assert_eq!(
        file.allocate(8192).unwrap_err().kind(),
        ErrorKind::StorageFull
    );
    storage.remove(Path::new("d/b")).unwrap();
    let again = storage.create(Path::new("d/c")).unwrap();
    again.allocate(512).unwrap();
    assert_eq!(disk.used_bytes(), 4608);
}

#[test]
fn what_was_reserved_can_be_written_to_its_last_byte() {
    let (disk, storage) = started(1);
    let file = storage.create(Path::new("d/a")).unwrap();
    // Not a whole number of sectors.
    file.allocate(4_160).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    file.write_all_at(&[1; 4_160], 0).unwrap();
}

#[test]
fn a_process_killed_while_it_writes_leaves_the_first_part() {
    let (disk, storage) = started(1);
    let path = Path::new("d/a");
    let file = storage.create(path).unwrap();
    disk.kill_in_next_write(3);
    assert!(file.write_all_at(b"abcdef", 0).is_err());
    assert!(storage.open(path, Access::Read).is_err());
    disk.kill();
    assert_eq!(disk.contents(path).unwrap(), b"abc");
    assert!(disk.damage(path, 1, 0x20));
    assert!(!disk.damage(path, 3, 0x20));
    assert_eq!(disk.contents(path).unwrap(), b"aBc");
}
