//! A disk that takes no more ends the engine with a clear text; what it had answered for is there after the next start.

mod engine_process;

use std::process::Command;

use engine_process::caller::{connect, look, submission, submit};
use engine_process::{EngineProcess, Setting};
use grpc_api::v1;

/// The largest file the engine may write in this scenario: 64 blocks of 512 octets, some hundred records. The signal that comes with
/// a larger one is ignored, so that the write fails as on a full disk.
const SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";

#[tokio::test]
async fn what_was_answered_for_survives_a_disk_that_fails() {
    // Nobody listens there: everything stays in its lane.
    let setting = Setting::new(&[("alpha", "hosts = [\"127.0.0.1:1\"]")]);
    let whole = setting.command("serve");
    let mut limited = Command::new("sh");
    limited.args(["-c", SMALL_FILES]).arg(whole.get_program());
    limited.args(whole.get_args());
    let mut engine = EngineProcess::start_as(limited);
    engine.wait_until("the engine is ready", || engine.get("/readyz").0 == 200);

    let mut caller = connect(&engine).await;
    let mut admitted = Vec::new();
    let refused = loop {
        let nth = admitted.len() as u64;
        let request = v1::SubmitRequest {
            submission: Some(submission(v1::Category::Transactional, nth)),
            on_full: v1::OnFull::Refuse.into(),
        };
        match caller.submit(request).await {
            Ok(answer) => admitted.push(answer.into_inner().message_id),
            Err(status) => break status,
        }
        assert!(nth < 100_000, "the disk never fails");
    };
    let (status, _) = engine.wait();
    let log = engine.log();
    assert_eq!(status.code(), Some(1), "{refused}\n{log}");
    assert!(log.contains("the journal failed: writing a batch"), "{log}");
    assert!(admitted.len() > 10, "{}", admitted.len());

    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    for id in &admitted {
        let view = look(&mut caller, id).await;
        assert_eq!(view.state(), v1::MessageState::Queued, "{view:?}");
    }
    submit(&mut caller, submission(v1::Category::Transactional, 0)).await;
}
