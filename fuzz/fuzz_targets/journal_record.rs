//! Journal records: what decodes is written back to the same record, and replaying any of it changes the partition or is
//! refused, without a panic and within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use partition::record::RECORD_VERSION;
use partition::{Limits, Partition, Record};

fuzz_target!(|data: &[u8]| {
    let mut partition = Partition::new(0, Limits::default());
    let mut position = 0;
    let mut rest = data;
    // One record after the other: kind, length of the payload, payload.
    while let Some((&[kind, length], bytes)) = rest.split_first_chunk::<2>() {
        let (payload, bytes) = bytes.split_at(bytes.len().min(usize::from(length)));
        rest = bytes;
        let record = match Record::decode(kind, RECORD_VERSION, payload) {
            Ok(record) => record,
            Err(error) => {
                let _ = error.to_string();
                continue;
            }
        };
        let mut written = Vec::new();
        record.encode(&mut written);
        assert_eq!(
            Record::decode(record.kind(), RECORD_VERSION, &written).as_ref(),
            Ok(&record)
        );
        position += 1;
        if let Err(error) = partition.apply(record, position) {
            let _ = error.to_string();
        }
    }
    let counts = partition.counts();
    assert!(
        u64::try_from(counts.live + counts.finished).is_ok_and(|messages| messages <= position)
    );
});
