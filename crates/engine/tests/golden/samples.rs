//! What the golden files say: one small story in which every kind of record occurs, every field of each filled.
//!
//! A sample never changes once files were made of it, since old files must stay readable to the same values. A field that a later release
//! adds is left to its default here; a new kind, or a new version of one, is a new story with a set of files of its own.

use engine::{Opened, OpenedName, OpenedPolicy};
use message::MessageId;
use partition::Record;
use partition::record::{
    Admitted, Carried, CarriedDoubt, CarriedTaken, CarriedVerdict, Claimed, EarlyReceipt, Final,
    Idempotency, Inbound, InboundDone, KeyKept, Label, Outcome, Receipt, Replaced, Segment,
    Written,
};

pub(crate) const PARTITIONS: u16 = 4;
pub(crate) const CARRIER: u32 = 0x00c0_ffee;
const T0: u64 = 1_790_000_000_000;

/// Delivered.
pub(crate) const DELIVERED: &str = "01936c1e-8a2b-7003-8000-000000000001";
/// Waits for its time, with new content.
pub(crate) const REPLACED: &str = "01936c1e-8a2b-7002-8000-000000000002";
/// Was handed to a session and has no answer.
pub(crate) const UNDER_WAY: &str = "01936c1e-8a2b-7001-8000-000000000003";
/// Taken by a carrier; all that is left of it is the record that carried it forward.
pub(crate) const CARRIED: &str = "01936c1e-8a2b-7001-8000-000000000006";
/// From a handset, acknowledged, and not.
pub(crate) const ACKNOWLEDGED: &str = "01936c1e-8a2b-7000-8000-000000000004";
pub(crate) const UNREAD: &str = "01936c1e-8a2b-7000-8000-000000000005";

pub(crate) fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

fn halves(text: &str) -> (u64, u64) {
    let octets = id(text).to_bytes();
    let word = |at: usize| u64::from_be_bytes(octets[at..at + 8].try_into().unwrap());
    (word(0), word(8))
}

fn segment(text: &str, attempt: u32) -> Segment {
    let (id_high, id_low) = halves(text);
    Segment {
        id_high,
        id_low,
        leg: 0,
        attempt,
        segment: 0,
    }
}

pub(crate) const KEY: Idempotency = Idempotency {
    key_high: 0x1122_3344_5566_7788,
    key_low: 0x99aa_bbcc_ddee_ff00,
    body: 0x0123_4567_89ab_cdef,
    until_ms: T0 + 86_400_000,
};

/// The engine's own record, which opens the journal.
pub(crate) fn opened() -> Opened {
    let name = |kind: &str, number: u32, slug: &str| OpenedName {
        kind: kind.into(),
        number,
        slug: slug.into(),
    };
    Opened {
        partitions: u32::from(PARTITIONS),
        names: vec![
            name("carrier", CARRIER, "north"),
            name("tenant", 0xbeef, "bank"),
            name("group", 0xfeed, "japan"),
        ],
        data_id: 0x5eed_5eed_5eed_5eed,
        config_version: 0x00ab_cdef,
        valid_for_ms: vec![300_000, 3_600_000, 86_400_000, 172_800_000],
        policies: vec![OpenedPolicy {
            carrier: CARRIER,
            attempts_max: 5,
            delay_ms: 1_000,
            delay_max_ms: 60_000,
            on_uncertain: vec![1, 1, 2, 3],
            uncertain_after_ms: vec![5_000, 10_000, 30_000, 30_000],
            uncertain_deadline_ms: 3_600_000,
            receipt_deadline_ms: 259_200_000,
        }],
        inbound_expired_at: 0,
        written_end: 0,
    }
}

fn admitted(text: &str, claimed: bool, send_at_ms: u64) -> Record {
    Record::Admitted(Box::new(admission(text, claimed, send_at_ms)))
}

fn admission(text: &str, claimed: bool, send_at_ms: u64) -> Admitted {
    let (id_high, id_low) = halves(text);
    Admitted {
        id_high,
        id_low,
        tenant: 0xbeef,
        caller: 0xca11,
        group: 0xfeed,
        category: 1,
        lane: 0,
        recipient: 819_012_345_678,
        recipient_key: "person-4711".into(),
        sender_kind: 1,
        sender: "Hikyaku".into(),
        text: "Your code is 123456".into(),
        receipt_wanted: 1,
        admitted_ms: T0,
        expires_ms: T0 + 300_000,
        send_at_ms,
        idempotency: Some(KEY),
        batch_id: "batch-7".into(),
        context: b"order \x00 99".as_slice().into(),
        labels: vec![Label {
            key: "unit".into(),
            value: "cards".into(),
        }],
        claimed,
        segments: 1,
        config_version: 0x00ab_cdef,
        cost_bytes: 512,
    }
}

