//! Where metrics are kept until somebody asks for them.
//!
//! One recorder a process. Its histograms have fixed buckets, and [`Recorder::keep_drained`] moves samples into them at an interval:
//! without either, every sample would be kept until the next scrape, and without scrapes for ever.

use std::sync::OnceLock;
use std::time::Duration;

use engine::{Description, Kind, METRICS};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::MissedTickBehavior;

use crate::process;

/// Upper bounds of the buckets of latencies: from a write to a page cache up to a queue that waits for minutes; close together where an
/// otp's head-of-line time is promised.
const LATENCY_SECONDS: [f64; 25] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.001_5, 0.002, 0.002_5, 0.003, 0.004, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0,
];
/// Upper bounds of the buckets of counts.
const COUNTS: [f64; 9] = [
    1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0,
];
/// At 100,000 messages a second half a million samples of each kind wait between two times.
const DRAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Every metric that this program has.
pub(crate) fn all_metrics() -> impl Iterator<Item = &'static Description> {
    METRICS.iter().chain(process::METRICS)
}

/// The recorder of this process.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// Installs the recorder, or hands out the one that is there.
    ///
    /// # Errors
    /// When another kind of recorder was installed first, which is a defect of ours.
    pub(crate) fn install() -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        if let Some(handle) = INSTALLED.get() {
            return Ok(Self(handle.clone()));
        }
        let handle = PrometheusBuilder::new()
            .set_buckets(&COUNTS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_SECONDS)?
            .install_recorder()?;
        describe();
        Ok(Self(INSTALLED.get_or_init(|| handle).clone()))
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        process::look();
        self.0.render()
    }

    /// Moves samples into their buckets, for ever.
    pub(crate) async fn keep_drained(self) {
        let mut times = tokio::time::interval(DRAIN_INTERVAL);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    for metric in all_metrics() {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_have_buckets_and_every_metric_its_help() {
        let recorder = Recorder::install().unwrap();
        let again = Recorder::install().unwrap();
        metrics::histogram!("hikyaku_journal_sync_seconds").record(0.002);
        metrics::histogram!("hikyaku_journal_batch_records").record(300.0);
        recorder.0.run_upkeep();
        let text = again.render();
        for line in [
            "# TYPE hikyaku_journal_sync_seconds histogram",
            "hikyaku_journal_sync_seconds_bucket{le=\"0.0025\"} 1",
            "hikyaku_journal_batch_records_bucket{le=\"1024\"} 1",
            "hikyaku_journal_batch_records_bucket{le=\"256\"} 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.contains("# HELP hikyaku_journal_sync_seconds Time of a group commit"));
    }
}
