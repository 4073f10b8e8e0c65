//! `hikyaku replace`: gives a message that has not been sent yet new content.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use grpc_api::v1;

use crate::cli::put;
use crate::client::{ClientError, Target};
use crate::print::Format;
use crate::send::span;
use crate::verdict::{Verdict, exit_code};

const EXAMPLES: &str = "\
Examples:
  hikyaku replace 01936c1e-... --sender Hikyaku --text 'Your code is 654321'
  hikyaku replace 01936c1e-... --sender Shop --text 'On its way' --in 30m --valid-for 2h --json

Ends with 0 when the message was replaced, else with 1.";

/// Replace what a message says, while nothing of it has been sent
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplaceArgs {
    /// The message
    #[arg(value_name = "ID")]
    id: String,
    /// What to say instead
    #[arg(long)]
    text: String,
    /// Who it says it is from: up to 11 letters and digits, a short code, or a number
    #[arg(long)]
    sender: String,
    /// How long it is worth sending, such as 90s, 5m, 2h or 1d [default: as before]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    valid_for: Option<Duration>,
    /// Send it so long from now, and not before [default: as before]
    #[arg(long = "in", value_name = "SPAN", value_parser = span)]
    delay: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
///
/// # Errors
/// When the engine cannot be reached or refuses the new content.
pub(crate) async fn run(args: ReplaceArgs) -> Result<ExitCode, ClientError> {
    let mut client = args.target.connect().await?;
    let answer = client.replace(args.request()).await?.into_inner();
    let verdict = match answer.verdict() {
        v1::ReplaceVerdict::Replaced => Verdict::Done("replaced"),
        v1::ReplaceVerdict::TooLate => Verdict::TooLate(answer.state()),
        v1::ReplaceVerdict::Unknown | v1::ReplaceVerdict::Unspecified => Verdict::Unknown,
    };
    put(&verdict.line(&args.id, Format::of(args.json)));
    Ok(exit_code(&[verdict]))
}

impl ReplaceArgs {
    fn request(&self) -> v1::ReplaceRequest {
        v1::ReplaceRequest {
            message_id: self.id.clone(),
            content: Some(v1::Content {
                sms: Some(v1::SmsContent {
                    text: self.text.clone(),
                    sender: self.sender.clone(),
                }),
            }),
            valid_for: self.valid_for.and_then(|span| span.try_into().ok()),
            send_at: self.delay.map(|delay| (SystemTime::now() + delay).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ReplaceArgs,
    }

    #[test]
    fn what_is_left_out_stays_as_it_was() {
        let line = ["replace", "some-id", "--text", "New", "--sender", "Shop"];
        let request = Line::parse_from(line).args.request();
        assert_eq!(request.message_id, "some-id");
        let sms = request.content.and_then(|content| content.sms).unwrap();
        assert_eq!((&*sms.text, &*sms.sender), ("New", "Shop"));
        assert_eq!((request.valid_for, request.send_at), (None, None));

        let line = line.into_iter().chain(["--in", "30m", "--valid-for", "2h"]);
        let request = Line::parse_from(line).args.request();
        assert_eq!(request.valid_for.unwrap().seconds, 7_200);
        assert!(request.send_at.is_some());
    }
}
