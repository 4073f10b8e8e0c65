//! `Explain` and `List` on the wire.

use engine::{
    Awaited, Caller, Explanation, HistoryError, HistoryPage, HistoryQuery, HistoryRecord,
    MessageSummary, Missing, NOT_RECORDED, PAGE_MAX, RECORDS_MAX, RecordKind, RuleKind, Submitted,
};
use message::{
    CarrierId, Category, MessageId, MessageState, Msisdn, ReceiptWanted, Slug, TenantId,
    stable_hash,
};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::auth::CallerDirectory;
use crate::progress::{state_number, timestamp};
use crate::{answer, v1};

/// Messages on a page unless asked otherwise.
const PAGE_DEFAULT: usize = 50;

/// Why a question was not answered.
pub(crate) fn failure(error: &HistoryError) -> Status {
    let (code, reason) = match error {
        HistoryError::Unknown => (Code::NotFound, "MESSAGE_UNKNOWN"),
        HistoryError::Busy(_) => (Code::ResourceExhausted, "HISTORY_BUSY"),
        HistoryError::Closed => (Code::Unavailable, "HISTORY_CLOSED"),
        HistoryError::NoIndex(_) => (Code::Unavailable, "HISTORY_INDEX_CLOSED"),
        HistoryError::Unreadable(_) => (Code::Internal, "HISTORY_UNREADABLE"),
    };
    answer::failure(code, reason, error.to_string())
}

/// Everything that is known of a message, for the caller that asks.
pub(crate) fn explanation(
    told: &Explanation,
    asking: &Caller,
    callers: &CallerDirectory,
) -> v1::ExplainResponse {
    let uncertain = told.now.as_ref().is_some_and(|view| view.uncertain)
        || told
            .records
            .iter()
            .any(|record| record.outcome == Some(message::OutcomeClass::Uncertain));
    v1::ExplainResponse {
        message_id: answer::id_text(told.id),
        state: told.state.map_or(0, state_number),
        reason: i32::from(told.reason.number()),
        awaited: awaited(told.awaited).into(),
        awaited_until: time(told.awaited_until_ms),
        submitted: told
            .submitted
            .as_ref()
            .map(|submitted| submitted_view(submitted, asking, callers)),
        records: told
            .records
            .iter()
            .map(|found| record(found, told))
            .collect(),
        rules: told.rules.iter().map(rule).collect(),
        not_recorded: NOT_RECORDED.map(str::to_owned).to_vec(),
        missing: missing(&told.missing, told.submitted.is_some()),
        indexed_until: time(told.indexed.until_ms),
        uncertain,
    }
}

fn awaited(awaited: Option<Awaited>) -> v1::Awaited {
    match awaited {
        None => v1::Awaited::Unspecified,
        Some(Awaited::Nothing) => v1::Awaited::Nothing,
        Some(Awaited::SendAt) => v1::Awaited::SendAt,
        Some(Awaited::Retry) => v1::Awaited::Retry,
        Some(Awaited::Carrier) => v1::Awaited::Carrier,
        Some(Awaited::Answer) => v1::Awaited::Answer,
        Some(Awaited::Evidence) => v1::Awaited::Evidence,
        Some(Awaited::Receipt) => v1::Awaited::Receipt,
    }
}

fn submitted_view(
    submitted: &Submitted,
    asking: &Caller,
    callers: &CallerDirectory,
) -> v1::SubmittedView {
    let digits = submitted.recipient.digits();
    let recipient = if submitted.caller == asking.id {
        format!("+{}", &*digits)
    } else {
        format!("…{}", &digits[digits.len() - 2..])
    };
    let receipt_wanted = match submitted.receipt_wanted {
        ReceiptWanted::Always => v1::ReceiptWanted::Always,
        ReceiptWanted::OnFailure => v1::ReceiptWanted::OnFailure,
        ReceiptWanted::Never => v1::ReceiptWanted::Never,
    };
    v1::SubmittedView {
        recipient,
        sender: submitted.sender.clone(),
        category: category(submitted.category).into(),
        lane: submitted.lane.name().to_owned(),
        route_group: submitted.group_name.clone(),
        receipt_wanted: receipt_wanted.into(),
        admitted_at: time(submitted.admitted_ms),
        send_at: time(submitted.send_at_ms),
        expires_at: time(submitted.expires_ms),
        segments: submitted.segments,
        config_version: submitted.config_version,
        batch_id: submitted.batch_id.clone(),
        has_idempotency_key: submitted.has_idempotency_key,
        caller: callers
            .name_of(submitted.caller)
            .unwrap_or_default()
            .to_owned(),
    }
}

