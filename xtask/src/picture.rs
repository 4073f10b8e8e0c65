//! `cargo xtask dashboard-picture`: draws the committed Grafana dashboard as an SVG from what a Prometheus has scraped.
//!
//! No Grafana is involved: panels, places, titles, units, queries and legends are those of `deploy/grafana/hikyaku.json`, the values are what
//! Prometheus answers to those queries (`/api/v1/query_range`). Variables are replaced: `$instance` by every engine,
//! `$__rate_interval` by ten seconds.
//!
//! Limits: [`LINES_MAX`] lines of a panel, the largest ones, and as many entries of its legend as fit.

mod draw;
mod http;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use draw::{Line, Plot};

const DASHBOARD: &str = "deploy/grafana/hikyaku.json";
/// Points of a line: more could not be told apart in a panel.
const POINTS: u64 = 120;
const LINES_MAX: usize = 12;
const RATE_INTERVAL: &str = "10s";

/// What to draw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    prometheus: String,
    seconds: u64,
    out: String,
}

impl Options {
    /// Reads what stands behind the task's name.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let [
            "--prometheus",
            prometheus,
            "--seconds",
            seconds,
            "--out",
            out,
        ] = words
        else {
            return Err("wanted: --prometheus HOST:PORT --seconds N --out FILE".to_owned());
        };
        let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0);
        Ok(Self {
            prometheus: (*prometheus).to_owned(),
            seconds: seconds.ok_or("--seconds takes a number above 0")?,
            out: (*out).to_owned(),
        })
    }
}

/// Draws it.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    match draw_all(root, options) {
        Ok(panels) => {
            println!("{}: {panels} panels", options.out);
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("no picture: {what}");
            ExitCode::FAILURE
        }
    }
}

/// The stretch of time that is drawn, in seconds since 1970.
struct Span {
    from: u64,
    to: u64,
    step: u64,
}

fn draw_all(root: &Path, options: &Options) -> Result<usize, String> {
    let text = std::fs::read_to_string(root.join(DASHBOARD)).map_err(|it| it.to_string())?;
    let dashboard: Value = serde_json::from_str(&text).map_err(|it| it.to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let to = now.map_err(|it| it.to_string())?.as_secs();
    let span = Span {
        from: to - options.seconds,
        to,
        step: (options.seconds / POINTS).max(1),
    };
    let panels = dashboard["panels"].as_array().ok_or("it has no panels")?;
    let mut plots = Vec::new();
    for panel in panels {
        plots.push(plot(panel, &span, &options.prometheus)?);
    }
    let title = dashboard["title"].as_str().unwrap_or_default();
    let page = draw::page(title, &plots, options.seconds);
    std::fs::write(&options.out, page).map_err(|it| format!("{}: {it}", options.out))?;
    Ok(plots.len())
}

fn plot(panel: &Value, span: &Span, prometheus: &str) -> Result<Plot, String> {
    let place = |side: &str| panel["gridPos"][side].as_f64().unwrap_or_default();
    let mut lines = Vec::new();
    for target in panel["targets"].as_array().into_iter().flatten() {
        let legend = target["legendFormat"].as_str().unwrap_or_default();
        let expression = target["expr"].as_str().ok_or("a target has no query")?;
        let expression = expression
            .replace("$instance", ".+")
            .replace("$__rate_interval", RATE_INTERVAL);
        let page = format!(
            "/api/v1/query_range?query={}&start={}&end={}&step={}",
            http::escaped(&expression),
            span.from,
            span.to,
            span.step
        );
        let answer = http::ask(prometheus, &page)?;
        let found = answer["data"]["result"].as_array();
        lines.extend(found.into_iter().flatten().map(|it| line(it, legend, span)));
    }
    let largest = |line: &Line| line.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    lines.sort_by(|a, b| largest(b).total_cmp(&largest(a)));
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    Ok(Plot {
        is_row: panel["type"] == "row",
        title: panel["title"].as_str().unwrap_or_default().to_owned(),
        unit: panel["fieldConfig"]["defaults"]["unit"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        place: ["x", "y", "w", "h"].map(place),
        lines,
        more,
    })
}

fn line(series: &Value, legend: &str, span: &Span) -> Line {
    let mut name = legend.to_owned();
    for (label, value) in series["metric"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        name = name.replace(&format!("{{{{{label}}}}}"), value);
    }
    let whole = (span.to - span.from) as f64;
    let pairs = series["values"].as_array().into_iter().flatten();
    let points = pairs.filter_map(|pair| {
        let at = (pair[0].as_f64()? - span.from as f64) / whole;
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        value.is_finite().then_some((at, value))
    });
    Line {
        name: name.trim().to_owned(),
        points: points.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_becomes_a_line_with_its_labels_in_its_name() {
        let series = serde_json::json!({
            "metric": { "lane": "otp", "instance": "a" },
            "values": [[110, "4"], [120, "NaN"], [150, "8"]],
        });
        let span = Span {
            from: 100,
            to: 200,
            step: 1,
        };
        let line = line(&series, "p99 {{lane}}", &span);
        assert_eq!(line.name, "p99 otp");
        assert_eq!(line.points, [(0.1, 4.0), (0.5, 8.0)]);
    }

    #[test]
    fn every_option_is_wanted() {
        let words = ["--prometheus", "h:1", "--seconds", "60", "--out", "a.svg"];
        assert!(Options::parse(&words).is_ok());
        assert!(Options::parse(&words[..4]).is_err());
        assert!(Options::parse(&["--prometheus", "h:1", "--seconds", "0", "--out", "a"]).is_err());
    }
}
