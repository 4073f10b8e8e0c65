//! A carrier that dies ten times under load: every message ends once, what is in doubt says so, and the carrier is not stormed.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::time::{Duration, Instant};

use engine_process::dice::Dice;
use engine_process::door::Door;
use engine_process::load::Load;
use engine_process::scene::IMPATIENT;
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 4_000;
const RESTARTS: u64 = 10;
/// Submits between two deaths, on average.
const APART: u64 = MESSAGES / (RESTARTS + 1);
const SESSIONS: usize = 4;
const GAP: Duration = Duration::from_millis(200);
/// Over so many gaps the connects are measured: a busy machine may note one late, but hardly by half of them all.
const GAPS: usize = 2 * SESSIONS;

#[test]
fn ten_deaths_of_a_carrier_lose_nothing_and_copies_are_flagged() {
    let mut dice = Dice::seeded(1);
    let carrier = carrier();
    let door = Door::before(carrier.local_addr());
    let lines = format!(
        "hosts = [\"{}\"]\nsessions = {SESSIONS}\ncontract_per_second = 500\n\
         {IMPATIENT}\n[reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = {}\n",
        door.address(),
        GAP.as_millis(),
    );
    let setting = Setting::with(&[("alpha", &lines)], "[limits]\nmessages = 400");
    let engine = EngineProcess::start(&setting);
    engine.wait_until("the first sessions are bound", || {
        carrier.snapshot().sessions_bound == SESSIONS as u64
    });
    let mut load = Load::new(MESSAGES);
    load.drive(&engine);
    for restart in 0..RESTARTS {
        let death = restart * APART + dice.below(APART);
        engine.wait_until("the carrier got enough", || {
            carrier.snapshot().submits >= death
        });
        carrier.pause().unwrap();
        let knocks = door.knocks().len() + 1 + usize::try_from(dice.below(3)).unwrap();
        engine.wait_until("the engine knocks", || door.knocks().len() >= knocks);
        carrier.resume().unwrap();
        engine.wait_until("the carrier is bound again", || {
            carrier.snapshot().sessions_bound > 0
        });
    }
    let audit = load.close(&engine, &[&carrier]);
    println!("{audit:?}");
    assert_eq!(audit.untold, 0, "{audit:?}");
    assert!(audit.uncertain > 0, "no death hit anything: {audit:?}");
    assert!(audit.copies > 0, "no resend made a copy: {audit:?}");
    let arrived =
        audit.ended_as(MessageState::Delivered) + audit.ended_as(MessageState::Undeliverable);
    assert_eq!(
        arrived + audit.ended_as(MessageState::Unknown),
        MESSAGES,
        "{audit:?}"
    );

    assert_spaced(&door.knocks());
    let again = (door.knocks().len() - SESSIONS) as f64;
    assert_eq!(
        engine.metric("hikyaku_reconnects_total{carrier=\"alpha\"}"),
        again
    );
}

/// Two connects of the carrier keep their distance, whichever sessions they are for.
fn assert_spaced(knocks: &[Instant]) {
    assert!(
        knocks.len() >= SESSIONS + 2 * RESTARTS as usize,
        "{}",
        knocks.len()
    );
    let again = &knocks[SESSIONS..];
    for (at, row) in again.windows(GAPS + 1).enumerate() {
        let span = row[GAPS] - row[0];
        assert!(
            span >= GAP * u32::try_from(GAPS).unwrap() / 2,
            "{GAPS} gaps from connect {at} on took {span:?}"
        );
    }
}

fn carrier() -> SmscHandle {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = 20;
    script.jitter_ms = 20;
    // Longer than an absence, so that the policy decides about what is in doubt before the evidence comes.
    script.receipts.delay_ms = 1_000;
    script.receipts.jitter_ms = 500;
    script.receipts.resend_ms = 100;
    script.receipts.ratios.undeliverable = 0.05;
    FakeSmsc::start(script).unwrap()
}