fn category(category: Category) -> v1::Category {
    match category {
        Category::Otp => v1::Category::Otp,
        Category::Alert => v1::Category::Alert,
        Category::Transactional => v1::Category::Transactional,
        Category::Promotional => v1::Category::Promotional,
    }
}

fn record(record: &HistoryRecord, told: &Explanation) -> v1::HistoryRecord {
    let kind = match record.kind {
        RecordKind::Admitted => v1::RecordKind::Admitted,
        RecordKind::Claimed => v1::RecordKind::Claimed,
        RecordKind::Written => v1::RecordKind::Written,
        RecordKind::Outcome => v1::RecordKind::Outcome,
        RecordKind::Receipt => v1::RecordKind::Receipt,
        RecordKind::Final => v1::RecordKind::Final,
        RecordKind::KeyKept => v1::RecordKind::KeyKept,
        RecordKind::Replaced => v1::RecordKind::Replaced,
        RecordKind::Carried => v1::RecordKind::Carried,
    };
    let carrier = record.carrier.and_then(|id| told.carriers.get(&id));
    v1::HistoryRecord {
        position: record.position,
        kind: kind.into(),
        time: time(record.at_ms),
        reason: i32::from(record.reason.number()),
        state: record.state.map_or(0, state_number),
        leg: u32::from(record.leg),
        attempt: u32::from(record.attempt),
        segment: u32::from(record.segment),
        // The numbers of records are those of the contract; a test holds them together.
        outcome: record.outcome.map_or(0, |class| i32::from(class.number())),
        carrier: carrier.cloned().unwrap_or_default(),
        session: record.session,
        carrier_status: record.status,
        carrier_message_id: record
            .carrier_id()
            .map(|id| id.to_string())
            .unwrap_or_default(),
        next_attempt: u32::from(record.next_attempt),
        next_at: time(record.next_at_ms),
        deadline: time(record.deadline_ms),
        receipt: record.receipt.map_or(0, |state| i32::from(state.number())),
        receipt_error: record.receipt_error.clone(),
        by_address: record.by_address,
        late: record.late,
        expires_at: time(record.expires_ms),
    }
}

fn rule(rule: &engine::Rule) -> v1::Rule {
    let kind = match rule.kind {
        RuleKind::Route => v1::RuleKind::Route,
        RuleKind::Lane => v1::RuleKind::Lane,
        RuleKind::Validity => v1::RuleKind::Validity,
        RuleKind::Schedule => v1::RuleKind::Schedule,
        RuleKind::Receipt => v1::RuleKind::Receipt,
        RuleKind::Claim => v1::RuleKind::Claim,
        RuleKind::Replace => v1::RuleKind::Replace,
        RuleKind::Retry => v1::RuleKind::Retry,
        RuleKind::Uncertain => v1::RuleKind::Uncertain,
        RuleKind::Evidence => v1::RuleKind::Evidence,
        RuleKind::End => v1::RuleKind::End,
    };
    v1::Rule {
        kind: kind.into(),
        decision: rule.decision.clone(),
        position: rule.position,
    }
}

fn missing(missing: &Missing, has_admission: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut add = |holds: bool, sentence: String| {
        if holds {
            sentences.push(sentence);
        }
    };
    let gone = missing.forgotten;
    add(
        gone > 0,
        format!("{gone} older records: their journal files have been dropped"),
    );
    add(
        !has_admission,
        "the record of its admission: it is older than the history that is kept, or not among the records shown".into(),
    );
    add(
        missing.unreadable > 0,
        format!("{} records that cannot be read", missing.unreadable),
    );
    add(
        missing.unread_bytes > 0,
        format!(
            "records in {} bytes of journal that are not indexed and were not read: not yet, or deleted before they were",
            missing.unread_bytes
        ),
    );
    add(
        missing.more,
        format!("records after the first {RECORDS_MAX}"),
    );
    add(
        missing.writes_forgotten > 0,
        format!(
            "when the segments of {} attempts were written to their sockets: the written log, kept for minutes, has let go of it; the outcomes name the sessions",
            missing.writes_forgotten
        ),
    );
    add(
        missing.writes_unread_bytes > 0,
        format!(
            "writes to sockets in {} bytes of the written log that were not read",
            missing.writes_unread_bytes
        ),
    );
    add(
        missing.policies_unknown > 0,
        format!(
            "the policies' figures for {} records: what was noted when their journal was opened is gone, or was not noted",
            missing.policies_unknown
        ),
    );
    sentences
}