fn carried() -> Record {
    Record::Carried(Box::new(Carried {
        message: admission(CARRIED, true, 0),
        state: u32::from(message::MessageState::Submitted.number()),
        reason: u32::from(message::Reason::Written.number()),
        status: 0x58,
        sequence: 6,
        attempt: 2,
        tries: 1,
        resent: true,
        ever_uncertain: true,
        released: true,
        doubts: vec![CarriedDoubt {
            segment: segment(CARRIED, 1),
            carrier: CARRIER,
        }],
        parked: Some(CarriedVerdict {
            state: u32::from(message::MessageState::Unknown.number()),
            reason: u32::from(message::Reason::Written.number()),
        }),
        carrier: CARRIER,
        taken: vec![CarriedTaken {
            segment: segment(CARRIED, 2),
            carrier: CARRIER,
            carrier_message_id: b"c0de-2".to_vec(),
        }],
        delivered: vec![1],
        failure: 5,
        due_ms: T0 + 259_200_000,
        changed_ms: T0 + 50,
        admitted_at: 4711,
        keyed: true,
        at_ms: T0 + 86_400_000,
    }))
}

/// The records of the journal, in order.
pub(crate) fn journal() -> Vec<Record> {
    let (in_high, in_low) = halves(ACKNOWLEDGED);
    let mut records = delivered();
    records.extend([
        admitted(REPLACED, false, T0 + 60_000),
        replaced(),
        inbound(ACKNOWLEDGED),
        inbound(UNREAD),
        Record::InboundDone(InboundDone {
            id_high: in_high,
            id_low: in_low,
            acknowledged: true,
        }),
        Record::KeyKept(KeyKept {
            segment: segment(DELIVERED, 1),
            idempotency: KEY,
        }),
        admitted(UNDER_WAY, true, 0),
        carried(),
    ]);
    records
}

/// One life from admission to its end, and a receipt of somebody else between.
fn delivered() -> Vec<Record> {
    vec![
        admitted(DELIVERED, false, 0),
        Record::Claimed(Claimed {
            segment: segment(DELIVERED, 1),
        }),
        Record::Outcome(Outcome {
            segment: segment(DELIVERED, 1),
            outcome: 1,
            reason: u32::from(message::Reason::None.number()),
            status: 0,
            carrier: CARRIER,
            carrier_message_id: b"c0de-1".to_vec(),
            at_ms: T0 + 40,
            next_attempt: 0,
            next_at_ms: 0,
            deadline_ms: T0 + 259_200_000,
            session: 3,
        }),
        early_receipt(),
        Record::Receipt(Receipt {
            segment: segment(DELIVERED, 1),
            carrier: CARRIER,
            carrier_message_id: b"c0de-1".to_vec(),
            state: 2,
            error: "000".into(),
            at_ms: T0 + 900,
            by_address: true,
            late: true,
        }),
        Record::Final(Final {
            segment: segment(DELIVERED, 1),
            state: u32::from(message::MessageState::Delivered.number()),
            reason: u32::from(message::Reason::ReceiptDelivered.number()),
            at_ms: T0 + 900,
        }),
    ]
}

fn replaced() -> Record {
    Record::Replaced(Box::new(Replaced {
        segment: segment(REPLACED, 2),
        sender_kind: 3,
        sender: "4915112345678".into(),
        text: "Your code is 654321".into(),
        segments: 1,
        expires_ms: T0 + 400_000,
        send_at_ms: T0 + 70_000,
        cost_bytes: 600,
        at_ms: T0 + 1_000,
    }))
}

fn inbound(text: &str) -> Record {
    let (id_high, id_low) = halves(text);
    Record::Inbound(Box::new(Inbound {
        id_high,
        id_low,
        carrier: CARRIER,
        from: "819012345678".into(),
        to: "12345".into(),
        text: "STOP 止".into(),
        octets: b"\x00S\x00T".as_slice().into(),
        data_coding: 8,
        at_ms: T0 + 5_000,
        first_at: Some(4_000),
    }))
}

fn early_receipt() -> Record {
    Record::EarlyReceipt(EarlyReceipt {
        carrier: CARRIER,
        carrier_message_id: b"c0de-9".to_vec(),
        state: 5,
        error: "042".into(),
        at_ms: T0 + 800,
        until_ms: T0 + 60_800,
        partition: 2,
        address: 0xadd2_e55e_adda_dd2e,
    })
}

/// The records of the written log.
pub(crate) fn written() -> Vec<Record> {
    let handed = |text: &str, at_ms: u64| {
        Record::Written(Written {
            segment: segment(text, 1),
            session: 3,
            carrier: CARRIER,
            at_ms,
        })
    };
    vec![handed(DELIVERED, T0 + 20), handed(UNDER_WAY, T0 + 30)]
}
