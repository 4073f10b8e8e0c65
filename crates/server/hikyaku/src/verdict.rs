//! How `cancel` and `replace` say whether they came in time.

use std::process::ExitCode;

use grpc_api::v1;
use serde_json::json;

use crate::print::{Format, state_name};

/// What became of a request about a message that has not been sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was done; the word says what.
    Done(&'static str),
    /// Something of the message had been sent, or it had ended.
    TooLate(v1::MessageState),
    /// The tenant has no such message.
    Unknown,
}

impl Verdict {
    /// One line about a message, for people or as a JSON object.
    pub(crate) fn line(self, message_id: &str, format: Format) -> String {
        let (word, state) = match self {
            Self::Done(word) => (word, String::new()),
            Self::TooLate(state) => ("too_late", state_name(state.into())),
            Self::Unknown => ("unknown", String::new()),
        };
        let line = match format {
            Format::Json => {
                json!({ "message_id": message_id, "verdict": word, "state": state }).to_string()
            }
            Format::Text => format!("{}  {message_id}  {state}", word.replace('_', " ")),
        };
        format!("{}\n", line.trim_end())
    }

    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// 0 when everything was done.
pub(crate) fn exit_code(verdicts: &[Verdict]) -> ExitCode {
    if verdicts.iter().all(|verdict| verdict.is_done()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_done_or_where_the_message_is() {
        let late = Verdict::TooLate(v1::MessageState::Delivered);
        assert_eq!(late.line("7", Format::Text), "too late  7  delivered\n");
        assert_eq!(
            late.line("7", Format::Json),
            "{\"message_id\":\"7\",\"state\":\"delivered\",\"verdict\":\"too_late\"}\n"
        );
        assert_eq!(
            Verdict::Done("cancelled").line("7", Format::Text),
            "cancelled  7\n"
        );
        assert_eq!(Verdict::Unknown.line("7", Format::Text), "unknown  7\n");
        assert!(Verdict::Done("replaced").is_done() && !late.is_done());
    }
}
