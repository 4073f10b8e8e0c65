//! The configuration that we ship passes its own check.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;
use std::process::Command;

fn check(further: &[&str]) -> (Option<i32>, String) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hikyaku.toml");
    let ended = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["check", "--config"])
        .arg(config)
        .args(further)
        .output()
        .unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert!(errors.is_empty(), "{errors}");
    let page = String::from_utf8(ended.stdout).unwrap();
    (ended.status.code(), page)
}

#[test]
fn the_example_can_be_started_and_is_summed_up() {
    let (code, page) = check(&[]);
    assert_eq!(code, Some(0), "{page}");
    for part in [
        "127.0.0.1:7070 (plain text, this machine only)",
        "100 segments/s; sessions: 2, each with a window of 10; plain TCP to 127.0.0.1:2775",
        "tenant demo; otp, alert, transactional, promotional",
        "default: example",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[test]
fn the_summary_is_given_as_json_too() {
    let (code, page) = check(&["--json"]);
    assert_eq!(code, Some(0), "{page}");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["ok"], true);
    assert_eq!(page["carriers"][0]["contract_per_second"], 100);
    assert_eq!(page["callers"][0]["categories"][3], "promotional");
    assert!(!page.to_string().contains("secret"), "{page}");
}