/// A list request as the engine is asked, and the mark of its filters, which its pages carry.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(crate) fn query(
    request: &v1::ListRequest,
    tenant: TenantId,
) -> Result<(HistoryQuery, u64), Status> {
    let recipient: Option<Msisdn> = optional(&request.recipient)
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| answer::invalid("recipient", format!("is malformed: {error}")))?;
    let carrier: Option<Slug> = optional(&request.carrier)
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| answer::invalid("carrier", format!("is malformed: {error}")))?;
    let since_ms = millis("since", request.since.as_ref())?.unwrap_or(0);
    let until_ms = millis("until", request.until.as_ref())?.unwrap_or(u64::MAX);
    if since_ms >= until_ms {
        return Err(answer::invalid(
            "until",
            "is not after since: nothing could be listed",
        ));
    }
    let states = states(&request.states)?;
    let limit = match request.page_size as usize {
        0 => PAGE_DEFAULT,
        size if size <= PAGE_MAX => size,
        size => {
            return Err(answer::invalid(
                "page_size",
                format!("is {size}: 1 to {PAGE_MAX}, or left out for {PAGE_DEFAULT}"),
            ));
        }
    };
    let filters = mark(request, tenant, (since_ms, until_ms));
    let query = HistoryQuery {
        tenant,
        recipient,
        states,
        carrier: carrier.as_ref().map(CarrierId::of),
        since_ms,
        until_ms,
        below: parse_page(&request.page, filters)?,
        limit,
    };
    Ok((query, filters))
}

/// A page on the wire.
pub(crate) fn page(page: &HistoryPage, filters: u64) -> v1::ListResponse {
    let summary = |message: &MessageSummary| v1::MessageSummary {
        message_id: answer::id_text(message.id),
        state: state_number(message.state),
        reason: i32::from(message.reason.number()),
        category: category(message.category).into(),
        carrier: message
            .carrier
            .and_then(|id| page.carriers.get(&id).cloned())
            .unwrap_or_default(),
        admitted_at: time(message.admitted_ms),
        changed_at: time(message.changed_ms),
        uncertain: message.uncertain,
        records: message.records,
    };
    v1::ListResponse {
        messages: page.messages.iter().map(summary).collect(),
        next_page: page
            .below
            .map(|below| page_text(below, filters))
            .unwrap_or_default(),
        indexed_until: time(page.indexed.until_ms),
    }
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn states(numbers: &[i32]) -> Result<Vec<MessageState>, Status> {
    let state = |number: &i32| {
        u8::try_from(*number)
            .ok()
            .and_then(MessageState::from_number)
            .ok_or_else(|| answer::invalid("states", format!("has {number}, which is no state")))
    };
    numbers.iter().map(state).collect()
}

fn millis(field: &'static str, time: Option<&Timestamp>) -> Result<Option<u64>, Status> {
    let Some(time) = time else {
        return Ok(None);
    };
    let ms = u64::try_from(time.seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000))
        .zip(u64::try_from(time.nanos).ok())
        .map(|(ms, nanos)| ms.saturating_add(nanos / 1_000_000));
    ms.map(Some)
        .ok_or_else(|| answer::invalid(field, "is no time after 1970"))
}

fn time(ms: u64) -> Option<Timestamp> {
    (ms != 0).then(|| timestamp(ms))
}

/// A page of other filters would skip or repeat messages without anybody noticing, so that pages carry the mark of theirs.
fn mark(request: &v1::ListRequest, tenant: TenantId, (since_ms, until_ms): (u64, u64)) -> u64 {
    let states: Vec<u8> = request
        .states
        .iter()
        .flat_map(|state| state.to_be_bytes())
        .collect();
    stable_hash(&[
        &tenant.0.to_be_bytes(),
        request.recipient.trim_start_matches('+').as_bytes(),
        request.carrier.as_bytes(),
        &states,
        &since_ms.to_be_bytes(),
        &until_ms.to_be_bytes(),
    ])
}

