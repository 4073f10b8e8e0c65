//! `hikyaku list`: which messages there are, newest first.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use grpc_api::v1;
use serde_json::json;

use crate::client::{Client, ClientError, Target};
use crate::print::{millis, reason_name, state_name};
use crate::when;

/// Most messages that one call asks for.
const PAGE_MAX: u32 = 500;

const EXAMPLES: &str = "\
Examples:
  hikyaku list                                                the newest messages of our tenant
  hikyaku list --to +819012345678 --since 2d                  what a person was sent
  hikyaku list --state failed --state rejected --since 1h     what went wrong in the last hour
  hikyaku list --carrier north --until 2026-11-22T05:30Z      before something happened
  hikyaku list --json --limit 10000 | jq -r .message_id       one JSON object a line";

/// List messages by recipient, state, carrier and time
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Only messages to this number, E.164
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "",
        hide_default_value = true
    )]
    to: String,
    /// Only messages in this state, such as queued, submitted, delivered, failed; may be given several times
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Vec<v1::MessageState>,
    /// Only messages that this carrier had last
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    carrier: String,
    /// Only messages admitted since then: 90s, 15m, 2h, 3d, or a moment in UTC as 2026-11-22T05:30Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<u64>,
    /// Only messages admitted before then
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<u64>,
    /// Most messages printed
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

fn parse_time(text: &str) -> Result<u64, String> {
    when::parse(text, when::now_ms())
}

fn parse_state(text: &str) -> Result<v1::MessageState, String> {
    let name = format!("MESSAGE_STATE_{}", text.to_uppercase());
    v1::MessageState::from_str_name(&name)
        .filter(|state| *state != v1::MessageState::Unspecified)
        .ok_or_else(|| {
            let states = message::MessageState::ALL.map(message::MessageState::name);
            format!("one of {}", states.join(", "))
        })
}

/// Runs the command: as many pages as the limit takes.
///
/// # Errors
/// When the engine cannot be reached or refuses the filters.
pub(crate) async fn run(args: ListArgs) -> Result<ExitCode, ClientError> {
    let mut client = args.target.connect().await?;
    let mut out = io::stdout().lock();
    print(&args, &mut client, &mut out).await?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn print<W: Write>(
    args: &ListArgs,
    client: &mut Client,
    out: &mut W,
) -> Result<(), ClientError> {
    let (mut printed, mut request) = (0, args.request());
    loop {
        request.page_size = (args.limit - printed).clamp(1, PAGE_MAX);
        let page = client.list(request.clone()).await?.into_inner();
        for message in page.messages.iter().take((args.limit - printed) as usize) {
            let line = if args.json {
                json_line(message)
            } else {
                line(message)
            };
            writeln!(out, "{line}")?;
            printed += 1;
        }
        let full = printed == args.limit;
        if full || page.next_page.is_empty() {
            let until = page.indexed_until.as_ref().map(|time| millis(Some(time)));
            return end(args, out, until, full && !page.next_page.is_empty());
        }
        request.page = page.next_page;
    }
}

/// Says how far the list reaches, so that nobody takes what is missing for what never was.
fn end<W: Write>(
    args: &ListArgs,
    out: &mut W,
    indexed_until_ms: Option<i64>,
    more: bool,
) -> Result<(), ClientError> {
    if args.json {
        let end = json!({ "type": "end", "indexed_until_ms": indexed_until_ms, "more": more });
        writeln!(out, "{end}")?;
        return Ok(());
    }
    let more = if more { "; there are more" } else { "" };
    match indexed_until_ms.and_then(|ms| u64::try_from(ms).ok()) {
        Some(ms) => writeln!(out, "listed as of {}{more}", when::full(ms))?,
        None => writeln!(out, "nothing is indexed yet")?,
    }
    Ok(())
}

fn line(message: &v1::MessageSummary) -> String {
    let admitted = u64::try_from(millis(message.admitted_at.as_ref())).unwrap_or(0);
    let changed = u64::try_from(millis(message.changed_at.as_ref())).unwrap_or(0);
    let mut notes = vec![reason_name(message.reason)];
    if !message.carrier.is_empty() {
        notes.push(format!("carrier {}", message.carrier));
    }
    if message.uncertain {
        notes.push("uncertain".to_owned());
    }
    format!(
        "{}  {}  {:<13}  after {:<9}  {}",
        when::full(admitted),
        message.message_id,
        state_name(message.state),
        when::span(changed.saturating_sub(admitted)),
        notes.join(", ")
    )
}

fn json_line(message: &v1::MessageSummary) -> String {
    let category = v1::Category::try_from(message.category).ok();
    let object = json!({
        "type": "message",
        "message_id": message.message_id,
        "state": state_name(message.state),
        "reason": reason_name(message.reason),
        "reason_number": message.reason,
        "category": category.map(|known| known.as_str_name().trim_start_matches("CATEGORY_").to_lowercase()),
        "carrier": message.carrier,
        "admitted_ms": millis(message.admitted_at.as_ref()),
        "changed_ms": millis(message.changed_at.as_ref()),
        "uncertain": message.uncertain,
        "records": message.records,
    });
    object.to_string()
}

impl ListArgs {
    fn request(&self) -> v1::ListRequest {
        let time = |ms: u64| prost_types::Timestamp {
            seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(ms % 1_000 * 1_000_000).unwrap_or(0),
        };
        v1::ListRequest {
            recipient: self.to.clone(),
            states: self.state.iter().map(|state| i32::from(*state)).collect(),
            carrier: self.carrier.clone(),
            since: self.since.map(time),
            until: self.until.map(time),
            page_size: 0,
            page: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ListArgs,
    }

    #[test]
    fn the_options_become_filters() {
        let line = [
            "list",
            "--to",
            "+81",
            "--state",
            "failed",
            "--state",
            "Delivered",
            "--carrier",
            "north",
            "--since",
            "2026-11-22",
            "--limit",
            "7",
        ];
        let args = Line::parse_from(line).args;
        let request = args.request();
        assert_eq!((&*request.recipient, &*request.carrier), ("+81", "north"));
        assert_eq!(request.states, [16, 10]);
        assert_eq!(request.since.unwrap().seconds, 1_795_305_600);
        assert_eq!((request.until, args.limit), (None, 7));
        for wrong in [["--state", "gone"], ["--since", "soon"]] {
            let refused = Line::try_parse_from(["list"].into_iter().chain(wrong)).unwrap_err();
            assert!(refused.to_string().contains(wrong[1]), "{refused}");
        }
    }

    #[test]
    fn a_message_is_a_line() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let message = v1::MessageSummary {
            message_id: "0193".into(),
            state: v1::MessageState::Delivered.into(),
            reason: v1::Reason::ReceiptDelivered.into(),
            category: v1::Category::Otp.into(),
            carrier: "north".into(),
            admitted_at: at(1_795_325_400),
            changed_at: at(1_795_325_404),
            uncertain: true,
            records: 4,
        };
        assert_eq!(
            line(&message),
            "2026-11-22 05:30:00.000Z  0193  delivered      after 4.0 s      RECEIPT_DELIVERED, carrier north, uncertain"
        );
        let object: serde_json::Value = serde_json::from_str(&json_line(&message)).unwrap();
        assert_eq!(
            (&object["category"], &object["records"]),
            (&json!("otp"), &json!(4))
        );
    }
}
