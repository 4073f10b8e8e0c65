//! Looking at a log without touching it: what each file holds, how far it is whole, and what is wrong with it.
//!
//! Takes no lock and changes nothing, so that it may run beside a writer. The judgement is that of opening the log; where opening would
//! cut or refuse, this says so and goes on with the next file, so that one look shows everything there is to know.
//!
//! **Beside a writer** the end of the last file may be half written for a moment. A bad spot there is looked at again, [`LOOKS_MAX`] times
//! [`LOOK_INTERVAL`] apart, before it is judged; if the file went on meanwhile, the spot was a write under way. Files that retention deletes
//! between listing and opening are left out.
//!
//! **Limits.** One file is open at a time, in a buffer of at most two frames or 256 KiB; the list of files is held whole.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::header::FileHeader;
use crate::keyed::{self, Entry};
use crate::log_reader::read_header;
use crate::names::{self, FoundFile};
use crate::reader::{Ahead, FrameReader, Sought};
use crate::replay::{FileEnd, Progress, Reading};
use crate::storage::{Storage, StorageFile};
use crate::{BootId, LogContents, OpenError, Position, Record, ReplayError, TornTail, WrittenIn};

/// Looks at a bad spot in the last file before it is judged.
const LOOKS_MAX: u32 = 10;
/// Between two of them. A write of the largest batch takes a few milliseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A log's files, looked at one after the other.
#[derive(Debug)]
pub struct LogAudit {
    reading: Reading,
    ahead: VecDeque<FoundFile>,
    /// Where the next file should begin; unknown in front of the first.
    expected: Option<Position>,
    looks_max: u32,
}

/// What one file holds.
#[derive(Debug)]
pub struct FileAudit {
    /// Where it is.
    pub path: PathBuf,
    /// Position of its first record, as its name says.
    pub start: Position,
    /// Position behind the last record that is whole, of those in front of the first bad spot.
    pub end: Position,
    /// Records up to there.
    pub records: u64,
    /// The file's length, reserved space included.
    pub bytes: u64,
    /// What its header says; none where that cannot be read.
    pub origin: Option<FileOrigin>,
    /// Whether it is whole.
    pub finding: FileFinding,
}

/// Who made a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOrigin {
    /// When, in milliseconds since the Unix epoch; none where a release that did not note it made the file.
    pub made_at_ms: Option<u64>,
    /// The boot of the machine.
    pub boot: BootId,
    /// Whether that is the present one.
    pub written_in: WrittenIn,
}

/// Whether a file is whole.
#[derive(Debug)]
pub enum FileFinding {
    /// To its last record.
    Whole,
    /// To its last record so far: it grew while it was looked at.
    Growing,
    /// What a crash left half written at its end; the next start cuts it off. `cut_bytes` is what lies there, in this file.
    Torn(TornTail),
    /// Opening the log ends with this error.
    Damaged {
        /// What is wrong.
        error: OpenError,
        /// Where the next whole record of the file begins, if there is one.
        resumes: Option<Position>,
    },
    /// The operating system refused to read it.
    Unread(OpenError),
    /// Whoever took the records wanted no more.
    Stopped,
}

/// Ends a look early.
struct Stop;

/// Takes the records of a look.
type EachRecord<'a> = dyn FnMut(Record<'_>) -> ControlFlow<()> + 'a;

