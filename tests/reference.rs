//! The generated pages, and the dashboard, are those of this build.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_pages_are_current() {
    for (page, file) in [
        ("metrics", "docs/reference/metrics.md"),
        ("reasons", "docs/reference/reasons.md"),
        ("dashboard", "deploy/grafana/hikyaku.json"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let printed = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
            .args(["reference", page])
            .output()
            .unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert!(
            committed == printed,
            "{file} is stale; run\n  cargo run -- reference {page} > {file}"
        );
    }
}
