//! The Grafana dashboard, made from the table of metrics: it cannot name what does not exist, and what `layout` does not place by hand is placed
//! by its prefix, or in the last row.
//!
//! The form of a query follows from what a metric is: counters as rates, gauges as they are, histograms as median and 99th percentile, each
//! split by its labels. Units follow from the last words of its name.

use engine::{Description, Kind};
use serde_json::{Value, json};

use crate::recorder::all_metrics;

mod layout;
use layout::Shows::{P99, Plain, Share, Since};
use layout::{Panel, ROWS, Shows};

/// Grafana's grid is 24 wide: three panels stand side by side.
const PANEL_WIDTH: usize = 8;
const PANEL_HEIGHT: usize = 7;
const PANELS_ACROSS: usize = 3;

/// The dashboard, ready to be imported.
pub(crate) fn dashboard() -> String {
    let text = serde_json::to_string_pretty(&json!({
        "uid": "hikyaku",
        "title": "Hikyaku",
        "description": "Generated: hikyaku reference dashboard > deploy/grafana/hikyaku.json",
        "tags": ["hikyaku"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": variables() },
        "panels": panels(),
    }));
    text.expect("a value made of strings and numbers is JSON") + "\n"
}

fn variables() -> Value {
    json!([
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
        },
        {
            "name": "instance",
            "label": "Engine",
            "type": "query",
            "datasource": data_source(),
            "query": { "query": "label_values(hikyaku_live_messages, instance)", "refId": "A" },
            "refresh": 2,
            "multi": true,
            "includeAll": true,
            "current": { "text": "All", "value": "$__all" },
        },
    ])
}

fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Rows and panels in the order of the page.
fn panels() -> Vec<Value> {
    let mut placed = Vec::new();
    let mut top = 0;
    let mut shown: Vec<&str> = ROWS
        .iter()
        .flat_map(|row| row.panels)
        .flat_map(|panel| panel.shows)
        .flat_map(|shows| shows.names())
        .collect();
    for row in ROWS {
        let mut cells: Vec<Value> = row.panels.iter().map(by_hand).collect();
        for metric in all_metrics() {
            let begins = |prefix: &&str| metric.name.starts_with(*prefix);
            if row.prefixes.iter().any(begins) && !shown.contains(&metric.name) {
                shown.push(metric.name);
                cells.push(by_itself(metric));
            }
        }
        if cells.is_empty() {
            continue;
        }
        placed.push(json!({
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "panels": [],
            "gridPos": { "x": 0, "y": top, "w": 24, "h": 1 },
        }));
        top += 1;
        for (at, mut cell) in cells.into_iter().enumerate() {
            cell["gridPos"] = json!({
                "x": at % PANELS_ACROSS * PANEL_WIDTH,
                "y": top + at / PANELS_ACROSS * PANEL_HEIGHT,
                "w": PANEL_WIDTH,
                "h": PANEL_HEIGHT,
            });
            placed.push(cell);
        }
        let last = placed.last().and_then(|cell| cell["gridPos"]["y"].as_u64());
        top = last.and_then(|y| usize::try_from(y).ok()).unwrap_or(top) + PANEL_HEIGHT;
    }
    for (number, panel) in (1..).zip(&mut placed) {
        panel["id"] = json!(number);
    }
    placed
}

fn by_hand(panel: &Panel) -> Value {
    let helps = panel.shows.iter().flat_map(|shows| shows.names());
    let help: Vec<_> = helps
        .map(|name| format!("{name}: {}", find(name).help))
        .collect();
    let several = panel.shows.len() > 1;
    let queries = panel.shows.iter().flat_map(|shows| shows.queries(several));
    cell(
        panel.title,
        &help.join("\n"),
        panel.shows[0].unit(),
        queries.collect(),
    )
}

fn by_itself(metric: &'static Description) -> Value {
    let shows = Plain(metric.name);
    let words = metric.name.trim_start_matches("hikyaku_").replace('_', " ");
    cell(&words, metric.help, shows.unit(), shows.queries(false))
}

/// A query and what its lines are called.
struct Query {
    expression: String,
    legend: String,
}

fn cell(title: &str, help: &str, unit: &str, queries: Vec<Query>) -> Value {
    let targets: Vec<_> = queries
        .into_iter()
        .zip('A'..='Z')
        .map(|(query, letter)| {
            json!({
                "refId": letter.to_string(),
                "datasource": data_source(),
                "expr": query.expression,
                "legendFormat": query.legend,
            })
        })
        .collect();
    json!({
        "type": "timeseries",
        "title": title,
        "description": help,
        "datasource": data_source(),
        "targets": targets,
        "fieldConfig": {
            "defaults": { "unit": unit, "min": 0, "custom": { "fillOpacity": 8, "lineWidth": 1 } },
            "overrides": [],
        },
        "options": {
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        },
    })
}

