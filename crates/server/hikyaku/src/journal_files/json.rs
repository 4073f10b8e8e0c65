//! The report as one JSON object.

use journal::{FileFinding, WrittenIn};
use key_table::KeyFileAudit;
use serde_json::{Value, json};

use super::advice;
use super::report::{Absent, FileReport, KeysReport, LogReport, Mark, Report};

/// The whole report.
pub(super) fn report(report: &Report) -> Value {
    json!({
        "dir": report.dir,
        "verdict": report.verdict().word(),
        "engine_process": report.engine,
        "logs": report.logs.iter().map(log).collect::<Vec<_>>(),
        "keys": keys(&report.keys),
        "history": report.index_bytes.map(|bytes| json!({ "bytes": bytes, "checked": false })),
    })
}

fn log(log: &LogReport) -> Value {
    let error = match &log.absent {
        Some(Absent::Unlisted(error)) => Some(error.to_string()),
        None | Some(Absent::Missing) => None,
    };
    json!({
        "log": log.log.name(),
        "verdict": log.verdict().word(),
        "records": log.records(),
        "bytes": log.bytes(),
        "error": error,
        "mark": mark_of(log),
        "mark_advice": advice::of_mark(&log.mark),
        "files": log.files.iter().map(|found| file(log, found)).collect::<Vec<_>>(),
    })
}

/// Where recovery begins, if that is said.
fn mark_of(log: &LogReport) -> Option<u64> {
    match log.mark {
        Mark::At(position)
        | Mark::Missing {
            wanted: position, ..
        } => Some(position.0),
        Mark::None | Mark::Damaged | Mark::Unread(_) => None,
    }
}

fn file(log: &LogReport, file: &FileReport) -> Value {
    let audit = &file.audit;
    let (state, what, offset) = match &audit.finding {
        FileFinding::Whole | FileFinding::Stopped => ("whole", None, None),
        FileFinding::Growing => ("growing", None, None),
        FileFinding::Torn(tail) => {
            let what = tail.what.map(|what| what.to_string());
            ("torn", what, Some(tail.offset))
        }
        FileFinding::Damaged { error, .. } => ("damaged", Some(error.to_string()), offset_of(file)),
        FileFinding::Unread(error) => ("unread", Some(error.to_string()), None),
    };
    let resumes = match &audit.finding {
        FileFinding::Damaged { resumes, .. } => resumes.map(|position| position.0),
        FileFinding::Whole
        | FileFinding::Growing
        | FileFinding::Torn(_)
        | FileFinding::Unread(_)
        | FileFinding::Stopped => None,
    };
    json!({
        "file": audit.path,
        "start": audit.start.0,
        "end": audit.end.0,
        "records": audit.records,
        "bytes": audit.bytes,
        "made_at_ms": audit.origin.and_then(|origin| origin.made_at_ms),
        "boot": audit.origin.map(|origin| origin.boot.to_string()),
        "this_boot": audit.origin.map(|origin| origin.written_in == WrittenIn::ThisBoot),
        "state": state,
        "what": what,
        "offset": offset,
        "resumes": resumes,
        "unreadable_records": file.unreadable,
        "first_unreadable": file.first_unreadable.as_ref().map(|(position, what)| json!({ "position": position.0, "what": what })),
        "history": file.is_history,
        "advice": advice::of_file(log.log, file),
    })
}

fn offset_of(file: &FileReport) -> Option<u64> {
    match &file.audit.finding {
        FileFinding::Damaged {
            error: journal::OpenError::Damage { offset, .. },
            ..
        } => Some(*offset),
        FileFinding::Damaged { .. }
        | FileFinding::Whole
        | FileFinding::Growing
        | FileFinding::Torn(_)
        | FileFinding::Unread(_)
        | FileFinding::Stopped => None,
    }
}

fn keys(keys: &KeysReport) -> Value {
    json!({
        "verdict": keys.verdict().word(),
        "error": keys.error.as_ref().map(ToString::to_string),
        "files": keys.files.iter().map(key_file).collect::<Vec<_>>(),
    })
}

fn key_file(file: &KeyFileAudit) -> Value {
    let outline = file.outline;
    json!({
        "file": file.path,
        "bytes": file.bytes,
        "keys": outline.map(|outline| outline.rows),
        "made_ms": outline.map(|outline| [outline.made_ms.0, outline.made_ms.1]),
        "until_ms": outline.map(|outline| outline.until_ms),
        "covered": outline.map(|outline| [outline.covered.from, outline.covered.to]),
        "state": if file.damage.is_none() { "whole" } else { "damaged" },
        "what": file.damage.map(|damage| damage.to_string()),
        "advice": file.damage.map(|_| advice::KEY_FILE),
    })
}
