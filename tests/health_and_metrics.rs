//! The admin address answers, whether carriers are there or not.

mod engine_process;

use engine_process::{EngineProcess, Setting};

#[test]
fn an_engine_whose_carrier_is_away_is_alive_ready_and_measured() {
    let setting = Setting::new(&[("alpha", "hosts = [\"127.0.0.1:1\"]\nsessions = 3")]);
    let engine = EngineProcess::start(&setting);
    assert_eq!(engine.get("/healthz"), (200, "alive\n".into()));
    assert_eq!(engine.get("/readyz"), (200, "ready\n".into()));
    assert_eq!(engine.get("/nothing").0, 404);

    let series = "hikyaku_configured_sessions{carrier=\"alpha\"}";
    engine.wait_until("the gauges are published", || engine.metric(series) == 3.0);
    assert_eq!(
        engine.metric("hikyaku_bound_sessions{carrier=\"alpha\"}"),
        0.0
    );
    engine.wait_until("a lost session tries again", || {
        engine.metric("hikyaku_reconnects_total{carrier=\"alpha\"}") > 0.0
    });

    let (status, page) = engine.get("/metrics");
    assert_eq!(status, 200);
    // What has labels that only traffic brings is described from the first sample on; the rest is there from the start.
    for line in [
        "# TYPE hikyaku_admitted_messages_total counter",
        "# HELP hikyaku_lane_messages Messages waiting in a lane, over all route groups.",
        "hikyaku_refused_submissions_total{reason=\"CREDITS_FULL\"} 0",
        "hikyaku_journal_failed 0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\n{page}");
    }
}
