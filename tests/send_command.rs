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

/// A message waits for a carrier that never binds: it is withdrawn, and then it is too late to replace it.
#[test]
fn cancel_and_replace_say_whether_they_came_in_time() {
    let setting = Setting::new(&[("alpha", "hosts = [\"127.0.0.1:1\"]")]);
    let engine = EngineProcess::start(&setting);
    let ask = |args: &[&str]| {
        let asked = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
            .args(args)
            .args(["--target", &engine.url()])
            .env("HIKYAKU_API_KEY", API_KEY)
            .output()
            .unwrap();
        let said = String::from_utf8(asked.stdout).unwrap();
        let errors = String::from_utf8(asked.stderr).unwrap();
        (asked.status.code(), said, errors)
    };
    let mut line = vec!["send", "--sender", "Hikyaku", "--text", "On its way"];
    line.extend(["--category", "transactional", "--json"]);
    line.extend(["--to", "+819012345678", "--to", "+819012345679"]);
    let (code, said, errors) = ask(&line);
    assert_eq!(code, Some(0), "{said}{errors}");
    let ids: Vec<String> = said
        .lines()
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            answer["message_id"].as_str().unwrap().to_owned()
        })
        .collect();
    let (first, second) = (ids[0].as_str(), ids[1].as_str());
    let replace = |id| ask(&["replace", id, "--sender", "Shop", "--text", "Delayed"]);
    let replaced = (Some(0), format!("replaced  {first}\n"), String::new());
    assert_eq!(replace(first), replaced);
    let (code, said, _) = ask(&["cancel", first, second]);
    let both = format!("cancelled  {first}\ncancelled  {second}\n");
    assert_eq!((code, said), (Some(0), both));
    // Said twice it is no less true; new content comes too late.
    let (code, said, _) = ask(&["cancel", first]);
    assert_eq!((code, said), (Some(0), format!("cancelled  {first}\n")));
    let late = format!("too late  {first}  cancelled\n");
    assert_eq!(replace(first), (Some(1), late, String::new()));
    let never = "01936c1e-8a2b-7003-8000-000001a2b3c4";
    let (code, said, _) = ask(&["cancel", never]);
    assert_eq!((code, said), (Some(1), format!("unknown  {never}\n")));
    let (code, _, errors) = ask(&["cancel", "7"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("message_id"), "{errors}");
}
