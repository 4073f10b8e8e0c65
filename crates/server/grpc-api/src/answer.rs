//! The engine's answers on the wire: as items, and as rich statuses.

use std::collections::HashMap;
use std::time::Duration;

use engine::{AdmitReply, Refusal};
use message::{MessageId, Reason, RefusalClass};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::v1;

/// The `domain` of every `ErrorInfo`.
pub(crate) const ERROR_DOMAIN: &str = "hikyaku";

/// The answer to one submission of a batch.
pub(crate) fn item(reply: AdmitReply) -> v1::Answer {
    use v1::answer::Outcome;
    v1::Answer {
        outcome: Some(match reply {
            Ok(admission) => Outcome::Admission(admitted(admission)),
            Err(refusal) => Outcome::Refusal(refused(refusal)),
        }),
    }
}

/// The answer to one submission of a stream.
pub(crate) fn streamed(client_ref: u64, reply: AdmitReply) -> v1::StreamedAnswer {
    use v1::streamed_answer::Outcome;
    v1::StreamedAnswer {
        client_ref,
        outcome: Some(match reply {
            Ok(admission) => Outcome::Admission(admitted(admission)),
            Err(refusal) => Outcome::Refusal(refused(refusal)),
        }),
    }
}

/// A refusal of a whole call.
pub(crate) fn status(refusal: &Refusal) -> Status {
    let mut metadata = number(refusal.reason);
    if let Some(existing) = refusal.existing {
        metadata.insert("existing_message_id".to_owned(), id_text(existing));
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(refusal.reason.name(), ERROR_DOMAIN, metadata);
    for violation in &refusal.violations {
        details.add_bad_request_violation(violation.field, &violation.description);
    }
    if let Some(ms) = refusal.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(ms)));
    }
    Status::with_error_details(code(refusal.reason), explanation(refusal), details)
}

/// INVALID_ARGUMENT for a field of the request itself.
pub(crate) fn invalid(field: &str, description: impl Into<String>) -> Status {
    let description = description.into();
    let text = format!("{field} {description}");
    let mut details = ErrorDetails::with_bad_request_violation(field, description);
    details.set_error_info(
        Reason::InvalidArgument.name(),
        ERROR_DOMAIN,
        number(Reason::InvalidArgument),
    );
    Status::with_error_details(Code::InvalidArgument, text, details)
}

/// What a client sent, for its refusal to show: at most 64 characters, and none that would act on the terminal or log that shows it.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 64;
    let mut characters = text.chars();
    let head = characters.by_ref().take(CHARACTERS_MAX);
    let shown: String = head.flat_map(char::escape_debug).collect();
    let cut = if characters.next().is_some() {
        "…"
    } else {
        ""
    };
    format!("`{shown}{cut}`")
}

/// A status for something that is no fault of a submission; `reason` goes into the `ErrorInfo`.
pub(crate) fn failure(code: Code, reason: &str, text: impl Into<String>) -> Status {
    failure_with(code, (reason, HashMap::new()), text)
}

/// The same with facts for programs in the `ErrorInfo`.
pub(crate) fn failure_with(
    code: Code,
    (reason, metadata): (&str, HashMap<String, String>),
    text: impl Into<String>,
) -> Status {
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
    Status::with_error_details(code, text, details)
}

/// The id as text, as its `Display` writes it, without the formatting machinery: every answer and every event has one.
pub(crate) fn id_text(id: MessageId) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (at, octet) in id.to_bytes().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(octet >> 4)]));
        text.push(char::from(DIGITS[usize::from(octet & 0xf)]));
    }
    text
}

fn admitted(admission: engine::Admission) -> v1::Admission {
    v1::Admission {
        message_id: id_text(admission.id),
        repeat: admission.repeat,
        reason: i32::from(admission.reason().number()),
    }
}

fn refused(refusal: Refusal) -> v1::Refusal {
    v1::Refusal {
        code: i32::from(refusal.reason.number()),
        message: explanation(&refusal),
        retry_after: refusal.retry_after_ms.map(span),
        violations: refusal
            .violations
            .into_iter()
            .map(|violation| v1::Violation {
                field: violation.field.to_owned(),
                description: violation.description,
            })
            .collect(),
        existing_message_id: refusal.existing.map(id_text).unwrap_or_default(),
    }
}

