//! A directory under any sequence of filings, merges, expiries and restarts answers as a map does.

mod scratch;

use std::collections::BTreeMap;

use key_table::{Covered, KeyBatch, KeyRow};
use message::IdSource;
use proptest::prelude::*;
use scratch::{HOUR_MS, Scratch, key};

#[derive(Clone, Debug)]
enum Step {
    /// File keys of these numbers, each kept for so many minutes.
    File(Vec<(u64, u64)>),
    Merge,
    Expire,
    Reopen,
    /// Minutes pass.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = prop::collection::vec((0..400_u64, 1..300_u64), 0..300);
    let step = prop_oneof![
        4 => keys.prop_map(Step::File),
        2 => Just(Step::Merge),
        1 => Just(Step::Expire),
        1 => Just(Step::Reopen),
        3 => (1..90_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn answers_as_a_map_does(steps in steps()) {
        let scratch = Scratch::new("model");
        let mut directory = scratch.open();
        let mut model = BTreeMap::<u128, KeyRow>::new();
        let (mut now_ms, mut position) = (400_000 * HOUR_MS, 0);
        for step in steps {
            match step {
                Step::File(keys) => {
                    let rows: Vec<_> = keys.iter().map(|(nth, minutes)| KeyRow {
                        key: key(*nth),
                        body: position,
                        message: IdSource::new(1).peek(now_ms, *nth),
                        until_ms: now_ms + minutes * 60_000,
                    }).collect();
                    // As the engine does: a key whose time is not over is not made again.
                    let mut fresh = Vec::new();
                    for row in rows {
                        let known = model.get(&row.key).is_some_and(|it| it.until_ms > now_ms);
                        if !known {
                            model.insert(row.key, row);
                            fresh.push(row);
                        }
                    }
                    let batch = KeyBatch {
                        rows: fresh,
                        made_ms: (now_ms, now_ms),
                        covered: Covered { from: position, to: position + 1 },
                    };
                    position += 1;
                    directory.file(batch, now_ms).unwrap();
                }
                Step::Merge => while directory.merge(now_ms).unwrap() {},
                Step::Expire => directory.expire(now_ms).unwrap(),
                Step::Reopen => {
                    drop(directory);
                    directory = scratch.open();
                }
                Step::Pass(minutes) => now_ms += minutes * 60_000,
            }
            let tables = directory.tables();
            prop_assert_eq!(tables.damages().count(), 0);
            for nth in 0..400 {
                let expected = model.get(&key(nth)).filter(|row| row.until_ms > now_ms);
                let found = tables.find(key(nth), now_ms);
                prop_assert_eq!(found.row.as_ref(), expected, "key {}", nth);
            }
        }
    }
}
