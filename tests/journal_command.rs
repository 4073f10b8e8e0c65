//! `hikyaku journal verify` and `hikyaku journal dump` on real data directories: beside a running engine, after a kill, and on copies that
//! were damaged on purpose.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use engine_process::caller::{Caller, connect, submission, submit, wait_for_state};
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};
use grpc_api::v1;
use serde_json::Value;

const MESSAGES: u64 = 30;
/// Of a file.
const HEADER_BYTES: usize = 64;

fn hikyaku(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .arg("journal")
        .args(arguments)
        .output()
        .unwrap()
}

/// Standard output, and the exit code that must have been.
fn page(code: i32, arguments: &[&str]) -> String {
    let output = hikyaku(arguments);
    let page = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{page}\n{said}"
    );
    page
}

fn verified(code: i32, dir: &Path) -> Value {
    let dir = dir.to_str().unwrap();
    serde_json::from_str(&page(code, &["verify", "--dir", dir, "--json"])).unwrap()
}

/// The files of a log in a verification.
fn files<'a>(verified: &'a Value, log: &str) -> &'a Vec<Value> {
    let logs = verified["logs"].as_array().unwrap();
    let log = logs.iter().find(|found| found["log"] == log).unwrap();
    log["files"].as_array().unwrap()
}

fn dumped(dir: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["dump", "--dir", dir.to_str().unwrap(), "--json"];
    all.extend(arguments);
    page(0, &all)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// An engine with files of 8 KiB that has delivered [`MESSAGES`] messages.
async fn busy_engine(setting: &Setting) -> (EngineProcess, Caller, Vec<String>) {
    setting.journal("file_max_bytes = 8_192");
    let engine = EngineProcess::start(setting);
    let mut caller = connect(&engine).await;
    let mut ids = Vec::new();
    for nth in 0..MESSAGES {
        ids.push(
            submit(
                &mut caller,
                submission(v1::Category::Transactional, 12_345_000 + nth),
            )
            .await,
        );
    }
    for id in &ids {
        wait_for_state(&mut caller, id, v1::MessageState::Delivered).await;
    }
    (engine, caller, ids)
}

fn setting() -> (SmscHandle, Setting) {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    (carrier, Setting::new(&[("alpha", &lines)]))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of a data directory in which one byte of a file is another.
fn flipped(data: &Path, name: &str, log: &str, file: &str, offset: usize) -> PathBuf {
    let copy = data.with_file_name(name);
    copy_folder(data, &copy);
    let path = copy.join(log).join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[offset] ^= 0x20;
    fs::write(&path, bytes).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn beside_a_running_engine_everything_is_whole_and_the_engine_is_named() {
    let (_carrier, setting) = setting();
    let (engine, mut caller, ids) = busy_engine(&setting).await;
    let found = verified(0, &setting.data());
    assert_eq!(found["verdict"], "whole", "{found}");
    assert_eq!(found["engine_process"], engine.pid(), "{found}");
    for log in ["journal", "written", "events"] {
        assert!(!files(&found, log).is_empty(), "{log}: {found}");
    }
    // The engine goes on: nobody took its lock.
    let more = submit(&mut caller, submission(v1::Category::Otp, 1)).await;
    wait_for_state(&mut caller, &more, v1::MessageState::Delivered).await;
    let records = dumped(&setting.data(), &["--message", &more]);
    assert_eq!(records.first().unwrap()["record"], "admitted");
    assert_eq!(records.last().unwrap()["record"], "final");
    let all = dumped(&setting.data(), &["--kind", "final"]);
    assert_eq!(all.len(), ids.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_kill_the_records_of_a_message_are_read_without_an_engine() {
    let (_carrier, setting) = setting();
    let (engine, _caller, ids) = busy_engine(&setting).await;
    engine.kill();
    let data = setting.data();
    let found = verified(0, &data);
    assert_eq!(found["engine_process"], Value::Null, "{found}");

    let config = setting.config();
    let text = page(0, &["verify", "--config", config.to_str().unwrap()]);
    assert!(
        text.contains(": whole.\n") && text.contains("this boot"),
        "{text}"
    );

    let records = dumped(&data, &["--message", &ids[3]]);
    let kinds: Vec<_> = records
        .iter()
        .map(|it| it["record"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["admitted", "claimed", "outcome", "receipt", "final"]
    );
    assert!(records.is_sorted_by_key(|record| record["position"].as_u64()));
    assert_eq!(records[0]["recipient"], "…03");
    assert_eq!(records[0]["tenant"], "tenant");
    assert_eq!(records[2]["carrier"], "alpha");
    assert_eq!(records[2]["outcome"], "submitted");
    let written = dumped(&data, &["--log", "written", "--message", &ids[3]]);
    assert_eq!(
        (written.len(), &written[0]["carrier"]),
        (1, &Value::from("alpha"))
    );
    let events = dumped(&data, &["--log", "events", "--message", &ids[3]]);
    assert_eq!(events.last().unwrap()["state"], "delivered");

    // Whoever wants more says so.
    let text = page(0, &["dump", "--dir", data.to_str().unwrap()]);
    assert!(
        !text.contains("12345003") && !text.contains("Your code"),
        "{text}"
    );
    let unmasked = page(0, &["dump", "--dir", data.to_str().unwrap(), "--unmasked"]);
    assert!(
        unmasked.contains("recipient=+819012345003")
            && unmasked.contains("\"Your code is 12345003\""),
        "{unmasked}"
    );

    // A range of positions is that part of the whole, names included.
    let all = dumped(&data, &[]);
    let (first, last) = (all.len() / 3, all.len() / 2);
    let position = |at: usize| all[at]["position"].to_string();
    let part = dumped(
        &data,
        &["--from", &position(first), "--until", &position(last)],
    );
    assert_eq!(part, all[first..last]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damage_is_told_with_file_and_offset_and_has_an_exit_code_of_its_own() {
    let (_carrier, setting) = setting();
    let (engine, _caller, _ids) = busy_engine(&setting).await;
    engine.kill();
    let data = setting.data();
    let whole = verified(0, &data);
    let before = dumped(&data, &[]).len();
    for log in ["journal", "written", "events"] {
        let file = &files(&whole, log)[0];
        let name = Path::new(file["file"].as_str().unwrap())
            .file_name()
            .unwrap();
        let name = name.to_str().unwrap();
        let middle = file["end"].as_u64().unwrap() - file["start"].as_u64().unwrap();
        let offset = HEADER_BYTES + usize::try_from(middle).unwrap() / 2;
        let copy = flipped(&data, "damaged", log, name, offset);
        let found = verified(1, &copy);
        assert_eq!(found["verdict"], "damaged");
        let damaged = &files(&found, log)[0];
        assert_eq!(damaged["state"], "damaged", "{damaged}");
        let at = damaged["offset"].as_u64().unwrap();
        assert!((64..=offset as u64).contains(&at), "{damaged}");
        assert!(
            damaged["resumes"].as_u64() > damaged["end"].as_u64(),
            "{damaged}"
        );
        assert!(
            damaged["what"].as_str().unwrap().contains(name),
            "{damaged}"
        );
        let others = files(&found, log)[1..].iter();
        assert!(
            others.into_iter().all(|file| file["state"] == "whole"),
            "{found}"
        );
        let text = page(1, &["verify", "--dir", copy.to_str().unwrap()]);
        assert!(
            text.contains("DAMAGED") && text.contains(&format!("offset {at}")),
            "{text}"
        );
        if log == "journal" {
            let output = hikyaku(&["dump", "--dir", copy.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(1));
            let lines = String::from_utf8(output.stdout).unwrap().lines().count();
            assert!((before / 2..before).contains(&lines), "{lines} of {before}");
            assert!(String::from_utf8(output.stderr).unwrap().contains(name));
        }
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_mark_that_names_no_file_is_told() {
    let (_carrier, setting) = setting();
    let (engine, _caller, _ids) = busy_engine(&setting).await;
    engine.kill();
    let data = setting.data();
    // A mark as the page of the format has it, at a position where no file begins.
    let mut slot = b"HKYKMARK\x01\0\0\0\0\0\0\0".to_vec();
    for word in [1_u64, 1 << 40, 1_790_000_000_000] {
        slot.extend(word.to_le_bytes());
    }
    slot.resize(60, 0);
    slot.extend(crc32fast::hash(&slot).to_le_bytes());
    let mut file = vec![0; 8192];
    file[4096..4160].copy_from_slice(&slot);
    fs::write(data.join("journal/mark"), &file).unwrap();
    let found = verified(1, &data);
    let journal = &found["logs"][0];
    assert_eq!(journal["mark"], 1_u64 << 40, "{journal}");
    let advice = journal["mark_advice"].as_str().unwrap();
    assert!(advice.contains("reads every file"), "{advice}");
    // At a file that is there, what lies before it is history, and damage there keeps no engine from starting.
    let files = files(&found, "journal");
    let second = files[1]["start"].as_u64().unwrap();
    slot[24..32].copy_from_slice(&second.to_le_bytes());
    let crc = crc32fast::hash(&slot[..60]);
    slot[60..].copy_from_slice(&crc.to_le_bytes());
    file[4096..4160].copy_from_slice(&slot);
    fs::write(data.join("journal/mark"), &file).unwrap();
    let found = verified(0, &data);
    assert_eq!(found["logs"][0]["mark"], second);
    let history: Vec<_> = found["logs"][0]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["history"] == true)
        .collect();
    assert!(history[0] && !history[1..].contains(&true), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_read_is_told_from_damage_and_a_reader_may_leave() {
    let (_carrier, setting) = setting();
    let nowhere = hikyaku(&["verify", "--dir", setting.data().to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("journal.dir"));

    let (engine, _caller, _ids) = busy_engine(&setting).await;
    engine.kill();
    let data = setting.data();
    let mut dump = Command::new(env!("CARGO_BIN_EXE_hikyaku"))
        .args(["journal", "dump", "--dir", data.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(dump.stdout.take());
    let mut said = String::new();
    dump.stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((dump.wait().unwrap().code(), said.as_str()), (Some(0), ""));

    // A folder in the place of a file is what a file system says no to, whoever asks.
    let first = PathBuf::from(
        files(&verified(0, &data), "written")[0]["file"]
            .as_str()
            .unwrap(),
    );
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    let found = verified(2, &data);
    assert_eq!(
        (&found["verdict"], &files(&found, "written")[0]["state"]),
        (&"unread".into(), &"unread".into())
    );
}
