//! `hikyaku journal verify`: whether everything in a data directory is as it was written.

use std::process::ExitCode;

use clap::Args;

use super::place::Place;
use super::report::{self, Verdict};
use super::{DAMAGED, UNREAD, json, text};
use crate::cli::put;

const EXAMPLES: &str = "\
Examples:
  hikyaku journal verify --dir /var/lib/hikyaku                        every file, and what to do about those that are not whole
  hikyaku journal verify --config /etc/hikyaku/hikyaku.toml --json | jq '.logs[].files[] | select(.state != \"whole\")'
  hikyaku journal verify --dir /backup/hikyaku && echo good            is the copy whole?

Every byte of journal/, written/, events/ and keys/ is read and held against its checksum, every record is
decoded; nothing is changed and no lock is taken. The history index and receipts/ are not read: an engine
makes them again from the journal.

Ends with 0 when all is whole (a torn tail, which a kill leaves, is), 1 when something is damaged,
2 when something cannot be read or there is no such directory.";

/// Check that everything on the disk is whole
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    let dir = match args.place.find() {
        Ok(dir) => dir,
        Err(error) => {
            eprintln!("hikyaku: {error}");
            return ExitCode::from(UNREAD);
        }
    };
    let found = report::look(dir);
    if args.json {
        put(&format!("{:#}\n", json::report(&found)));
    } else {
        put(&text::page(&found));
    }
    match found.verdict() {
        Verdict::Whole => ExitCode::SUCCESS,
        Verdict::Damaged => ExitCode::from(DAMAGED),
        Verdict::Unread => ExitCode::from(UNREAD),
    }
}
