//! `hikyaku cancel`: withdraws messages that have not been sent yet.

use std::process::ExitCode;

use clap::Args;
use grpc_api::v1;

use crate::cli::put;
use crate::client::{ClientError, Target};
use crate::print::Format;
use crate::verdict::{Verdict, exit_code};

const EXAMPLES: &str = "\
Examples:
  hikyaku cancel 01936c1e-...
  hikyaku cancel 01936c1e-... 01936c1f-... --json

Ends with 0 when every message was cancelled, else with 1.";

/// Withdraw messages, while nothing of them has been sent
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CancelArgs {
    /// The messages
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command. What was said of the messages before stands when one of them cannot be asked about.
///
/// # Errors
/// When the engine cannot be reached or an id is none.
pub(crate) async fn run(args: CancelArgs) -> Result<ExitCode, ClientError> {
    let mut client = args.target.connect().await?;
    let mut verdicts = Vec::new();
    for id in &args.ids {
        let message_id = id.clone();
        let asked = client.cancel(v1::CancelRequest { message_id }).await?;
        let answer = asked.into_inner();
        let verdict = match answer.verdict() {
            v1::CancelVerdict::Cancelled => Verdict::Done("cancelled"),
            v1::CancelVerdict::TooLate => Verdict::TooLate(answer.state()),
            v1::CancelVerdict::Unknown | v1::CancelVerdict::Unspecified => Verdict::Unknown,
        };
        put(&verdict.line(id, Format::of(args.json)));
        verdicts.push(verdict);
    }
    Ok(exit_code(&verdicts))
}
