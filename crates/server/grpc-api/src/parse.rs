//! Wire form to [`Submission`], every field checked; all that is wrong is said at once.

use std::time::Duration;

use bytes::Bytes;
use engine::{Refusal, Replacement, Violation};
use message::{
    BATCH_ID_MAX_BYTES, CONTEXT_MAX_BYTES, Category, IDEMPOTENCY_KEY_MAX_BYTES, LABELS_MAX,
    MessageId, Msisdn, Reason, ReceiptWanted, SenderId, Submission, TEXT_MAX_BYTES,
};
use tonic::Status;

use crate::limits::{LABEL_MAX_BYTES, RECIPIENT_KEY_MAX_BYTES, VALID_FOR_MAX, VALID_FOR_MIN};
use crate::{answer, v1};

/// Parses a submission.
///
/// # Errors
/// A refusal for [`Reason::InvalidArgument`] that lists every field that is missing, malformed or out of range.
pub(crate) fn submission(wire: Option<v1::Submission>) -> Result<Submission, Refusal> {
    let mut wrong = Violations::default();
    let parsed = match wire {
        Some(wire) => fields(wire, &mut wrong),
        None => wrong.add("submission", "is missing: every submission must be set"),
    };
    match parsed {
        Some(submission) if wrong.0.is_empty() => Ok(submission),
        _ => Err(wrong.into_refusal()),
    }
}

/// Parses the id of a message.
///
/// # Errors
/// INVALID_ARGUMENT naming `field`.
pub(crate) fn message_id(field: &str, text: &str) -> Result<MessageId, Status> {
    text.parse().map_err(|error| {
        answer::invalid(
            field,
            format!(
                "{} is not the id of a message: {error}; hand back an id as the engine gave it",
                answer::shown(text)
            ),
        )
    })
}

/// Parses the ids of messages in a list.
///
/// # Errors
/// INVALID_ARGUMENT naming `field` and the place in it of the first that is none.
pub(crate) fn message_ids<T: FromIterator<MessageId>>(
    field: &str,
    texts: &[String],
) -> Result<T, Status> {
    let parsed = |(at, text): (usize, &String)| match text.parse() {
        Ok(id) => Ok(id),
        // Again, for the text: nearly every list is in order, and a name for each place would cost more than reading the ids.
        Err(_) => message_id(&format!("{field}[{at}]"), text),
    };
    texts.iter().enumerate().map(parsed).collect()
}

fn fields(wire: v1::Submission, wrong: &mut Violations) -> Option<Submission> {
    let (recipient, recipient_key) = recipient(wire.recipient, wrong);
    let sms = content(wire.content, wrong);
    let category = category(wire.category, wrong);
    let receipt_wanted = receipt_wanted(wire.receipt_wanted, wrong);
    let valid_for_ms = wire.valid_for.and_then(|span| valid_for_ms(&span, wrong));
    let send_at_ms = wire.send_at.and_then(|time| send_at_ms(&time, wrong));
    let idempotency_key = wrong.text(
        "idempotency_key",
        wire.idempotency_key,
        IDEMPOTENCY_KEY_MAX_BYTES,
    );
    let batch_id = wrong.text("batch_id", wire.batch_id, BATCH_ID_MAX_BYTES);
    if wire.context.len() > CONTEXT_MAX_BYTES {
        wrong.too_long("context", wire.context.len(), CONTEXT_MAX_BYTES);
    }
    check_labels(&wire.labels, wrong);
    let (text, sender) = sms?;
    Some(Submission {
        recipient: recipient?,
        recipient_key,
        sender: sender?,
        category: category?,
        text,
        receipt_wanted: receipt_wanted?,
        valid_for_ms,
        send_at_ms,
        idempotency_key,
        batch_id,
        // A copy: the decoded context is a slice of the whole request, which it would keep in memory as long as the message lives.
        context: Bytes::copy_from_slice(&wire.context),
        labels: wire
            .labels
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    })
}

