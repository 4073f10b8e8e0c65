//! Submission to Admitted record, Admitted record to live message, and the numbers that records use for the small enumerations.

use std::sync::Arc;

use message::{
    CATEGORIES, CallerId, Category, LANES, MessageId, MessageState, Msisdn, Now, Payload, Reason,
    ReceiptWanted, RouteGroupId, SenderId, TenantId, stable_hash,
};
use receipts::Fold;

use crate::entry::{Entry, FIRST_SEQUENCE};
use crate::event::Admit;
use crate::record;

/// The Admitted record of a submission.
pub(crate) fn admitted_record(
    id: MessageId,
    admit: Admit,
    idempotency: Option<record::Idempotency>,
    claimed: bool,
    now: Now,
) -> record::Admitted {
    let (id_high, id_low) = record::halves(id);
    let cost_bytes = u32::try_from(admit.submission.cost_bytes()).unwrap_or(u32::MAX);
    let submission = admit.submission;
    let (sender_kind, sender) = sender_parts(submission.sender);
    record::Admitted {
        id_high,
        id_low,
        tenant: admit.tenant.0,
        caller: admit.caller.0,
        group: admit.group.0,
        category: category_number(submission.category),
        lane: admit.lane.index() as u32,
        recipient: submission.recipient.to_u64(),
        recipient_key: submission
            .recipient_key
            .map(String::from)
            .unwrap_or_default(),
        sender_kind,
        sender,
        text: submission.text,
        receipt_wanted: u32::from(receipt_wanted_number(submission.receipt_wanted)),
        admitted_ms: now.wall_ms,
        expires_ms: admit.expires_ms,
        send_at_ms: submission.send_at_ms.unwrap_or(0),
        idempotency,
        batch_id: submission.batch_id.map(String::from).unwrap_or_default(),
        context: submission.context,
        labels: submission
            .labels
            .into_iter()
            .map(|(key, value)| record::Label {
                key: key.into(),
                value: value.into(),
            })
            .collect(),
        claimed,
        segments: u32::from(admit.segments),
        config_version: admit.config_version,
        cost_bytes,
    }
}

/// The live message of an Admitted record.
pub(crate) fn entry_of(record: record::Admitted, position: u64) -> Result<Entry, &'static str> {
    let sender = sender_of(record.sender_kind, record.sender.into())?;
    let lane = usize::try_from(record.lane)
        .ok()
        .and_then(|index| LANES.get(index))
        .ok_or("lane")?;
    let payload = Payload {
        recipient: Msisdn::from_u64(record.recipient).map_err(|_| "recipient")?,
        category: category_of(record.category)?,
        lane: *lane,
        text: record.text,
        receipt_wanted: receipt_wanted_of(record.receipt_wanted)?,
        expires_ms: record.expires_ms,
        segments: u8::try_from(record.segments).map_err(|_| "segments")?,
        sender,
    };
    let scheduled = record.send_at_ms > record.admitted_ms;
    Ok(Entry {
        tenant: TenantId(record.tenant),
        caller: CallerId(record.caller),
        group: RouteGroupId(record.group),
        sender_hash: stable_hash(&[payload.sender.as_str().as_bytes()]),
        payload: Arc::new(payload),
        cost_bytes: record.cost_bytes,
        admitted_at: position,
        record_at: position,
        whole: true,
        admitted_ms: record.admitted_ms,
        changed_ms: record.admitted_ms,
        state: if scheduled {
            MessageState::Scheduled
        } else {
            MessageState::Queued
        },
        reason: if scheduled {
            Reason::SendAtPending
        } else {
            Reason::Admitted
        },
        status: 0,
        sequence: FIRST_SEQUENCE,
        attempt: 1,
        claimed: record.claimed,
        tries: 0,
        resent: false,
        doubts: Vec::new(),
        parked: None,
        ever_uncertain: false,
        carrier: None,
        taken: Vec::new(),
        fold: Fold::default(),
        due_ms: if scheduled {
            record.send_at_ms.min(record.expires_ms)
        } else {
            record.expires_ms
        },
        wait: None,
        batch_id: (!record.batch_id.is_empty()).then(|| record.batch_id.into()),
        context: record.context,
        config_version: record.config_version,
        released: false,
        keyed: record.idempotency.is_some(),
    })
}

/// What a live message is, as it would be admitted now; for a Carried record.
pub(crate) fn message_record(entry: &Entry, id: MessageId) -> record::Admitted {
    let (id_high, id_low) = record::halves(id);
    let payload = &entry.payload;
    let (sender_kind, sender) = sender_parts(payload.sender.clone());
    let scheduled = entry.state == MessageState::Scheduled;
    record::Admitted {
        id_high,
        id_low,
        tenant: entry.tenant.0,
        caller: entry.caller.0,
        group: entry.group.0,
        category: category_number(payload.category),
        lane: payload.lane.index() as u32,
        recipient: payload.recipient.to_u64(),
        recipient_key: String::new(),
        sender_kind,
        sender,
        text: payload.text.clone(),
        receipt_wanted: u32::from(receipt_wanted_number(payload.receipt_wanted)),
        admitted_ms: entry.admitted_ms,
        expires_ms: payload.expires_ms,
        send_at_ms: if scheduled { entry.due_ms } else { 0 },
        idempotency: None,
        batch_id: entry.batch_id.as_deref().unwrap_or_default().to_owned(),
        context: entry.context.clone(),
        labels: Vec::new(),
        claimed: entry.claimed,
        segments: u32::from(payload.segments),
        config_version: entry.config_version,
        cost_bytes: entry.cost_bytes,
    }
}

/// A sender as records carry it: its kind and its text.
pub(crate) fn sender_parts(sender: SenderId) -> (u32, String) {
    match sender {
        SenderId::Alphanumeric(text) => (1, text.into()),
        SenderId::ShortCode(text) => (2, text.into()),
        SenderId::LongNumber(text) => (3, text.into()),
    }
}

/// The sender of a record's parts.
pub(crate) fn sender_of(kind: u32, text: Box<str>) -> Result<SenderId, &'static str> {
    match kind {
        1 => Ok(SenderId::Alphanumeric(text)),
        2 => Ok(SenderId::ShortCode(text)),
        3 => Ok(SenderId::LongNumber(text)),
        _ => Err("sender_kind"),
    }
}

fn category_number(category: Category) -> u32 {
    match category {
        Category::Otp => 1,
        Category::Alert => 2,
        Category::Transactional => 3,
        Category::Promotional => 4,
    }
}

/// The category of a record's number.
///
/// # Errors
/// The field's name, when it is the number of none.
pub fn category_of(number: u32) -> Result<Category, &'static str> {
    CATEGORIES
        .into_iter()
        .find(|category| category_number(*category) == number)
        .ok_or("category")
}

/// The number records use.
pub(crate) const fn receipt_wanted_number(wanted: ReceiptWanted) -> u8 {
    match wanted {
        ReceiptWanted::Always => 1,
        ReceiptWanted::OnFailure => 2,
        ReceiptWanted::Never => 3,
    }
}

/// The wish of a record's number.
///
/// # Errors
/// The field's name, when it is the number of none.
pub fn receipt_wanted_of(number: u32) -> Result<ReceiptWanted, &'static str> {
    [
        ReceiptWanted::Always,
        ReceiptWanted::OnFailure,
        ReceiptWanted::Never,
    ]
    .into_iter()
    .find(|wanted| u32::from(receipt_wanted_number(*wanted)) == number)
    .ok_or("receipt_wanted")
}
