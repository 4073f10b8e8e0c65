//! `hikyaku bench`: a run of seconds gives a report that can be read. No assertion is about how fast the machine is.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder of its own, so that what is left behind is seen.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("journals")).unwrap();
    folder
}

fn bench(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hikyaku"));
    command.arg("bench").args(args).output().unwrap()
}

fn tiny(folder: &Path, args: &[&str]) -> Value {
    let json = folder.join("report.json");
    let journals = folder.join("journals");
    let mut line = vec!["--quick", "--repeats", "1", "--warm-up", "0.1"];
    line.extend(["--measured", "0.4", "--in-flight", "200", "--tenants", "2"]);
    line.extend(["--backlogs", "300", "--rates", "0.2"]);
    line.extend([
        "--dir",
        journals.to_str().unwrap(),
        "--json",
        json.to_str().unwrap(),
    ]);
    line.extend(args);
    let ended = bench(&line);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {errors}", ended.status);
    let left = fs::read_dir(&journals).unwrap().count();
    assert_eq!(left, 0, "journals are still there");
    serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap()
}

fn case<'a>(report: &'a Value, id: &str) -> &'a Value {
    let cases = report["cases"].as_array().unwrap();
    let found = cases.iter().find(|case| case["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {report}"))
}

fn median(case: &Value, name: &str) -> f64 {
    let figures = case["figures"].as_array().unwrap();
    let found = figures.iter().find(|figure| figure["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {case}"));
    found["median"].as_f64().unwrap()
}

#[test]
fn every_scenario_gives_figures() {
    let report = tiny(&folder("bench-every"), &[]);
    assert_eq!(report["schema"], "hikyaku.bench/1");
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    let saturation = case(&report, "saturation");
    for figure in [
        "ended",
        "admitted",
        "engine_cpu",
        "carrier_cpu",
        "client_cpu",
    ] {
        assert!(median(saturation, figure) > 0.0, "{figure}");
    }
    for figure in [
        "engine_peak_rss",
        "engine_write_calls_per_message",
        "journal_bytes_per_message",
        "promotional_submit_to_admit_p99",
        "promotional_submit_to_final_p50",
    ] {
        assert!(median(saturation, figure) > 0.0, "{figure}");
    }
    let offered = median(case(&report, "open-20%"), "offered");
    let taken = median(saturation, "ended");
    assert!((offered / taken - 0.2).abs() < 1e-9, "{offered} of {taken}");
    for id in ["sessions-1x10", "sessions-4x1000", "sync-always"] {
        assert!(median(case(&report, id), "ended") > 0.0, "{id}");
    }
    let backlog = case(&report, "backlog-300");
    assert!(median(backlog, "otp_admit_to_final_p99") > 0.0);
    let timeline = &saturation["timeline"];
    let ended = timeline["ended"].as_array().unwrap();
    assert!(ended.iter().any(|tick| tick.as_u64().unwrap() > 0));
}

#[test]
fn batch_calls_carry_a_load_too() {
    let report = tiny(
        &folder("bench-batch"),
        &["--only", "saturation", "--via", "batch"],
    );
    assert_eq!(report["settings"]["via"], "batch");
    assert!(median(case(&report, "saturation"), "ended") > 0.0);
}

#[test]
fn a_wrong_option_is_named_with_its_value_and_what_is_allowed() {
    for (args, words) in [
        (&["--rates", "3"][..], ["--rates", "3", "at most 2"]),
        (&["--measured", "0"], ["--measured", "0", "0.05 to 3600"]),
        (&["--repeats", "0"], ["--repeats", "0", "1..=1000"]),
        (
            &["--target", "http://127.0.0.1:1", "--only", "backlog"],
            ["--only", "backlog", "saturation and open"],
        ),
    ] {
        let ended = bench(args);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {errors}");
        for word in words {
            assert!(errors.contains(word), "{word}: {errors}");
        }
    }
}
