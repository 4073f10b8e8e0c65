//! `cargo xtask simulate`: builds the simulator as it is released and hands its options on; `crates/testkit/simulator` says what a run is
//! and what must hold.

use std::path::Path;
use std::process::{Command, ExitCode};

/// Lives through the runs; fails when one breaks a promise.
pub(crate) fn run(root: &Path, options: &[&str]) -> ExitCode {
    let mut command = Command::new("cargo");
    command
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "simulator",
            "--",
        ])
        .args(options)
        .current_dir(root);
    crate::outcome(&mut command)
}
