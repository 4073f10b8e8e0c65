//! `hikyaku journal`: reads a data directory as it lies on the disk, without an engine and without changing anything.
//!
//! No lock is taken, so both commands may run beside an engine; what is said about the end of a log is then a moment old.
//!
//! **Limits.** One file is open at a time, in a buffer of at most two frames; of a key file, index and filter are in memory. The rest is a
//! line a file. A directory of any size is read in the memory of a small program.

mod advice;
mod dump;
mod fields;
mod json;
mod opened;
mod place;
mod records;
mod report;
mod text;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use dump::DumpArgs;
use verify::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  hikyaku journal verify --config /etc/hikyaku/hikyaku.toml          is everything on the disk whole?
  hikyaku journal dump --dir /var/lib/hikyaku --message ID           every record of a message, without an engine

Both only read, take no lock, and may run beside an engine.";

/// The exit code for damage, as against what could not be read, which is [`UNREAD`].
const DAMAGED: u8 = 1;
/// The exit code where something could not be read at all, wrong arguments included.
const UNREAD: u8 = 2;

/// Look at a data directory: is it whole, and what is in it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Debug)]
enum JournalCommand {
    Verify(VerifyArgs),
    Dump(DumpArgs),
}

/// Runs the command.
pub(crate) fn run(args: &JournalArgs) -> ExitCode {
    match &args.command {
        JournalCommand::Verify(args) => verify::run(args),
        JournalCommand::Dump(args) => dump::run(args),
    }
}
