//! Reading a log back: file by file, frame by frame, through one bounded buffer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::{Beginning, ReplayedFrom};
use crate::error::HeaderFault;
use crate::file::SealedFile;
use crate::frame::{BatchPlace, FrameFault, FrameRef};
use crate::header::HEADER_BYTES_U64;
use crate::log_reader::read_header;
use crate::mark::ReplayMark;
use crate::names::{self, FoundFile};
use crate::reader::{Ahead, FrameReader, READ_BYTES, Sought, data_bytes};
use crate::storage::{Access, Storage, StorageFile};
use crate::{BootId, LogContents, OpenError, Position, ReplayError};

/// Whether a record can vouch for what a killed process did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenIn {
    /// Written since the machine started: every unsynced write of that process can still be read.
    ThisBoot,
    /// Written before the machine last started: what was not synced may be gone.
    EarlierBoot,
}

/// One record, handed out by a replay or a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The position of its first byte: what [`RecordFetcher::fetch`](crate::RecordFetcher::fetch) asks for.
    pub start: Position,
    /// The position behind it, as [`Append::append`](crate::Append::append) returned it.
    pub position: Position,
    /// When it was written. A claim without a Written record is known to be unwritten only if the claim itself is of
    /// this boot; asking the log as a whole would be wrong after a recovery that was interrupted.
    pub written_in: WrittenIn,
    /// What was appended.
    pub frame: FrameRef<'a>,
}

/// Takes the records of a replay.
pub(crate) type Each<'a, E> = dyn FnMut(Record<'_>) -> Result<(), E> + 'a;

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Records handed out.
    pub records: u64,
    /// Files read.
    pub files: u64,
    /// Position of the first record handed out.
    pub begin: Position,
    /// Position behind the last record: where appending goes on.
    pub end: Position,
    /// What a crash left half written and was cut off.
    pub torn: Option<TornTail>,
    /// Why it began there.
    pub from: ReplayedFrom,
}

/// Bytes at the end of a log that were cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The file that was cut.
    pub file: PathBuf,
    /// Offset in that file of the first byte cut.
    pub offset: u64,
    /// Bytes cut off, in this file and in those behind it; reserved space that was never written is not counted.
    pub cut_bytes: u64,
    /// What stood there instead of a frame; none where the file's header itself was not complete.
    pub what: Option<FrameFault>,
}

/// How to read a log.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) contents: LogContents,
    /// The boot this process runs in.
    pub(crate) boot: BootId,
}

/// A log that was read to its end.
#[derive(Debug)]
pub(crate) struct ReadLog {
    pub(crate) replayed: Replayed,
    /// Its files, without an empty last one, which the next start overwrites.
    pub(crate) sealed: VecDeque<SealedFile>,
    pub(crate) mark: ReplayMark,
}

/// Whether a write that a killed process did not finish can leave this: `data_bytes` bytes, behind which the file holds zeros
/// or nothing.
fn is_half_written(what: FrameFault, data_bytes: u64) -> bool {
    match what {
        FrameFault::Short { .. } => true,
        // The first bytes of a frame, up to a part of its magic.
        FrameFault::Magic { .. } => data_bytes < 8,
        FrameFault::Checksum { frame_bytes, .. } => data_bytes < frame_bytes as u64,
        FrameFault::Flags { .. } => false,
    }
}

/// How far a replay has come.
pub(crate) struct Progress {
    pub(crate) replayed: Replayed,
    /// Where the last batch begins in the last file with records, and in which boot that file was made. What lies before it is
    /// on the disk.
    last_batch: Option<(Position, WrittenIn)>,
    /// When the file read last was made.
    made_at_ms: u64,
}

impl Progress {
    /// Nothing read yet of a log that begins here.
    pub(crate) fn at(begin: Position) -> Progress {
        Progress {
            replayed: Replayed {
                records: 0,
                files: 0,
                begin,
                end: begin,
                torn: None,
                from: ReplayedFrom::Begin,
            },
            last_batch: None,
            made_at_ms: 0,
        }
    }
}

