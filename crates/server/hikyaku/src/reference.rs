//! `hikyaku reference`: the pages under `docs/reference/` and the dashboard under `deploy/grafana/`, made from the tables that the program
//! itself uses.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use engine::Kind;
use message::ALL_REASONS;

use crate::cli::put;
use crate::dashboard::dashboard;
use crate::recorder::all_metrics;

/// Print a page of the reference
#[derive(Args, Debug)]
pub(crate) struct ReferenceArgs {
    /// Which page
    page: Page,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Page {
    Metrics,
    Reasons,
    Dashboard,
}

/// Runs the command.
pub(crate) fn run(args: &ReferenceArgs) -> ExitCode {
    put(&match args.page {
        Page::Metrics => metrics(),
        Page::Reasons => reasons(),
        Page::Dashboard => dashboard(),
    });
    ExitCode::SUCCESS
}

fn metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Generated: hikyaku reference metrics > docs/reference/metrics.md -->\n\n\
         Served as Prometheus text on `/metrics` of the admin address.\n\n\
         Names are `hikyaku_<thing>_<unit or plural>`, and `_total` for what only rises. Times are in seconds, sizes in bytes. Labels come \
         from closed sets: lanes, states, reasons, outcomes, configured carriers; never a tenant, never a number.\n\n\
         | name | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in all_metrics() {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        page += &format!(
            "| `{}` | {kind} | {} | {} |\n",
            metric.name,
            labels.join(", "),
            metric.help
        );
    }
    page
}

fn reasons() -> String {
    let mut page = String::from(
        "# Reasons\n\n\
         <!-- Generated: hikyaku reference reasons > docs/reference/reasons.md -->\n\n\
         Every refusal, every move of a message and every attempt carries one of these. Numbers are never reused; a client may meet numbers \
         it does not know yet.\n",
    );
    for (hundred, heading) in [
        (0, "Nothing to say"),
        (1, "Refused at intake"),
        (2, "Ordinary moves"),
        (3, "Retries"),
        (4, "Uncertain attempts"),
        (5, "Ends"),
        (6, "Receipts"),
        (7, "Refused by the carrier"),
    ] {
        page += &format!("\n## {heading}\n\n| number | name | what it means |\n|---|---|---|\n");
        for reason in ALL_REASONS
            .iter()
            .filter(|reason| reason.number() / 100 == hundred)
        {
            page += &format!(
                "| {} | `{}` | {} |\n",
                reason.number(),
                reason.name(),
                reason.explanation()
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_every_metric_is_on_its_page() {
        let (reasons, metrics) = (reasons(), metrics());
        for reason in ALL_REASONS {
            assert!(
                reasons.contains(&format!("| `{}` |", reason.name())),
                "{reason}"
            );
        }
        for metric in all_metrics() {
            assert!(
                metrics.contains(&format!("| `{}` |", metric.name)),
                "{}",
                metric.name
            );
        }
    }
}
