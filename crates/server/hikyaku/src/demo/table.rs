//! The report for people.

use std::fmt;

use super::promises::Verdict;
use super::report::{CarrierReport, ClassReport, Report, Spread};

/// Shows a report as a table.
pub(super) struct Table<'a>(pub(super) &'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        ends(f, report)?;
        waits(f, report)?;
        carriers(f, &report.carriers)?;
        cost(f, report)?;
        promises(f, &report.promises)
    }
}

fn ends(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(
        f,
        "{} messages in {:.1} s: submitted through gRPC, kept on disk, sent to two simulated carriers, receipts back.\n",
        grouped(report.admitted),
        report.seconds
    )?;
    writeln!(f, "What became of them\n")?;
    let mut line = |name: &str, count: u64, meaning: &str| {
        writeln!(f, "  {name:<16}{:>12}   {meaning}", grouped(count))
    };
    line(
        "admitted",
        report.admitted,
        "on disk before the client had its answer",
    )?;
    for (reason, count) in &report.refused {
        line("refused", *count, reason)?;
    }
    for (name, count, meaning) in [
        (
            "delivered",
            report.delivered,
            "the carrier's receipt says so",
        ),
        ("sent", report.sent, "taken by the carrier, no receipt due"),
        (
            "undeliverable",
            report.undeliverable,
            "the receipt says it will not arrive",
        ),
        ("expired", report.expired, "too old, here or at the carrier"),
        (
            "rejected",
            report.rejected,
            "refused by the carrier for good",
        ),
        ("cancelled", report.cancelled, "withdrawn"),
        ("failed", report.failed, "no route or no attempts left"),
        ("unknown", report.unknown, "no evidence by the deadline"),
        ("pending", report.pending, "not at an end yet"),
        (
            "uncertain",
            report.uncertain,
            "may have been sent twice, and say so",
        ),
        (
            "sent twice",
            report.duplicated_unflagged,
            "without saying so",
        ),
        ("lost", report.lost, "admitted, and no end known"),
    ] {
        let always = ["delivered", "sent twice", "lost"].contains(&name);
        if count > 0 || always {
            line(name, count, meaning)?;
        }
    }
    Ok(())
}

fn waits(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(
        f,
        "\n{:<46} {:>11} {:>12} {:>10}",
        "How long they waited (ms)", "half within", "99 % within", "longest"
    )?;
    let mut class = |name: &str, class: &ClassReport| {
        writeln!(f, "\n  {name}")?;
        wait(f, "until on disk and answered", class.submit_to_admit_ms)?;
        wait(
            f,
            "then, until written to the carrier",
            class.admit_to_write_ms,
        )?;
        wait(f, "of that, as the next in its lane", class.head_of_line_ms)
    };
    class("one-time passwords", &report.otp)?;
    class("bulk", &report.bulk)
}

fn wait(f: &mut fmt::Formatter<'_>, name: &str, ms: Spread) -> fmt::Result {
    writeln!(
        f,
        "    {name:<42} {:>11} {:>12} {:>10}",
        milliseconds(ms.p50),
        milliseconds(ms.p99),
        milliseconds(ms.max)
    )
}

fn carriers(f: &mut fmt::Formatter<'_>, carriers: &[CarrierReport]) -> fmt::Result {
    writeln!(f)?;
    for heads in [
        [
            "The carriers",
            "messages",
            "bulk",
            "contract",
            "most written",
            "most received",
            "of the",
        ],
        [
            "",
            "",
            "a second",
            "a second",
            "in any second",
            "in any second",
            "contract",
        ],
    ] {
        let [name, messages, bulk, contract, written, received, used] = heads;
        writeln!(
            f,
            "{name:<18}{messages:>10} {bulk:>10} {contract:>10} {written:>14} {received:>14} {used:>9}"
        )?;
    }
    writeln!(f)?;
    for carrier in carriers {
        let contract = carrier
            .contracted_per_second
            .map_or_else(|| "none".to_owned(), |rate| grouped(u64::from(rate)));
        let used = carrier
            .utilisation
            .map_or_else(String::new, |part| format!("{:.1} %", part * 100.0));
        writeln!(
            f,
            "  {:<16}{:>10} {:>10} {contract:>10} {:>14} {:>14} {used:>9}",
            carrier.name,
            grouped(carrier.messages),
            grouped(carrier.bulk_per_second as u64),
            grouped(carrier.max_in_any_second_at_write),
            grouped(carrier.max_in_any_second_at_carrier),
        )?;
    }
    Ok(())
}

fn cost(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(
        f,
        "\nCost: {:.1} s of processor time for a million messages, {:.0} MB of memory; client, engine and both carriers together.",
        report.cpu_seconds_per_million, report.rss_peak_mb
    )
}

fn promises(f: &mut fmt::Formatter<'_>, verdicts: &[Verdict]) -> fmt::Result {
    writeln!(
        f,
        "\n{:<16}{:>8} {:>8}\n",
        "What is promised", "found", "allowed"
    )?;
    for verdict in verdicts {
        let word = if verdict.kept { "kept" } else { "BROKEN" };
        writeln!(
            f,
            "  {word:<12}{:>10} {:>8}   {}",
            figure(verdict.measured),
            figure(verdict.allowed),
            verdict.promise
        )?;
    }
    Ok(())
}

/// A whole number with commas between its thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2}")
    } else if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// Counts without, times with their decimals.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::promises::verdicts;
    use super::super::report::tests::sound;
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn the_table_shows_every_promise_and_leaves_out_what_did_not_happen() {
        let mut report = sound();
        report.promises = verdicts(&report, 0);
        report.lost = 3;
        let text = Table(&report).to_string();
        assert_eq!(
            text.matches("\n  kept").count(),
            report.promises.len(),
            "{text}"
        );
        assert!(
            text.contains("2,910") && !text.contains("cancelled"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 120),
            "{text}"
        );
    }
}