impl LogAudit {
    /// Lists the log in `dir`.
    ///
    /// # Errors
    /// [`OpenError`]: the directory cannot be listed, or holds a file whose name is none of a log.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        contents: LogContents,
    ) -> Result<LogAudit, OpenError> {
        let ahead = names::list(&*storage, &dir)?.into();
        Ok(LogAudit {
            reading: Reading::new(storage, dir, contents)?,
            ahead,
            expected: None,
            looks_max: LOOKS_MAX,
        })
    }

    /// Nobody writes: a bad spot is judged at once.
    #[must_use]
    pub fn without_writer(self) -> LogAudit {
        LogAudit {
            looks_max: 1,
            ..self
        }
    }

    /// Leaves out the files that hold nothing but records before `position`.
    pub fn skip_to(&mut self, position: Position) {
        while self.ahead.get(1).is_some_and(|next| next.start <= position) {
            self.ahead.pop_front();
        }
    }

    /// Looks at the next file and hands its records to `each`, in order, as far as they are whole; none behind the last file.
    pub fn next_file(&mut self, each: &mut EachRecord<'_>) -> Option<FileAudit> {
        loop {
            let file = self.ahead.pop_front()?;
            let handle = match self.reading.open(&file) {
                Ok(handle) => handle,
                Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    self.expected = None;
                    continue;
                }
                Err(error) => return Some(unread(&file, error)),
            };
            let audit = self.look(&file, &handle, each);
            self.expected = match audit.finding {
                FileFinding::Whole => Some(audit.end),
                // The successor may begin further on than what was there a moment ago.
                FileFinding::Growing
                | FileFinding::Torn(_)
                | FileFinding::Damaged { .. }
                | FileFinding::Unread(_)
                | FileFinding::Stopped => None,
            };
            return Some(audit);
        }
    }

    fn look(
        &mut self,
        file: &FoundFile,
        handle: &Arc<dyn StorageFile>,
        each: &mut EachRecord<'_>,
    ) -> FileAudit {
        let mut progress = Progress::at(file.start);
        let mut end = self.read(file, &mut progress, each);
        let mut grew = false;
        if self.ahead.is_empty() {
            for _ in 1..self.looks_max {
                if !is_bad(&end) {
                    break;
                }
                std::thread::sleep(LOOK_INTERVAL);
                let before = progress.replayed.end;
                end = self.read(file, &mut progress, each);
                if progress.replayed.end > before {
                    grew = true;
                    break;
                }
            }
        }
        let finding = if grew && is_bad(&end) {
            FileFinding::Growing
        } else {
            self.finding(file, handle, end)
        };
        let header = read_header(&**handle, file.start).ok().and_then(Result::ok);
        FileAudit {
            path: file.path.clone(),
            start: file.start,
            end: progress.replayed.end,
            records: progress.replayed.records,
            bytes: handle.length().unwrap_or_default(),
            origin: header.map(|header| self.origin(&header)),
            finding,
        }
    }

    /// Reads the file from its beginning; `each` gets the records behind those that were counted before.
    fn read(
        &self,
        file: &FoundFile,
        progress: &mut Progress,
        each: &mut EachRecord<'_>,
    ) -> Result<FileEnd, ReplayError<Stop>> {
        if let Some(expected) = self.expected.filter(|expected| *expected != file.start)
            && !self.begins_anew(file)
        {
            let mut files = vec![file.clone()];
            files.extend(self.ahead.iter().cloned());
            return Ok(self.reading.judge_gap(&files, expected)?);
        }
        let seen = progress.replayed.end;
        let mut looked = Progress::at(file.start);
        let behind: Vec<_> = self.ahead.iter().cloned().collect();
        let end = self
            .reading
            .read_file(file, &behind, &mut looked, &mut |record| {
                if record.start < seen {
                    return Ok(());
                }
                match each(record) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(Stop),
                }
            });
        *progress = looked;
        end
    }

    /// Whether a keyed log gave up what lay before this file and said so.
    fn begins_anew(&self, file: &FoundFile) -> bool {
        let Ok(handle) = self.reading.open(file) else {
            return false;
        };
        let mut reader = FrameReader::new(handle, file.start, file.start);
        let Ok(Ahead::Frame(frame_bytes, _)) = reader.look() else {
            return false;
        };
        let (_, frame) = reader.take(frame_bytes);
        match self.reading.contents {
            LogContents::Keyed => {
                matches!(keyed::entry(frame), Some(Entry::Mark(mark)) if mark.is_gap)
            }
            LogContents::Journal | LogContents::Written => false,
        }
    }

    fn finding(
        &self,
        file: &FoundFile,
        handle: &Arc<dyn StorageFile>,
        end: Result<FileEnd, ReplayError<Stop>>,
    ) -> FileFinding {
        match end {
            Ok(FileEnd::Clean) => FileFinding::Whole,
            Ok(FileEnd::Torn { offset, what }) => FileFinding::Torn(TornTail {
                file: file.path.clone(),
                offset,
                cut_bytes: crate::reader::data_bytes(&**handle, offset).unwrap_or_default(),
                what,
            }),
            Err(ReplayError::Record { .. }) => FileFinding::Stopped,
            Err(ReplayError::Log(error @ OpenError::Io { .. })) => FileFinding::Unread(error),
            Err(ReplayError::Log(error)) => {
                let from = match &error {
                    OpenError::Damage { position, .. } => *position,
                    OpenError::Io { .. }
                    | OpenError::Locked { .. }
                    | OpenError::Limit { .. }
                    | OpenError::FileName { .. }
                    | OpenError::Header { .. }
                    | OpenError::Contents { .. }
                    | OpenError::Gap { .. }
                    | OpenError::Missing { .. } => file.start,
                };
                let mut reader = FrameReader::new(Arc::clone(handle), file.start, from);
                let resumes = reader.find(Sought::AnyFrame).ok().flatten();
                FileFinding::Damaged { error, resumes }
            }
        }
    }

    fn origin(&self, header: &FileHeader) -> FileOrigin {
        FileOrigin {
            made_at_ms: Some(header.made_at_ms).filter(|ms| *ms != 0),
            boot: header.boot,
            written_in: self.reading.written_in(header.boot),
        }
    }
}

fn is_bad(end: &Result<FileEnd, ReplayError<Stop>>) -> bool {
    match end {
        Ok(FileEnd::Clean) | Err(ReplayError::Record { .. }) => false,
        Ok(FileEnd::Torn { .. }) | Err(ReplayError::Log(_)) => true,
    }
}

fn unread(file: &FoundFile, error: OpenError) -> FileAudit {
    FileAudit {
        path: file.path.clone(),
        start: file.start,
        end: file.start,
        records: 0,
        bytes: 0,
        origin: None,
        finding: FileFinding::Unread(error),
    }
}
