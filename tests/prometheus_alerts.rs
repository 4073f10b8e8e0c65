//! A real Prometheus scrapes the engine under load: alerts fire when something breaks, clear when it is well again, and are silent before.
//!
//! ```sh
//! deploy/check.sh cargo test --test prometheus_alerts
//! ```

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::collections::BTreeSet;

use engine_process::load::Load;
use engine_process::prometheus::{Prometheus, binary, rules};
use engine_process::scene::IMPATIENT;
use engine_process::{EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};

const MESSAGES: u64 = 20_000;

#[test]
fn a_carrier_that_goes_is_told_and_one_that_comes_back_too() {
    let Some(binary) = binary() else { return };
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let lines = format!(
        "hosts = [\"{}\"]\nsessions = 2\ncontract_per_second = 300\n{IMPATIENT}\n\
         [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr()
    );
    let setting = Setting::with(&[("alpha", &lines)], "[limits]\nmessages = 100_000");
    let engine = EngineProcess::start(&setting);
    setting.keep_ports(&engine);
    let prometheus = Prometheus::start(&binary, &setting, &engine);
    let mut load = Load::new(MESSAGES);
    load.drive(&engine);

    engine.wait_until("the load is scraped", || {
        let admitted = prometheus.ask("query?query=sum(hikyaku_admitted_messages_total)");
        let value = admitted["result"][0]["value"][1].as_str();
        value.is_some_and(|value| value != "0")
    });
    assert_no_rule_is_blind(&prometheus);
    let told = |name: &str| {
        let name = name.to_owned();
        move |firing: &[(String, serde_json::Value)]| {
            let mut of = firing.iter().filter(|(alert, _)| *alert == name);
            of.any(|(_, labels)| labels["carrier"].as_str().is_none_or(|it| it == "alpha"))
        }
    };
    // Before the first scrape nothing was there; now nothing is wrong, and nobody gets up.
    prometheus.wait_until("no page fires", |firing| {
        firing
            .iter()
            .all(|(_, labels)| labels["severity"] != "page")
    });

    carrier.pause().unwrap();
    prometheus.wait_until("the carrier's absence is told", told("HikyakuCarrierDown"));
    prometheus.wait_until("the otp that wait for it are told", told("HikyakuOtpWaits"));
    carrier.resume().unwrap();
    prometheus.wait_until("both alerts clear", |firing| {
        !told("HikyakuCarrierDown")(firing) && !told("HikyakuOtpWaits")(firing)
    });

    load.stop();
    engine.kill();
    prometheus.wait_until("the engine's end is told", told("HikyakuDown"));
    let engine = EngineProcess::start(&setting);
    prometheus.wait_until("that clears", |firing| !told("HikyakuDown")(firing));
    drop(engine);
}

/// Every metric that a rule names has a series: a rule on one that exists by name only would be silent for ever.
fn assert_no_rule_is_blind(prometheus: &Prometheus) {
    let known = prometheus.ask("label/__name__/values");
    let known: BTreeSet<_> = known
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it.as_str())
        .collect();
    let rules = rules();
    let expressions = rules.lines().filter(|line| !line.trim().starts_with('#'));
    let words = expressions
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with("hikyaku_"));
    for word in words {
        assert!(
            known.contains(word),
            "no series is called {word}: {known:?}"
        );
    }
}
