//! Runs of a case as figures: one value a run, then the median and the spread.

use std::time::Duration;

use loadgen::{Loaded, Step, TICK_NS, Tick, Times};
use message::CATEGORIES;

use super::measure::{Run, Spent};
use super::report::{Better, Curve, Figure, Timeline};
use super::usage::Usage;

/// Percentiles of a curve.
const CURVE: [f64; 15] = [
    0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99,
];
/// Percentiles that are figures of their own.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];
/// The steps, by their names in the report.
const STEPS: [(&str, Step); 4] = [
    ("intended_to_sent", Step::IntendedToSent),
    ("submit_to_admit", Step::SubmitToAdmit),
    ("admit_to_final", Step::AdmitToFinal),
    ("submit_to_final", Step::SubmitToFinal),
];

/// One value of one run.
struct Value {
    name: String,
    unit: &'static str,
    better: Better,
    value: f64,
}

impl Value {
    fn new(name: &str, unit: &'static str, better: Better, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            better,
            value,
        }
    }
}

/// All figures of a case.
pub(super) fn figures(runs: &[Run]) -> Vec<Figure> {
    let by_run: Vec<Vec<Value>> = runs.iter().map(values).collect();
    let Some(first) = by_run.first() else {
        return Vec::new();
    };
    let of = |wanted: &Value| {
        let values = by_run.iter().filter_map(|values| {
            let found = values.iter().find(|value| value.name == wanted.name);
            found.map(|value| value.value)
        });
        Figure::of(&wanted.name, wanted.unit, wanted.better, values.collect())
    };
    first.iter().filter_map(of).collect()
}

/// Latency over all runs together.
pub(super) fn curves(runs: &[Run]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for category in CATEGORIES {
        let mut times = Times::default();
        for run in runs {
            times.add(run.loaded.times(category));
        }
        for (name, step) in STEPS {
            let histogram = times.of(step);
            if histogram.is_empty() || step == Step::IntendedToSent {
                continue;
            }
            let count = histogram.len() as f64;
            // Beyond the last message there is nothing to tell one percentile from the next.
            let told = |percent: &&f64| (1.0 - **percent / 100.0) * count >= 0.999;
            let at = |percent: &f64| {
                let ns = histogram.value_at_quantile(percent / 100.0);
                (*percent, ms(ns))
            };
            curves.push(Curve {
                category: category.name().to_owned(),
                step: name.to_owned(),
                count: histogram.len(),
                points: CURVE.iter().filter(told).map(at).collect(),
            });
        }
    }
    curves
}

/// The run in the middle by rate, tick by tick.
pub(super) fn timeline(runs: &[Run]) -> Timeline {
    let mut by_rate: Vec<&Run> = runs.iter().collect();
    by_rate.sort_by_key(|run| run.loaded.measured.ended);
    let Some(run) = by_rate.get(by_rate.len() / 2) else {
        return Timeline::default();
    };
    let Loaded { ticks, span, .. } = &run.loaded;
    let of = |field: fn(&Tick) -> u64| ticks.iter().map(field).collect();
    Timeline {
        tick_s: TICK_NS as f64 / 1e9,
        measured_from_s: span.begins_ns as f64 / 1e9,
        measured_to_s: span.ends_ns as f64 / 1e9,
        sent: of(|tick| tick.sent),
        admitted: of(|tick| tick.admitted),
        ended: of(|tick| tick.ended),
        skipped: of(|tick| tick.skipped),
    }
}

