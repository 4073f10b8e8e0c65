//! An explanation for programs.

use grpc_api::v1;
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{
    awaited_word, category_word, kind_word, outcome_word, receipt_wanted_word, receipt_word,
    rule_word,
};
use crate::print::{millis, reason_name, state_name};

/// The object. What is unknown or does not apply is null.
pub(super) fn page(told: &v1::ExplainResponse) -> Value {
    json!({
        "type": "explanation",
        "message_id": told.message_id,
        "state": known(told.state, state_name),
        "reason": reason_name(told.reason),
        "reason_number": told.reason,
        "awaited": awaited_word(told.awaited),
        "awaited_until_ms": at(told.awaited_until.as_ref()),
        "uncertain": told.uncertain,
        "submitted": told.submitted.as_ref().map(submitted),
        "records": told.records.iter().map(record).collect::<Vec<_>>(),
        "rules": told.rules.iter().map(|rule| json!({
            "kind": rule_word(rule.kind), "decision": rule.decision, "position": rule.position,
        })).collect::<Vec<_>>(),
        "missing": told.missing,
        "not_recorded": told.not_recorded,
        "indexed_until_ms": at(told.indexed_until.as_ref()),
    })
}

fn submitted(view: &v1::SubmittedView) -> Value {
    json!({
        "caller": view.caller,
        "recipient": view.recipient,
        "sender": view.sender,
        "category": category_word(view.category),
        "lane": view.lane,
        "route_group": view.route_group,
        "receipt_wanted": receipt_wanted_word(view.receipt_wanted),
        "admitted_ms": at(view.admitted_at.as_ref()),
        "send_at_ms": at(view.send_at.as_ref()),
        "expires_ms": at(view.expires_at.as_ref()),
        "segments": view.segments,
        "config_version": view.config_version,
        "batch_id": view.batch_id,
        "has_idempotency_key": view.has_idempotency_key,
    })
}

fn record(record: &v1::HistoryRecord) -> Value {
    json!({
        "position": record.position,
        "kind": kind_word(record.kind),
        "at_ms": at(record.time.as_ref()),
        "reason": reason_name(record.reason),
        "reason_number": record.reason,
        "state": known(record.state, state_name),
        "leg": record.leg,
        "attempt": record.attempt,
        "segment": record.segment,
        "outcome": known(record.outcome, outcome_word),
        "carrier": record.carrier,
        "session": record.session,
        "carrier_status": record.carrier_status,
        "carrier_message_id": record.carrier_message_id,
        "next_attempt": record.next_attempt,
        "next_at_ms": at(record.next_at.as_ref()),
        "deadline_ms": at(record.deadline.as_ref()),
        "receipt": known(record.receipt, receipt_word),
        "receipt_error": record.receipt_error,
        "by_address": record.by_address,
        "late": record.late,
        "expires_ms": at(record.expires_at.as_ref()),
    })
}

fn known(number: i32, word: fn(i32) -> String) -> Option<String> {
    (number != 0).then(|| word(number))
}

fn at(time: Option<&Timestamp>) -> Option<i64> {
    time.map(|time| millis(Some(time)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::delivered;
    use super::*;

    #[test]
    fn everything_is_there_under_its_name() {
        let page = page(&delivered());
        assert_eq!(page["state"], "delivered");
        assert_eq!(page["records"].as_array().unwrap().len(), 5);
        assert_eq!(page["records"][1]["outcome"], "throttled");
        assert_eq!(page["records"][1]["receipt"], Value::Null);
        assert_eq!(page["records"][2]["carrier_message_id"], "1f3a");
        assert_eq!(page["submitted"]["route_group"], "domestic");
        assert_eq!(page["rules"][0]["kind"], "retry");
        assert_eq!(page["awaited_until_ms"], Value::Null);
    }
}
