//! The demo's account adds up: every admitted message in exactly one final state, no copy that is not flagged, the
//! contract kept at our writes and at the carrier. Nothing here depends on how fast the machine is.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// One run for all tests: it takes ten seconds of contract.
static REPORT: LazyLock<Value> = LazyLock::new(demo);

const MESSAGES: u64 = 3_000;
const FINAL_STATES: [&str; 8] = [
    "delivered",
    "sent",
    "undeliverable",
    "rejected",
    "expired",
    "cancelled",
    "failed",
    "unknown",
];

fn demo() -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-identities");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["demo", "--messages", "3000", "--otps", "60"])
        .args(["--json", "--seed", "7"])
        .env("TMPDIR", &folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {errors}", ended.status);
    let left = fs::read_dir(&folder).unwrap().count();
    assert_eq!(left, 0, "the data directory is still there");
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn options_that_contradict_one_another_are_wrong_options() {
    let ended = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["demo", "--messages", "10", "--otps", "20"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("--otps 20") && errors.contains("0 to 10"),
        "{errors}"
    );
}

fn count(object: &Value, name: &str) -> u64 {
    let figure = object[name].as_u64();
    figure.unwrap_or_else(|| panic!("{name} is no count in {object}"))
}

#[test]
fn every_admitted_message_ends_once_and_the_contract_holds() {
    let report = &*REPORT;

    let refused = report["refused"].as_object().unwrap();
    let refused: u64 = refused.values().filter_map(Value::as_u64).sum();
    assert_eq!(count(report, "admitted") + refused, MESSAGES, "{report}");
    let ended: u64 = FINAL_STATES.map(|state| count(report, state)).iter().sum();
    assert_eq!(
        count(report, "admitted"),
        ended + count(report, "pending"),
        "{report}"
    );
    for none in ["pending", "lost", "duplicated_unflagged"] {
        assert_eq!(count(report, none), 0, "{none}: {report}");
    }
    // Nothing was uncertain without a fault in the way, and so nothing was sent twice at all.
    if count(report, "uncertain") == 0 {
        assert_eq!(count(report, "duplicated"), 0, "{report}");
    }
    // The carriers refuse nothing and lose nothing; a few receipts say otherwise than delivered.
    assert!(count(report, "delivered") > MESSAGES * 9 / 10, "{report}");
    assert!(count(report, "undeliverable") > 0, "{report}");

    for (class, messages) in [("otp", 60), ("bulk", MESSAGES - 60)] {
        for measure in ["head_of_line_ms", "admit_to_write_ms", "submit_to_admit_ms"] {
            let spread = &report[class][measure];
            let [p50, p99, max] = ["p50", "p99", "max"].map(|part| spread[part].as_f64().unwrap());
            assert!(
                p50 <= p99 && p99 <= max,
                "{class} {measure} of {messages}: {spread}"
            );
        }
    }
}

#[test]
fn the_contract_holds_at_both_ends_of_the_wire() {
    let report = &*REPORT;
    let [contracted, unlimited] = &report["carriers"].as_array().unwrap()[..] else {
        panic!("two carriers: {report}");
    };
    assert_eq!(contracted["name"], "contract-200");
    assert_eq!(count(contracted, "contracted_per_second"), 200);
    assert!(unlimited["contracted_per_second"].is_null());
    let segments = count(contracted, "segments") + count(unlimited, "segments");
    assert_eq!(
        segments,
        count(report, "admitted") + count(report, "duplicated"),
        "{report}"
    );

    let at_write = count(contracted, "max_in_any_second_at_write");
    assert!((1..=200).contains(&at_write), "{contracted}");
    let at_carrier = count(contracted, "max_in_any_second_at_carrier");
    let spread_s = contracted["delay_spread_ms"].as_f64().unwrap() / 1_000.0;
    let allowed = (0.993 * 200.0 * (1.007 + spread_s)).ceil();
    assert!(at_carrier as f64 <= allowed, "{contracted}");
}
