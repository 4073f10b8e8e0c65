//! `hikyaku send` against a running engine: the answer, the way to the end, and the exit code that a script can go by.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::process::{Command, Output};

use engine_process::{API_KEY, EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};

fn send(engine: &EngineProcess, key: &str, further: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["send", "--target", &engine.url(), "--sender", "Hikyaku"])
        .args(["--text", "Your code is 123456", "--category", "otp"])
        .args(further)
        .env("HIKYAKU_API_KEY", key)
        .output()
        .unwrap()
}

#[test]
fn send_follows_its_messages_to_the_end_and_says_why_it_could_not() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    let engine = EngineProcess::start(&setting);
    // While no carrier of its group is bound, an otp lane holds one message.
    engine.wait_until("the session is bound", || {
        engine.metric("hikyaku_bound_sessions{carrier=\"alpha\"}") == 1.0
    });

    let to_two = ["--to", "+819012345678", "--to", "+14155550123", "--wait"];
    let sent = send(&engine, API_KEY, &to_two);
    let page = String::from_utf8(sent.stdout).unwrap();
    assert_eq!(sent.status.code(), Some(0), "{page}\n{}", engine.log());
    let lines_of = |word: &str| page.lines().filter(|line| line.contains(word)).count();
    assert_eq!(lines_of("admitted  +"), 2, "{page}");
    assert_eq!(lines_of(" delivered "), 2, "{page}");

    let refused = send(&engine, API_KEY, &["--to", "+0"]);
    let page = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{page}");
    assert!(page.contains("recipient.msisdn"), "{page}");

    let stranger = send(&engine, "a-key-that-nobody-has", &["--to", "+819012345678"]);
    let text = String::from_utf8(stranger.stderr).unwrap();
    assert_eq!(stranger.status.code(), Some(1), "{text}");
    assert!(text.contains("KEY_UNKNOWN"), "{text}");
    assert_eq!(carrier.stop().counts.submits, 2);
}
