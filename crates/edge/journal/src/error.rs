//! What can go wrong, whose fault it is, and whether trying again can help.

use std::io;
use std::path::{Path, PathBuf};

use crate::frame::FrameFault;
use crate::{LogContents, Position};

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The program that called: a record too large, an encoder that broke its contract.
    Caller,
    /// More work than the disk takes.
    Load,
    /// The disk or the file system, or what was found on it.
    Disk,
    /// How the engine was set up: a directory in use, a directory of something else.
    Setup,
}

/// Whether the same call can succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After the next wake-up.
    Later,
    /// Never in this process.
    Never,
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The buffer in front of the disk is full.
    #[error(
        "the journal's buffer is full: {buffered_bytes} bytes wait for the disk, allowed are {max_bytes}"
    )]
    Full {
        /// Bytes that wait for the disk.
        buffered_bytes: usize,
        /// Bytes that may wait.
        max_bytes: usize,
    },
    /// The payload is longer than a frame can hold.
    #[error("a record of {payload_bytes} bytes: allowed are {max_bytes}")]
    PayloadTooLarge {
        /// Bytes of the payload.
        payload_bytes: usize,
        /// Bytes a payload may have.
        max_bytes: usize,
    },
    /// The journal failed earlier; it takes nothing more until the process is started anew.
    #[error("the journal has failed: {0}")]
    Failed(Failure),
    /// The journal was closed: the process is ending.
    #[error("the journal is closed")]
    Closed,
}

impl AppendError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            AppendError::Full { .. } => Fault::Load,
            AppendError::PayloadTooLarge { .. } | AppendError::Closed => Fault::Caller,
            AppendError::Failed(failure) => failure.fault(),
        }
    }

    /// Whether the same record may be taken later.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            AppendError::Full { .. } => Retry::Later,
            AppendError::PayloadTooLarge { .. } | AppendError::Failed(_) | AppendError::Closed => {
                Retry::Never
            }
        }
    }
}

/// The step at which a log failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureStep {
    /// An encoder removed bytes of records that were already in the buffer.
    Encode,
    /// Writing a batch.
    Write,
    /// Syncing a batch. What the kernel did with the pages is unknown, so a later sync that succeeds proves nothing.
    Sync,
    /// Creating the next file, writing its header or making its name durable.
    Rotate,
    /// Moving the replay mark. The log goes on: nothing is deleted that the mark does not allow.
    Mark,
    /// Deleting a file. The log goes on, and it is tried again.
    Delete,
    /// Closing while what was appended waited for space that did not come.
    NoSpace,
    /// Starting the writer thread, or the thread itself (it panicked).
    Thread,
}

/// Why a log stopped for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was being done.
    pub step: FailureStep,
    /// With which file; none where no file is to blame.
    pub file: Option<PathBuf>,
    /// The kind of I/O error; none where it was not one.
    pub kind: Option<io::ErrorKind>,
    /// The operating system's error number (errno).
    pub os_error: Option<i32>,
}

impl Failure {
    pub(crate) fn io(step: FailureStep, file: &Path, error: &io::Error) -> Failure {
        Failure {
            step,
            file: Some(file.to_owned()),
            kind: Some(error.kind()),
            os_error: error.raw_os_error(),
        }
    }

