//! The journal against a model: a list of records, of which a crash may cost the end that was not yet durable.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scratch;

use std::fs;

use journal::{Append, OpenError, ReplayError};
use proptest::prelude::*;
use scratch::{Running, Scratch, Seen, age, files, flip, read, truncate};

#[derive(Debug, Clone)]
enum Step {
    Append {
        kind: u8,
        bytes: usize,
    },
    Sync,
    Restart,
    /// Keep the record at this share (of 256) of what is there, and all after it.
    Retain {
        share: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), 0_usize..1500).prop_map(|(kind, bytes)| Step::Append { kind, bytes }),
        2 => Just(Step::Sync),
        1 => Just(Step::Restart),
        1 => any::<u8>().prop_map(|share| Step::Retain { share }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What ran, what must come back, and what may have been let go.
struct Model {
    records: Vec<Seen>,
    durable: usize,
    /// Records before this index may be gone.
    needed_from: usize,
}

fn run(dir: &Scratch, steps: &[Step]) -> (Model, Running) {
    let mut model = Model {
        records: Vec::new(),
        durable: 0,
        needed_from: 0,
    };
    let mut running = Running::start(dir.config());
    for step in steps {
        match step {
            Step::Append { kind, bytes } => {
                let payload = vec![*kind ^ 0x5a; *bytes];
                let end = running
                    .appender
                    .append(*kind, 1, &mut |out| out.extend_from_slice(&payload));
                model.records.push((end.unwrap().end, *kind, payload));
            }
            Step::Sync => {
                running.sync();
                model.durable = model.records.len();
            }
            Step::Restart => {
                running.journal.close().unwrap();
                model.durable = model.records.len();
                running = Running::start(dir.config());
            }
            Step::Retain { share } => {
                let index = model.durable * usize::from(*share) / 256;
                if index >= model.needed_from && index < model.durable {
                    model.needed_from = index;
                    running.appender.retain_from(model.records[index].0);
                }
            }
        }
    }
    (model, running)
}

/// `seen` is a run of the model's records without holes, from at or before the oldest needed one; returns its end.
fn check_run(model: &Model, seen: &[Seen]) -> Result<usize, TestCaseError> {
    let Some(first) = seen.first() else {
        return Ok(0);
    };
    let begin = model.records.iter().position(|record| record.0 == first.0);
    let begin = begin.ok_or_else(|| TestCaseError::fail("a record that was never appended"))?;
    prop_assert!(begin <= model.needed_from);
    prop_assert_eq!(seen, &model.records[begin..begin + seen.len()]);
    Ok(begin + seen.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_killed_process_keeps_everything_durable(steps in steps()) {
        let dir = Scratch::new("model-kill");
        let (model, running) = run(&dir, &steps);
        // Retention may be at work: let it finish, so that the copy is not taken between two of its steps.
        let killed = if model.needed_from == 0 {
            dir.snapshot("model-killed")
        } else {
            drop(running);
            dir.snapshot("model-closed")
        };
        let (replayed, seen) = read(killed.config()).unwrap();
        let end = check_run(&model, &seen)?;
        prop_assert!(end >= model.durable);
        prop_assert_eq!(replayed.records, seen.len() as u64);
    }

    #[test]
    fn whatever_is_cut_off_the_last_file_what_remains_is_a_prefix(steps in steps(), cut in any::<u16>()) {
        let dir = Scratch::new("model-cut");
        let (model, running) = run(&dir, &steps);
        drop(running);
        let file = files(dir.path()).pop().unwrap();
        let length = fs::metadata(&file).unwrap().len();
        let kept = length * u64::from(cut) / u64::from(u16::MAX);
        truncate(&file, kept);
        let (replayed, seen) = read(dir.config()).unwrap();
        check_run(&model, &seen)?;
        let name = file.file_stem().unwrap().to_str().unwrap();
        let start = u64::from_str_radix(name, 16).unwrap();
        let clean = kept.checked_sub(64).is_some_and(|frames| {
            frames == 0 || model.records.iter().any(|record| record.0.0 == start + frames)
        });
        prop_assert_eq!(replayed.torn.is_none(), clean);
        // What was cut stays cut, and the journal goes on.
        let mut running = Running::start(dir.config());
        prop_assert_eq!(running.appender.durable(), replayed.end);
        running.append(b"afterwards");
        drop(running);
        let (again, seen_again) = read(dir.config()).unwrap();
        prop_assert_eq!(again.torn, None);
        prop_assert_eq!(seen_again.len(), seen.len() + 1);
    }

    #[test]
    fn a_flipped_byte_is_never_silent(steps in steps(), place in any::<u32>(), earlier_boot in any::<bool>()) {
        let dir = Scratch::new("model-flip");
        let (model, running) = run(&dir, &steps);
        drop(running);
        let all = files(dir.path());
        if earlier_boot {
            all.iter().for_each(|file| age(file));
        }
        let whole = all.len() > 1 || fs::metadata(&all[0]).unwrap().len() > 64;
        prop_assume!(whole);
        let file = &all[place as usize % all.len()];
        let offset = place as usize / 64 % usize::try_from(fs::metadata(file).unwrap().len()).unwrap();
        flip(file, offset);
        let before = fs::read(file).unwrap();
        match read(dir.config()) {
            Ok((replayed, seen)) => {
                // Only the end of the last file may pass for torn, and it says so.
                check_run(&model, &seen)?;
                let torn = replayed.torn.unwrap();
                prop_assert_eq!(&torn.file, file);
                prop_assert!(torn.offset <= offset as u64);
                prop_assert!(file == all.last().unwrap());
            }
            Err(ReplayError::Log(OpenError::Damage { file: named, offset: at, .. })) => {
                prop_assert_eq!(&named, file);
                prop_assert!(at <= offset as u64);
                prop_assert_eq!(fs::read(file).unwrap(), before);
            }
            Err(ReplayError::Log(OpenError::Header { file: named, .. })) => {
                prop_assert_eq!(&named, file);
                prop_assert!(offset < 64);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
