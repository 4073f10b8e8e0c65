//! `hikyaku explain` and `hikyaku list` against a running engine: what became of messages, across a restart and without an index.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::process::{Command, Output};

use engine_process::{API_KEY, EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use serde_json::Value;

const NUMBER: &str = "+819012345678";
const MESSAGES: usize = 12;

fn hikyaku(engine: &EngineProcess, arguments: &[&str]) -> Output {
    let (command, further) = arguments.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args([command, "--target", &engine.url()])
        .args(further)
        .env("HIKYAKU_API_KEY", API_KEY)
        .output()
        .unwrap()
}

fn page(engine: &EngineProcess, arguments: &[&str]) -> String {
    let output = hikyaku(engine, arguments);
    let page = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", engine.log());
    page
}

fn objects(page: &str) -> Vec<Value> {
    page.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Lists what was delivered to our number, once the index has it all.
fn delivered(engine: &EngineProcess) -> Vec<Value> {
    let arguments = [
        "list",
        "--to",
        NUMBER,
        "--state",
        "delivered",
        "--since",
        "1h",
        "--json",
    ];
    let mut listed = Vec::new();
    engine.wait_until("the index has caught up", || {
        if engine.metric("hikyaku_history_open") != 1.0 {
            return false;
        }
        listed = objects(&page(engine, &arguments));
        // The last object says how far the list reaches.
        listed.len() == MESSAGES + 1
    });
    let end = listed.pop().unwrap();
    assert!(end["indexed_until_ms"].as_u64().unwrap() > 0);
    assert_eq!(end["more"], false);
    listed
}

fn explained(engine: &EngineProcess, listed: &[Value]) -> Vec<Value> {
    let explain = |message: &Value| {
        let id = message["message_id"].as_str().unwrap();
        let mut told = objects(&page(engine, &["explain", id, "--json"])).remove(0);
        // It rises with everything that is indexed.
        told["indexed_until_ms"] = Value::Null;
        told
    };
    listed.iter().map(explain).collect()
}

fn check(told: &Value) {
    let kinds: Vec<_> = told["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"admitted"), "{told}");
    assert_eq!(kinds.last(), Some(&"final"), "{told}");
    assert!(
        kinds.contains(&"outcome") && kinds.contains(&"receipt"),
        "{told}"
    );
    assert_eq!(told["submitted"]["recipient"], NUMBER);
    assert_eq!(told["missing"], Value::Array(Vec::new()));
}

fn check_text(engine: &EngineProcess, message: &Value) {
    let id = message["message_id"].as_str().unwrap();
    let text = page(engine, &["explain", id]);
    for part in [
        "delivered",
        "caller caller",
        "carrier alpha",
        "ESME_ROK",
        "rules weighed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("123456\n") && !text.contains("Your code"),
        "{text}"
    );
    let unknown = hikyaku(engine, &["explain", "01936c1e-8a2b-7003-8000-000001a2b3c4"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("MESSAGE_UNKNOWN"));
}

#[test]
fn a_night_operator_finds_a_message_and_reads_what_became_of_it() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    let mut engine = EngineProcess::start(&setting);
    engine.wait_until("the session is bound", || {
        engine.metric("hikyaku_bound_sessions{carrier=\"alpha\"}") == 1.0
    });
    let mut arguments = vec![
        "send",
        "--sender",
        "Hikyaku",
        "--text",
        "Your code is 123456",
    ];
    arguments.extend(["--category", "transactional", "--wait"]);
    for _ in 0..MESSAGES {
        arguments.extend(["--to", NUMBER]);
    }
    page(&engine, &arguments);

    let listed = delivered(&engine);
    let told = explained(&engine, &listed);
    told.iter().for_each(check);
    check_text(&engine, &listed[0]);

    // After a restart, and after one without an index, the same is told of each.
    for remove_index in [false, true] {
        engine.kill();
        if remove_index {
            std::fs::remove_dir_all(setting.config().with_file_name("data").join("history"))
                .unwrap();
        }
        engine = EngineProcess::start(&setting);
        assert_eq!(delivered(&engine), listed);
        assert_eq!(explained(&engine, &listed), told);
    }
}
