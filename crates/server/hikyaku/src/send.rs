//! `hikyaku send`: submits a message to one or more recipients, and with `--wait` follows them to the end.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use grpc_api::limits::SUBMISSIONS_PER_REQUEST_MAX;
use grpc_api::v1::{self, answer::Outcome};
use tonic::Streaming;

use crate::client::{Client, ClientError, Target};
use crate::print::{Format, Printer, is_final};

const EXAMPLES: &str = "\
Examples:
  hikyaku send --to +819012345678 --sender Hikyaku --text 'Your code is 123456' --category otp
  hikyaku send --to +819012345678 --to +14155550123 --sender Shop --text 'On its way' --wait
  hikyaku send --to +819012345678 --sender Shop --text 'Sale!' --category promotional --valid-for 2h --json

Ends with 0 when every message was admitted (with --wait: delivered, or sent where no receipt was wanted), else with 1.";

/// Submit a message
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendArgs {
    /// Who it is for, E.164; may be given several times
    #[arg(long, value_name = "NUMBER", required = true)]
    to: Vec<String>,
    /// What to say
    #[arg(long)]
    text: String,
    /// Who it says it is from: up to 11 letters and digits, a short code, or a number
    #[arg(long)]
    sender: String,
    /// What kind of message it is; it decides how urgent it is
    #[arg(long, value_enum, default_value_t = CategoryArg::Transactional)]
    category: CategoryArg,
    /// Which receipts to ask the carrier for
    #[arg(long, value_enum, default_value_t = ReceiptArg::Always)]
    receipt: ReceiptArg,
    /// How long it is worth sending, such as 90s, 5m, 2h or 1d [default: by category]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    valid_for: Option<Duration>,
    /// Makes a repeat harmless: the same key and message is not sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Groups messages, for watching
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// Comes back with every event
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// Wait for room instead of being refused when the engine is full
    #[arg(long)]
    patient: bool,
    /// Follow the messages until each has ended
    #[arg(long)]
    wait: bool,
    /// How long to follow them at most
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "60s", requires = "wait")]
    wait_for: Duration,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CategoryArg {
    Otp,
    Alert,
    Transactional,
    Promotional,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReceiptArg {
    Always,
    OnFailure,
    Never,
}

/// Whether everything that was asked for came true.
enum Verdict {
    AllWell,
    NotAll,
}

/// Runs the command.
///
/// # Errors
/// When the engine cannot be reached or refuses the call as a whole.
pub(crate) async fn run(args: SendArgs) -> Result<ExitCode, ClientError> {
    let mut printer = Printer::new(Format::of(args.json), io::stdout().lock());
    let mut client = args.target.connect().await?;
    let batch_id = args.batch_id();

    // The watch is in place before the first submission, so that no event is missed.
    let watch = if args.wait {
        Some(watch_batch(&mut client, &batch_id).await?)
    } else {
        None
    };
    let mut sent = submit(&args, &mut client, &batch_id, &mut printer).await?;
    if let Some(events) = watch {
        look_up_repeats(&mut client, &mut sent, &mut printer).await?;
        let followed = follow(events, &mut sent, &mut printer);
        let in_time = tokio::time::timeout(args.wait_for, followed).await;
        if let Ok(ended) = in_time {
            ended?;
        } else {
            sent.verdict = Verdict::NotAll;
            eprintln!(
                "{} message(s) had not ended after {:?}; `hikyaku watch --batch {batch_id}` follows on",
                sent.pending.len(),
                args.wait_for
            );
        }
    }
    Ok(match sent.verdict {
        Verdict::AllWell => ExitCode::SUCCESS,
        Verdict::NotAll => ExitCode::FAILURE,
    })
}

/// What has been submitted and has not ended.
struct Sent {
    pending: HashSet<String>,
    /// Admitted by an earlier command: their events need not bear our batch, and may have passed.
    repeats: Vec<String>,
    verdict: Verdict,
}

async fn submit<W: Write>(
    args: &SendArgs,
    client: &mut Client,
    batch_id: &str,
    printer: &mut Printer<W>,
) -> Result<Sent, ClientError> {
    let mut sent = Sent {
        pending: HashSet::new(),
        repeats: Vec::new(),
        verdict: Verdict::AllWell,
    };
    for recipients in args.to.chunks(SUBMISSIONS_PER_REQUEST_MAX) {
        let request = args.request(recipients, batch_id);
        let answers = client.submit_batch(request).await?.into_inner().answers;
        for (recipient, answer) in recipients.iter().zip(answers) {
            printer.answer(recipient, &answer)?;
            match answer.outcome {
                Some(Outcome::Admission(admission)) if admission.repeat => {
                    sent.repeats.push(admission.message_id);
                }
                Some(Outcome::Admission(admission)) => {
                    sent.pending.insert(admission.message_id);
                }
                Some(Outcome::Refusal(_)) | None => sent.verdict = Verdict::NotAll,
            }
        }
    }
    printer.flush()?;
    Ok(sent)
}

async fn watch_batch(
    client: &mut Client,
    batch_id: &str,
) -> Result<Streaming<v1::WatchResponse>, ClientError> {
    let request = v1::WatchRequest {
        batch_id: batch_id.to_owned(),
        mine_only: true,
        ..v1::WatchRequest::default()
    };
    let mut events = client.watch(request).await?.into_inner();
    // The first response says that the watch is in place.
    events.message().await?.ok_or(ClientError::StreamEnded)?;
    Ok(events)
}

async fn look_up_repeats<W: Write>(
    client: &mut Client,
    sent: &mut Sent,
    printer: &mut Printer<W>,
) -> Result<(), ClientError> {
    for message_id in std::mem::take(&mut sent.repeats) {
        let answer = client.get(v1::GetRequest { message_id }).await?;
        let Some(view) = answer.into_inner().message else {
            continue;
        };
        printer.view(&view)?;
        if !is_final(view.state) {
            sent.pending.insert(view.message_id);
        } else if !is_success(view.state) {
            sent.verdict = Verdict::NotAll;
        }
    }
    Ok(())
}

async fn follow<W: Write>(
    mut events: Streaming<v1::WatchResponse>,
    sent: &mut Sent,
    printer: &mut Printer<W>,
) -> Result<(), ClientError> {
    while !sent.pending.is_empty() {
        let response = events.message().await?.ok_or(ClientError::StreamEnded)?;
        for event in &response.events {
            printer.event(event)?;
            let ended = is_final(event.state) && sent.pending.remove(&event.message_id);
            if ended && !is_success(event.state) {
                sent.verdict = Verdict::NotAll;
            }
        }
        printer.flush()?;
    }
    Ok(())
}

impl SendArgs {
    /// The batch that was given, or with `--wait` one of our own to watch.
    fn batch_id(&self) -> String {
        if let Some(given) = &self.batch {
            return given.clone();
        }
        if !self.wait {
            return String::new();
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since_epoch.unwrap_or_default().as_nanos();
        format!("send-{}-{nanos}", std::process::id())
    }

    fn request(&self, recipients: &[String], batch_id: &str) -> v1::SubmitBatchRequest {
        let on_full = if self.patient {
            v1::OnFull::Wait
        } else {
            v1::OnFull::Refuse
        };
        v1::SubmitBatchRequest {
            submissions: recipients
                .iter()
                .map(|recipient| self.submission(recipient, batch_id))
                .collect(),
            on_full: on_full.into(),
        }
    }

    fn submission(&self, recipient: &str, batch_id: &str) -> v1::Submission {
        v1::Submission {
            recipient: Some(v1::Recipient {
                key: String::new(),
                msisdn: recipient.to_owned(),
            }),
            content: Some(v1::Content {
                sms: Some(v1::SmsContent {
                    text: self.text.clone(),
                    sender: self.sender.clone(),
                }),
            }),
            category: v1::Category::from(self.category).into(),
            receipt_wanted: v1::ReceiptWanted::from(self.receipt).into(),
            valid_for: self.valid_for.map(|valid_for| prost_types::Duration {
                seconds: i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX),
                nanos: i32::try_from(valid_for.subsec_nanos()).expect("under a second"),
            }),
            send_at: None,
            idempotency_key: self.idempotency_key.clone().unwrap_or_default(),
            batch_id: batch_id.to_owned(),
            context: self.context.clone().unwrap_or_default().into(),
            labels: BTreeMap::new(),
        }
    }
}

impl From<CategoryArg> for v1::Category {
    fn from(category: CategoryArg) -> Self {
        match category {
            CategoryArg::Otp => Self::Otp,
            CategoryArg::Alert => Self::Alert,
            CategoryArg::Transactional => Self::Transactional,
            CategoryArg::Promotional => Self::Promotional,
        }
    }
}

impl From<ReceiptArg> for v1::ReceiptWanted {
    fn from(receipt: ReceiptArg) -> Self {
        match receipt {
            ReceiptArg::Always => Self::Always,
            ReceiptArg::OnFailure => Self::OnFailure,
            ReceiptArg::Never => Self::Never,
        }
    }
}

fn is_success(state: i32) -> bool {
    [v1::MessageState::Delivered, v1::MessageState::Sent]
        .contains(&v1::MessageState::try_from(state).unwrap_or(v1::MessageState::Unspecified))
}

/// A span of time: a whole number and its unit.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
        .filter(|ms| *ms > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "a whole number above 0 and one of ms, s, m, h, d, such as 90s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SendArgs,
    }

    fn parsed(line: &[&str]) -> SendArgs {
        let required = [
            "send",
            "--to",
            "+819012345678",
            "--text",
            "hi",
            "--sender",
            "Me",
        ];
        Line::parse_from(required.iter().chain(line)).args
    }

    #[test]
    fn the_options_become_a_submission() {
        let args = parsed(&[
            "--category",
            "otp",
            "--receipt",
            "never",
            "--valid-for",
            "1500ms",
            "--batch",
            "b",
            "--context",
            "c",
            "--idempotency-key",
            "k",
            "--patient",
        ]);
        let request = args.request(&args.to, &args.batch_id());
        assert_eq!(request.on_full(), v1::OnFull::Wait);
        let submission = &request.submissions[0];
        assert_eq!(submission.category(), v1::Category::Otp);
        assert_eq!(submission.receipt_wanted(), v1::ReceiptWanted::Never);
        let valid_for = submission.valid_for.unwrap();
        assert_eq!((valid_for.seconds, valid_for.nanos), (1, 500_000_000));
        assert_eq!(
            (&*submission.batch_id, &*submission.idempotency_key),
            ("b", "k")
        );
        assert_eq!(&*submission.context, b"c");
        assert_eq!(
            submission.recipient.as_ref().unwrap().msisdn,
            "+819012345678"
        );
    }

    #[test]
    fn only_a_message_that_is_waited_for_gets_a_batch_of_our_own() {
        assert_eq!(parsed(&[]).batch_id(), "");
        let own = parsed(&["--wait"]).batch_id();
        assert!(
            own.starts_with("send-") && own.len() <= message::BATCH_ID_MAX_BYTES,
            "{own}"
        );
    }

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("2h"), Ok(Duration::from_secs(7_200)));
        for bad in [
            "",
            "s",
            "5",
            "0s",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
