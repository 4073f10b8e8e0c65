//! An explanation for people: first what is, then what was, then why.

use std::fmt::Write as _;

use grpc_api::v1;
use message::Reason;
use prost_types::Timestamp;
use smpp_codec::CommandStatus;

use super::{
    awaited_word, category_word, kind_word, outcome_word, receipt_wanted_word, receipt_word,
    rule_word,
};
use crate::print::{reason_name, state_name};
use crate::when;

/// The page.
pub(super) fn page(told: &v1::ExplainResponse) -> String {
    let mut page = String::new();
    present(&mut page, told);
    if let Some(submitted) = &told.submitted {
        what_was_submitted(&mut page, submitted);
    }
    records(&mut page, &told.records);
    if !told.rules.is_empty() {
        page.push_str("\nrules weighed\n");
    }
    for rule in &told.rules {
        let _ = writeln!(page, "  {:<10}{}", rule_word(rule.kind), rule.decision);
    }
    list(&mut page, "missing here", &told.missing);
    list(&mut page, "no record holds", &told.not_recorded);
    page
}

fn list(page: &mut String, title: &str, sentences: &[String]) {
    if !sentences.is_empty() {
        let _ = writeln!(page, "\n{title}");
    }
    for sentence in sentences {
        let _ = writeln!(page, "  - {sentence}");
    }
}

fn present(page: &mut String, told: &v1::ExplainResponse) {
    let state = match told.state {
        0 => "state not known".to_owned(),
        state => state_name(state),
    };
    let _ = writeln!(
        page,
        "{}  {state}  {}",
        told.message_id,
        meaning(told.reason)
    );
    let waits = match v1::Awaited::try_from(told.awaited) {
        Ok(v1::Awaited::Unspecified) => "what it waits for is not known",
        Ok(v1::Awaited::Nothing) => "it waits for nothing: it has ended",
        Ok(v1::Awaited::SendAt) => "it waits for its time, send_at",
        Ok(v1::Awaited::Retry) => "it waits for the delay before another attempt",
        Ok(v1::Awaited::Carrier) => {
            "it waits for a carrier with a free place and a permit; worth sending"
        }
        Ok(v1::Awaited::Answer) => {
            "it waits for the carrier's answer, and counts as uncertain without one"
        }
        Ok(v1::Awaited::Evidence) => "it waits for evidence about an uncertain attempt",
        Ok(v1::Awaited::Receipt) => "it waits for the carrier's receipt",
        Err(_) => &awaited_word(told.awaited),
    };
    let until = until(told.awaited_until.as_ref());
    let _ = writeln!(page, "  {waits}{until}");
    if told.uncertain {
        page.push_str("  an attempt had no answer: the recipient may have a copy\n");
    }
}

fn what_was_submitted(page: &mut String, submitted: &v1::SubmittedView) {
    let caller = match submitted.caller.as_str() {
        "" => "a caller that is configured no more".to_owned(),
        name => format!("caller {name}"),
    };
    let _ = writeln!(
        page,
        "\nsubmitted by {caller}: {} to {} from {}, lane {}, route group {}",
        category_word(submitted.category),
        submitted.recipient,
        submitted.sender,
        submitted.lane,
        submitted.route_group,
    );
    let mut notes = vec![format!(
        "receipt {}",
        receipt_wanted_word(submitted.receipt_wanted)
    )];
    let mut add = |title: &str, value: String| notes.push(format!("{title} {value}"));
    if let Some(at) = &submitted.send_at {
        add("not before", when::full(millis(Some(at))));
    }
    add(
        "not after",
        when::full(millis(submitted.expires_at.as_ref())),
    );
    add("segments", submitted.segments.to_string());
    add("configuration", submitted.config_version.to_string());
    if !submitted.batch_id.is_empty() {
        add("batch", submitted.batch_id.clone());
    }
    if submitted.has_idempotency_key {
        notes.push("with an idempotency key".to_owned());
    }
    let _ = writeln!(page, "  {}", notes.join(", "));
}

/// One line a record: time, time since the one before, what, details; below it what the reason means.
fn records(page: &mut String, records: &[v1::HistoryRecord]) {
    let _ = writeln!(page, "\nrecords ({})", records.len());
    let mut before: Option<u64> = None;
    for record in records {
        let at = record.time.as_ref().map(|time| millis(Some(time)));
        let (time, delta) = match (at, before) {
            (None, _) => (String::new(), String::new()),
            (Some(at), None) => (when::full(at), String::new()),
            (Some(at), Some(before)) if when::date(at) != when::date(before) => {
                (when::full(at), delta(before, at))
            }
            (Some(at), Some(before)) => (when::clock(at), delta(before, at)),
        };
        before = at.or(before);
        let what = format!("{:<8}  {}", kind_word(record.kind), details(record));
        let _ = writeln!(page, "  {time:>24}  {delta:>12}  {}", what.trim_end());
        if record.reason != 0 {
            let _ = writeln!(page, "{:42}{}", "", meaning(record.reason));
        }
    }
}

fn delta(before: u64, at: u64) -> String {
    match at.checked_sub(before) {
        Some(later) => format!("+{}", when::span(later)),
        None => format!("-{}", when::span(before - at)),
    }
}

