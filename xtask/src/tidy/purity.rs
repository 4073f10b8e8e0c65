//! Purity of `domain/` and `protocol/`: what a crate does not link it cannot call.
//!
//! Clippy's bans (see `bans`) cover std; this list covers everybody else. `cargo tree` is asked for one crate at a time,
//! because `cargo metadata` unifies features over the workspace and would blame a pure crate for what the server turns on.
//! Procedural macros are left out: they run in the compiler, and what they expand to calls only crates that are listed.

use std::path::Path;

use super::workspace::{Layer, Package, Workspace};
use super::{Finding, ask};

/// A third-party crate that pure crates may link, and why that is harmless.
struct Allowed {
    name: &'static str,
    why: &'static str,
}

const fn allow(name: &'static str, why: &'static str) -> Allowed {
    Allowed { name, why }
}

const BYTES: Allowed = allow("bytes", "shared buffers, no I/O");
const THISERROR: Allowed = allow("thiserror", "derived error enums");

const PROTOCOL: &[Allowed] = &[BYTES, THISERROR];

const GOVERNOR: &str = "part of governor without its quanta and jitter features";

const DOMAIN: &[Allowed] = &[
    BYTES,
    THISERROR,
    allow("crossbeam-queue", "the bounded lock-free ring of the queue"),
    allow("crossbeam-utils", "cache padding and back-off of that ring"),
    allow("prost", "journal record payloads"),
    allow("sha2", "keyed hashes and body digests"),
    allow("digest", "part of sha2"),
    allow("block-buffer", "part of sha2"),
    allow("crypto-common", "part of sha2"),
    allow("hybrid-array", "part of sha2"),
    allow("typenum", "part of sha2"),
    allow("const-oid", "part of sha2"),
    allow(
        "cpufeatures",
        "part of sha2: asks the processor, not the system",
    ),
    allow("cfg-if", "compile-time choice only"),
    allow(
        "libc",
        "part of cpufeatures and parking_lot; `unsafe_code = forbid` keeps the house from calling it",
    ),
    allow("governor", "the rate limiter, driven by a clock of our own"),
    allow("futures-core", GOVERNOR),
    allow("futures-sink", GOVERNOR),
    allow("futures-task", GOVERNOR),
    allow(
        "futures-timer",
        "part of governor: only its until_ready uses it, which clippy bans here",
    ),
    allow("futures-util", GOVERNOR),
    allow("hashbrown", GOVERNOR),
    allow("allocator-api2", GOVERNOR),
    allow("equivalent", GOVERNOR),
    allow("foldhash", GOVERNOR),
    allow("lock_api", GOVERNOR),
    allow("nonzero_ext", GOVERNOR),
    allow("parking_lot", GOVERNOR),
    allow("parking_lot_core", GOVERNOR),
    allow("pin-project-lite", GOVERNOR),
    allow("portable-atomic", GOVERNOR),
    allow("scopeguard", GOVERNOR),
    allow("slab", GOVERNOR),
    allow("smallvec", GOVERNOR),
    allow("spinning_top", GOVERNOR),
    allow(
        "web-time",
        "part of governor: its own clocks, which clippy bans here",
    ),
];

/// Every crate in the tree of a pure crate that the list of its layer does not name.
///
/// # Errors
/// When cargo cannot resolve the tree.
pub(crate) fn check(root: &Path, workspace: &Workspace) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let list = match package.layer() {
            Some(Layer::Domain) => DOMAIN,
            Some(Layer::Protocol) => PROTOCOL,
            Some(Layer::Edge | Layer::Engine | Layer::Server | Layer::Testkit | Layer::Tool)
            | None => continue,
        };
        let tree = ask(
            root,
            "cargo",
            &[
                "tree",
                "--package",
                &package.name,
                "--edges",
                "normal,no-proc-macro",
                "--prefix",
                "depth",
                "--format",
                " {p}",
            ],
        )?;
        findings.extend(check_tree(package, list, &tree));
    }
    Ok(findings)
}

/// `tree` has one crate a line: its depth, its name, its version, and for a crate of the house its path in brackets.
fn check_tree(package: &Package, list: &[Allowed], tree: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut direct = package.name.as_str();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        if depth == "1" {
            direct = name;
        }
        let in_house = line.contains("(/") || line.contains("(file:");
        if in_house || list.iter().any(|allowed| allowed.name == name) {
            continue;
        }
        let text = format!(
            "`{}` links `{name}` through `{direct}`, which is not on the purity list of its layer ({})",
            package.name,
            list.iter()
                .map(|allowed| format!("{}: {}", allowed.name, allowed.why))
                .take(2)
                .collect::<Vec<_>>()
                .join("; ")
        );
        findings.push(Finding {
            file: package.manifest_path(),
            line: package.line_of(direct),
            text,
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Package {
        Package {
            name: "queue".to_owned(),
            folder: "crates/domain/queue".to_owned(),
            manifest: "[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n".to_owned(),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn a_runtime_is_found_wherever_it_hides() {
        let tree = "0 queue v0.1.0 (/a/queue)\n1 bytes v1.12.1\n1 tokio v1.54.1\n2 mio v1.2.0\n3 libc v0.2.180\n";
        let findings = check_tree(&queue(), DOMAIN, tree);
        assert_eq!(findings.len(), 2);
        assert!(
            findings.iter().all(|finding| finding.line == 3),
            "both came in through tokio"
        );
        assert!(
            findings[1]
                .text
                .contains("`queue` links `mio` through `tokio`")
        );
    }

    #[test]
    fn listed_crates_and_crates_of_the_house_pass() {
        let tree = "0 queue v0.1.0 (/a/queue)\n1 message v0.1.0 (/a/message)\n2 thiserror v2.0.21\n2 bytes v1.12.1 (*)\n";
        assert_eq!(check_tree(&queue(), DOMAIN, tree), []);
    }

    #[test]
    fn the_protocol_list_is_the_shorter_one() {
        assert_eq!(
            check_tree(&queue(), PROTOCOL, "1 crossbeam-queue v0.3.14\n").len(),
            1
        );
    }

    #[test]
    fn runtimes_and_sockets_are_on_no_list() {
        for name in [
            "tokio",
            "mio",
            "socket2",
            "async-std",
            "smol",
            "rustls",
            "hyper",
            "quanta",
            "rustix",
            "nix",
        ] {
            assert!(
                DOMAIN
                    .iter()
                    .chain(PROTOCOL)
                    .all(|allowed| allowed.name != name),
                "{name}"
            );
        }
    }
}
