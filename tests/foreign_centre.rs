//! Ten thousand messages with receipts to a message centre that we did not write. `tests/peers/run.sh` starts such centres and says where:
//!
//! ```sh
//! tests/peers/run.sh cargo test --test foreign_centre
//! ```
//!
//! Copies and receipts that nobody took are counted at the centre, and checked by the script.

mod engine_process;

use std::io::Write as _;

use engine_process::load::Load;
use engine_process::{EngineProcess, Setting};
use grpc_api::v1::MessageState;

const MESSAGES: u64 = 10_000;

#[test]
fn a_foreign_message_centre_loses_nothing() {
    let Ok(port) = std::env::var("PEER_PORT") else {
        // Not by a macro: those are captured, and this must be seen.
        let said =
            "\n!!! SKIPPED: no foreign message centre (PEER_PORT is not set); see tests/peers\n\n";
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    };
    let lines = format!(
        "hosts = [\"127.0.0.1:{port}\"]\nsessions = 2\nwindow = 50\nreceipt_deadline_s = 30\nuncertain_deadline_s = 30"
    );
    let setting = Setting::with(&[("alpha", &lines)], "[limits]\nmessages = 2_000");
    let engine = EngineProcess::start(&setting);
    let mut load = Load::new(MESSAGES);
    load.drive(&engine);
    let audit = load.close_unseen(&engine);
    assert_eq!(
        audit.ended_as(MessageState::Delivered),
        MESSAGES,
        "{audit:?}"
    );
    assert_eq!((audit.untold, audit.uncertain), (0, 0), "{audit:?}");
}
