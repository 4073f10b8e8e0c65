//! A disk that takes no more ends the engine with a clear text; what it had answered for is there after the next start.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use engine_process::caller::{connect, look, submission, submit};
use engine_process::{EngineProcess, Setting, failing_disk};
use grpc_api::v1;

#[tokio::test]
async fn what_was_answered_for_survives_a_disk_that_fails() {
    // Nobody listens there: everything stays in its lane.
    let setting = Setting::new(&[("alpha", "hosts = [\"127.0.0.1:1\"]")]);
    let mut engine = failing_disk::start(&setting);

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
