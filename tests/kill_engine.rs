//! `kill -9` ten times under load, and three times more while the engine comes up: what was answered for ends once, and nothing is sent
//! twice without saying so.

mod engine_process;

use engine_process::dice::Dice;
use engine_process::load::Load;
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 4_000;
const KILLS: u64 = 10;
/// Answers between two kills, on average.
const APART: u64 = MESSAGES / (KILLS + 1);
/// After one in so many kills the next engine is killed too, as soon as it listens.
const EARLY: u64 = 3;

#[test]
fn ten_kills_of_the_engine_lose_nothing_and_copies_are_flagged() {
    let mut dice = Dice::seeded(2);
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = 20;
    script.jitter_ms = 20;
    // From well before a restart to well after it.
    script.receipts.delay_ms = 200;
    script.receipts.jitter_ms = 2_000;
    script.receipts.resend_ms = 100;
    script.receipts.timeout_ms = 2_000;
    script.receipts.ratios.undeliverable = 0.05;
    let carrier = FakeSmsc::start(script).unwrap();
    let lines = format!(
        "hosts = [\"{}\"]\nstamp_tlv = true\nsessions = 2\ncontract_per_second = 500\n\
         response_timeout_ms = 3_000\nreceipt_deadline_s = 10\nuncertain_deadline_s = 8\n\
         [uncertain_after_ms]\notp = 1_000\nalert = 1_000\nnormal = 2_000\nbulk = 2_000\n\
         [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr(),
    );
    let setting = Setting::with(&[("alpha", &lines)], "[limits]\nmessages = 400");
    let mut engine = EngineProcess::start(&setting);
    setting.keep_ports(&engine);
    let mut load = Load::new(MESSAGES);
    load.drive(&engine);
    for kill in 0..KILLS {
        let death = kill * APART + dice.below(APART);
        engine.wait_until("enough is answered", || load.answered() >= death);
        // Somewhere between two answers: so many segments later.
        let submits = carrier.snapshot().submits + dice.below(40);
        engine.wait_until("the carrier got some more", || {
            carrier.snapshot().submits >= submits || load.answered() == MESSAGES
        });
        engine.kill();
        if kill % EARLY == EARLY - 1 {
            EngineProcess::start_unready(&setting).kill();
        }
        engine = EngineProcess::start(&setting);
        load.drive(&engine);
    }
    let audit = load.close(&engine, &carrier);
    println!("{audit:?}");
    assert!(audit.uncertain > 0, "no kill hit anything: {audit:?}");
    assert!(audit.copies > 0, "no resend made a copy: {audit:?}");
    assert!(audit.untold < MESSAGES / 2, "{audit:?}");
    let arrived =
        audit.ended_as(MessageState::Delivered) + audit.ended_as(MessageState::Undeliverable);
    assert_eq!(
        arrived + audit.ended_as(MessageState::Unknown),
        MESSAGES,
        "{audit:?}"
    );
}
