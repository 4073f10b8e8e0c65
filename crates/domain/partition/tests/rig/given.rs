//! What tests give to the rig: limits, submissions, segments.

use bytes::Bytes;
use message::{
    AttemptNo, CarrierMessageId, Category, MessageId, Outcome, Reason, ReceiptWanted, Rejection,
    SegmentRef, SenderId, Submission,
};
use partition::{
    Event, IdempotencyKey, KeyRoom, Limits, OnUncertain, Policy, Replacement, RetryPolicy,
    SubmittedKey,
};

use super::{
    ATTEMPTS_MAX, AWAITS, FAILS, FINISHED_MAX, RECEIPT_DEADLINE_MS, TENANT, UNCERTAIN_DEADLINE_MS,
};

pub(crate) fn limits() -> Limits {
    let policy = Policy {
        retry: RetryPolicy {
            attempts_max: ATTEMPTS_MAX,
            delay_ms: 500,
            delay_max_ms: 2_000,
        },
        uncertain_deadline_ms: UNCERTAIN_DEADLINE_MS,
        receipt_deadline_ms: RECEIPT_DEADLINE_MS,
        ..Policy::default()
    };
    let with = |on_uncertain| Policy {
        on_uncertain: [on_uncertain; 4],
        ..policy
    };
    Limits {
        finished: FINISHED_MAX,
        idempotency_keys: 4,
        idempotency_ms: 10_000,
        early_receipts: 2,
        inbound: 2,
        inbound_ms: 5_000,
        policy,
        carrier_policies: vec![
            (AWAITS, with(OnUncertain::AwaitReceipt)),
            (FAILS, with(OnUncertain::Fail)),
        ],
        ..Limits::default()
    }
}

pub(crate) fn submission(category: Category) -> Submission {
    Submission {
        recipient: "819012345678".parse().expect("a number"),
        recipient_key: None,
        sender: SenderId::Alphanumeric("Hikyaku".into()),
        category,
        text: Bytes::from_static(b"code 1234"),
        receipt_wanted: ReceiptWanted::Always,
        valid_for_ms: None,
        send_at_ms: None,
        idempotency_key: None,
        batch_id: None,
        context: Bytes::new(),
        labels: Vec::new(),
    }
}

/// A key of which files know nothing.
pub(super) fn unknown(key: IdempotencyKey) -> SubmittedKey {
    SubmittedKey {
        key,
        prior: None,
        room: KeyRoom::Free,
    }
}

pub(crate) fn rejected(rejection: Rejection) -> Outcome {
    Outcome::Rejected {
        rejection,
        reason: Reason::CarrierSystemError,
    }
}

pub(crate) fn segment(message: MessageId, attempt: AttemptNo) -> SegmentRef {
    SegmentRef {
        message,
        leg: 0,
        attempt,
        segment: 0,
    }
}

/// The id that every carrier of the rig gives to an attempt.
pub(crate) fn carrier_id(segment: SegmentRef) -> CarrierMessageId {
    CarrierMessageId::new(format!("{}/{}", segment.message, segment.attempt).as_bytes())
}

/// Asks for another text, with a new validity and time if given.
pub(crate) fn replacement(
    id: MessageId,
    text: &'static str,
    (valid_for_ms, send_at_ms): (Option<u64>, Option<u64>),
) -> Event {
    Event::Replace {
        tenant: TENANT,
        id,
        replacement: Box::new(Replacement {
            text: Bytes::from_static(text.as_bytes()),
            sender: SenderId::ShortCode("7777".into()),
            segments: if text.len() > 160 { 2 } else { 1 },
            valid_for_ms,
            send_at_ms,
        }),
    }
}
