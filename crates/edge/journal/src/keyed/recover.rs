//! Opening: which files are worth something, how far the last ones are whole, and what was cut.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::{Files, KeyedFile, KeyedIndex};
use super::log::{Beginning, KeyedLog};
use super::mark::{Before, MARK_KIND, Mark, RECORD_KIND, split_key};
use super::scan::{FileScan, Step};
use super::{Key, KeyedConfig};
use crate::header::HEADER_BYTES;
use crate::journal::check_limit;
use crate::names::{self, FoundFile};
use crate::storage::{Access, Storage};
use crate::{BootId, LogContents, OpenError, Position};

/// An opened keyed log, and what opening found.
#[derive(Debug)]
pub struct KeyedRecovery {
    /// The log, ready to be appended to. What lies after [`KeyedLog::through`] is to be appended again.
    pub log: KeyedLog,
    /// What had to be cut off or deleted.
    pub cuts: Vec<Cut>,
    /// The words of the last mark; none when the log was empty.
    pub note: Option<[u64; 2]>,
}

/// Something that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file that was cut, or deleted when `offset` is 0.
    pub file: PathBuf,
    /// Of the first byte cut off.
    pub offset: u64,
    /// What was found there.
    pub what: String,
}

/// A file whose first frame is a mark.
struct Sound {
    file: FoundFile,
    boot: BootId,
    mark: Mark,
    /// Position behind its last byte.
    end: Position,
}

/// Where reading the last files has come to.
struct Tail {
    end: Position,
    through: Key,
    note: [u64; 2],
}

impl KeyedLog {
    /// Locks the directory, cuts what is not whole, and begins a new file.
    ///
    /// # Errors
    /// [`OpenError`]: somebody else has the directory, a limit is out of range, or the file system refuses. Damage is no error: it is
    /// cut off and told.
    pub fn open(
        storage: Arc<dyn Storage>,
        config: KeyedConfig,
        now_ms: u64,
    ) -> Result<KeyedRecovery, OpenError> {
        let file_max_bytes = config.file_max_bytes;
        check_limit("file_max_bytes", file_max_bytes, 4 << 10, 1 << 30)?;
        check_limit("max_bytes", config.max_bytes, 2 * file_max_bytes, u64::MAX)?;
        check_limit("max_age_ms", config.max_age_ms, 1, u64::MAX)?;
        let lock = names::lock_directory(&*storage, &config.dir)?;
        let boot = storage
            .boot_id()
            .map_err(|error| OpenError::io("asking for the boot of", &config.dir, error))?;
        let mut cuts = Vec::new();
        let mut files = sound_files(&*storage, &config.dir, &mut cuts)?;
        let tail = read_tail(&*storage, &mut files, boot, &mut cuts)?;
        // What was read after a power cut came from the disk; in the same boot it may be in the page cache only.
        let synced = match files.last() {
            Some(last) if last.boot == boot => last.mark.synced,
            Some(_) | None => tail.end,
        };
        let listed: VecDeque<_> = files.into_iter().map(KeyedFile::from).collect();
        let note = (!listed.is_empty()).then_some(tail.note);
        let index = KeyedIndex::new(
            storage,
            Files {
                files: listed,
                written: tail.end,
                last: tail.through,
            },
        );
        let beginning = Beginning {
            start: tail.end,
            through: tail.through,
            before: Before::Complete,
            synced,
            note: tail.note,
            now_ms,
        };
        let dir = config.dir.clone();
        let log = Self::begin(config, (boot, lock), index, &beginning)
            .map_err(|failure| opening(&dir, &failure))?;
        Ok(KeyedRecovery { log, cuts, note })
    }
}

fn opening(dir: &Path, failure: &crate::Failure) -> OpenError {
    let error = match failure.os_error {
        Some(number) => std::io::Error::from_raw_os_error(number),
        None => std::io::Error::other(failure.to_string()),
    };
    OpenError::io("creating a file in", dir, error)
}

impl From<Sound> for KeyedFile {
    fn from(sound: Sound) -> Self {
        Self {
            bytes: HEADER_BYTES as u64 + (sound.end.0 - sound.file.start.0),
            path: sound.file.path,
            start: sound.file.start,
            through: sound.mark.through,
            made_ms: sound.mark.made_ms,
        }
    }
}

/// Files that follow one from the other; those that do not, and those without a beginning, are deleted.
///
/// Where one is shorter than the next says, a power cut may have taken its end: then what lies behind goes, for the journal has it still. Unless a
/// file behind knows that it was synced: then it was damaged, and what lies before goes, for nothing can be told over the hole.
fn sound_files(
    storage: &dyn Storage,
    dir: &Path,
    cuts: &mut Vec<Cut>,
) -> Result<Vec<Sound>, OpenError> {
    let mut files: Vec<Sound> = Vec::new();
    for file in names::list(storage, dir)? {
        match beginning_of(storage, &file)? {
            Ok(file) => files.push(file),
            Err(what) => delete(storage, &file.path, what, cuts)?,
        }
    }
    let mut sound: Vec<Sound> = Vec::new();
    while !files.is_empty() {
        let synced = files.iter().map(|file| file.mark.synced).max();
        let next = files.remove(0);
        let (worthless, what) = match (sound.last(), next.mark.before) {
            (_, Before::Gap) => (sound.drain(..), "it lies before a gap that was told"),
            (Some(last), Before::Complete) if last.end == next.file.start => (sound.drain(..0), ""),
            (Some(last), Before::Complete) if synced <= Some(last.end) => {
                files.insert(0, next);
                for behind in files {
                    let what = "the end of a file before it was lost before it was synced".into();
                    delete(storage, &behind.file.path, what, cuts)?;
                }
                break;
            }
            (Some(_), Before::Complete) => (
                sound.drain(..),
                "the file behind it does not begin where it ends",
            ),
            (None, Before::Complete) => (sound.drain(..0), ""),
        };
        for worthless in worthless {
            delete(storage, &worthless.file.path, what.into(), cuts)?;
        }
        sound.push(next);
    }
    Ok(sound)
}

