//! SIGTERM ends the engine in order and in time; what cannot start says why.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::time::Duration;

use engine_process::caller::{connect, submission, submit, wait_for_state};
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};
use grpc_api::v1;

/// Nobody listens there.
const AWAY: &str = "hosts = [\"127.0.0.1:1\"]";

#[test]
fn sigterm_ends_it_with_0_before_its_time_is_over() {
    let setting = Setting::new(&[("alpha", AWAY)]);
    let mut engine = EngineProcess::start(&setting);
    engine.terminate();
    let (status, took) = engine.wait();
    assert_eq!(status.code(), Some(0), "{}", engine.log());
    assert!(took < Duration::from_secs(25), "{took:?}\n{}", engine.log());
    engine.wait_for_line("ended");
}

#[test]
fn a_second_engine_on_the_same_data_is_refused_and_the_first_goes_on() {
    let setting = Setting::new(&[("alpha", AWAY)]);
    let first = EngineProcess::start(&setting);
    let mut second = EngineProcess::start_unready(&setting);
    let (status, _) = second.wait();
    assert_eq!(status.code(), Some(1), "{}", second.log());
    let log = second.log();
    assert!(log.contains("lock"), "{log}");
    assert_eq!(first.get("/readyz").0, 200);
}

#[test]
fn an_address_in_use_is_named() {
    let setting = Setting::new(&[("alpha", AWAY)]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(setting.config()).unwrap();
    let text = text.replacen("127.0.0.1:0", &address, 1);
    setting.write("hikyaku.toml", &text);
    let ended = setting.command("serve").output().unwrap();
    let log = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(
        log.contains(&format!("server.listen cannot listen on {address}")),
        "{log}"
    );
}

/// Answers after `latency_ms`; `lost` is the share of submits it never answers.
fn slow_carrier(latency_ms: u64, lost: f64) -> SmscHandle {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = latency_ms;
    script.lost_answer_ratio = lost;
    FakeSmsc::start(script).unwrap()
}

fn towards(carrier: &SmscHandle) -> String {
    format!("hosts = [\"{}\"]\nstamp_tlv = true", carrier.local_addr())
}

/// Submits one message and waits until it is on the wire.
async fn put_in_flight(engine: &EngineProcess, carrier: &SmscHandle) -> String {
    let mut caller = connect(engine).await;
    let id = submit(&mut caller, submission(v1::Category::Otp, 1)).await;
    engine.wait_until("it is with the carrier", || carrier.snapshot().submits == 1);
    id
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_the_end_and_not_sent_again() {
    let carrier = slow_carrier(500, 0.0);
    let setting = Setting::new(&[("alpha", &towards(&carrier))]);
    let mut engine = EngineProcess::start(&setting);
    let id = put_in_flight(&engine, &carrier).await;
    engine.terminate();
    let (status, _) = engine.wait();
    assert_eq!(status.code(), Some(0), "{}", engine.log());

    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let view = wait_for_state(&mut caller, &id, v1::MessageState::Delivered).await;
    assert_eq!(
        (view.attempt, view.uncertain),
        (1, false),
        "{}",
        engine.log()
    );
    assert_eq!(carrier.stop().counts.submits, 1);
}

#[tokio::test]
async fn a_carrier_that_never_answers_cannot_hold_the_end_up() {
    let carrier = slow_carrier(0, 1.0);
    let setting = Setting::new(&[("alpha", &towards(&carrier))]);
    let text = std::fs::read_to_string(setting.config()).unwrap();
    setting.write(
        "hikyaku.toml",
        &text.replace("[server]", "[server]\ndrain_s = 2"),
    );
    let mut engine = EngineProcess::start(&setting);
    put_in_flight(&engine, &carrier).await;
    engine.terminate();
    let (status, took) = engine.wait();
    assert_eq!(status.code(), Some(0), "{}", engine.log());
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(
        engine.log().contains("the time to drain is over"),
        "{}",
        engine.log()
    );
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let carrier = slow_carrier(0, 1.0);
    let setting = Setting::new(&[("alpha", &towards(&carrier))]);
    let mut engine = EngineProcess::start(&setting);
    put_in_flight(&engine, &carrier).await;
    engine.terminate();
    engine.wait_for_line("told to end: draining");
    assert_eq!(engine.get("/healthz").0, 200);
    engine.wait_until("it says that it drains", || {
        engine.get("/readyz") == (503, "draining: nothing more is admitted\n".into())
    });
    engine.terminate();
    let (status, _) = engine.wait();
    assert_eq!(status.code(), Some(1), "{}", engine.log());
    assert!(
        !engine.log().contains("the time to drain is over"),
        "{}",
        engine.log()
    );
}
