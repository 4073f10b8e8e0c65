//! `kill -9` ten times under load, and three times more while the engine comes up: what was answered for ends once, and nothing is sent
//! twice without saying so. `cargo xtask kill-test` draws many such rounds.

mod engine_process;

use engine_process::dice::Dice;
use engine_process::scene::Scene;
use fakes::smsc::SmscConfig;
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 4_000;
const KILLS: u64 = 10;
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
    let mut scene = Scene::open(script, "sessions = 2\ncontract_per_second = 500", MESSAGES);
    for kill in 0..KILLS {
        scene.wait_for_part(kill, KILLS, &mut dice);
        scene = scene.kill(u64::from(kill % EARLY == EARLY - 1));
    }
    let (audit, _) = scene.close();
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
