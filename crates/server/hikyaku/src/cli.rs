//! The command line: one subcommand, one module.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::{self, BenchArgs};
use crate::cancel::{self, CancelArgs};
use crate::check::{self, CheckArgs};
use crate::client::run_command;
use crate::demo::{self, DemoArgs};
use crate::explain::{self, ExplainArgs};
use crate::journal_files::{self, JournalArgs};
use crate::list::{self, ListArgs};
use crate::reference::{self, ReferenceArgs};
use crate::replace::{self, ReplaceArgs};
use crate::send::{self, SendArgs};
use crate::serve::{self, ServeArgs};
use crate::sim::{self, SimArgs};
use crate::watch::{self, WatchArgs};

const EXAMPLES: &str = "\
Examples:
  hikyaku demo                                   see all of it at work; nothing to set up
  hikyaku sim smsc                               be a carrier, to test against
  hikyaku check --config config/hikyaku.toml     is the configuration right?
  hikyaku serve --config config/hikyaku.toml     run the engine
  hikyaku bench --quick                          what does it do on this machine?
  hikyaku send --to +819012345678 --sender Me --text 'Your code is 123456' --wait
  hikyaku explain ID                             what became of it, and why
  hikyaku journal verify --dir data              is everything on the disk whole?

Each command has its own examples: hikyaku COMMAND --help";

/// Hands messages to carriers: gRPC in, SMPP out, receipts back, nothing accepted lost
#[derive(Parser, Debug)]
#[command(name = "hikyaku", version, after_help = EXAMPLES, max_term_width = 120)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Demo(DemoArgs),
    Serve(ServeArgs),
    Check(CheckArgs),
    Send(SendArgs),
    Replace(ReplaceArgs),
    Cancel(CancelArgs),
    Watch(WatchArgs),
    Explain(ExplainArgs),
    List(ListArgs),
    Journal(JournalArgs),
    Sim(SimArgs),
    Bench(BenchArgs),
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

/// Reads the command line and runs what it says.
pub(crate) fn run() -> ExitCode {
    match Line::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Send(args) => run_command(send::run(args)),
        Command::Replace(args) => run_command(replace::run(args)),
        Command::Cancel(args) => run_command(cancel::run(args)),
        Command::Watch(args) => run_command(watch::run(args)),
        Command::Explain(args) => run_command(explain::run(args)),
        Command::List(args) => run_command(list::run(args)),
        Command::Journal(args) => journal_files::run(&args),
        Command::Sim(args) => verdict(sim::run(args)),
        Command::Bench(args) => bench::run(&args),
        Command::Reference(args) => reference::run(&args),
    }
}

/// Says on standard error why a command failed.
fn verdict<E: Display>(ended: Result<(), E>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hikyaku: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output. Whoever closed it has seen enough: that changes nothing about the verdict.
pub(crate) fn put(page: &str) {
    let _ = io::stdout().write_all(page.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_shown_command_has_examples() {
        let line = Line::command();
        line.clone().debug_assert();
        check_help(&line);
    }

    fn check_help(of: &clap::Command) {
        for command in of
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", command.get_name());
            check_help(command);
        }
    }
}
