//! The report for a terminal.

use std::fmt;

use super::plan::{SCENARIOS, Scenario};
use super::report::{CaseReport, Report};

/// Prints the main figures of every case.
pub(super) struct Table<'a>(pub(super) &'a Report);

/// A column: its head, the figure, and how many digits follow the point.
pub(super) type Column = (&'static str, &'static str, usize);

const LOAD: [Column; 9] = [
    ("ended/s", "ended", 0),
    ("engine CPU-s/M", "engine_cpu", 2),
    ("carrier", "carrier_cpu", 2),
    ("client", "client_cpu", 2),
    ("calls/message", "engine_system_calls_per_message", 2),
    ("peak MiB", "engine_peak_rss", 0),
    ("bulk admit p99 ms", "promotional_submit_to_admit_p99", 2),
    ("otp admit p99", "otp_submit_to_admit_p99", 2),
    ("otp final p99", "otp_submit_to_final_p99", 2),
];
const OPEN: [Column; 8] = [
    ("offered/s", "offered", 0),
    ("ended/s", "ended", 0),
    ("skipped", "skipped", 0),
    ("engine CPU-s/M", "engine_cpu", 2),
    ("calls/message", "engine_system_calls_per_message", 2),
    ("bulk admit p99 ms", "promotional_submit_to_admit_p99", 2),
    ("otp admit p99", "otp_submit_to_admit_p99", 2),
    ("otp final p99", "otp_submit_to_final_p99", 2),
];
const BACKLOG: [Column; 5] = [
    ("MiB", "engine_rss", 0),
    ("otp admit p99 ms", "otp_submit_to_admit_p99", 2),
    ("otp admit→final p50", "otp_admit_to_final_p50", 2),
    ("p99", "otp_admit_to_final_p99", 2),
    ("max", "otp_admit_to_final_max", 2),
];
const SYNC: [Column; 7] = [
    ("ended/s", "ended", 0),
    ("engine CPU-s/M", "engine_cpu", 2),
    ("records/sync", "journal_records_per_sync", 0),
    ("journal B/message", "journal_bytes_per_message", 0),
    ("stored B/message", "engine_storage_bytes_per_message", 0),
    ("bulk admit p99 ms", "promotional_submit_to_admit_p99", 2),
    ("otp admit p99", "otp_submit_to_admit_p99", 2),
];

/// The columns of a scenario.
pub(super) const fn columns(scenario: Scenario) -> &'static [Column] {
    match scenario {
        Scenario::Saturation | Scenario::Sessions => &LOAD,
        Scenario::Open => &OPEN,
        Scenario::Backlog => &BACKLOG,
        Scenario::Sync => &SYNC,
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        writeln!(f, "{}", report.place())?;
        let runs = report.settings.repeats;
        writeln!(
            f,
            "medians of {runs} runs, [least–most] of the first column\n"
        )?;
        for scenario in SCENARIOS {
            let cases: Vec<&CaseReport> = report.of(scenario).collect();
            if !cases.is_empty() {
                section(f, columns(scenario), &cases)?;
            }
        }
        let others = report
            .cases
            .iter()
            .filter_map(|case| case.median("others_cpu"))
            .fold(0.0, f64::max);
        writeln!(f, "at most {others:.2} cores were busy with something else")
    }
}

fn section(f: &mut fmt::Formatter<'_>, columns: &[Column], cases: &[&CaseReport]) -> fmt::Result {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(columns.iter().map(|(head, ..)| (*head).to_owned()));
    for case in cases {
        let mut row = vec![case.title.clone()];
        for (nth, (_, name, digits)) in columns.iter().enumerate() {
            row.push(cell(case, name, *digits, nth == 0));
        }
        rows.push(row);
    }
    writeln!(f, "{}", aligned(&rows))
}

/// Rows as lines: the first column to the left, the others to the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (nth, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if nth == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cell(case: &CaseReport, name: &str, digits: usize, with_spread: bool) -> String {
    let Some(figure) = case.figure(name) else {
        return "-".to_owned();
    };
    let text = grouped(figure.median, digits);
    if with_spread && figure.values.len() > 1 {
        let (min, max) = (grouped(figure.min, digits), grouped(figure.max, digits));
        format!("{text} [{min}–{max}]")
    } else {
        text
    }
}

/// With digit groups, so that a column of rates can be read.
pub(super) fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (&*text, None),
    };
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => ("-", whole),
        None => ("", whole),
    };
    let mut grouped = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(-1_234.5, 1), "-1,234.5");
        assert_eq!(grouped(999.0, 2), "999.00");
        assert_eq!(grouped(0.0, 0), "0");
    }
}
