//! The event log's frames, and a file of idempotency keys.

use std::path::Path;

use bytes::Bytes;
use engine::{Event, EventKey};
use key_table::{Covered, KeyBatch, KeyDirectory, KeyRow};
use message::{CallerId, CarrierId, MessageState, Reason, TenantId};
use prost::Message as _;

use crate::bytes::Frame;
use crate::samples::{CARRIER, DELIVERED, KEY, id};

pub(crate) const MADE_MS: u64 = 1_790_000_000_000;
/// When the keys are looked up.
pub(crate) const LATER_MS: u64 = MADE_MS + 3_600_000;

/// Everything up to here was said before the event.
pub(crate) const THROUGH: EventKey = EventKey::new(100, 2);
pub(crate) const EVENT_KEY: EventKey = EventKey::new(4711, 3);

fn key_bytes(key: EventKey) -> Vec<u8> {
    let mut bytes = key.position.0.to_le_bytes().to_vec();
    bytes.extend(key.ordinal.to_le_bytes());
    bytes
}

/// The mark that opens a file.
pub(crate) fn mark() -> Frame {
    let mut payload = key_bytes(THROUGH);
    payload.extend(0_u32.to_le_bytes());
    for word in [0, MADE_MS, 0x5eed, 0xfeed] {
        payload.extend(u64::to_le_bytes(word));
    }
    (1, 1, payload)
}

/// What an event's payload is: numbers of its fields are permanent.
#[derive(Clone, PartialEq, prost::Message)]
struct Logged {
    #[prost(fixed64, tag = "1")]
    id_high: u64,
    #[prost(fixed64, tag = "2")]
    id_low: u64,
    #[prost(fixed32, tag = "3")]
    tenant: u32,
    #[prost(fixed32, tag = "4")]
    caller: u32,
    #[prost(uint32, tag = "5")]
    sequence: u32,
    #[prost(uint32, tag = "6")]
    state: u32,
    #[prost(uint32, tag = "7")]
    reason: u32,
    #[prost(uint64, tag = "8")]
    at_ms: u64,
    #[prost(uint32, tag = "9")]
    attempt: u32,
    #[prost(uint32, tag = "10")]
    segments: u32,
    #[prost(uint32, tag = "11")]
    config_version: u32,
    #[prost(fixed32, tag = "12")]
    carrier: u32,
    #[prost(uint32, tag = "13")]
    status: u32,
    #[prost(uint32, tag = "14")]
    flags: u32,
    #[prost(uint32, tag = "15")]
    leg: u32,
    #[prost(uint32, tag = "16")]
    segment: u32,
    #[prost(string, tag = "17")]
    batch_id: String,
    #[prost(bytes = "bytes", tag = "18")]
    context: Bytes,
}

pub(crate) fn event() -> Frame {
    let octets = id(DELIVERED).to_bytes();
    let word = |at: usize| u64::from_be_bytes(octets[at..at + 8].try_into().unwrap());
    let logged = Logged {
        id_high: word(0),
        id_low: word(8),
        tenant: 0xbeef,
        caller: 0xca11,
        sequence: 9,
        state: u32::from(MessageState::Delivered.number()),
        reason: u32::from(Reason::ReceiptDelivered.number()),
        at_ms: MADE_MS + 900,
        attempt: 1,
        segments: 1,
        config_version: 0x00ab_cdef,
        carrier: CARRIER,
        status: 0x58,
        flags: 3,
        leg: 1,
        segment: 2,
        batch_id: "batch-7".into(),
        context: Bytes::from_static(b"order \x00 99"),
    };
    let mut payload = key_bytes(EVENT_KEY);
    logged.encode(&mut payload).unwrap();
    (2, 1, payload)
}

/// What the event's frame says.
pub(crate) fn expected_event() -> Event {
    Event {
        key: EVENT_KEY,
        message: id(DELIVERED),
        tenant: TenantId(0xbeef),
        caller: CallerId(0xca11),
        batch_id: Some("batch-7".into()),
        sequence: 9,
        leg: 1,
        attempt: 1,
        segment: 2,
        segments: 1,
        state: MessageState::Delivered,
        reason: Reason::ReceiptDelivered,
        status: 0x58,
        uncertain: true,
        late: true,
        at_ms: MADE_MS + 900,
        config_version: 0x00ab_cdef,
        carrier: Some(CarrierId(CARRIER)),
        context: Bytes::from_static(b"order \x00 99"),
        encoded: engine::Encoded::default(),
    }
}

/// The rows of the file of keys: more than one block of them.
pub(crate) fn rows() -> Vec<KeyRow> {
    let known = (u128::from(KEY.key_high) << 64) | u128::from(KEY.key_low);
    (0..100)
        .map(|nth: u64| KeyRow {
            key: known.wrapping_add(u128::from(nth) << 120),
            body: KEY.body + nth,
            message: id(DELIVERED),
            until_ms: KEY.until_ms,
        })
        .collect()
}

/// Makes the file of keys with the code that makes them: it holds nothing that differs from run to run.
pub(crate) fn make_keys(dir: &Path) {
    let mut directory = KeyDirectory::open(dir, 86_400_000).unwrap().directory;
    let batch = KeyBatch {
        rows: rows(),
        made_ms: (MADE_MS, MADE_MS + 5_000),
        covered: Covered { from: 12, to: 4711 },
    };
    directory.file(batch, MADE_MS).unwrap();
}
