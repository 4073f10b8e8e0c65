//! Bytes that change behind a log's back: flipped, zeroed, cut off, anywhere in any file, seen in the same boot and after another one.
//!
//! Opening either hands out exactly the records before the change, or ends with an error that names the file and a place at or before the
//! change, and changes nothing. What it gives up without an error is the end of the last file where that looks like a crash, and nothing
//! else: no record that is still whole, and in the journal after another boot none that proves what was lost to have been durable.
//!
//! One thing no reader can see: an end that is cut off, or zeroed, exactly behind a record looks like a log that ended there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use journal::OpenError;
use proptest::prelude::*;
use rig::{Change, Kind, Life, Rig};

/// What a log went through before the change: batches of payloads, and whether the process ended in order behind them.
fn lives() -> impl Strategy<Value = Vec<Life>> {
    let batch = proptest::collection::vec(0_usize..900, 1..5);
    let life = (proptest::collection::vec(batch, 1..6), any::<bool>())
        .prop_map(|(batches, in_order)| Life { batches, in_order });
    proptest::collection::vec(life, 1..4)
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<u64>(), 1_u8..=255).prop_map(|(at, mask)| Change::Flip { at, mask }),
        2 => (any::<u64>(), 1_u64..600).prop_map(|(at, bytes)| Change::Zero { at, bytes }),
        2 => any::<u64>().prop_map(|at| Change::Cut { at }),
    ]
}

/// What opening may do after a change.
fn check(rig: &Rig, another_boot: bool) -> Result<(), TestCaseError> {
    let before = rig.bytes();
    match rig.read() {
        Ok(seen) => {
            let whole = rig.whole_before_change();
            prop_assert!(seen.len() <= rig.records.len());
            for (expected, found) in rig.records.iter().zip(&seen) {
                prop_assert_eq!(expected, found);
            }
            prop_assert_eq!(
                seen.len(),
                whole,
                "all before the change and nothing behind it"
            );
            let given_up = &rig.records[whole..];
            if given_up.is_empty() {
                return Ok(());
            }
            match (rig.kind, another_boot) {
                (Kind::Journal | Kind::Written, false) => {
                    prop_assert!(
                        given_up.iter().all(|it| !rig.is_intact(it)),
                        "a whole record is given up"
                    );
                }
                (Kind::Journal, true) => {
                    let proofs = given_up[1..].iter().filter(|it| it.opens);
                    prop_assert!(
                        proofs.clone().all(|it| !rig.is_intact(it)),
                        "a durable record is given up"
                    );
                }
                // Never synced, so that a power cut may have taken anything.
                (Kind::Written, true) => {}
            }
            if !(rig.kind == Kind::Written && another_boot) {
                prop_assert!(rig.changed_last_file());
            }
        }
        Err(error) => {
            prop_assert!(rig.is_changed(), "an error without a change: {error}");
            let offset = match &error {
                OpenError::Damage { file, offset, .. } => {
                    prop_assert_eq!(file, rig.changed_file());
                    *offset
                }
                OpenError::Header { file, .. } => {
                    prop_assert_eq!(file, rig.changed_file());
                    0
                }
                // A file that was cut between two records is missed by the one behind it.
                OpenError::Gap { file, .. } => {
                    prop_assert_eq!(Some(file), rig.file_behind_change());
                    0
                }
                OpenError::Io { .. }
                | OpenError::Locked { .. }
                | OpenError::Limit { .. }
                | OpenError::FileName { .. }
                | OpenError::Contents { .. }
                | OpenError::Missing { .. } => {
                    return Err(TestCaseError::fail(error.to_string()));
                }
            };
            prop_assert!(offset <= rig.change_end(), "{error}");
            prop_assert_eq!(before, rig.bytes(), "nothing is changed: {}", error);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_journal_is_a_prefix_or_an_error(
        lives in lives(), file in any::<u16>(), change in changes(), another_boot in any::<bool>(),
    ) {
        let mut rig = Rig::run(Kind::Journal, &lives);
        rig.change(usize::from(file), &change, another_boot);
        check(&rig, another_boot)?;
    }

    #[test]
    fn a_changed_written_log_is_a_prefix_or_an_error(
        lives in lives(), file in any::<u16>(), change in changes(), another_boot in any::<bool>(),
    ) {
        let mut rig = Rig::run(Kind::Written, &lives);
        rig.change(usize::from(file), &change, another_boot);
        check(&rig, another_boot)?;
    }
}