/// Parses a request to replace a message's content; how many segments it takes is measured by the engine.
///
/// # Errors
/// As [`submission`].
pub(crate) fn replacement(wire: v1::ReplaceRequest) -> Result<Replacement, Refusal> {
    let mut wrong = Violations::default();
    let sms = content(wire.content, &mut wrong);
    let valid_for_ms = wire
        .valid_for
        .and_then(|span| valid_for_ms(&span, &mut wrong));
    let send_at_ms = wire.send_at.and_then(|time| send_at_ms(&time, &mut wrong));
    match sms {
        Some((text, Some(sender))) if wrong.0.is_empty() => Ok(Replacement {
            text,
            sender,
            segments: 1,
            valid_for_ms,
            send_at_ms,
        }),
        _ => Err(wrong.into_refusal()),
    }
}

fn recipient(
    wire: Option<v1::Recipient>,
    wrong: &mut Violations,
) -> (Option<Msisdn>, Option<Box<str>>) {
    let wire = wire.unwrap_or_default();
    let key = wrong.text("recipient.key", wire.key, RECIPIENT_KEY_MAX_BYTES);
    let msisdn = match wire.msisdn.parse() {
        Ok(msisdn) => Some(msisdn),
        Err(_) if wire.msisdn.is_empty() => wrong.add(
            "recipient.msisdn",
            "is missing: an SMS needs the recipient's E.164 number, such as +819012345678",
        ),
        Err(error) => wrong.add("recipient.msisdn", format!("is malformed: {error}")),
    };
    (msisdn, key)
}

fn content(wire: Option<v1::Content>, wrong: &mut Violations) -> Option<(Bytes, Option<SenderId>)> {
    let Some(sms) = wire.and_then(|content| content.sms) else {
        return wrong.add(
            "content.sms",
            "is missing: this release sends SMS only, so text and sender are required",
        );
    };
    if sms.text.is_empty() {
        wrong.add::<()>("content.sms.text", "is empty: at least one character");
    } else if sms.text.len() > TEXT_MAX_BYTES {
        wrong.too_long("content.sms.text", sms.text.len(), TEXT_MAX_BYTES);
    }
    let sender = match sms.sender.parse() {
        Ok(sender) => Some(sender),
        Err(error) => wrong.add(
            "content.sms.sender",
            if sms.sender.is_empty() {
                format!("is missing: {error}")
            } else {
                format!("is malformed: {error}")
            },
        ),
    };
    Some((Bytes::from(sms.text), sender))
}

fn category(number: i32, wrong: &mut Violations) -> Option<Category> {
    match v1::Category::try_from(number) {
        Ok(v1::Category::Otp) => Some(Category::Otp),
        Ok(v1::Category::Alert) => Some(Category::Alert),
        Ok(v1::Category::Transactional) => Some(Category::Transactional),
        Ok(v1::Category::Promotional) => Some(Category::Promotional),
        Ok(v1::Category::Unspecified) => wrong.add(
            "category",
            "is missing: one of CATEGORY_OTP, CATEGORY_ALERT, CATEGORY_TRANSACTIONAL, CATEGORY_PROMOTIONAL",
        ),
        Err(_) => wrong.add(
            "category",
            format!(
                "{number} is not known: one of CATEGORY_OTP (1), CATEGORY_ALERT (2), CATEGORY_TRANSACTIONAL (3), CATEGORY_PROMOTIONAL (4)"
            ),
        ),
    }
}

fn receipt_wanted(number: i32, wrong: &mut Violations) -> Option<ReceiptWanted> {
    match v1::ReceiptWanted::try_from(number) {
        Ok(v1::ReceiptWanted::Unspecified | v1::ReceiptWanted::Always) => {
            Some(ReceiptWanted::Always)
        }
        Ok(v1::ReceiptWanted::OnFailure) => Some(ReceiptWanted::OnFailure),
        Ok(v1::ReceiptWanted::Never) => Some(ReceiptWanted::Never),
        Err(_) => wrong.add(
            "receipt_wanted",
            format!(
                "{number} is not known: one of RECEIPT_WANTED_ALWAYS (1), RECEIPT_WANTED_ON_FAILURE (2), RECEIPT_WANTED_NEVER (3)"
            ),
        ),
    }
}