/// How the scan of one file ended.
pub(crate) enum FileEnd {
    Clean,
    Torn {
        offset: u64,
        what: Option<FrameFault>,
    },
}

impl Reading {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        contents: LogContents,
    ) -> Result<Reading, OpenError> {
        let boot = storage
            .boot_id()
            .map_err(|error| OpenError::io("reading the boot id for", &dir, error))?;
        Ok(Reading {
            storage,
            dir,
            contents,
            boot,
        })
    }

    /// Hands every record to `each`, cuts a torn tail, and leaves everything synced.
    pub(crate) fn run<E>(&self, each: &mut Each<'_, E>) -> Result<ReadLog, ReplayError<E>> {
        let found = names::list(&*self.storage, &self.dir)?;
        let Beginning {
            from,
            mark,
            mut sealed,
        } = self.beginning(&found)?;
        let mut progress = Progress::at(mark.position());
        progress.replayed.from = from;
        for (index, file) in found.iter().enumerate().skip(sealed.len()) {
            let behind = &found[index + 1..];
            let end = if file.start == progress.replayed.end {
                self.read_file(file, behind, &mut progress, each)?
            } else {
                self.judge_gap(&found[index..], progress.replayed.end)?
            };
            let replayed = &mut progress.replayed;
            replayed.files += 1;
            if let FileEnd::Torn { offset, what } = end {
                let cut_bytes = self.cut(file, offset, behind)?;
                replayed.torn = Some(TornTail {
                    file: file.path.clone(),
                    offset,
                    cut_bytes,
                    what,
                });
            }
            if replayed.end > file.start {
                let bytes = HEADER_BYTES_U64 + (replayed.end.0 - file.start.0);
                sealed.push_back(SealedFile {
                    path: file.path.clone(),
                    start: file.start,
                    end: replayed.end,
                    bytes,
                    made_at_ms: progress.made_at_ms,
                });
            }
            if replayed.torn.is_some() {
                break;
            }
        }
        // The last batch may be in the page cache only: from here on it counts as durable.
        if let Some(last) = sealed.back() {
            self.seal(last, progress.last_batch)
                .map_err(|error| OpenError::io("syncing", &last.path, error))?;
        }
        self.storage
            .sync_directory(&self.dir)
            .map_err(|error| OpenError::io("syncing", &self.dir, error))?;
        Ok(ReadLog {
            replayed: progress.replayed,
            sealed,
            mark,
        })
    }

    /// The same without anybody to hand the records to.
    pub(crate) fn check(&self) -> Result<ReadLog, OpenError> {
        match self.run::<Infallible>(&mut |_| Ok(())) {
            Ok(read) => Ok(read),
            Err(ReplayError::Log(error)) => Err(error),
            Err(ReplayError::Record { source, .. }) => match source {},
        }
    }

    pub(crate) fn read_file<E>(
        &self,
        file: &FoundFile,
        behind: &[FoundFile],
        progress: &mut Progress,
        each: &mut Each<'_, E>,
    ) -> Result<FileEnd, ReplayError<E>> {
        let reading = |error| OpenError::io("reading", &file.path, error);
        let opened = self.open(file)?;
        let mut reader = FrameReader::new(Arc::clone(&opened), file.start, file.start);
        let header = match read_header(&*opened, file.start).map_err(reading)? {
            Ok(header) => header,
            Err(what) => return Ok(self.judge_header(file, behind, &mut reader, what)?),
        };
        self.check_contents(&file.path, &header)?;
        progress.made_at_ms = header.made_at_ms;
        let written_in = self.written_in(header.boot);
        loop {
            let start = reader.position();
            let what = match reader.look().map_err(reading)? {
                Ahead::End => return Ok(FileEnd::Clean),
                Ahead::Bad(what) => what,
                Ahead::Frame(frame_bytes, place) => {
                    if place == BatchPlace::Opens || start == file.start {
                        progress.last_batch = Some((start, written_in));
                    }
                    let (end, frame) = reader.take(frame_bytes);
                    let record = Record {
                        start,
                        position: end,
                        written_in,
                        frame,
                    };
                    each(record).map_err(|source| ReplayError::Record {
                        position: end,
                        source,
                    })?;
                    progress.replayed.records += 1;
                    progress.replayed.end = end;
                    continue;
                }
            };
            return Ok(self.judge(file, behind, &mut reader, (written_in, what))?);
        }
    }

    pub(crate) fn written_in(&self, boot: BootId) -> WrittenIn {
        if boot == self.boot {
            WrittenIn::ThisBoot
        } else {
            WrittenIn::EarlierBoot
        }
    }

    /// Decides whether the bad spot at which `reader` stands is a torn tail or damage.
    fn judge(
        &self,
        file: &FoundFile,
        behind: &[FoundFile],
        reader: &mut FrameReader,
        (written_in, what): (WrittenIn, FrameFault),
    ) -> Result<FileEnd, OpenError> {
        let position = reader.position();
        let offset = HEADER_BYTES_U64 + (position.0 - file.start.0);
        let end_of_data = reader
            .end_of_data()
            .map_err(|error| OpenError::io("reading", &file.path, error))?;
        let Some(end_of_data) = end_of_data else {
            // Space that was reserved and never written.
            return Ok(FileEnd::Clean);
        };
        let torn = match (written_in, self.contents) {
            (
                WrittenIn::ThisBoot,
                LogContents::Journal | LogContents::Written | LogContents::Keyed,
            ) => {
                behind.is_empty()
                    && is_half_written(what, end_of_data.0 - position.0)
                    && !self.found_behind(file, reader, Sought::AnyFrame)?
            }
            (WrittenIn::EarlierBoot, LogContents::Journal) => {
                behind.is_empty() && !self.found_behind(file, reader, Sought::BatchStart)?
            }
            (WrittenIn::EarlierBoot, LogContents::Written | LogContents::Keyed) => {
                self.lost_to_power(behind)?
            }
        };
        if torn {
            return Ok(FileEnd::Torn {
                offset,
                what: Some(what),
            });
        }
        Err(OpenError::Damage {
            file: file.path.clone(),
            offset,
            position,
            what,
        })
    }

    /// A journal's header is synced before the first frame is written, so a bad one is a crash only in a last file
    /// without frames.
    fn judge_header(
        &self,
        file: &FoundFile,
        behind: &[FoundFile],
        reader: &mut FrameReader,
        what: HeaderFault,
    ) -> Result<FileEnd, OpenError> {
        let half_written = match what {
            HeaderFault::Short { .. }
            | HeaderFault::Blank
            | HeaderFault::Magic
            | HeaderFault::Checksum => true,
            HeaderFault::Format { .. }
            | HeaderFault::Start { .. }
            | HeaderFault::Contents { .. } => false,
        };
        let empty_last = behind.is_empty() && !self.found_behind(file, reader, Sought::AnyFrame)?;
        if half_written && (empty_last || self.lost_to_power(behind)?) {
            return Ok(FileEnd::Torn {
                offset: 0,
                what: None,
            });
        }
        Err(OpenError::Header {
            file: file.path.clone(),
            what,
        })
    }

    /// The first of `files` does not start where the file before it ended.
    pub(crate) fn judge_gap(
        &self,
        files: &[FoundFile],
        expected: Position,
    ) -> Result<FileEnd, OpenError> {
        if self.lost_to_power(files)? {
            return Ok(FileEnd::Torn {
                offset: 0,
                what: None,
            });
        }
        Err(OpenError::Gap {
            file: files[0].path.clone(),
            expected,
            found: files[0].start,
        })
    }

    /// Whether a hole in front of `files` is what a power cut does to a log that is never synced: any of its blocks,
    /// lengths and names may be missing. Once this boot has appended behind the hole it is damage, because the log was
    /// read to its end, cut and synced before.
    fn lost_to_power(&self, files: &[FoundFile]) -> Result<bool, OpenError> {
        match self.contents {
            LogContents::Journal => return Ok(false),
            LogContents::Written | LogContents::Keyed => {}
        }
        for file in files {
            let header = read_header(&*self.open(file)?, file.start)
                .map_err(|error| OpenError::io("reading", &file.path, error))?;
            if header.is_ok_and(|header| self.written_in(header.boot) == WrittenIn::ThisBoot) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn found_behind(
        &self,
        file: &FoundFile,
        reader: &mut FrameReader,
        sought: Sought,
    ) -> Result<bool, OpenError> {
        let found = reader
            .find(sought)
            .map_err(|error| OpenError::io("reading", &file.path, error))?;
        Ok(found.is_some())
    }

    /// Gives back the space behind the last frame, and syncs.
    fn seal(&self, file: &SealedFile, last_batch: Option<(Position, WrittenIn)>) -> io::Result<()> {
        let handle = self.storage.open(&file.path, Access::Write)?;
        if handle.length()? > file.bytes {
            handle.set_length(file.bytes)?;
        }
        match (last_batch, self.contents) {
            (Some((from, WrittenIn::ThisBoot)), LogContents::Journal) => {
                write_again(&handle, file, from)?;
            }
            // What an earlier boot wrote was read from the disk; of the other logs nothing is built on having been synced.
            (Some((_, WrittenIn::EarlierBoot)) | None, LogContents::Journal)
            | (_, LogContents::Written | LogContents::Keyed) => {}
        }
        handle.sync_all()
    }

    pub(crate) fn open(&self, file: &FoundFile) -> Result<Arc<dyn StorageFile>, OpenError> {
        self.storage
            .open(&file.path, Access::Read)
            .map_err(|error| OpenError::io("reading", &file.path, error))
    }

    /// Cuts `file` at `offset` (at 0 it is removed) and removes the files behind it; returns how many bytes that were.
    fn cut(&self, file: &FoundFile, offset: u64, behind: &[FoundFile]) -> Result<u64, OpenError> {
        let mut cut_bytes = 0;
        let removed = if offset == 0 { Some(file) } else { None };
        for later in behind.iter().rev().chain(removed) {
            cut_bytes += self
                .storage
                .open(&later.path, Access::Read)
                .and_then(|file| data_bytes(&*file, 0))
                .map_err(|error| OpenError::io("reading", &later.path, error))?;
            self.storage
                .remove(&later.path)
                .map_err(|error| OpenError::io("removing", &later.path, error))?;
        }
        if removed.is_some() {
            return Ok(cut_bytes);
        }
        let cutting = |error| OpenError::io("cutting", &file.path, error);
        let handle = self
            .storage
            .open(&file.path, Access::Write)
            .map_err(cutting)?;
        cut_bytes += data_bytes(&*handle, offset).map_err(cutting)?;
        handle.set_length(offset).map_err(cutting)?;
        handle.sync_all().map_err(cutting)?;
        Ok(cut_bytes)
    }
}

/// Writes the records from `from` to the file's end once more, at their places.
///
/// The process before this one may have ended because a sync failed. The kernel then holds the pages for clean although they
/// never reached the disk, and a sync alone would succeed without them. Each record is checked again on the way: such pages may
/// be dropped at any time, and what is then read is not what was handed out.
fn write_again(handle: &Arc<dyn StorageFile>, file: &SealedFile, from: Position) -> io::Result<()> {
    let mut reader = FrameReader::new(Arc::clone(handle), file.start, from);
    reader.limit_to(file.end);
    let mut offset = HEADER_BYTES_U64 + (from.0 - file.start.0);
    // At most one frame more than READ_BYTES.
    let mut chunk = Vec::new();
    while reader.position() < file.end {
        match reader.look()? {
            Ahead::Frame(frame_bytes, _) => chunk.extend_from_slice(reader.take_bytes(frame_bytes)),
            Ahead::End | Ahead::Bad(_) => {
                let what = "a record read a moment ago is no longer there: the disk lost what it failed to sync";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        if chunk.len() >= READ_BYTES || reader.position() == file.end {
            handle.write_all_at(&chunk, offset)?;
            offset += chunk.len() as u64;
            chunk.clear();
        }
    }
    Ok(())
}
