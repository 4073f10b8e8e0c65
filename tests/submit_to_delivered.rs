//! The main job, the narrow way: one submission over gRPC, on disk, over SMPP to a message centre, its receipt back, every step seen.

mod engine_process;

use engine_process::caller::{connect, follow, look, submission, submit};
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1;

#[tokio::test]
async fn an_otp_is_admitted_sent_once_and_delivered() {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    // Long enough for the watch to be in place before the end.
    script.receipts.delay_ms = 200;
    let carrier = FakeSmsc::start(script).unwrap();
    let lines = format!("hosts = [\"{}\"]\nstamp_tlv = true", carrier.local_addr());
    let setting = Setting::new(&[("alpha", &lines)]);
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;

    let otp = v1::Submission {
        batch_id: "monday".into(),
        context: b"order 7".to_vec().into(),
        ..submission(v1::Category::Otp, 123_456)
    };
    let id = submit(&mut caller, otp).await;
    let events = follow(&mut caller, &id).await;
    let last = events.last().unwrap();
    assert_eq!(last.state(), v1::MessageState::Delivered, "{events:?}");
    assert_eq!(last.reason(), v1::Reason::ReceiptDelivered);
    assert_eq!((last.carrier.as_str(), last.attempt), ("alpha", 1));
    assert_eq!(
        (last.batch_id.as_str(), &last.context[..]),
        ("monday", &b"order 7"[..])
    );
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence),
        "{events:?}"
    );

    let view = look(&mut caller, &id).await;
    assert_eq!(view.state(), v1::MessageState::Delivered);
    assert!(!view.uncertain && !view.late && !view.carrier_message_id.is_empty());

    for (series, value) in [
        ("hikyaku_admitted_messages_total{lane=\"otp\"}", 1.0),
        ("hikyaku_final_messages_total{state=\"delivered\"}", 1.0),
        (
            "hikyaku_receipts_total{carrier=\"alpha\",match=\"matched\"}",
            1.0,
        ),
        ("hikyaku_submit_to_admit_seconds_count{lane=\"otp\"}", 1.0),
        ("hikyaku_live_messages", 0.0),
    ] {
        engine.wait_until(series, || engine.metric(series) == value);
    }
    drop(engine);
    let report = carrier.stop();
    assert_eq!((report.counts.submits, report.counts.copies), (1, 0));
    assert_eq!(report.counts.receipts_acked, 1);
}