fn valid_for_ms(span: &prost_types::Duration, wrong: &mut Violations) -> Option<u64> {
    let given = u64::try_from(span.seconds)
        .ok()
        .zip(nanos(span.nanos))
        .map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .filter(|given| (VALID_FOR_MIN..=VALID_FOR_MAX).contains(given));
    match given {
        Some(given) => u64::try_from(given.as_millis()).ok(),
        None => wrong.add(
            "valid_for",
            format!(
                "{} s and {} ns is out of range: {} s to {} s, with 0 to 999999999 ns",
                span.seconds,
                span.nanos,
                VALID_FOR_MIN.as_secs(),
                VALID_FOR_MAX.as_secs()
            ),
        ),
    }
}

fn send_at_ms(time: &prost_types::Timestamp, wrong: &mut Violations) -> Option<u64> {
    match time_ms(time) {
        Ok(ms) => Some(ms),
        Err(description) => wrong.add("send_at", description),
    }
}

/// A time in milliseconds since the epoch, or what is wrong with it.
pub(crate) fn time_ms(time: &prost_types::Timestamp) -> Result<u64, String> {
    /// The last second of the year 9999, the end of what a Timestamp may say.
    const LAST_SECOND: u64 = 253_402_300_799;
    u64::try_from(time.seconds)
        .ok()
        .filter(|seconds| *seconds <= LAST_SECOND)
        .zip(nanos(time.nanos))
        .map(|(seconds, nanos)| seconds * 1_000 + u64::from(nanos) / 1_000_000)
        .ok_or_else(|| {
            format!(
                "{} s and {} ns is out of range: the years 1970 to 9999, with 0 to 999999999 ns",
                time.seconds, time.nanos
            )
        })
}

/// The part of a second in a Duration or a Timestamp; more than a second is none.
fn nanos(nanos: i32) -> Option<u32> {
    u32::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
}

fn check_labels(labels: &std::collections::BTreeMap<String, String>, wrong: &mut Violations) {
    if labels.len() > LABELS_MAX {
        wrong.add::<()>(
            "labels",
            format!("has {} labels: at most {LABELS_MAX}", labels.len()),
        );
    }
    let fits = |(key, value): (&String, &String)| {
        !key.is_empty() && key.len() <= LABEL_MAX_BYTES && value.len() <= LABEL_MAX_BYTES
    };
    if !labels.iter().all(fits) {
        wrong.add::<()>(
            "labels",
            format!(
                "has a key or value of the wrong length: keys of 1 to {LABEL_MAX_BYTES} octets, values of at most {LABEL_MAX_BYTES}"
            ),
        );
    }
}

#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    /// Notes what is wrong; returns nothing, in the type the caller has no value of.
    fn add<T>(&mut self, field: &'static str, description: impl Into<String>) -> Option<T> {
        self.0.push(Violation {
            field,
            description: description.into(),
        });
        None
    }

    fn into_refusal(self) -> Refusal {
        Refusal {
            violations: self.0,
            ..Refusal::of(Reason::InvalidArgument)
        }
    }

    fn too_long(&mut self, field: &'static str, bytes: usize, max_bytes: usize) {
        self.add::<()>(field, format!("has {bytes} octets: at most {max_bytes}"));
    }

    fn text(&mut self, field: &'static str, text: String, max_bytes: usize) -> Option<Box<str>> {
        if text.len() > max_bytes {
            self.too_long(field, text.len(), max_bytes);
        }
        (!text.is_empty()).then(|| text.into())
    }
}

#[cfg(test)]
mod tests;
