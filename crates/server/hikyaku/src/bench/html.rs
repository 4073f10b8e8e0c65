//! The report as one page: no script, no other file, light or dark as the reader has it.

use std::fmt::Write as _;

use super::chart::{Chart, escaped};
use super::plan::{SCENARIOS, Scenario};
use super::plots;
use super::report::{CaseReport, Report};
use super::table::{columns, grouped};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6676;--paper:#fff;--line:#d9dee5;--shade:#f1f4f8;\
--c0:#0b63b5;--c1:#d1510a;--c2:#0a8a63;--c3:#a63d87;--c4:#8a6d00;--c5:#5a5fc7}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--paper:#12161c;--line:#2c3541;--shade:#1a212a;\
--c0:#58a6ff;--c1:#ff9557;--c2:#3ecf9c;--c3:#e38ac8;--c4:#e0c04a;--c5:#a5a9ff}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1400px;padding:28px 24px 60px;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:38px 0 6px;border-bottom:1px solid var(--line);padding-bottom:4px}\
p{max-width:90ch;margin:6px 0}.soft{color:var(--soft)}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));gap:20px;margin-top:14px}\
figure{margin:0;border:1px solid var(--line);border-radius:8px;padding:14px 14px 10px}\
figcaption{color:var(--soft);font-size:13px;line-height:1.4;margin-top:6px}\
svg{display:block;width:100%;height:auto;font-family:inherit}svg text{fill:var(--ink)}\
.title{font-size:14px;font-weight:600}.legend,.label{font-size:12px}.mark{font-size:11px}svg .mark,svg .label{fill:var(--soft)}\
.grid{stroke:var(--line);stroke-width:1;fill:none}.axis{stroke:var(--soft);stroke-width:1;fill:none}.span{fill:var(--shade)}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:5 4;stroke-width:1.4;opacity:.75}.band{stroke:none!important;opacity:.14}\
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}\
.band.c0,.dot.c0{fill:var(--c0)}.band.c1,.dot.c1{fill:var(--c1)}.band.c2,.dot.c2{fill:var(--c2)}.band.c3,.dot.c3{fill:var(--c3)}\
.band.c4,.dot.c4{fill:var(--c4)}.band.c5,.dot.c5{fill:var(--c5)}\
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:12px 0;font-variant-numeric:tabular-nums;font-size:14px}\
th,td{padding:5px 12px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th{font-weight:600;color:var(--soft)}\
th:first-child,td:first-child{text-align:left;padding-left:0}small{color:var(--soft);display:block;font-size:12px}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::with_capacity(200_000);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>hikyaku bench</title>\n",
    );
    put(&mut page, format_args!("<style>{STYLE}</style>\n"));
    head(&mut page, report);
    for scenario in SCENARIOS {
        let cases: Vec<&CaseReport> = report.of(scenario).collect();
        if cases.is_empty() {
            continue;
        }
        let (title, words) = words(scenario);
        put(
            &mut page,
            format_args!("<h2>{title}</h2>\n<p class=\"soft\">{words}</p>\n"),
        );
        table(&mut page, scenario, &cases);
        charts(&mut page, &drawn(scenario, report));
    }
    page.push_str("</html>\n");
    page
}

/// Writing into a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn head(page: &mut String, report: &Report) {
    let settings = &report.settings;
    let who = match &settings.target {
        Some(url) => format!("an engine at {url}"),
        None => format!(
            "hikyaku {}, engine, carrier and client as processes of their own over loopback",
            report.hikyaku_version
        ),
    };
    let busy = report
        .cases
        .iter()
        .filter_map(|case| case.median("others_cpu"));
    let busy: Vec<f64> = busy.collect();
    let most = busy.iter().copied().fold(0.0, f64::max);
    put(
        page,
        format_args!(
            "<h1>hikyaku bench</h1>\n<p>{}<br>{}</p>\n\
             <p class=\"soft\">Medians of {} runs after {} s of warm-up, with the least and the most below; rounds go over all cases before one comes again. \
             A run that loses a message, sends one twice or ends one as anything but delivered gives no figure. \
             Client, engine and carrier share the cores, so that a rate is what the others left over; processor time for a million messages carries over to another machine. \
             In the noisiest case {most:.2} cores were busy with something else.</p>\n",
            escaped(&who),
            escaped(&report.place()),
            settings.repeats,
            settings.warm_up_s,
        ),
    );
}

const fn words(scenario: Scenario) -> (&'static str, &'static str) {
    match scenario {
        Scenario::Saturation => (
            "Saturation",
            "Closed loop: so many messages are in flight, and the next one goes when one has ended. The most the engine takes here; times are the messages in flight divided by the rate.",
        ),
        Scenario::Open => (
            "Latency at a fixed rate",
            "Open loop: moments fixed in advance as a Poisson process, times from the intended moment, whatever holds the client up.",
        ),
        Scenario::Sessions => (
            "Sessions and window",
            "Closed loop against a carrier that takes its time to answer: how much of the round trip a window fills.",
        ),
        Scenario::Backlog => (
            "An otp behind a backlog",
            "Bulk waits for a carrier's contract while otp comes at a tenth of it.",
        ),
        Scenario::Sync => (
            "Ways to sync the journal",
            "With each value of journal.sync: a closed loop for the rate, and an open loop at the same part of saturation for the latency.",
        ),
    }
}

fn drawn(scenario: Scenario, report: &Report) -> Vec<Chart> {
    match scenario {
        Scenario::Saturation => plots::over_time(report),
        Scenario::Open => {
            let mut charts = plots::latency(report);
            charts.extend(plots::against_rate(report));
            charts
        }
        Scenario::Sessions => plots::against_sessions(report),
        Scenario::Backlog => plots::against_backlog(report),
        Scenario::Sync => Vec::new(),
    }
}

fn charts(page: &mut String, charts: &[Chart]) {
    if charts.is_empty() {
        return;
    }
    page.push_str("<div class=\"charts\">\n");
    for chart in charts {
        page.push_str(&chart.html());
    }
    page.push_str("</div>\n");
}

fn table(page: &mut String, scenario: Scenario, cases: &[&CaseReport]) {
    let columns = columns(scenario);
    page.push_str("<div class=\"scroll\"><table>\n<tr><th></th>");
    for (head, ..) in columns {
        put(page, format_args!("<th>{}</th>", escaped(head)));
    }
    page.push_str("</tr>\n");
    for case in cases {
        put(page, format_args!("<tr><td>{}</td>", escaped(&case.title)));
        for (_, name, digits) in columns {
            match case.figure(name) {
                None => page.push_str("<td>–</td>"),
                Some(figure) => {
                    let [median, min, max] = [figure.median, figure.min, figure.max]
                        .map(|value| grouped(value, *digits));
                    put(
                        page,
                        format_args!("<td>{median}<small>{min} – {max}</small></td>"),
                    );
                }
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}
