//! `hikyaku bench compare`: two reports, case by case and figure by figure.
//!
//! A difference counts when the runs of both reports do not overlap: the least of one is above the most of the other. With fewer than two
//! runs a report has no spread, and nothing can be said.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;

use super::report::{Better, CaseReport, Figure, Report, SCHEMA};
use super::table::aligned;

const EXAMPLES: &str = "\
Examples:
  hikyaku bench compare before.json after.json         what differs by more than the runs do
  hikyaku bench compare before.json after.json --all   every figure

Figures of two machines, or of a quiet and a busy hour, compare the machines. Best: both in turns, on one machine that has nothing else to do.";

/// Compare two reports
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// The report to compare with
    #[arg(value_name = "A.json")]
    before: PathBuf,
    /// The report that may differ
    #[arg(value_name = "B.json")]
    after: PathBuf,
    /// Every figure, not only those that differ
    #[arg(long)]
    all: bool,
}

/// Why two reports cannot be compared.
#[derive(Debug, Error)]
pub(super) enum CompareError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a report of `hikyaku bench --json`: {source}", path.display())]
    NoReport {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} has the schema {schema}; this release reads {SCHEMA}", path.display())]
    Schema { path: PathBuf, schema: String },
    #[error("the two reports have no case in common")]
    NothingInCommon,
}

/// What two sets of runs say about each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Their runs do not overlap.
    Better,
    Worse,
    Differs,
    /// They do.
    WithinSpread,
    /// One of them has a single run.
    NoSpread,
}

impl Verdict {
    fn of(before: &Figure, after: &Figure) -> Self {
        if before.values.len() < 2 || after.values.len() < 2 {
            return Self::NoSpread;
        }
        let (higher, lower) = (after.min > before.max, after.max < before.min);
        match (after.better, higher, lower) {
            (_, false, false) => Self::WithinSpread,
            (Better::Higher, true, _) | (Better::Lower, _, true) => Self::Better,
            (Better::Higher, false, _) | (Better::Lower, _, false) => Self::Worse,
            (Better::Neither, ..) => Self::Differs,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Better => "better, beyond the spread",
            Self::Worse => "worse, beyond the spread",
            Self::Differs => "differs beyond the spread",
            Self::WithinSpread => "within the spread",
            Self::NoSpread => "one run: no spread to judge by",
        }
    }
}

/// The comparison as text.
pub(super) fn compare(args: &CompareArgs) -> Result<String, CompareError> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let mut text = format!("A  {}\nB  {}\n", headline(&before), headline(&after));
    if before.machine != after.machine {
        text.push_str(
            "\nThe machines differ: rates and times say more about them than about the engine.\n",
        );
    }
    let mut in_common = 0;
    for case in &after.cases {
        let Some(earlier) = before.cases.iter().find(|earlier| earlier.id == case.id) else {
            continue;
        };
        in_common += 1;
        text.push_str(&format!("\n{}\n", case.title));
        if earlier.parameters != case.parameters {
            text.push_str("  the parameters differ: not the same case any more\n");
        }
        text.push_str(&rows(earlier, case, args.all));
    }
    if in_common == 0 {
        return Err(CompareError::NothingInCommon);
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Report, CompareError> {
    let text = fs::read_to_string(path).map_err(|source| CompareError::Read {
        path: path.to_owned(),
        source,
    })?;
    let no_report = |source| CompareError::NoReport {
        path: path.to_owned(),
        source,
    };
    // The schema first: another version may have other fields.
    let value: serde_json::Value = serde_json::from_str(&text).map_err(no_report)?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(schema) if schema != SCHEMA => Err(CompareError::Schema {
            path: path.to_owned(),
            schema: schema.to_owned(),
        }),
        Some(_) | None => serde_json::from_value(value).map_err(no_report),
    }
}

fn headline(report: &Report) -> String {
    format!(
        "hikyaku {}, {} runs, {}",
        report.hikyaku_version,
        report.settings.repeats,
        report.place()
    )
}

fn rows(before: &CaseReport, after: &CaseReport, all: bool) -> String {
    let mut rows = vec![
        ["", "A", "B", "B/A", "spread A, B", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut within = 0;
    for figure in &after.figures {
        let Some(earlier) = before.figure(&figure.name) else {
            continue;
        };
        let verdict = Verdict::of(earlier, figure);
        if verdict == Verdict::WithinSpread && !all {
            within += 1;
            continue;
        }
        let ratio = figure.median / earlier.median;
        rows.push(vec![
            format!("  {}, {}", figure.name, figure.unit),
            number(earlier.median),
            number(figure.median),
            if ratio.is_finite() {
                format!("{ratio:.3}")
            } else {
                "-".to_owned()
            },
            format!("±{} ±{}", spread(earlier), spread(figure)),
            verdict.words().to_owned(),
        ]);
    }
    let mut text = String::new();
    if rows.len() > 1 {
        text.push_str(&aligned(&rows));
    }
    if within > 0 {
        text.push_str(&format!(
            "  {within} more figures are within the spread (--all shows them)\n"
        ));
    }
    text
}

/// Half of what the runs differ by, of their median.
fn spread(figure: &Figure) -> String {
    let half = (figure.max - figure.min) / 2.0 / figure.median.abs();
    if half.is_finite() {
        format!("{:.0}%", half * 100.0)
    } else {
        "-".to_owned()
    }
}

fn number(value: f64) -> String {
    let digits = if value.abs() >= 1_000.0 { 0 } else { 2 };
    super::table::grouped(value, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(better: Better, values: &[f64]) -> Figure {
        Figure::of("x", "ms", better, values.to_vec()).unwrap()
    }

    #[test]
    fn only_runs_that_do_not_overlap_differ() {
        let verdict = |better, before: &[f64], after: &[f64]| {
            Verdict::of(&figure(better, before), &figure(better, after))
        };
        let (low, high) = (&[1.0, 2.0, 3.0][..], &[3.5, 4.0][..]);
        assert_eq!(verdict(Better::Lower, low, high), Verdict::Worse);
        assert_eq!(verdict(Better::Lower, high, low), Verdict::Better);
        assert_eq!(verdict(Better::Higher, low, high), Verdict::Better);
        assert_eq!(verdict(Better::Higher, high, low), Verdict::Worse);
        assert_eq!(verdict(Better::Neither, low, high), Verdict::Differs);
        assert_eq!(
            verdict(Better::Lower, low, &[2.9, 9.0]),
            Verdict::WithinSpread
        );
        assert_eq!(verdict(Better::Lower, low, &[9.0]), Verdict::NoSpread);
        assert_eq!(verdict(Better::Lower, low, low), Verdict::WithinSpread);
    }

    #[test]
    fn a_spread_is_half_of_what_the_runs_differ_by() {
        assert_eq!(spread(&figure(Better::Lower, &[90.0, 100.0, 110.0])), "10%");
        assert_eq!(spread(&figure(Better::Lower, &[0.0, 0.0])), "-");
    }
}
