//! Looking at the files without touching them: every flipped byte of a file is told, by its name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::fs;

use key_table::{Damage, KeyFileAudit, audit};
use scratch::{HOUR_MS, Scratch, batch};

const T0: u64 = 400_000 * HOUR_MS;

fn look(scratch: &Scratch) -> Vec<KeyFileAudit> {
    let mut found = Vec::new();
    audit(scratch.path(), &mut |file| found.push(file)).unwrap();
    found
}

#[test]
fn whole_files_are_told_with_what_is_in_them() {
    let scratch = Scratch::new("audit");
    let mut directory = scratch.open();
    directory.file(batch(0..1_000, T0), T0).unwrap();
    directory.file(batch(1_000..1_010, T0 + 5), T0).unwrap();
    let found = look(&scratch);
    let rows: Vec<_> = found
        .iter()
        .map(|file| (file.outline.unwrap().rows, file.damage))
        .collect();
    assert_eq!(rows, [(1_000, None), (10, None)]);
    assert_eq!(found[1].outline.unwrap().made_ms.0, T0 + 5);
}

#[test]
fn a_flipped_byte_anywhere_is_told() {
    let scratch = Scratch::new("audit-flip");
    scratch.open().file(batch(0..200, T0), T0).unwrap();
    let path = look(&scratch)[0].path.clone();
    let whole = fs::read(&path).unwrap();
    for offset in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[offset] ^= 4;
        fs::write(&path, bytes).unwrap();
        let found = look(&scratch);
        assert!(found[0].damage.is_some(), "offset {offset}");
        assert_eq!(found[0].path, path);
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        look(&scratch)[0].damage,
        Some(Damage::Length { .. })
    ));
    fs::rename(&path, path.with_extension("ahead")).unwrap();
    fs::write(path.with_extension("ahead"), &whole).unwrap();
    assert!(matches!(
        look(&scratch)[0].damage,
        Some(Damage::AheadOfJournal { .. })
    ));
}