impl Shows {
    fn names(self) -> Vec<&'static str> {
        match self {
            Plain(name) | P99(name) | Since(name) => vec![name],
            Share(part, whole) => vec![part, whole],
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Share(..) => "percentunit",
            P99(_) | Since(_) => "s",
            Plain(name) => unit(find(name)),
        }
    }

    /// `several`: whether the panel shows other metrics too, so that a line needs its metric's name.
    fn queries(self, several: bool) -> Vec<Query> {
        let metric = find(self.names()[0]);
        let named = |prefix: &str| {
            let mut words: Vec<String> = Vec::new();
            if several {
                words.push(metric.name.trim_start_matches("hikyaku_").to_owned());
            }
            if !prefix.is_empty() {
                words.push(prefix.to_owned());
            }
            words.extend(metric.labels.iter().map(|label| format!("{{{{{label}}}}}")));
            if words.is_empty() {
                words.push("{{instance}}".to_owned());
            }
            words.join(" ")
        };
        let one = |expression: String, prefix: &str| {
            vec![Query {
                expression,
                legend: named(prefix),
            }]
        };
        match self {
            Plain(name) => match metric.kind {
                Kind::Counter | Kind::Gauge => one(value(metric), ""),
                Kind::Histogram => [0.5, 0.99]
                    .into_iter()
                    .flat_map(|of| {
                        let prefix = if of > 0.9 { "p99" } else { "p50" };
                        one(quantile(of, name), prefix)
                    })
                    .collect(),
            },
            P99(name) => one(quantile(0.99, name), ""),
            Share(_, whole) => one(format!("{} / {}", value(metric), value(find(whole))), ""),
            Since(name) => one(format!("time() - {name}{{{INSTANCE}}}"), ""),
        }
    }
}

const INSTANCE: &str = "instance=~\"$instance\"";

/// A counter's rate, a gauge as it is, per engine and label.
fn value(metric: &Description) -> String {
    let name = metric.name;
    match metric.kind {
        Kind::Counter => format!(
            "sum by (instance{}) (rate({name}{{{INSTANCE}}}[$__rate_interval]))",
            labels(metric)
        ),
        Kind::Gauge => format!("sum by (instance{}) ({name}{{{INSTANCE}}})", labels(metric)),
        Kind::Histogram => unreachable!("{name} is a distribution: a panel shows its quantiles"),
    }
}

fn quantile(of: f64, name: &str) -> String {
    let labels = labels(find(name));
    format!(
        "histogram_quantile({of}, sum by (le, instance{labels}) (rate({name}_bucket{{{INSTANCE}}}[$__rate_interval])))"
    )
}

fn labels(metric: &Description) -> String {
    metric
        .labels
        .iter()
        .map(|label| format!(", {label}"))
        .collect()
}

fn unit(metric: &Description) -> &'static str {
    let name = metric.name.trim_end_matches("_total");
    match metric.kind {
        Kind::Counter if name.ends_with("_bytes") => "Bps",
        Kind::Counter => "cps",
        Kind::Gauge | Kind::Histogram if name.contains("_bytes") => "bytes",
        Kind::Gauge | Kind::Histogram if name.ends_with("_seconds") => "s",
        Kind::Gauge | Kind::Histogram if name.ends_with("_ratio") => "percentunit",
        Kind::Gauge | Kind::Histogram => "short",
    }
}

/// The metric of this name.
///
/// # Panics
/// When there is none: the table above names what does not exist, and its test says so.
fn find(name: &str) -> &'static Description {
    all_metrics()
        .find(|metric| metric.name == name)
        .unwrap_or_else(|| panic!("no metric is called {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_on_the_dashboard_and_nothing_else() {
        let page: Value = serde_json::from_str(&dashboard()).unwrap();
        let panels = page["panels"].as_array().unwrap();
        let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
        let queries: Vec<_> = targets
            .flatten()
            .map(|target| target["expr"].as_str().unwrap())
            .collect();
        for metric in all_metrics() {
            let shown = queries.iter().any(|query| query.contains(metric.name));
            assert!(shown, "{} is on no panel", metric.name);
        }
        for query in queries {
            let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("hikyaku_")) {
                find(word.trim_end_matches("_bucket"));
            }
        }
    }

    #[test]
    fn panels_do_not_overlap() {
        let mut seen = std::collections::HashSet::new();
        for panel in panels() {
            let place = &panel["gridPos"];
            let y = place["y"].as_u64().unwrap();
            for line in y..y + place["h"].as_u64().unwrap() {
                assert!(seen.insert((place["x"].as_u64(), line)), "{panel}");
            }
        }
    }

    #[test]
    fn a_kind_makes_its_query() {
        let query = |shows: Shows| shows.queries(false).remove(0).expression;
        assert_eq!(
            query(Plain("hikyaku_final_messages_total")),
            "sum by (instance, state) (rate(hikyaku_final_messages_total{instance=~\"$instance\"}[$__rate_interval]))"
        );
        assert_eq!(
            query(P99("hikyaku_journal_sync_seconds")),
            "histogram_quantile(0.99, sum by (le, instance) \
             (rate(hikyaku_journal_sync_seconds_bucket{instance=~\"$instance\"}[$__rate_interval])))"
        );
    }
}
