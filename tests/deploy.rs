//! What `deploy/` tells an operator holds together: rules name metrics that exist, every alert has its section and its test, every path and
//! version is the one that is meant. What Prometheus and systemd say of it, `deploy/check.sh` asks.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Names of metrics; of a histogram also its series.
fn metrics() -> BTreeSet<String> {
    let page = text("docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names = BTreeSet::new();
    for row in rows {
        let (name, rest) = row.split_once('`').unwrap();
        names.insert(name.to_owned());
        if rest.starts_with(" | histogram") {
            names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
        }
    }
    assert!(names.len() > 30, "the page has another form: {names:?}");
    names
}

fn alerts() -> Vec<String> {
    let rules = text("deploy/prometheus/hikyaku.rules.yml");
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_named_exists() {
    let metrics = metrics();
    for file in [
        "deploy/prometheus/hikyaku.rules.yml",
        "deploy/prometheus/hikyaku.rules.test.yml",
        "deploy/README.md",
    ] {
        let page = text(file);
        let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("hikyaku_")) {
            assert!(metrics.contains(word), "{file}: no metric is called {word}");
        }
    }
}

#[test]
fn every_alert_has_its_section_and_its_test() {
    let (guide, tests, rules) = (
        text("deploy/README.md"),
        text("deploy/prometheus/hikyaku.rules.test.yml"),
        text("deploy/prometheus/hikyaku.rules.yml"),
    );
    let alerts = alerts();
    for alert in &alerts {
        assert!(
            guide.contains(&format!("\n### {alert}\n")),
            "deploy/README.md has no section {alert}"
        );
        assert!(
            tests.contains(&format!("- name: {alert}\n")),
            "{alert} has no test"
        );
        let runbook = format!("runbook: deploy/README.md#{}\n", alert.to_lowercase());
        assert!(
            rules.contains(&runbook),
            "{alert} does not lead to its section"
        );
    }
    let sections = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### Hikyaku"));
    for section in sections {
        let alert = format!("Hikyaku{section}");
        assert!(
            alerts.contains(&alert),
            "deploy/README.md explains {alert}, which is no alert"
        );
    }
}

#[test]
fn the_container_is_built_with_the_pinned_toolchain() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "));
    let version = channel.unwrap().trim_matches('"');
    let image = format!("FROM docker.io/library/rust:{version}-slim-bookworm AS build\n");
    assert!(text("deploy/Containerfile").contains(&image), "not {image}");
}
