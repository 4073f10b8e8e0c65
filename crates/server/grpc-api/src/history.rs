//! `Explain` on the wire.

use engine::{
    Awaited, Caller, Explanation, HistoryError, HistoryRecord, Missing, NOT_RECORDED, RECORDS_MAX,
    RecordKind, RuleKind, Submitted,
};
use message::{Category, ReceiptWanted};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::auth::CallerDirectory;
use crate::progress::{state_number, timestamp};
use crate::{answer, v1};

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

pub(crate) fn category(category: Category) -> v1::Category {
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

pub(crate) fn time(ms: u64) -> Option<Timestamp> {
    (ms != 0).then(|| timestamp(ms))
}

#[cfg(test)]
mod tests {
    use message::{OutcomeClass, ReceiptState};

    use super::*;

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
}