    pub(crate) fn without_file(step: FailureStep) -> Failure {
        Failure {
            step,
            file: None,
            kind: None,
            os_error: None,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.step {
            FailureStep::Encode | FailureStep::Thread => Fault::Caller,
            FailureStep::Write
            | FailureStep::Sync
            | FailureStep::Rotate
            | FailureStep::Mark
            | FailureStep::Delete
            | FailureStep::NoSpace => Fault::Disk,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = match self.step {
            FailureStep::Encode => "an encoder removed bytes of earlier records",
            FailureStep::Write => "writing a batch",
            FailureStep::Sync => "syncing a batch",
            FailureStep::Rotate => "starting the next file",
            FailureStep::Mark => "moving the replay mark",
            FailureStep::Delete => "deleting a file",
            FailureStep::NoSpace => "closed while the last records waited for space",
            FailureStep::Thread => "the writer thread",
        };
        f.write_str(step)?;
        if let Some(file) = &self.file {
            write!(f, ", file {}", file.display())?;
        }
        match (self.os_error, self.kind) {
            (Some(number), _) => write!(f, ": {}", io::Error::from_raw_os_error(number)),
            (None, Some(kind)) => write!(f, ": {kind}"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Why a log could not be opened, replayed or started.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused something.
    #[error("{action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was being done, as a phrase ("reading").
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// Another process (or another log in this one) has the directory.
    #[error("directory {}: another process holds its lock; two engines must not share one directory", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// A limit of the configuration is outside its range.
    #[error("{field} = {value}: allowed are {min} to {max}")]
    Limit {
        /// Name of the limit.
        field: &'static str,
        /// Value given.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// A file in the directory carries the suffix of a journal file but not such a name.
    #[error("file {}: its name is not 16 lower-case hexadecimal digits, of at most 4000000000000000, and \".journal\"", file.display())]
    FileName {
        /// The file.
        file: PathBuf,
    },
    /// The file's header is not what was written.
    #[error("file {}: its header is damaged ({what})", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: HeaderFault,
    },
    /// The directory belongs to another kind of log.
    #[error("file {}: holds {found:?}, expected {expected:?}", file.display())]
    Contents {
        /// The file.
        file: PathBuf,
        /// What it holds.
        found: LogContents,
        /// What it should hold.
        expected: LogContents,
    },
    /// Records that had been written whole cannot be read any more.
    #[error("file {}, offset {offset} (position {position}): {what}; this is damage, not a torn tail, and nothing was changed",
        file.display())]
    Damage {
        /// The file.
        file: PathBuf,
        /// Byte offset in that file.
        offset: u64,
        /// The journal position there.
        position: Position,
        /// What is wrong there.
        what: FrameFault,
    },
    /// Files are missing, or one is shorter or longer than its successor's name says.
    #[error("file {} starts at position {found}, expected {expected}: a file is missing or was cut", file.display())]
    Gap {
        /// The file behind the gap.
        file: PathBuf,
        /// Where it should start.
        expected: Position,
        /// Where it starts.
        found: Position,
    },
    /// Recovery must read from a position on, and the file that begins there is gone, with all before it.
    #[error("directory {}: the replay mark says that records from position {wanted} on are needed, and the oldest file {}; \
        restore the missing files from a copy, or set the directory aside", dir.display(), begins_at(*.found))]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// The replay mark.
        wanted: Position,
        /// Where the oldest file begins; none without files.
        found: Option<Position>,
    },
}

fn begins_at(found: Option<Position>) -> String {
    match found {
        Some(position) => format!("begins at position {position}"),
        None => "is missing: there are none".into(),
    }
}

/// What to do about a refusal, where that is known. Whether it is tried again without a restart is for whoever opens the log to say: an
/// engine whose journal cannot be opened ends, its event log is begun anew by itself.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room on this file system"
        }
        _ => "",
    }
}

impl OpenError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> OpenError {
        OpenError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            OpenError::Io { .. }
            | OpenError::Header { .. }
            | OpenError::Damage { .. }
            | OpenError::Gap { .. }
            | OpenError::Missing { .. } => Fault::Disk,
            OpenError::Locked { .. }
            | OpenError::Limit { .. }
            | OpenError::FileName { .. }
            | OpenError::Contents { .. } => Fault::Setup,
        }
    }
}

/// What is wrong with a file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The file ends inside it.
    #[error("{bytes} bytes, a header has {}", crate::header::HEADER_BYTES)]
    Short {
        /// Bytes found.
        bytes: usize,
    },
    /// The header is all zeroes: the file was made, and its first block never reached the disk.
    #[error("all zeroes")]
    Blank,
    /// The first eight bytes are not a journal's.
    #[error("wrong magic")]
    Magic,
    /// The checksum does not fit.
    #[error("wrong checksum")]
    Checksum,
    /// The file was written by a newer version.
    #[error("format {found}, this version reads {supported}")]
    Format {
        /// Format found.
        found: u32,
        /// Format this version reads.
        supported: u32,
    },
    /// The start position is not the one in the file's name.
    #[error("start position {found}, the file's name says {named}")]
    Start {
        /// Position in the header.
        found: Position,
        /// Position in the name.
        named: Position,
    },
    /// The number that says what the file holds is unknown.
    #[error("contents number {found}: known are 1 (journal) and 2 (written log)")]
    Contents {
        /// The number found.
        found: u8,
    },
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// The log itself could not be read.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The reader of the records refused one.
    #[error("record at position {position}: {source}")]
    Record {
        /// Its end position, as given to the reader.
        position: Position,
        /// The reader's reason.
        source: E,
    },
}

/// Why a record could not be read while the log is in use.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The record was let go, or its file was.
    #[error("position {wanted} is not held any more: the oldest is {oldest}")]
    Gone {
        /// The position asked for.
        wanted: Position,
        /// The oldest position still held.
        oldest: Position,
    },
    /// No record starts there: the position is not one that was handed out, it is not durable yet, or the file is damaged.
    #[error("file {}: no record starts at position {position}", file.display())]
    NoRecord {
        /// The file that should hold it.
        file: PathBuf,
        /// The position asked for.
        position: Position,
        /// What is there instead; none at the end of the file.
        what: Option<FrameFault>,
    },
    /// The log itself could not be read.
    #[error(transparent)]
    Log(#[from] OpenError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_asks_for_room_and_leaves_the_restart_to_the_caller() {
        for (kind, end) in [
            (
                io::ErrorKind::StorageFull,
                "; make room on this file system",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                "; make room on this file system",
            ),
            (io::ErrorKind::PermissionDenied, "permission denied"),
        ] {
            let text = OpenError::io("making", Path::new("events"), kind.into()).to_string();
            assert!(text.ends_with(end), "{text}");
        }
    }
}
