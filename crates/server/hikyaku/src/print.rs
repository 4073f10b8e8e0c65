//! What `send` and `watch` print: a line a person reads, or with `--json` one JSON object a line.

use std::io::{self, Write};

use grpc_api::v1;
use serde_json::{Value, json};

use crate::client::field_line;

/// For whom to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Where lines go. Errors are handed back: a closed pipe ends a command quietly, it does not panic.
pub(crate) struct Printer<W> {
    format: Format,
    out: W,
}

impl<W: Write> Printer<W> {
    pub(crate) const fn new(format: Format, out: W) -> Self {
        Self { format, out }
    }

    /// The answer to a submission to `recipient`.
    pub(crate) fn answer(&mut self, recipient: &str, answer: &v1::Answer) -> io::Result<()> {
        match &answer.outcome {
            Some(v1::answer::Outcome::Admission(admission)) => self.admission(recipient, admission),
            Some(v1::answer::Outcome::Refusal(refusal)) => self.refusal(recipient, refusal),
            None => Ok(()),
        }
    }

    /// A move of a message.
    pub(crate) fn event(&mut self, event: &v1::Event) -> io::Result<()> {
        let state = state_name(event.state);
        let reason = reason_name(event.reason);
        let at_ms = millis(event.time.as_ref());
        match self.format {
            Format::Json => self.json(&json!({
                "type": "event", "message_id": event.message_id, "sequence": event.sequence, "state": state,
                "reason": reason, "reason_number": event.reason, "at_ms": at_ms, "leg": event.leg, "attempt": event.attempt,
                "segment": event.segment, "segments": event.segments, "uncertain": event.uncertain, "late": event.late,
                "carrier": event.carrier, "carrier_status": event.carrier_status, "batch_id": event.batch_id,
                "config_version": event.config_version, "context": String::from_utf8_lossy(&event.context),
            })),
            Format::Text => {
                let mut notes = Vec::new();
                if event.reason != 0 {
                    notes.push(reason);
                }
                if !event.carrier.is_empty() {
                    notes.push(format!("carrier {}", event.carrier));
                }
                if event.attempt > 0 {
                    notes.push(format!("attempt {}", event.attempt));
                }
                if event.carrier_status != 0 {
                    notes.push(format!("status 0x{:08x}", event.carrier_status));
                }
                if event.uncertain {
                    notes.push("uncertain".to_owned());
                }
                if event.late {
                    notes.push("late".to_owned());
                }
                writeln!(
                    self.out,
                    "{}  {}  {state:<13}  {}",
                    crate::when::clock(u64::try_from(at_ms).unwrap_or(0)),
                    event.message_id,
                    notes.join(", ")
                )
            }
        }
    }

    /// Where a message is now, before its events follow.
    pub(crate) fn view(&mut self, view: &v1::MessageView) -> io::Result<()> {
        self.event(&v1::Event {
            message_id: view.message_id.clone(),
            sequence: view.sequence,
            state: view.state,
            reason: view.reason,
            time: view.changed_at,
            attempt: view.attempt,
            segments: view.segments,
            uncertain: view.uncertain,
            late: view.late,
            carrier: view.carrier.clone(),
            carrier_status: view.carrier_status,
            batch_id: view.batch_id.clone(),
            context: view.context.clone(),
            ..v1::Event::default()
        })
    }

    /// The position from which another watch can go on.
    pub(crate) fn position(&mut self, resume_position: &str) -> io::Result<()> {
        match self.format {
            Format::Json => {
                self.json(&json!({ "type": "position", "resume_position": resume_position }))
            }
            Format::Text => Ok(()),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn admission(&mut self, recipient: &str, admission: &v1::Admission) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(&json!({
                "type": "admitted", "to": recipient, "message_id": admission.message_id, "repeat": admission.repeat,
            })),
            Format::Text => {
                let repeat = if admission.repeat {
                    "  (a repeat: admitted before)"
                } else {
                    ""
                };
                writeln!(
                    self.out,
                    "admitted  {recipient}  {}{repeat}",
                    admission.message_id
                )
            }
        }
    }

