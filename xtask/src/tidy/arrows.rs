//! Arrows between layers: server → engine → edge → {protocol, domain}, never up and never sideways.
//!
//! ```text
//!   server ──► engine ──► edge ──► protocol
//!     │           │         └────► domain
//!     │           └──────────────► domain, protocol without PDUs
//!     ├──► every layer below
//!     └──► testkit ──► protocol, domain     (loadgen alone also speaks the gRPC contract)
//!             └──► engine, edge             (what simulates what lies under them, and only that)
//! ```
//!
//! The engine counts septets (sms-text) but sees no PDU: only an edge crate may know a PDU and a message at once.
//! A dev-dependency may also stay inside its layer.

use super::Finding;
use super::workspace::{Dependency, DependencyKind, Layer, Package, Workspace};

/// Crates that may name a TLS stack: those that open or accept connections.
const TLS_CRATES: [&str; 6] = [
    "smpp-client",
    "push-client",
    "fakes",
    "grpc-api",
    "admin",
    "hikyaku",
];

/// Crates that may name tonic: those that speak the gRPC contract.
const GRPC_CRATES: [&str; 3] = ["grpc-api", "loadgen", "hikyaku"];

/// Crates of the testkit that put a fake under the engine or an edge crate, or count what one does, and must therefore know it.
const SIMULATION_CRATES: [&str; 3] = ["fake-disk", "instructions", "simulator"];

/// Crates that know PDUs, which the engine may not.
const PDU_CRATES: [&str; 3] = ["smpp-codec", "smpp-session", "push-proto"];

/// Every dependency of every package that breaks the ladder.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let Some(layer) = package.layer() else {
            let text = format!(
                "`{}` lies in no layer: use a folder of crates/ that the design names",
                package.name
            );
            findings.push(Finding {
                file: package.manifest_path(),
                line: 1,
                text,
            });
            continue;
        };
        for dependency in &package.dependencies {
            let refusal = match workspace.find(&dependency.name) {
                Some(target) => in_house(package, layer, dependency, target),
                None => third_party(package, dependency),
            };
            findings.extend(refusal.map(|text| Finding {
                file: package.manifest_path(),
                line: package.line_of(&dependency.name),
                text,
            }));
        }
    }
    findings
}

fn in_house(
    package: &Package,
    from: Layer,
    dependency: &Dependency,
    target: &Package,
) -> Option<String> {
    let to = target.layer()?;
    let stays_inside = dependency.kind == DependencyKind::Dev && from == to;
    let speaks_contract = package.name == "loadgen" && target.name == "grpc-api";
    let simulates = SIMULATION_CRATES.contains(&package.name.as_str())
        && matches!(to, Layer::Engine | Layer::Edge);
    let meets_pdus = from == Layer::Engine && PDU_CRATES.contains(&target.name.as_str());
    if stays_inside || speaks_contract || simulates || (points_down(from, to) && !meets_pdus) {
        return None;
    }
    Some(format!(
        "`{}` ({from:?}) may not depend on `{}` ({to:?}): arrows go server -> engine -> edge -> protocol or domain",
        package.name, target.name
    ))
}

fn points_down(from: Layer, to: Layer) -> bool {
    use Layer::{Domain, Edge, Engine, Protocol, Server, Testkit, Tool};
    match from {
        Domain => matches!(to, Domain),
        Protocol => matches!(to, Protocol),
        Edge => matches!(to, Protocol | Domain),
        Engine => matches!(to, Edge | Protocol | Domain),
        Server => !matches!(to, Tool),
        Testkit => matches!(to, Testkit | Protocol | Domain),
        Tool => false,
    }
}

