//! What a look at a data directory found.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine::FileStorage;
use journal::keyed::Key;
use journal::{
    FileAudit, FileFinding, LogAudit, LogContents, LogReader, MarkFound, OpenError, OtherSlot,
    Position, Record,
};
use key_table::{KeyFileAudit, KeyTableError};

use super::place::{LOGS, Log, holder};
use super::records::{self, Entered};

/// The whole directory.
pub(super) struct Report {
    pub(super) dir: PathBuf,
    /// The process that had its lock when the look began.
    pub(super) engine: Option<u32>,
    pub(super) logs: Vec<LogReport>,
    pub(super) keys: KeysReport,
    /// Bytes of the history index; none where there is none.
    pub(super) index_bytes: Option<u64>,
}

/// One log.
pub(super) struct LogReport {
    pub(super) log: Log,
    pub(super) files: Vec<FileReport>,
    /// Why there are no files.
    pub(super) absent: Option<Absent>,
    /// Where recovery begins; what lies before is history.
    pub(super) mark: Mark,
}

/// What is known of the replay mark.
pub(super) enum Mark {
    /// The log has none: recovery reads it from its first file on.
    None,
    /// Recovery begins at a file that is there.
    At(Position),
    /// Recovery cannot begin where it should.
    Missing {
        /// Where that is.
        wanted: Position,
        /// What it does instead.
        instead: Instead,
    },
    /// It says nothing; recovery reads all there is.
    Damaged,
    /// The operating system refused to read it.
    Unread(OpenError),
}

/// What recovery does where the file that the mark names is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// It reads all there is.
    ReadsAll,
    /// It refuses.
    Refuses,
}

/// Why a log has no files to look at.
pub(super) enum Absent {
    /// It was never made.
    Missing,
    /// It cannot be listed, or holds a file of a name that it cannot have.
    Unlisted(OpenError),
}

/// One file of a log.
pub(super) struct FileReport {
    pub(super) audit: FileAudit,
    /// Whole records that this release cannot read.
    pub(super) unreadable: u64,
    /// The first of them: where, and why.
    pub(super) first_unreadable: Option<(Position, String)>,
    /// Whether it lies before the mark: recovery does not read it.
    pub(super) is_history: bool,
}

/// The files of idempotency keys.
pub(super) struct KeysReport {
    pub(super) files: Vec<KeyFileAudit>,
    /// Why they could not be listed; a directory that was never made is no error.
    pub(super) error: Option<KeyTableError>,
}

/// What is to be said of all of it, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Everything that should be there is.
    Whole,
    /// Something could not be read, so that nobody knows.
    Unread,
    /// Something that had been written is not there any more, or not as it was.
    Damaged,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Unread => "unread",
            Self::Damaged => "damaged",
        }
    }
}

/// Looks at everything.
pub(super) fn look(dir: PathBuf) -> Report {
    Report {
        engine: holder(&dir),
        logs: LOGS.map(|log| look_at_log(&dir, log)).into(),
        keys: look_at_keys(&dir.join("keys")),
        index_bytes: folder_bytes(&dir.join("history")),
        dir,
    }
}

fn look_at_log(dir: &Path, log: Log) -> LogReport {
    let mut report = LogReport {
        log,
        files: Vec::new(),
        absent: None,
        mark: Mark::None,
    };
    let folder = dir.join(log.name());
    // Read first: while an engine runs, files go only before it.
    let found = read_mark(&folder, log);
    let mut audit = match LogAudit::open(FileStorage::shared(), folder, log.contents()) {
        Ok(audit) => audit,
        Err(error) => {
            report.absent = Some(match error {
                OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    Absent::Missing
                }
                error => Absent::Unlisted(error),
            });
            return report;
        }
    };
    let mut last_key = Key::default();
    loop {
        let (mut unreadable, mut first_unreadable) = (0, None);
        let found = audit.next_file(&mut |record| {
            if let Err(what) = check(log, record, &mut last_key) {
                unreadable += 1;
                first_unreadable.get_or_insert((record.start, what));
            }
            ControlFlow::Continue(())
        });
        match found {
            None => break,
            Some(audit) => report.files.push(FileReport {
                audit,
                unreadable,
                first_unreadable,
                is_history: false,
            }),
        }
    }
    judge_mark(&mut report, found);
    report
}

fn read_mark(folder: &Path, log: Log) -> Result<MarkFound, OpenError> {
    match log.contents() {
        LogContents::Journal => LogReader::open(
            FileStorage::shared(),
            folder.to_owned(),
            LogContents::Journal,
        )?
        .mark(),
        LogContents::Written | LogContents::Keyed => Ok(MarkFound::Missing),
    }
}

