//! `hikyaku explain`: what became of one message and why, one line a record.

mod json;
mod text;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use grpc_api::v1;

use crate::client::{ClientError, Target};

const EXAMPLES: &str = "\
Examples:
  hikyaku explain 01936c1e-8a2b-7003-8000-000001a2b3c4           where it is, what it waits for, every record and rule
  hikyaku explain 01936c1e-8a2b-7003-8000-000001a2b3c4 --json    the same as one JSON object
  hikyaku list --to +819012345678 --limit 1                      find the id first";

/// Tell what became of a message, and why
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The message
    #[arg(value_name = "ID")]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
///
/// # Errors
/// When the engine cannot be reached or does not know the message.
pub(crate) async fn run(args: ExplainArgs) -> Result<ExitCode, ClientError> {
    let mut client = args.target.connect().await?;
    let request = v1::ExplainRequest {
        message_id: args.id,
    };
    let told = client.explain(request).await?.into_inner();
    let page = if args.json {
        format!("{}\n", json::page(&told))
    } else {
        text::page(&told)
    };
    io::stdout().lock().write_all(page.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What an enumeration of the contract calls a number, without its prefix, in small letters; a number of a later engine stays a number.
fn word(name: Option<&'static str>, prefix: &str, number: i32) -> String {
    match name.and_then(|name| name.strip_prefix(prefix)) {
        Some(word) => word.to_lowercase(),
        None => number.to_string(),
    }
}

fn kind_word(number: i32) -> String {
    let known = v1::RecordKind::try_from(number).ok();
    word(known.map(|kind| kind.as_str_name()), "RECORD_KIND_", number)
}

fn outcome_word(number: i32) -> String {
    let known = v1::AttemptOutcome::try_from(number).ok();
    word(
        known.map(|outcome| outcome.as_str_name()),
        "ATTEMPT_OUTCOME_",
        number,
    )
}

fn receipt_word(number: i32) -> String {
    let known = v1::ReceiptState::try_from(number).ok();
    word(
        known.map(|state| state.as_str_name()),
        "RECEIPT_STATE_",
        number,
    )
}

fn rule_word(number: i32) -> String {
    let known = v1::RuleKind::try_from(number).ok();
    word(known.map(|kind| kind.as_str_name()), "RULE_KIND_", number)
}

fn awaited_word(number: i32) -> String {
    let known = v1::Awaited::try_from(number).ok();
    word(
        known.map(|awaited| awaited.as_str_name()),
        "AWAITED_",
        number,
    )
}

fn category_word(number: i32) -> String {
    let known = v1::Category::try_from(number).ok();
    word(
        known.map(|category| category.as_str_name()),
        "CATEGORY_",
        number,
    )
}

fn receipt_wanted_word(number: i32) -> String {
    let known = v1::ReceiptWanted::try_from(number).ok();
    word(
        known.map(|wanted| wanted.as_str_name()),
        "RECEIPT_WANTED_",
        number,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp {
            seconds: i64::try_from((1_795_325_400_000 + ms) / 1_000).unwrap(),
            nanos: i32::try_from(ms % 1_000 * 1_000_000).unwrap(),
        })
    }

    fn records() -> Vec<v1::HistoryRecord> {
        let record = |position, kind: v1::RecordKind, time, reason: v1::Reason| v1::HistoryRecord {
            position,
            kind: kind.into(),
            time,
            reason: reason.into(),
            ..v1::HistoryRecord::default()
        };
        let outcome = |outcome: v1::AttemptOutcome, attempt, base| v1::HistoryRecord {
            outcome: outcome.into(),
            attempt,
            carrier: "north".into(),
            session: 3,
            ..base
        };
        vec![
            record(0, v1::RecordKind::Admitted, at(1), v1::Reason::Admitted),
            v1::HistoryRecord {
                carrier_status: 0x58,
                next_attempt: 2,
                ..outcome(
                    v1::AttemptOutcome::Throttled,
                    1,
                    record(
                        300,
                        v1::RecordKind::Outcome,
                        at(5),
                        v1::Reason::RetryThrottled,
                    ),
                )
            },
            v1::HistoryRecord {
                carrier_message_id: "1f3a".into(),
                deadline: at(259_200_000),
                ..outcome(
                    v1::AttemptOutcome::Submitted,
                    2,
                    record(
                        400,
                        v1::RecordKind::Outcome,
                        at(1_205),
                        v1::Reason::TakenByCarrier,
                    ),
                )
            },
            v1::HistoryRecord {
                receipt: v1::ReceiptState::Delivered.into(),
                receipt_error: "000".into(),
                attempt: 2,
                carrier: "north".into(),
                carrier_message_id: "1f3a".into(),
                ..record(
                    500,
                    v1::RecordKind::Receipt,
                    at(4_000),
                    v1::Reason::ReceiptDelivered,
                )
            },
            v1::HistoryRecord {
                state: v1::MessageState::Delivered.into(),
                attempt: 2,
                ..record(
                    600,
                    v1::RecordKind::Final,
                    at(4_000),
                    v1::Reason::ReceiptDelivered,
                )
            },
        ]
    }

    /// A message that one carrier throttled and took, and that was delivered.
    pub(super) fn delivered() -> v1::ExplainResponse {
        v1::ExplainResponse {
            message_id: "01936c1e-8a2b-7003-8000-000001a2b3c4".into(),
            state: v1::MessageState::Delivered.into(),
            reason: v1::Reason::ReceiptDelivered.into(),
            awaited: v1::Awaited::Nothing.into(),
            awaited_until: None,
            submitted: Some(v1::SubmittedView {
                recipient: "+819012345678".into(),
                sender: "Hikyaku".into(),
                category: v1::Category::Otp.into(),
                lane: "otp".into(),
                route_group: "domestic".into(),
                receipt_wanted: v1::ReceiptWanted::Always.into(),
                admitted_at: at(1),
                expires_at: at(300_001),
                segments: 1,
                config_version: 17,
                caller: "login".into(),
                ..v1::SubmittedView::default()
            }),
            records: records(),
            rules: vec![v1::Rule {
                kind: v1::RuleKind::Retry.into(),
                decision: "throttled: attempt 2 goes first in its lane and costs no retry".into(),
                position: 300,
            }],
            not_recorded: vec!["which prefix led to the group".into()],
            missing: Vec::new(),
            indexed_until: at(4_000),
            uncertain: false,
        }
    }

    #[test]
    fn words_are_those_of_the_contract_and_unknown_numbers_stay_numbers() {
        assert_eq!(kind_word(v1::RecordKind::KeyKept.into()), "key_kept");
        assert_eq!(outcome_word(4), "rejected_final");
        assert_eq!(receipt_word(2), "delivered");
        assert_eq!(rule_word(99), "99");
        assert_eq!(awaited_word(v1::Awaited::SendAt.into()), "send_at");
        assert_eq!(category_word(1), "otp");
        assert_eq!(receipt_wanted_word(3), "never");
    }
}
