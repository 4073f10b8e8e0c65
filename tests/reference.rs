//! The generated pages of the reference are those of this build.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_pages_are_current() {
    for page in ["metrics", "reasons"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/reference/{page}.md"));
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let printed = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
            .args(["reference", page])
            .output()
            .unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert!(
            committed == printed,
            "docs/reference/{page}.md is stale; run\n  cargo run -- reference {page} > docs/reference/{page}.md"
        );
    }
}