fn page_text(below: MessageId, filters: u64) -> String {
    let id = u128::from_be_bytes(below.to_bytes());
    format!("{id:032x}{filters:016x}")
}

fn parse_page(text: &str, filters: u64) -> Result<Option<MessageId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let sound = text.len() == 48 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let parts = sound.then(|| text.split_at(32)).and_then(|(id, mark)| {
        let id = u128::from_str_radix(id, 16).ok()?;
        let mark = u64::from_str_radix(mark, 16).ok()?;
        Some((MessageId::from_bytes(&id.to_be_bytes()).ok()?, mark))
    });
    match parts {
        Some((below, mark)) if mark == filters => Ok(Some(below)),
        Some(_) => Err(answer::invalid(
            "page",
            "is of a list with other filters: ask for each page with the filters of the first",
        )),
        None => Err(answer::invalid(
            "page",
            "is not a page: hand back `next_page` of an earlier response as it was, or leave it out",
        )),
    }
}

#[cfg(test)]
mod tests {
    use message::{OutcomeClass, ReceiptState};

    use super::*;

    fn request() -> v1::ListRequest {
        v1::ListRequest {
            recipient: "+819012345678".into(),
            states: vec![10, 16],
            carrier: "north".into(),
            since: Some(timestamp(1_000)),
            page_size: 7,
            ..v1::ListRequest::default()
        }
    }

    #[test]
    fn the_numbers_of_records_are_those_of_the_contract() {
        for class in OutcomeClass::ALL {
            let wire = v1::AttemptOutcome::try_from(i32::from(class.number())).unwrap();
            let name = wire.as_str_name().strip_prefix("ATTEMPT_OUTCOME_").unwrap();
            assert_eq!(name.to_lowercase(), class.name());
        }
        for state in ReceiptState::ALL {
            let wire = v1::ReceiptState::try_from(i32::from(state.number())).unwrap();
            let name = wire.as_str_name().strip_prefix("RECEIPT_STATE_").unwrap();
            assert_eq!(name.to_lowercase(), format!("{state:?}").to_lowercase());
        }
    }

    #[test]
    fn a_request_becomes_a_query_and_a_page_leads_on_with_the_same_filters_only() {
        let tenant = TenantId(7);
        let (asked, filters) = query(&request(), tenant).unwrap();
        assert_eq!(asked.recipient, "819012345678".parse().ok());
        assert_eq!(
            asked.states,
            [MessageState::Delivered, MessageState::Failed]
        );
        assert_eq!((asked.since_ms, asked.until_ms), (1_000, u64::MAX));
        assert_eq!((asked.limit, asked.below), (7, None));

        let below = message::IdSource::new(3).peek(1_700_000_000_000, 9);
        let next = v1::ListRequest {
            page: page_text(below, filters),
            ..request()
        };
        assert_eq!(query(&next, tenant).unwrap().0.below, Some(below));
        let other = v1::ListRequest {
            carrier: "south".into(),
            ..next.clone()
        };
        for (asked, tenant) in [(&other, tenant), (&next, TenantId(8))] {
            let refused = query(asked, tenant).unwrap_err();
            assert!(refused.message().contains("other filters"), "{refused}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_field() {
        let wrong = [
            v1::ListRequest {
                recipient: "me".into(),
                ..request()
            },
            v1::ListRequest {
                carrier: "No Name".into(),
                ..request()
            },
            v1::ListRequest {
                states: vec![9],
                ..request()
            },
            v1::ListRequest {
                page_size: 501,
                ..request()
            },
            v1::ListRequest {
                until: Some(timestamp(1_000)),
                ..request()
            },
            v1::ListRequest {
                page: "last".into(),
                ..request()
            },
        ];
        let fields = [
            "recipient",
            "carrier",
            "states",
            "page_size",
            "until",
            "page",
        ];
        for (request, field) in wrong.iter().zip(fields) {
            let refused = query(request, TenantId(1)).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().starts_with(field), "{refused}");
        }
    }
}
