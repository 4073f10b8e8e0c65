//! A carrier that loses answers, drops connections, refuses now and then, answers out of order and writes its ids in two ways, and an engine
//! that is killed meanwhile: the same promises.

mod engine_process;

use engine_process::dice::Dice;
use engine_process::scene::Scene;
use fakes::smsc::{IdFormat, SmscConfig};
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 2_000;
const KILLS: u64 = 3;
const LINES: &str = "sessions = 3\ncontract_per_second = 400\n\
    bind = \"transmitter+receiver\"\nreceiver_sessions = 2\n\
    message_id_response = \"hex\"\nmessage_id_receipt = \"dec\"";

#[test]
fn a_rough_carrier_and_a_killed_engine_lose_nothing_and_copies_are_flagged() {
    let mut dice = Dice::seeded(3);
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.seed = dice.below(1_000);
    script.latency_ms = 10;
    script.jitter_ms = 20;
    script.lost_answer_ratio = 0.02;
    script.drop_ratio = 0.005;
    script.reject_ratio = 0.03;
    script.shuffle_answers = 3;
    script.response_id_format = IdFormat::Hex;
    script.receipts.delay_ms = 100;
    script.receipts.jitter_ms = 1_500;
    script.receipts.resend_ms = 100;
    script.receipts.timeout_ms = 2_000;
    let mut scene = Scene::open(script, LINES, MESSAGES);
    for kill in 0..KILLS {
        scene.wait_for_part(kill, KILLS, &mut dice);
        scene = scene.kill(0);
    }
    let (audit, carrier) = scene.close();
    let counts = carrier.snapshot();
    assert!(
        counts.answers_lost > 0 && counts.connections_dropped > 0 && counts.rejected > 0,
        "the carrier was gentle: {counts:?}"
    );
    assert!(audit.uncertain >= counts.answers_lost / 2, "{audit:?}");
    // What the carrier took it sent a receipt for, so that hardly anything stays unknown, answer or not.
    let unknown = audit.ended_as(MessageState::Unknown);
    assert!(unknown <= MESSAGES / 200, "{audit:?}");
    assert_eq!(
        audit.ended_as(MessageState::Delivered) + unknown,
        MESSAGES,
        "{audit:?}"
    );
}
