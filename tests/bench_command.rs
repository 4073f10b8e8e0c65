//! `hikyaku bench`: a run of seconds gives a report that can be read, a page with every plot, and a comparison. No assertion is about how fast the machine is.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use engine_process::{API_KEY, EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
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

/// `runs`: repeats of each case, and the seconds that each is measured. Something must end in that time on a machine that is busy with other things.
fn tiny(folder: &Path, runs: [&str; 2], args: &[&str]) -> Value {
    let (json, html) = (folder.join("report.json"), folder.join("report.html"));
    let journals = folder.join("journals");
    let [repeats, measured] = runs;
    let mut line = vec!["--quick", "--repeats", repeats, "--warm-up", "0.1"];
    line.extend(["--html", html.to_str().unwrap()]);
    line.extend([
        "--measured",
        measured,
        "--in-flight",
        "200",
        "--tenants",
        "2",
    ]);
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
fn every_scenario_gives_figures_and_every_plot() {
    let folder = folder("bench-every");
    let report = tiny(&folder, ["1", "1.5"], &[]);
    plots_are_whole(&fs::read_to_string(folder.join("report.html")).unwrap());
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
    assert!((offered / taken - 0.2).abs() < 1e-4, "{offered} of {taken}");
    for id in [
        "sessions-1x10",
        "sessions-4x1000",
        "sync-always",
        "sync-always-paced",
    ] {
        assert!(median(case(&report, id), "ended") > 0.0, "{id}");
    }
    let backlog = case(&report, "backlog-300");
    assert!(median(backlog, "otp_admit_to_final_p99") > 0.0);
    let timeline = &saturation["timeline"];
    let ended = timeline["ended"].as_array().unwrap();
    assert!(ended.iter().any(|tick| tick.as_u64().unwrap() > 0));
}

/// Each chart has axes, and lines with places that are numbers; the page needs nothing else.
fn plots_are_whole(page: &str) {
    let titles = [
        "Rate over time: saturation",
        "Rate over time: open loop",
        "submit → admitted (durable), open loop at 20 %",
        "submit → final state, open loop at 20 %",
        "submit → admitted, against the offered rate",
        "Rate against window, carrier 5 ms away",
        "otp, admitted → final state, against the backlog",
        "memory against the backlog",
    ];
    let charts: Vec<&str> = page.split("<svg ").skip(1).collect();
    assert_eq!(charts.len(), titles.len());
    for (chart, title) in charts.iter().zip(titles) {
        assert!(chart.contains(title), "{title}: {chart}");
        for part in [
            "class=\"axis\"",
            "class=\"line",
            "class=\"legend\"",
            "<figcaption>",
        ] {
            assert!(chart.contains(part), "{part}: {chart}");
        }
        assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
    }
    for elsewhere in ["<script", "<img", "<link", "url(", "@import", "http"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn two_reports_are_compared_case_by_case() {
    let folder = folder("bench-compare");
    let mut report = tiny(&folder, ["2", "3"], &["--only", "saturation"]);
    let (before, after) = (folder.join("before.json"), folder.join("after.json"));
    fs::write(&before, report.to_string()).unwrap();
    for figure in report["cases"][0]["figures"].as_array_mut().unwrap() {
        if figure["name"] == "engine_cpu" {
            let max = figure["max"].as_f64().unwrap();
            for (field, times) in [("min", 2.0), ("median", 3.0), ("max", 4.0)] {
                figure[field] = (max * times).into();
            }
        }
    }
    fs::write(&after, report.to_string()).unwrap();
    let compared = |files: [&Path; 2]| {
        let ended = bench(&[
            "compare",
            files[0].to_str().unwrap(),
            files[1].to_str().unwrap(),
        ]);
        let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8(said).unwrap());
        (ended.status.code(), said)
    };
    let (code, [text, errors]) = compared([&before, &after]);
    assert_eq!(code, Some(0), "{errors}");
    let worse: Vec<&str> = text.lines().filter(|line| line.contains("worse")).collect();
    assert!(
        worse.len() == 1 && worse[0].contains("engine_cpu"),
        "{text}"
    );
    assert!(!text.contains("better"), "{text}");

    fs::write(&after, r#"{"schema": "hikyaku.bench/999"}"#).unwrap();
    let (code, [_, errors]) = compared([&before, &after]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("hikyaku.bench/999") && errors.contains("after.json"),
        "{errors}"
    );
}

#[test]
fn batch_calls_carry_a_load_too() {
    let report = tiny(
        &folder("bench-batch"),
        ["1", "3"],
        &["--only", "saturation", "--via", "batch"],
    );
    assert_eq!(report["settings"]["via"], "batch");
    assert!(median(case(&report, "saturation"), "ended") > 0.0);
}

#[test]
fn an_engine_that_is_there_is_measured_from_outside() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]\nstamp_tlv = true", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    let engine = EngineProcess::start(&setting);
    let json = folder("bench-target").join("report.json");
    let ended = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["bench", "--target", &engine.url(), "--quick"])
        .args(["--repeats", "1", "--warm-up", "0.1", "--measured", "4"])
        .args(["--in-flight", "50", "--rates", "0.2", "--json"])
        .arg(&json)
        .env("HIKYAKU_API_KEY", API_KEY)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{errors}\n{}", engine.log());
    let report: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(report["settings"]["target"], engine.url());
    for id in ["saturation", "open-20%"] {
        let case = case(&report, id);
        assert!(median(case, "ended") > 0.0, "{id}");
        // What its processes use cannot be seen from here, and is not made up.
        let figures = case["figures"].as_array().unwrap();
        let own = figures
            .iter()
            .filter(|figure| figure["name"].as_str().unwrap().starts_with("engine_"));
        assert_eq!(own.count(), 0, "{id}");
    }
    // Everything that the bench counted the engine has brought to its end, each once at the carrier.
    engine.wait_until("nothing is left", || {
        engine.metric("hikyaku_live_messages") == 0.0
    });
    assert_eq!(carrier.stop().counts.copies, 0);

    // Without a key it is refused with a word that helps, and no report.
    let refused = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args([
            "bench",
            "--target",
            &engine.url(),
            "--quick",
            "--only",
            "saturation",
        ])
        .env("HIKYAKU_API_KEY", "wrong")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.to_lowercase().contains("key"), "{said}");
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