fn details(record: &v1::HistoryRecord) -> String {
    let mut notes = Vec::new();
    let mut add = |holds: bool, note: &dyn Fn() -> String| {
        if holds {
            notes.push(note());
        }
    };
    let is = |kind: v1::RecordKind| record.kind == i32::from(kind);
    add(record.state != 0, &|| state_name(record.state));
    add(record.outcome != 0, &|| outcome_word(record.outcome));
    add(record.receipt != 0, &|| receipt_word(record.receipt));
    add(record.attempt != 0, &|| {
        format!("attempt {}", record.attempt)
    });
    add(record.segment != 0, &|| {
        format!("segment {}", record.segment)
    });
    add(!record.carrier.is_empty(), &|| {
        format!("carrier {}", record.carrier)
    });
    add(record.session != 0, &|| {
        format!("session {}", record.session)
    });
    add(
        record.carrier_status != 0 || (is(v1::RecordKind::Outcome) && answered(record)),
        &|| status(record.carrier_status),
    );
    add(!record.carrier_message_id.is_empty(), &|| {
        format!("carrier's id {}", record.carrier_message_id)
    });
    add(!record.receipt_error.is_empty(), &|| {
        format!("error {}", record.receipt_error)
    });
    add(record.by_address, &|| "matched by address".to_owned());
    add(record.late, &|| "late".to_owned());
    add(record.next_attempt != 0, &|| {
        let then = match &record.next_at {
            Some(at) => format!(" not before {}", when::clock(millis(Some(at)))),
            None => String::new(),
        };
        format!("then attempt {}{then}", record.next_attempt)
    });
    add(
        is(v1::RecordKind::Replaced) && record.next_at.is_some(),
        &|| format!("not before {}", when::full(millis(record.next_at.as_ref()))),
    );
    add(
        is(v1::RecordKind::Replaced) && record.expires_at.is_some(),
        &|| {
            format!(
                "not after {}",
                when::full(millis(record.expires_at.as_ref()))
            )
        },
    );
    add(record.deadline.is_some(), &|| {
        format!("evidence awaited{}", until(record.deadline.as_ref()))
    });
    notes.join(", ")
}

/// Whether a carrier said something: a status of 0 is then an answer, else the lack of one.
fn answered(record: &v1::HistoryRecord) -> bool {
    match v1::AttemptOutcome::try_from(record.outcome) {
        Ok(
            v1::AttemptOutcome::Submitted
            | v1::AttemptOutcome::Throttled
            | v1::AttemptOutcome::RejectedRetry
            | v1::AttemptOutcome::RejectedFinal,
        ) => true,
        Ok(
            v1::AttemptOutcome::Uncertain
            | v1::AttemptOutcome::Unwritten
            | v1::AttemptOutcome::Unspecified,
        )
        | Err(_) => false,
    }
}

fn status(status: u32) -> String {
    format!(
        "status 0x{status:08x} {}",
        CommandStatus::from_u32(status).name()
    )
}

fn until(time: Option<&Timestamp>) -> String {
    match time {
        Some(time) => format!(" until {}", when::full(millis(Some(time)))),
        None => String::new(),
    }
}

fn meaning(reason: i32) -> String {
    let known = u16::try_from(reason).ok().and_then(Reason::from_number);
    match known {
        Some(Reason::None) => String::new(),
        Some(known) => format!("{} ({reason}): {}", known.name(), known.explanation()),
        None => reason_name(reason),
    }
}

fn millis(time: Option<&Timestamp>) -> u64 {
    u64::try_from(crate::print::millis(time)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::delivered;
    use super::*;

    #[test]
    fn a_delivered_message_reads_from_now_to_why() {
        let expected = "\
01936c1e-8a2b-7003-8000-000001a2b3c4  delivered  RECEIPT_DELIVERED (600): The receipt says delivered.
  it waits for nothing: it has ended

submitted by caller login: otp to +819012345678 from Hikyaku, lane otp, route group domestic
  receipt always, not after 2026-11-22 05:35:00.001Z, segments 1, configuration 17

records (5)
  2026-11-22 05:30:00.001Z                admitted
                                          ADMITTED (200): Admitted and durable.
             05:30:00.005Z         +4 ms  outcome   throttled, attempt 1, carrier north, session 3, status 0x00000058 ESME_RTHROTTLED, then attempt 2
                                          RETRY_THROTTLED (300): The carrier asked to slow down; the message is first in its lane again.
             05:30:01.205Z        +1.2 s  outcome   submitted, attempt 2, carrier north, session 3, status 0x00000000 ESME_ROK, carrier's id 1f3a, evidence awaited until 2026-11-25 05:30:00.000Z
                                          TAKEN_BY_CARRIER (204): The carrier took it.
             05:30:04.000Z        +2.7 s  receipt   delivered, attempt 2, carrier north, carrier's id 1f3a, error 000
                                          RECEIPT_DELIVERED (600): The receipt says delivered.
             05:30:04.000Z         +0 ms  final     delivered, attempt 2
                                          RECEIPT_DELIVERED (600): The receipt says delivered.

rules weighed
  retry     throttled: attempt 2 goes first in its lane and costs no retry

no record holds
  - which prefix led to the group
";
        assert_eq!(page(&delivered()), expected);
    }

    #[test]
    fn a_waiting_message_says_for_what_and_until_when() {
        let mut told = delivered();
        told.state = v1::MessageState::Submitted.into();
        told.reason = v1::Reason::TakenByCarrier.into();
        told.awaited = v1::Awaited::Receipt.into();
        told.awaited_until = told.records[2].deadline;
        told.uncertain = true;
        told.submitted = None;
        told.missing = vec!["the record of its admission".into()];
        told.records.truncate(1);
        let page = page(&told);
        assert!(
            page.contains("it waits for the carrier's receipt until 2026-11-25 05:30:00.000Z\n"),
            "{page}"
        );
        assert!(page.contains("may have a copy"), "{page}");
        assert!(
            page.contains("missing here\n  - the record of its admission"),
            "{page}"
        );
    }
}
