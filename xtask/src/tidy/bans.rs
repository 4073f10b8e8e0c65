//! Clippy's bans and lints reach every crate.
//!
//! Clippy reads the nearest `clippy.toml` and merges nothing, so the file that covers `domain/` and `protocol/` must
//! repeat the root's settings and hold every ban below; a crate with a file of its own would shake the bans off.

use super::workspace::{Layer, Package, Workspace};
use super::{Finding, SourceFile};

/// What a pure crate may not call or name: clocks, waiting, threads, sockets, files, the process around it.
const REQUIRED_BANS: [&str; 26] = [
    "std::time::Instant",
    "std::time::Instant::now",
    "std::time::SystemTime",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::thread::scope",
    "std::thread::sleep",
    "std::thread::park",
    "std::thread::park_timeout",
    "std::thread::Builder",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs::to_socket_addrs",
    "std::os::unix::net::UnixStream",
    "std::os::unix::net::UnixListener",
    "std::os::unix::net::UnixDatagram",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::io::stdin",
    "std::env::var",
    "std::env::args",
    "std::process::Command",
];

/// Lints that every crate must inherit from the workspace.
const REQUIRED_LINTS: [&str; 4] = [
    "unsafe_code",
    "missing_docs",
    "unwrap_used",
    "too_many_arguments",
];

/// Pure crates without the bans, and crates without the lints.
pub(crate) fn check(workspace: &Workspace, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        findings.extend(check_lints(package));
        if matches!(package.layer(), Some(Layer::Domain | Layer::Protocol)) {
            findings.extend(check_bans(package, files));
        }
    }
    findings
}

fn check_lints(package: &Package) -> Vec<Finding> {
    let at = |text: String| Finding {
        file: package.manifest_path(),
        line: package.line_of("[lints"),
        text,
    };
    let mut findings = Vec::new();
    let lines: Vec<&str> = package.manifest.lines().map(str::trim).collect();
    let inherits = lines
        .windows(2)
        .any(|pair| pair == ["[lints]", "workspace = true"]);
    if !inherits {
        findings.push(at(format!(
            "`{}` does not inherit the workspace lints: [lints] workspace = true",
            package.name
        )));
    }
    if package.folder.is_empty() {
        for lint in REQUIRED_LINTS {
            if !lines.iter().any(|line| line.starts_with(lint)) {
                findings.push(at(format!("the workspace lints have lost `{lint}`")));
            }
        }
    }
    findings
}

fn check_bans(package: &Package, files: &[SourceFile]) -> Vec<Finding> {
    let Some(nearest) = nearest_config(&package.folder, files) else {
        let text = format!("no clippy.toml covers `{}`", package.name);
        return vec![Finding {
            file: package.manifest_path(),
            line: 1,
            text,
        }];
    };
    let root = files
        .iter()
        .find(|file| file.path == "clippy.toml")
        .map_or("", |file| &file.text);
    let settings = root
        .lines()
        .filter(|line| line.contains(" = ") && !line.trim_start().starts_with(['#', '{', ']']));
    let mut missing: Vec<String> = settings
        .filter(|setting| !nearest.text.lines().any(|line| line == *setting))
        .map(|setting| format!("the root's setting `{setting}`"))
        .collect();
    let unbanned = REQUIRED_BANS
        .iter()
        .filter(|ban| !nearest.text.contains(&format!("\"{ban}\"")));
    missing.extend(unbanned.map(|ban| format!("the ban on `{ban}`")));
    missing
        .into_iter()
        .map(|what| Finding {
            file: nearest.path.clone(),
            line: 1,
            text: format!("{what} is missing, and it covers `{}`", package.name),
        })
        .collect()
}

/// The `clippy.toml` in the folder or the closest one above it.
fn nearest_config<'a>(folder: &str, files: &'a [SourceFile]) -> Option<&'a SourceFile> {
    let mut folder = Some(folder);
    while let Some(here) = folder {
        let wanted = if here.is_empty() {
            "clippy.toml".to_owned()
        } else {
            format!("{here}/clippy.toml")
        };
        if let Some(file) = files.iter().find(|file| file.path == wanted) {
            return Some(file);
        }
        folder = (!here.is_empty()).then(|| here.rsplit_once('/').map_or("", |(above, _)| above));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, manifest: &str) -> Package {
        let name = folder.rsplit('/').next().unwrap().to_owned();
        Package {
            name,
            folder: folder.to_owned(),
            manifest: manifest.to_owned(),
            dependencies: Vec::new(),
        }
    }

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn complete() -> String {
        let bans: Vec<String> = REQUIRED_BANS
            .iter()
            .map(|ban| format!("  {{ path = \"{ban}\" }},"))
            .collect();
        format!(
            "too-many-lines-threshold = 70\ndisallowed-methods = [\n{}\n]\n",
            bans.join("\n")
        )
    }

    fn texts(files: &[SourceFile]) -> Vec<String> {
        let queue = package("crates/domain/queue", "[lints]\nworkspace = true\n");
        check(
            &Workspace {
                packages: vec![queue],
            },
            files,
        )
        .into_iter()
        .map(|finding| finding.to_string())
        .collect()
    }

    #[test]
    fn a_complete_file_above_the_crate_covers_it() {
        let root = file("clippy.toml", "# why\ntoo-many-lines-threshold = 70\n");
        assert_eq!(
            texts(&[root, file("crates/domain/clippy.toml", &complete())]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_missing_ban_and_a_drifted_setting_are_found() {
        let root = file("clippy.toml", "too-many-lines-threshold = 60\n");
        let covering = complete().replace("\"std::thread::sleep\"", "\"std::thread::yield_now\"");
        let found = texts(&[root, file("crates/domain/clippy.toml", &covering)]);
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("threshold = 60") && found[1].contains("std::thread::sleep"));
    }

    #[test]
    fn a_file_of_the_crate_itself_counts_as_the_nearest() {
        let found = texts(&[
            file("crates/domain/clippy.toml", &complete()),
            file("crates/domain/queue/clippy.toml", ""),
        ]);
        assert_eq!(found.len(), REQUIRED_BANS.len());
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let stray = package("crates/edge/journal", "[package]\nname = \"journal\"\n");
        assert_eq!(
            check(
                &Workspace {
                    packages: vec![stray]
                },
                &[]
            )
            .len(),
            1
        );
    }
}