fn span(ms: u64) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(ms % 1_000 * 1_000_000).expect("under a second of nanoseconds"),
    }
}

fn number(reason: Reason) -> HashMap<String, String> {
    HashMap::from([("number".to_owned(), reason.number().to_string())])
}

/// The reason's sentence, then each field: readable where a client shows only the message of a status.
fn explanation(refusal: &Refusal) -> String {
    let mut text = refusal.reason.explanation().to_owned();
    for violation in &refusal.violations {
        text.push_str(" [");
        text.push_str(violation.field);
        text.push(' ');
        text.push_str(&violation.description);
        text.push(']');
    }
    text
}

/// Which gRPC code a refusal has. Reasons that never refuse a submission are INTERNAL: seeing one here is a fault of ours.
const fn code(reason: Reason) -> Code {
    match reason.refusal_class() {
        Some(RefusalClass::Malformed) => Code::InvalidArgument,
        Some(RefusalClass::QueueFull | RefusalClass::TableFull) => Code::ResourceExhausted,
        Some(RefusalClass::BusyNow | RefusalClass::Away) => Code::Unavailable,
        Some(RefusalClass::Conflict) => Code::AlreadyExists,
        Some(RefusalClass::Forbidden) => Code::PermissionDenied,
        Some(RefusalClass::Unroutable) => Code::FailedPrecondition,
        Some(RefusalClass::Unsupported) => Code::Unimplemented,
        None => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use engine::Violation;
    use message::{ALL_REASONS, IdSource};

    use super::*;

    fn refusal(reason: Reason) -> Refusal {
        Refusal {
            reason,
            retry_after_ms: None,
            violations: Vec::new(),
            existing: None,
        }
    }

    #[test]
    fn intake_refusals_have_a_code_of_the_callers_and_nothing_else_does() {
        for reason in ALL_REASONS {
            let refuses = reason.is_refusal();
            let status = status(&refusal(*reason));
            assert_eq!(status.code() == Code::Internal, !refuses, "{reason}");
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(info.reason, reason.name());
            assert_eq!(info.domain, ERROR_DOMAIN);
            assert_eq!(info.metadata["number"], reason.number().to_string());
        }
    }

    #[test]
    fn a_status_says_which_field_and_when_to_try_again() {
        let status = status(&Refusal {
            reason: Reason::CreditsFull,
            retry_after_ms: Some(1_250),
            violations: vec![Violation {
                field: "recipient.msisdn",
                description: "is malformed".into(),
            }],
            existing: Some(IdSource::new(3).peek(5_000, 9)),
        });
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("[recipient.msisdn is malformed]"));
        let details = status.get_error_details();
        let field = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(
            (&*field.field, &*field.description),
            ("recipient.msisdn", "is malformed")
        );
        assert_eq!(
            details.retry_info().unwrap().retry_delay,
            Some(Duration::from_millis(1_250))
        );
        assert_eq!(
            details.error_info().unwrap().metadata["existing_message_id"],
            IdSource::new(3).peek(5_000, 9).to_string()
        );
    }

    #[test]
    fn what_a_client_sent_is_shown_shortened_and_harmless() {
        assert_eq!(shown("é1\n\u{1b}[2J"), "`é1\\n\\u{1b}[2J`");
        assert_eq!(shown(&"é".repeat(64)), format!("`{}`", "é".repeat(64)));
        assert_eq!(shown(&"é".repeat(65)), format!("`{}…`", "é".repeat(64)));
    }

    #[test]
    fn an_item_carries_what_a_status_would() {
        let answer = streamed(
            77,
            Err(Refusal {
                retry_after_ms: Some(2_005),
                ..refusal(Reason::OtpLaneFull)
            }),
        );
        assert_eq!(answer.client_ref, 77);
        let Some(v1::streamed_answer::Outcome::Refusal(refused)) = answer.outcome else {
            panic!("not a refusal");
        };
        assert_eq!(refused.code(), v1::Reason::OtpLaneFull);
        let retry_after = refused.retry_after.unwrap();
        assert_eq!((retry_after.seconds, retry_after.nanos), (2, 5_000_000));
    }

    #[test]
    fn ids_are_written_as_display_writes_them() {
        for random in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = IdSource::new(0xabc).peek(1_700_000_000_000, random);
            assert_eq!(id_text(id), id.to_string());
        }
    }
}
