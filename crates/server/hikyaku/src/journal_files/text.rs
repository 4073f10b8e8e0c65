//! The report as a person reads it: the verdict first, then a line a file, and under each that is not whole what to do.

use journal::{FileAudit, FileFinding, WrittenIn};
use key_table::KeyFileAudit;

use super::advice;
use super::report::{Absent, FileReport, KeysReport, LogReport, Mark, Report, Verdict};
use crate::when;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let dir = report.dir.display();
    let mut page = match report.verdict() {
        Verdict::Whole => format!("{dir}: whole.\n"),
        Verdict::Unread => format!("{dir}: NOT ALL COULD BE READ; the files are marked below.\n"),
        Verdict::Damaged => format!("{dir}: DAMAGED; the files are marked below.\n"),
    };
    if let Some(process) = report.engine {
        page += &format!(
            "An engine is at work here (process {process}): the end of each log is as of a moment ago.\n"
        );
    }
    for log in &report.logs {
        page += &of_log(log);
    }
    page += &of_keys(&report.keys);
    if let Some(bytes) = report.index_bytes {
        page += &format!("\nhistory: {}, {}\n", size(bytes), advice::INDEX);
    }
    page
}

fn of_log(log: &LogReport) -> String {
    let name = log.log.name();
    match &log.absent {
        Some(Absent::Missing) => return format!("\n{name}: none yet\n"),
        Some(Absent::Unlisted(error)) => return format!("\n{name}: {error}\n"),
        None => {}
    }
    let (files, records) = (log.files.len(), log.records());
    let mut page = format!(
        "\n{name}: {files} files, {records} records, {}",
        size(log.bytes())
    );
    if let (Some(first), Some(last)) = (log.files.first(), log.files.last()) {
        page += &format!(", positions {} to {}", first.audit.start, last.audit.end);
    }
    if let Mark::At(position) = log.mark {
        page += &format!("; recovery begins at {position}");
    }
    page.push('\n');
    if let Some(wrong) = advice::of_mark(&log.mark) {
        page += &format!("  MARK: {wrong}\n");
    }
    for file in &log.files {
        page += &of_file(log, file);
    }
    page
}

fn of_file(log: &LogReport, file: &FileReport) -> String {
    let audit = &file.audit;
    let name = audit.path.file_name().unwrap_or_default().display();
    let mut line = format!(
        "  {name}  {:>12} to {:<12} {:>9} records  {:>9}  {}  {}\n",
        audit.start,
        audit.end,
        audit.records,
        size(audit.bytes),
        origin(audit),
        state(file),
    );
    if let FileFinding::Damaged { error, resumes } = &audit.finding {
        line += &format!("      {error}\n");
        if let Some(resumes) = resumes {
            line += &format!(
                "      whole records go on at position {resumes}: {} bytes lie between\n",
                resumes.0 - audit.end.0
            );
        }
    }
    if let FileFinding::Unread(error) = &audit.finding {
        line += &format!("      {error}\n");
    }
    if let Some((position, what)) = &file.first_unreadable {
        line += &format!(
            "      {} records cannot be read, the first at position {position}: {what}\n",
            file.unreadable
        );
    }
    if let Some(todo) = advice::of_file(log.log, file) {
        line += &format!("      {todo}\n");
    }
    line
}

fn origin(audit: &FileAudit) -> String {
    let Some(origin) = audit.origin else {
        return format!("{:42}", "header unreadable");
    };
    let made = origin
        .made_at_ms
        .map_or_else(|| "before format 2".to_owned(), when::full);
    let boot = origin.boot.to_string();
    let this = match origin.written_in {
        WrittenIn::ThisBoot => "this boot",
        WrittenIn::EarlierBoot => boot.get(..8).unwrap_or(&boot),
    };
    format!("made {made:<24} boot {this:<9}")
}

fn state(file: &FileReport) -> String {
    match &file.audit.finding {
        FileFinding::Damaged { .. } => "DAMAGED".to_owned(),
        FileFinding::Unread(_) => "UNREAD".to_owned(),
        FileFinding::Torn(tail) => {
            format!(
                "torn tail: {} bytes at offset {}",
                tail.cut_bytes, tail.offset
            )
        }
        FileFinding::Whole | FileFinding::Growing | FileFinding::Stopped if file.unreadable > 0 => {
            "UNREADABLE RECORDS".to_owned()
        }
        FileFinding::Growing => "whole, growing".to_owned(),
        FileFinding::Whole if file.is_history => "whole, history".to_owned(),
        FileFinding::Whole | FileFinding::Stopped => "whole".to_owned(),
    }
}

fn of_keys(keys: &KeysReport) -> String {
    if let Some(error) = &keys.error {
        return format!("\nkeys: {error}\n");
    }
    let rows = keys.files.iter().filter_map(|file| file.outline);
    let rows: u64 = rows.map(|outline| outline.rows).sum();
    let mut page = format!("\nkeys: {} files, {rows} keys\n", keys.files.len());
    for file in &keys.files {
        page += &of_key_file(file);
    }
    page
}

fn of_key_file(file: &KeyFileAudit) -> String {
    let name = file.path.file_name().unwrap_or_default().display();
    let outline = file.outline.map_or_else(
        || "header unreadable".to_owned(),
        |outline| {
            format!(
                "{:>9} keys  made {} to {}  kept until {}",
                outline.rows,
                when::full(outline.made_ms.0),
                when::full(outline.made_ms.1),
                when::full(outline.until_ms),
            )
        },
    );
    let mut line = format!("  {name}  {:>9}  {outline}", size(file.bytes));
    match file.damage {
        None => line += "  whole\n",
        Some(damage) => line += &format!("  DAMAGED\n      {damage}\n      {}\n", advice::KEY_FILE),
    }
    line
}

/// Bytes as one would say them.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", tenths(1 << 10)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1 << 20)),
        1_073_741_824.. => format!("{} GiB", tenths(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use key_table::Damage;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_once() {
        for (damage, line) in [
            (Damage::Header, "its header does not match its checksum"),
            (
                Damage::Block { number: 347 },
                "block 347 does not match its checksum or its place",
            ),
        ] {
            let page = of_key_file(&KeyFileAudit {
                path: "keys/1-2-3.keys".into(),
                bytes: 4_096,
                outline: None,
                damage: Some(damage),
            });
            assert!(page.contains(&format!("\n      {line}\n")), "{page}");
        }
    }

    #[test]
    fn sizes_are_said_as_one_would() {
        assert_eq!(
            [7, 1_536, 64 << 20, 10 << 30].map(size),
            ["7 B", "1.5 KiB", "64.0 MiB", "10.0 GiB"]
        );
    }
}
