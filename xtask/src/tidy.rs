//! The house rules as failing checks.
//!
//! | check | what it refuses |
//! |---|---|
//! | `arrows` | a dependency that points up or sideways between layers; rustls or tonic where they do not belong |
//! | `purity` | a third-party crate in the tree of a domain or protocol crate that is not on the list |
//! | `source` | files over 500 lines, functions over 70, `todo!` and its like, an ignored test without a reason |
//! | `names` | a crate or module called after nothing in particular |
//! | `bans` | a domain or protocol crate outside the reach of a complete `clippy.toml`, a crate without the lints |
//! | `machine_paths` | a path of somebody's machine in code or documents |
//!
//! Each check is a function from text to findings, so that its tests need no tree; this module reads the tree.

mod arrows;
mod bans;
mod machine_paths;
mod mask;
mod names;
mod purity;
mod source;
mod workspace;

use std::fmt;
use std::path::Path;
use std::process::Command;

use workspace::Workspace;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace root.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong and what is allowed.
    pub(crate) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// A text file of the tree.
pub(crate) struct SourceFile {
    /// Relative to the workspace root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Runs every check over the tree at `root`; the findings come sorted by place.
///
/// # Errors
/// When git or cargo cannot be asked, or answer something unreadable.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, String> {
    let workspace = Workspace::read(root)?;
    let files = tree(root)?;
    let mut findings = arrows::check(&workspace);
    findings.extend(purity::check(root, &workspace)?);
    findings.extend(bans::check(&workspace, &files));
    findings.extend(names::check_packages(&workspace));
    for file in &files {
        if file.path.ends_with(".rs") {
            findings.extend(source::check(file));
            findings.extend(names::check_modules(file));
        }
        findings.extend(machine_paths::check(file));
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Every text file that is tracked, or would be by the next `git add`: what git ignores is nobody's source.
fn tree(root: &Path) -> Result<Vec<SourceFile>, String> {
    let listing = ask(
        root,
        "git",
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
    )?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A file deleted but not yet staged is still listed; one that is not UTF-8 has no lines to check.
        let Ok(bytes) = std::fs::read(root.join(path)) else {
            continue;
        };
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        files.push(SourceFile {
            path: path.to_owned(),
            text,
        });
    }
    Ok(files)
}

/// Runs a program in `root` and returns what it printed.
pub(crate) fn ask(root: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| format!("{}: {error}", shown()))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            shown(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{}: {error}", shown()))
}