/// Header, first mark and length of a file, or why it has none.
fn beginning_of(
    storage: &dyn Storage,
    file: &FoundFile,
) -> Result<Result<Sound, String>, OpenError> {
    let reading = |error| OpenError::io("reading", &file.path, error);
    let mut scan = FileScan::open(storage, &file.path, file.start).map_err(reading)?;
    let length = scan.length().map_err(reading)?;
    let header = match scan.header().map_err(reading)? {
        Ok(header) if header.contents == LogContents::Keyed => header,
        Ok(header) => {
            return Err(OpenError::Contents {
                file: file.path.clone(),
                found: header.contents,
                expected: LogContents::Keyed,
            });
        }
        Err(what) => return Ok(Err(what.to_string())),
    };
    let mark = match scan.next(Position(u64::MAX)).map_err(reading)? {
        Step::Frame(frame) if frame.kind == MARK_KIND => Mark::decode(frame.payload),
        Step::Frame(_) | Step::End | Step::Bad(_) => None,
    };
    let Some(mark) = mark else {
        return Ok(Err("it does not open with a mark".into()));
    };
    let end = Position(file.start.0 + length.saturating_sub(HEADER_BYTES as u64));
    Ok(Ok(Sound {
        file: file.clone(),
        boot: header.boot,
        mark,
        end,
    }))
}

/// Reads the last file, after a power cut all that may not have been synced, and cuts what is not whole.
fn read_tail(
    storage: &dyn Storage,
    files: &mut Vec<Sound>,
    boot: BootId,
    cuts: &mut Vec<Cut>,
) -> Result<Tail, OpenError> {
    let Some(last) = files.last() else {
        return Ok(Tail {
            end: Position(0),
            through: Key::default(),
            note: [0; 2],
        });
    };
    let certain = if last.boot == boot {
        last.file.start
    } else {
        last.mark.synced
    };
    let from = files
        .partition_point(|file| file.file.start <= certain)
        .saturating_sub(1);
    let mut tail = Tail {
        end: files[from].file.start,
        through: files[from].mark.through,
        note: files[from].mark.note,
    };
    for at in from..files.len() {
        let Some((offset, what)) = read_file(storage, &files[at], &mut tail)? else {
            continue;
        };
        let path = files[at].file.path.clone();
        let cutting = |error| OpenError::io("cutting", &path, error);
        let handle = storage.open(&path, Access::Write).map_err(cutting)?;
        handle.set_length(offset).map_err(cutting)?;
        handle.sync_all().map_err(cutting)?;
        files[at].end = tail.end;
        cuts.push(Cut {
            file: path.clone(),
            offset,
            what,
        });
        for behind in files.drain(at + 1..) {
            let what = "the file before it had to be cut".into();
            delete(storage, &behind.file.path, what, cuts)?;
        }
        break;
    }
    Ok(tail)
}

/// Reads one file; returns where and why it must be cut.
fn read_file(
    storage: &dyn Storage,
    sound: &Sound,
    tail: &mut Tail,
) -> Result<Option<(u64, String)>, OpenError> {
    let reading = |error| OpenError::io("reading", &sound.file.path, error);
    let mut scan = FileScan::open(storage, &sound.file.path, sound.file.start).map_err(reading)?;
    loop {
        let offset = scan.offset();
        let frame = match scan.next(Position(u64::MAX)).map_err(reading)? {
            Step::End => return Ok(None),
            Step::Bad(what) => return Ok(Some((offset, what.to_string()))),
            Step::Frame(frame) => frame,
        };
        if frame.kind == RECORD_KIND
            && let Some((key, _)) = split_key(frame.payload)
        {
            tail.through = tail.through.max(key);
        } else if frame.kind == MARK_KIND
            && let Some(mark) = Mark::decode(frame.payload)
        {
            tail.through = tail.through.max(mark.through);
            tail.note = mark.note;
        }
        tail.end = scan.at();
    }
}

fn delete(
    storage: &dyn Storage,
    path: &Path,
    what: String,
    cuts: &mut Vec<Cut>,
) -> Result<(), OpenError> {
    storage
        .remove(path)
        .map_err(|error| OpenError::io("removing", path, error))?;
    cuts.push(Cut {
        file: path.to_owned(),
        offset: 0,
        what,
    });
    Ok(())
}
