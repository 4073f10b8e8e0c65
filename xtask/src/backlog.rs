//! `cargo xtask backlog`: more messages than memory holds, and an otp beside them; `benches/backlog.rs` says what is measured and what must
//! hold.

use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs the bench; fails when a target is missed.
pub(crate) fn run(root: &Path, options: &[&str]) -> ExitCode {
    let mut command = Command::new("cargo");
    command
        .args(["bench", "--quiet", "--bench", "backlog", "--"])
        .args(options)
        .current_dir(root);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo could not be started: {error}");
            ExitCode::from(2)
        }
    }
}
