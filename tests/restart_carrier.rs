//! A carrier that dies ten times under load: every message ends once, what is in doubt says so, and the carrier is not stormed.

mod engine_process;

use std::time::Duration;

use engine_process::dice::Dice;
use engine_process::door::Door;
use engine_process::load::Load;
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 4_000;
const RESTARTS: u64 = 10;
/// Submits between two deaths, on average.
const APART: u64 = MESSAGES / (RESTARTS + 1);
const SESSIONS: usize = 4;
const GAP: Duration = Duration::from_millis(200);
/// So late the door may note a knock, which makes the gap behind it look that much shorter.
const NOTED_LATE: Duration = Duration::from_millis(100);

#[test]
fn ten_deaths_of_a_carrier_lose_nothing_and_copies_are_flagged() {
    let mut dice = Dice::seeded(1);
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = 20;
    script.jitter_ms = 20;
    // Longer than an absence, so that the policy decides about what is in doubt before the evidence comes.
    script.receipts.delay_ms = 1_000;
    script.receipts.jitter_ms = 500;
    script.receipts.resend_ms = 100;
    script.receipts.ratios.undeliverable = 0.05;
    let carrier = FakeSmsc::start(script).unwrap();
    let door = Door::before(carrier.local_addr());
    let lines = format!(
        "hosts = [\"{}\"]\nstamp_tlv = true\nsessions = {SESSIONS}\ncontract_per_second = 500\n\
         response_timeout_ms = 3_000\nreceipt_deadline_s = 10\nuncertain_deadline_s = 5\n\
         [uncertain_after_ms]\notp = 1_000\nalert = 1_000\nnormal = 2_000\nbulk = 2_000\n\
         [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = {}\n",
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
    let audit = load.close(&engine, &carrier);
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

    let knocks = door.knocks();
    assert!(
        knocks.len() >= SESSIONS + 2 * RESTARTS as usize,
        "{}",
        knocks.len()
    );
    for (at, pair) in knocks.windows(2).enumerate().skip(SESSIONS - 1) {
        let gap = pair[1] - pair[0];
        assert!(
            gap + NOTED_LATE >= GAP,
            "knock {} came {gap:?} after the one before",
            at + 1
        );
    }
    let again = (knocks.len() - SESSIONS) as f64;
    assert_eq!(
        engine.metric("hikyaku_reconnects_total{carrier=\"alpha\"}"),
        again
    );
}
