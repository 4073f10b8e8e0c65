//! `hikyaku watch` over the death of the engine: it says so, goes on by itself, and prints every event once; a position that is gone ends it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use engine_process::caller::{connect, submission, submit};
use engine_process::{API_KEY, EngineProcess, PATIENCE, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The sequence of a message's first event, its admission.
const FIRST: u64 = 2;

fn command(engine: &EngineProcess, further: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hikyaku"));
    command
        .args(["watch", "--json", "--target", &engine.url()])
        .args(further)
        .env("HIKYAKU_API_KEY", API_KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The command at work, and what it has printed.
struct Watching {
    child: Child,
    lines: Receiver<Value>,
    /// States by message, in the order of their events.
    states: HashMap<String, Vec<u64>>,
}

impl Watching {
    fn start(engine: &EngineProcess, further: &[&str]) -> Self {
        let mut child = command(engine, further).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let object = serde_json::from_str(&line).unwrap();
                if sender.send(object).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            states: HashMap::new(),
        }
    }

    /// Reads until this message has ended.
    fn until_final(&mut self, id: &str) {
        loop {
            let object = self.lines.recv_timeout(PATIENCE).expect("an event in time");
            if object["type"] != "event" {
                continue;
            }
            let of = object["message_id"].as_str().unwrap().to_owned();
            let sequence = object["sequence"].as_u64().unwrap();
            let seen = self.states.entry(of.clone()).or_default();
            assert!(seen.last().is_none_or(|last| *last < sequence), "{object}");
            seen.push(sequence);
            if of == id && object["state"] == "delivered" {
                return;
            }
        }
    }

    /// What it said on standard error.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        said
    }
}

fn send(runtime: &Runtime, engine: &EngineProcess, nth: u64) -> String {
    runtime.block_on(async {
        let mut caller = connect(engine).await;
        submit(&mut caller, submission(v1::Category::Otp, nth)).await
    })
}

#[test]
fn a_watch_goes_on_by_itself_when_the_engine_is_back() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!(
        "hosts = [\"{}\"]\n[reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr()
    );
    let setting = Setting::new(&[("alpha", &lines)]);
    let mut engine = EngineProcess::start(&setting);
    setting.keep_ports(&engine);
    let runtime = Runtime::new().unwrap();

    // From the first position on, so that no event comes before the watch is in place.
    let origin = runtime.block_on(async {
        let mut caller = connect(&engine).await;
        let mut responses = caller
            .watch(v1::WatchRequest::default())
            .await
            .unwrap()
            .into_inner();
        responses.message().await.unwrap().unwrap().resume_position
    });
    let mut watching = Watching::start(&engine, &["--from", &origin]);
    let mut ids = Vec::new();
    for kill in 0..3 {
        let id = send(&runtime, &engine, kill);
        watching.until_final(&id);
        ids.push(id);
        engine.kill();
        engine = EngineProcess::start(&setting);
    }
    let last = send(&runtime, &engine, 9);
    watching.until_final(&last);
    for id in &ids {
        assert_eq!(watching.states[id].first(), Some(&FIRST), "{id}");
    }
    let said = watching.end();
    let told = said.matches("the watch goes on from its last position");
    assert!(told.count() >= 3, "{said}");
}

#[test]
fn a_position_that_is_gone_ends_the_watch_with_the_oldest_one() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!("hosts = [\"{}\"]", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    let engine = EngineProcess::start(&setting);
    let elsewhere = format!("01{:016x}{:016x}{:08x}", 1, 500, 0);
    let output = command(&engine, &["--from", &elsewhere]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["POSITION_LOST", "oldest position left, 01"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // The same position from a file: what to do with the file, and that it helps.
    let file = std::env::temp_dir().join(format!("hikyaku-lost-{}", std::process::id()));
    let path = file.to_str().unwrap();
    std::fs::write(&file, &elsewhere).unwrap();
    let output = command(&engine, &["--position-file", path])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (_, advice) = said
        .split_once(&format!("came from {path}: write "))
        .unwrap();
    let (oldest, _) = advice.split_once(" into that file").unwrap();
    std::fs::write(&file, oldest).unwrap();
    let mut resumed = command(&engine, &["--position-file", path])
        .spawn()
        .unwrap();
    engine.wait_until("the watch is in place", || {
        engine.metric("hikyaku_watchers") == 1.0
    });
    resumed.kill().unwrap();
    resumed.wait().unwrap();
    engine.wait_until("the watch is over", || {
        engine.metric("hikyaku_watchers") == 0.0
    });
    std::fs::remove_file(&file).unwrap();

    // An engine that ends, and a watch that was told to end with it.
    let mut once = command(&engine, &["--once"]).spawn().unwrap();
    engine.wait_until("the watch is in place", || {
        engine.metric("hikyaku_watchers") == 1.0
    });
    engine.terminate();
    assert_eq!(once.wait().unwrap().code(), Some(1));
}
