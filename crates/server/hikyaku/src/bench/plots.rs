//! The charts of a report.

use message::CATEGORIES;

use super::chart::{Axis, Chart, Look, Point, Series};
use super::plan::Scenario;
use super::report::{CaseReport, Figure, Report};
use super::scale::Scale;

/// Quantiles that are drawn against a parameter.
const QUANTILES: [&str; 2] = ["p50", "p99"];

/// Rate over time, at saturation and at the highest rate of the open loop.
pub(super) fn over_time(report: &Report) -> Vec<Chart> {
    let saturation = report.of(Scenario::Saturation).next();
    let open = report.of(Scenario::Open).last();
    let cases = saturation.into_iter().chain(open);
    cases.map(rate_over_time).collect()
}

fn rate_over_time(case: &CaseReport) -> Chart {
    let timeline = &case.timeline;
    let series = |name: &str, ticks: &[u64], colour| {
        let rate = |(nth, count): (usize, &u64)| {
            let at_s = (nth as f64 + 0.5) * timeline.tick_s;
            Point::exact(at_s, *count as f64 / timeline.tick_s)
        };
        Series {
            name: name.to_owned(),
            points: ticks.iter().enumerate().map(rate).collect(),
            look: Look::Line,
            colour,
        }
    };
    Chart {
        title: format!("Rate over time: {}", case.title),
        caption: "One run, the one in the middle; a tenth of a second a point. Shaded: what is measured. Before it the warm-up, after it the drain."
            .to_owned(),
        x: Axis::new("time, s", Scale::Linear),
        y: Axis::new("messages a second", Scale::Linear),
        series: vec![
            series("sent", &timeline.sent, 2),
            series("admitted", &timeline.admitted, 0),
            series("in a final state", &timeline.ended, 1),
        ],
        span: Some((timeline.measured_from_s, timeline.measured_to_s)),
    }
}

/// Latency by percentile: for each rate of the open loop, to the admission and to the end.
pub(super) fn latency(report: &Report) -> Vec<Chart> {
    let mut charts = Vec::new();
    for case in report.of(Scenario::Open) {
        let offered = case.median("offered").unwrap_or(0.0);
        for (step, words) in [
            ("submit_to_admit", "submit → admitted (durable)"),
            ("submit_to_final", "submit → final state"),
        ] {
            let lines = CATEGORIES
                .iter()
                .enumerate()
                .filter_map(|(colour, category)| {
                    let curve = case
                        .curves
                        .iter()
                        .find(|curve| curve.category == category.name() && curve.step == step)?;
                    let points = curve.points.iter().map(|(x, y)| Point::exact(*x, *y));
                    Some(Series {
                        name: lane(category.name()),
                        points: points.collect(),
                        look: Look::Line,
                        colour,
                    })
                });
            charts.push(Chart {
                title: format!("{words}, {}", case.title),
                caption: format!(
                    "{offered:.0} messages a second, moments fixed in advance; times from the intended moment, all runs together. {:.0} skipped.",
                    case.median("skipped").unwrap_or(0.0)
                ),
                x: Axis::new("percentile", Scale::Percentile),
                y: Axis::new("ms", Scale::Log),
                series: lines.collect(),
                span: None,
            });
        }
    }
    charts
}

/// Each category has a lane of its own, unless configured otherwise.
fn lane(category: &str) -> String {
    match category {
        "transactional" => "normal (transactional)".to_owned(),
        "promotional" => "bulk (promotional)".to_owned(),
        own => own.to_owned(),
    }
}

/// Latency against the rate, as the open loop had it.
pub(super) fn against_rate(report: &Report) -> Vec<Chart> {
    let mut series = Vec::new();
    for (nth, (category, name)) in [("otp", "otp"), ("promotional", "bulk")].iter().enumerate() {
        for (look, quantile) in [Look::Dots, Look::Dashed]
            .into_iter()
            .zip(QUANTILES.iter().rev())
        {
            let points = report.of(Scenario::Open).filter_map(|case| {
                let figure = case.figure(&format!("{category}_submit_to_admit_{quantile}"))?;
                Some(point(case.median("offered")?, figure))
            });
            series.push(Series {
                name: format!("{name} {quantile}"),
                points: points.collect(),
                look,
                colour: nth * 3,
            });
        }
    }
    vec![Chart {
        title: "submit → admitted, against the offered rate".to_owned(),
        caption: "Open loop. Medians; the band goes from the least to the most of all runs."
            .to_owned(),
        x: Axis::new("offered, messages a second", Scale::Linear),
        y: Axis::new("ms", Scale::Log),
        series,
        span: None,
    }]
}