fn third_party(package: &Package, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let designated: &[&str] = match name {
        "rustls" | "rustls-webpki" | "tokio-rustls" | "hyper-rustls" => &TLS_CRATES,
        _ if name.starts_with("tonic") => &GRPC_CRATES,
        _ => return None,
    };
    if dependency.kind == DependencyKind::Dev || designated.contains(&package.name.as_str()) {
        return None;
    }
    Some(format!(
        "`{}` may not depend on `{name}`: only {} may",
        package.name,
        designated.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[(&str, DependencyKind)]) -> Package {
        let lines: Vec<String> = dependencies
            .iter()
            .map(|(name, _)| format!("{name}.workspace = true"))
            .collect();
        Package {
            name: name.to_owned(),
            folder: folder.to_owned(),
            manifest: format!(
                "[package]\nname = \"{name}\"\n[dependencies]\n{}\n",
                lines.join("\n")
            ),
            dependencies: dependencies
                .iter()
                .map(|&(name, kind)| Dependency {
                    name: name.to_owned(),
                    kind,
                })
                .collect(),
        }
    }

    /// The findings when `name` in `folder` depends on `target` beside one crate of every layer.
    fn refused(name: &str, folder: &str, target: &str, kind: DependencyKind) -> Vec<Finding> {
        let mut packages = vec![package(name, folder, &[(target, kind)])];
        let house = [
            ("message", "crates/domain/message"),
            ("sms-text", "crates/protocol/sms-text"),
            ("smpp-codec", "crates/protocol/smpp-codec"),
            ("journal", "crates/edge/journal"),
            ("engine", "crates/engine"),
            ("grpc-api", "crates/server/grpc-api"),
            ("fakes", "crates/testkit/fakes"),
            ("hikyaku", ""),
        ];
        packages.extend(
            house
                .iter()
                .filter(|(other, _)| *other != name)
                .map(|(other, folder)| package(other, folder, &[])),
        );
        check(&Workspace { packages })
    }

    #[test]
    fn an_upward_arrow_is_found_at_its_line() {
        let findings = refused(
            "queue",
            "crates/domain/queue",
            "journal",
            DependencyKind::Normal,
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].file.as_str(), findings[0].line),
            ("crates/domain/queue/Cargo.toml", 4)
        );
        assert!(
            findings[0]
                .text
                .contains("`queue` (Domain) may not depend on `journal` (Edge)")
        );
    }

    #[test]
    fn sideways_arrows_are_refused() {
        use DependencyKind::Normal;
        let sideways = [
            ("queue", "crates/domain/queue", "sms-text"),
            ("smpp-codec", "crates/protocol/smpp-codec", "message"),
            ("smpp-client", "crates/edge/smpp-client", "journal"),
            ("engine", "crates/engine", "smpp-codec"),
            ("engine", "crates/engine", "fakes"),
            ("journal", "crates/edge/journal", "engine"),
            ("fakes", "crates/testkit/fakes", "engine"),
            ("simulator", "crates/testkit/simulator", "grpc-api"),
        ];
        for (name, folder, target) in sideways {
            assert_eq!(
                refused(name, folder, target, Normal).len(),
                1,
                "{name} -> {target}"
            );
        }
    }

    #[test]
    fn downward_arrows_pass() {
        use DependencyKind::Normal;
        let down = [
            ("routing", "crates/domain/routing", "message"),
            ("smpp-client", "crates/edge/smpp-client", "sms-text"),
            ("engine", "crates/engine", "journal"),
            ("engine", "crates/engine", "sms-text"),
            ("grpc-api", "crates/server/grpc-api", "engine"),
            ("hikyaku", "", "fakes"),
            ("hikyaku", "", "grpc-api"),
            ("loadgen", "crates/testkit/loadgen", "grpc-api"),
            ("fake-disk", "crates/testkit/fake-disk", "journal"),
        ];
        for (name, folder, target) in down {
            assert_eq!(
                refused(name, folder, target, Normal),
                [],
                "{name} -> {target}"
            );
        }
    }

    #[test]
    fn a_dev_dependency_stays_inside_its_layer() {
        let dev = DependencyKind::Dev;
        assert_eq!(
            refused("smpp-client", "crates/edge/smpp-client", "journal", dev),
            []
        );
        assert_eq!(
            refused("smpp-client", "crates/edge/smpp-client", "fakes", dev).len(),
            1
        );
    }

    #[test]
    fn tls_and_grpc_have_their_places() {
        let normal = DependencyKind::Normal;
        assert_eq!(
            refused("engine", "crates/engine", "rustls", normal).len(),
            1
        );
        assert_eq!(
            refused("engine", "crates/engine", "tonic-types", normal).len(),
            1
        );
        assert_eq!(
            refused("grpc-api", "crates/server/grpc-api", "tonic", normal),
            []
        );
        assert_eq!(
            refused(
                "smpp-client",
                "crates/edge/smpp-client",
                "tokio-rustls",
                normal
            ),
            []
        );
    }

    #[test]
    fn an_unknown_folder_is_no_layer() {
        assert_eq!(
            refused(
                "stray",
                "crates/misc/stray",
                "bytes",
                DependencyKind::Normal
            )
            .len(),
            1
        );
    }
}
