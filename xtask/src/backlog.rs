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
    crate::outcome(&mut command)
}