/// Rate against the window, a line a number of sessions.
pub(super) fn against_sessions(report: &Report) -> Vec<Chart> {
    let cases: Vec<&CaseReport> = report.of(Scenario::Sessions).collect();
    let mut counts: Vec<u32> = cases.iter().map(|case| case.parameters.sessions).collect();
    counts.dedup();
    let mut series = Vec::new();
    for (colour, sessions) in counts.iter().enumerate() {
        let of_them = || {
            cases
                .iter()
                .filter(|case| case.parameters.sessions == *sessions)
        };
        let measured = of_them().filter_map(|case| {
            Some(point(
                f64::from(case.parameters.window),
                case.figure("ended")?,
            ))
        });
        let allowed = of_them().map(|case| {
            let parameters = &case.parameters;
            let in_flight = f64::from(parameters.window) * f64::from(parameters.sessions);
            let seconds = (parameters.carrier_latency_ms.max(1)) as f64 / 1e3;
            Point::exact(f64::from(parameters.window), in_flight / seconds)
        });
        series.push(Series {
            name: format!(
                "{sessions} session{}",
                if *sessions == 1 { "" } else { "s" }
            ),
            points: measured.collect(),
            look: Look::Dots,
            colour,
        });
        series.push(Series {
            name: String::new(),
            points: allowed.collect(),
            look: Look::Dashed,
            colour,
        });
    }
    let latency_ms = cases
        .first()
        .map_or(0, |case| case.parameters.carrier_latency_ms);
    vec![Chart {
        title: format!("Rate against window, carrier {latency_ms} ms away"),
        caption: "Closed loop. Dashed: what window times sessions allow when an answer takes just the carrier's own time. Bands: least and most of all runs."
            .to_owned(),
        x: Axis::new("window, requests in flight on one session", Scale::Log),
        y: Axis::new("messages a second in a final state", Scale::Log),
        series,
        span: None,
    }]
}

/// An otp's way, and memory, against the bulk that waits.
pub(super) fn against_backlog(report: &Report) -> Vec<Chart> {
    let series = |names: &[(&str, String)]| -> Vec<Series> {
        let lines = names.iter().enumerate().map(|(colour, (name, figure))| {
            let points = report.of(Scenario::Backlog).filter_map(|case| {
                Some(point(case.parameters.backlog as f64, case.figure(figure)?))
            });
            Series {
                name: (*name).to_owned(),
                points: points.collect(),
                look: Look::Dots,
                colour,
            }
        });
        lines.collect()
    };
    let first = report.of(Scenario::Backlog).next();
    let contract = first
        .and_then(|case| case.parameters.contract_per_second)
        .unwrap_or(0);
    let x = || Axis::new("bulk messages waiting", Scale::Linear);
    let ways =
        ["p50", "p99", "max"].map(|quantile| (quantile, format!("otp_admit_to_final_{quantile}")));
    vec![
        Chart {
            title: "otp, admitted → final state, against the backlog".to_owned(),
            caption: format!(
                "Open loop, otp only, while bulk waits for a contract of {contract}/s; the carrier answers and delivers at once. The client's clock, receipt and Watch included. Bands: least and most of all runs."
            ),
            x: x(),
            y: Axis::new("ms", Scale::Log),
            series: series(&ways),
            span: None,
        },
        Chart {
            title: "The engine's memory against the backlog".to_owned(),
            caption: "In RAM at the end of the measured span.".to_owned(),
            x: x(),
            y: Axis::new("MiB", Scale::Linear),
            series: series(&[("resident", "engine_rss".to_owned())]),
            span: None,
        },
    ]
}

fn point(x: f64, figure: &Figure) -> Point {
    Point {
        x,
        y: figure.median,
        low: figure.min,
        high: figure.max,
    }
}