    fn refusal(&mut self, recipient: &str, refusal: &v1::Refusal) -> io::Result<()> {
        let reason = reason_name(refusal.code);
        let retry_after_ms = refusal
            .retry_after
            .map(|span| span.seconds * 1_000 + i64::from(span.nanos) / 1_000_000);
        match self.format {
            Format::Json => {
                let violations: Vec<Value> = refusal
                    .violations
                    .iter()
                    .map(|v| json!({ "field": v.field, "description": v.description }))
                    .collect();
                self.json(&json!({
                    "type": "refused", "to": recipient, "reason": reason, "reason_number": refusal.code,
                    "message": refusal.message, "retry_after_ms": retry_after_ms, "violations": violations,
                    "existing_message_id": refusal.existing_message_id,
                }))
            }
            Format::Text => {
                let mut text = format!("refused   {recipient}  {reason}");
                if refusal.violations.is_empty() {
                    text.push_str(&format!("\n  {}", refusal.message));
                }
                for violation in &refusal.violations {
                    text.push_str(&field_line(&violation.field, &violation.description));
                }
                if !refusal.existing_message_id.is_empty() {
                    text.push_str(&format!(
                        "\n  admitted under this key: {}",
                        refusal.existing_message_id
                    ));
                }
                if let Some(ms) = retry_after_ms {
                    text.push_str(&format!("\n  try again after {ms} ms"));
                }
                writeln!(self.out, "{text}")
            }
        }
    }

    fn json(&mut self, object: &Value) -> io::Result<()> {
        writeln!(self.out, "{object}")
    }
}

/// Whether a state ends a message; unknown numbers of a later engine follow the same rule.
pub(crate) const fn is_final(state: i32) -> bool {
    state >= 10
}

pub(crate) fn state_name(state: i32) -> String {
    v1::MessageState::try_from(state)
        .ok()
        .and_then(|known| known.as_str_name().strip_prefix("MESSAGE_STATE_"))
        .map_or_else(|| state.to_string(), str::to_lowercase)
}

pub(crate) fn reason_name(reason: i32) -> String {
    v1::Reason::try_from(reason)
        .ok()
        .filter(|_| reason != 0)
        .and_then(|known| known.as_str_name().strip_prefix("REASON_"))
        .map_or_else(
            || {
                if reason == 0 {
                    "NONE".to_owned()
                } else {
                    reason.to_string()
                }
            },
            str::to_owned,
        )
}

pub(crate) fn millis(time: Option<&prost_types::Timestamp>) -> i64 {
    time.map_or(0, |time| {
        time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, print: impl FnOnce(&mut Printer<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        print(&mut Printer::new(format, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn delivered() -> v1::Event {
        v1::Event {
            message_id: "0193".into(),
            sequence: 4,
            state: v1::MessageState::Delivered.into(),
            reason: v1::Reason::ReceiptDelivered.into(),
            time: Some(prost_types::Timestamp {
                seconds: 86_400 + 3_661,
                nanos: 7_000_000,
            }),
            attempt: 1,
            carrier: "north".into(),
            late: true,
            ..v1::Event::default()
        }
    }

    #[test]
    fn an_event_is_a_line() {
        let text = printed(Format::Text, |printer| printer.event(&delivered()).unwrap());
        assert_eq!(
            text,
            "01:01:01.007Z  0193  delivered      RECEIPT_DELIVERED, carrier north, attempt 1, late\n"
        );
        let json = printed(Format::Json, |printer| printer.event(&delivered()).unwrap());
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["state"], "delivered");
        assert_eq!(value["reason_number"], 600);
        assert_eq!(value["at_ms"], 90_061_007);
    }

    #[test]
    fn a_refusal_shows_its_fields() {
        let answer = v1::Answer {
            outcome: Some(v1::answer::Outcome::Refusal(v1::Refusal {
                code: v1::Reason::TextTooLong.into(),
                message: "The text does not fit one segment.".into(),
                retry_after: None,
                violations: vec![v1::Violation {
                    field: "content.sms.text".into(),
                    description: "has 161 septets: at most 160".into(),
                }],
                existing_message_id: String::new(),
            })),
        };
        let text = printed(Format::Text, |p| p.answer("+81", &answer).unwrap());
        assert_eq!(
            text,
            "refused   +81  TEXT_TOO_LONG\n  content.sms.text has 161 septets: at most 160\n"
        );
        let json = printed(Format::Json, |p| p.answer("+81", &answer).unwrap());
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["violations"][0]["field"], "content.sms.text");
        assert_eq!(value["reason_number"], 109);
    }

    #[test]
    fn numbers_of_a_later_engine_are_shown_as_numbers() {
        assert_eq!(
            (state_name(99), reason_name(9_999)),
            ("99".into(), "9999".into())
        );
        assert_eq!(reason_name(0), "NONE");
    }
}
