//! What the program says about itself while it runs: lines on standard error, for people or for machines.
//!
//! Limits: no line per message is written at any level above `trace`, so that a flood of traffic is never a flood of text. Lines are
//! written by the thread that has something to say; a reader that stops reading stops that thread, as with every program that logs to
//! standard error.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that says what is logged.
const FILTER_VARIABLE: &str = "HIKYAKU_LOG";

/// How to log.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// How lines on standard error look; HIKYAKU_LOG says which, such as `debug` or `info,smpp_client=trace`
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log: LogFormat,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why nothing can be logged: the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error(
    "{FILTER_VARIABLE} is not a log filter: {0}; allowed are a level (error, warn, info, debug, trace) or TARGET=LEVEL, several with commas"
)]
pub(crate) struct FilterError(#[from] tracing_subscriber::filter::ParseError);

impl LogArgs {
    /// Starts logging, for the whole process; a second call changes nothing.
    ///
    /// # Errors
    /// When the filter in the environment cannot be read.
    pub(crate) fn start(self) -> Result<(), FilterError> {
        let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
        let filter = match std::env::var(FILTER_VARIABLE) {
            Ok(directives) => builder.parse(directives)?,
            Err(_) => builder.parse("")?,
        };
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        // What fails here is only that somebody logs already.
        let _ = match self.log {
            LogFormat::Text => lines.try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        Ok(())
    }
}