fn values(run: &Run) -> Vec<Value> {
    use Better::{Higher, Lower, Neither};
    let Loaded { measured, span, .. } = &run.loaded;
    let per_second = |count: u64| count as f64 / span.seconds();
    let mut values = Vec::new();
    let mut add = |name: &str, unit, better, value| {
        values.push(Value::new(name, unit, better, value));
    };
    if let Some(offered) = run.offered_per_second {
        add("offered", "messages/s", Neither, offered);
    }
    add(
        "admitted",
        "messages/s",
        Higher,
        per_second(measured.admitted),
    );
    add("ended", "messages/s", Higher, per_second(measured.ended));
    add("skipped", "messages", Lower, measured.skipped as f64);
    add("refused", "messages", Lower, measured.refused as f64);
    if let Some(spent) = &run.spent {
        values.extend(spent_values(spent, measured.ended as f64, span.seconds()));
    }
    if let Some(calls) = run.calls_per_message {
        values.push(Value::new(
            "engine_system_calls_per_message",
            "calls",
            Lower,
            calls,
        ));
    }
    if let Some(journal) = &run.journal {
        let per_message = |count: f64| count / journal.messages;
        let per_batch = journal.records / journal.batches;
        values.extend([
            Value::new(
                "journal_bytes_per_message",
                "B",
                Lower,
                per_message(journal.bytes),
            ),
            Value::new(
                "journal_records_per_message",
                "records",
                Lower,
                per_message(journal.records),
            ),
            Value::new("journal_records_per_sync", "records", Higher, per_batch),
        ]);
    }
    values.extend(latencies(&run.loaded));
    values
}

fn spent_values(spent: &Spent, messages: f64, seconds: f64) -> Vec<Value> {
    use Better::{Lower, Neither};
    let cpu = |spent: Duration| spent.as_secs_f64() * 1e6 / messages;
    let mut values = Vec::new();
    for (name, usage) in [
        ("engine", &spent.engine),
        ("carrier", &spent.carrier),
        ("client", &spent.client),
    ] {
        // The client and the carrier are ours too, but not what is measured.
        let better = if name == "engine" { Lower } else { Neither };
        let Usage {
            peak_rss_mib,
            rss_mib,
            ..
        } = usage;
        values.extend([
            Value::new(
                &format!("{name}_cpu"),
                "CPU-s per million",
                better,
                cpu(usage.cpu()),
            ),
            Value::new(&format!("{name}_rss"), "MiB", better, *rss_mib),
            Value::new(&format!("{name}_peak_rss"), "MiB", better, *peak_rss_mib),
        ]);
    }
    for (thread, spent) in &spent.engine.cpu_by_thread {
        let name = format!("engine_thread_{thread}_cpu");
        values.push(Value::new(&name, "CPU-s per million", Lower, cpu(*spent)));
    }
    let engine = &spent.engine;
    let per_message = |count: u64| count as f64 / messages;
    values.extend([
        Value::new(
            "engine_read_calls_per_message",
            "calls",
            Lower,
            per_message(engine.read_calls),
        ),
        Value::new(
            "engine_write_calls_per_message",
            "calls",
            Lower,
            per_message(engine.write_calls),
        ),
        Value::new(
            "engine_sleeps_per_message",
            "sleeps",
            Lower,
            per_message(engine.sleeps),
        ),
        Value::new(
            "engine_storage_bytes_per_message",
            "B",
            Lower,
            per_message(engine.storage_bytes),
        ),
        Value::new(
            "others_cpu",
            "cores",
            Neither,
            spent.others.as_secs_f64() / seconds,
        ),
    ]);
    values
}

fn latencies(loaded: &Loaded) -> Vec<Value> {
    let mut values = Vec::new();
    for category in CATEGORIES {
        for (name, step) in STEPS {
            let histogram = loaded.times(category).of(step);
            if histogram.is_empty() {
                continue;
            }
            let better = match step {
                // Our own lateness: how exact the load was.
                Step::IntendedToSent => Better::Neither,
                Step::SubmitToAdmit | Step::AdmitToFinal | Step::SubmitToFinal => Better::Lower,
            };
            let prefix = format!("{}_{name}", category.name());
            for (quantile, part) in QUANTILES {
                let value = ms(histogram.value_at_quantile(part));
                values.push(Value::new(
                    &format!("{prefix}_{quantile}"),
                    "ms",
                    better,
                    value,
                ));
            }
            let max = ms(histogram.max());
            values.push(Value::new(&format!("{prefix}_max"), "ms", better, max));
        }
    }
    values
}

/// To the microsecond.
fn ms(ns: u64) -> f64 {
    (ns as f64 / 1e3).round() / 1e3
}