/// What opening makes of the mark.
fn judge_mark(report: &mut LogReport, found: Result<MarkFound, OpenError>) {
    report.mark = match found {
        Err(error) => Mark::Unread(error),
        Ok(MarkFound::Missing) => Mark::None,
        Ok(MarkFound::Damaged) => Mark::Damaged,
        Ok(MarkFound::At {
            position, other, ..
        }) => {
            let mut files = report.files.iter();
            let oldest = report.files.first().map(|file| file.audit.start);
            if files.any(|file| file.audit.start == position) {
                Mark::At(position)
            } else {
                let reads_all = oldest.is_some_and(|oldest| oldest < position)
                    || (oldest.is_some() && other == OtherSlot::Damaged);
                let instead = if reads_all {
                    Instead::ReadsAll
                } else {
                    Instead::Refuses
                };
                Mark::Missing {
                    wanted: position,
                    instead,
                }
            }
        }
    };
    if let Mark::At(position) = report.mark {
        for file in &mut report.files {
            file.is_history = file.audit.start < position;
        }
    }
}

fn check(log: Log, record: Record<'_>, last_key: &mut Key) -> Result<(), String> {
    match records::read(log, record.frame)? {
        Entered::Event(key, _) if key <= *last_key => Err(format!(
            "the key {}.{} does not rise",
            key.position, key.ordinal
        )),
        Entered::Event(key, _) => {
            *last_key = key;
            Ok(())
        }
        Entered::Mark(mark) if mark.is_gap => {
            *last_key = mark.through;
            Ok(())
        }
        Entered::Mark(mark) => {
            *last_key = mark.through.max(*last_key);
            Ok(())
        }
        Entered::Opened(_) | Entered::Record(_) => Ok(()),
    }
}

fn look_at_keys(dir: &Path) -> KeysReport {
    let mut files = Vec::new();
    let error = match key_table::audit(dir, &mut |file| files.push(file)) {
        Err(KeyTableError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        listed => listed.err(),
    };
    KeysReport { files, error }
}

/// Bytes of all files below a folder; none where there is no such folder.
fn folder_bytes(dir: &Path) -> Option<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        bytes += match entry.metadata() {
            Ok(found) if found.is_dir() => folder_bytes(&entry.path()).unwrap_or_default(),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
    }
    Some(bytes)
}

impl Report {
    pub(super) fn verdict(&self) -> Verdict {
        let logs = self.logs.iter().map(LogReport::verdict);
        logs.chain([self.keys.verdict()])
            .max()
            .unwrap_or(Verdict::Whole)
    }
}

impl LogReport {
    pub(super) fn verdict(&self) -> Verdict {
        let absent = match &self.absent {
            None | Some(Absent::Missing) => Verdict::Whole,
            Some(Absent::Unlisted(OpenError::Io { .. })) => Verdict::Unread,
            Some(Absent::Unlisted(_)) => Verdict::Damaged,
        };
        let mark = match self.mark {
            Mark::None | Mark::At(_) => Verdict::Whole,
            Mark::Missing { .. } | Mark::Damaged => Verdict::Damaged,
            Mark::Unread(_) => Verdict::Unread,
        };
        let files = self.files.iter().map(FileReport::verdict);
        files.max().unwrap_or(Verdict::Whole).max(absent).max(mark)
    }

    pub(super) fn records(&self) -> u64 {
        self.files.iter().map(|file| file.audit.records).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.audit.bytes).sum()
    }
}

impl FileReport {
    pub(super) fn verdict(&self) -> Verdict {
        let found = match self.audit.finding {
            FileFinding::Whole
            | FileFinding::Growing
            | FileFinding::Torn(_)
            | FileFinding::Stopped => Verdict::Whole,
            FileFinding::Unread(_) => Verdict::Unread,
            FileFinding::Damaged { .. } => Verdict::Damaged,
        };
        let read = if self.unreadable == 0 {
            Verdict::Whole
        } else {
            Verdict::Damaged
        };
        found.max(read)
    }
}

impl KeysReport {
    pub(super) fn verdict(&self) -> Verdict {
        let files = self.files.iter().filter_map(|file| file.damage);
        let worst = files.map(|damage| match damage {
            key_table::Damage::Read(_) => Verdict::Unread,
            key_table::Damage::Short { .. }
            | key_table::Damage::Magic
            | key_table::Damage::Format { .. }
            | key_table::Damage::Header
            | key_table::Damage::Length { .. }
            | key_table::Damage::Tail
            | key_table::Damage::Block { .. }
            | key_table::Damage::AheadOfJournal { .. } => Verdict::Damaged,
        });
        let listed = match self.error {
            None => Verdict::Whole,
            Some(_) => Verdict::Unread,
        };
        worst.max().unwrap_or(Verdict::Whole).max(listed)
    }
}
