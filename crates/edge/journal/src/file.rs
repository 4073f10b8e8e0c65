//! Files of a log: writing, rotation, space, deletion.
//!
//! A file opens with a [header](crate::header) and reserves its whole space when it is made, so that lack of space shows there
//! and nowhere else; behind its last frame it holds zeros. A position counts frame bytes only, so file offset = 64 +
//! (position − start). A file that is full is cut to its length. Every start of the process makes a new file: the boot id in
//! its header is then true for every record in it.
//!
//! ```text
//!            no space for the next file             no space for the next file
//!  [Ample] ───────────────────────────▶ [Reserve] ──────────────────────────▶ [Full]
//!     ▲  a file and a new reserve fit       │ ▲     a file fits, no reserve     │
//!     └─────────────────────────────────────┘ └─────────────────────────────────┘
//! ```
//!
//! What recovery does not need any more is [history](mod@retention), and the first to go where space is short.
//!
//! A start needs no space either: where there is none, the log begins in [Full], its file is named and not made, and it is made when there
//! is room for it.

mod making;
mod retention;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use retention::{History, Keep, Retained};

use making::{begin_without_space, create, take_reserve};

use crate::header::HEADER_BYTES_U64;
use crate::journal::HistoryRetention;
use crate::mark::ReplayMark;
use crate::names::{path_of, reserve_path};
use crate::storage::{Access, Storage, StorageFile};
use crate::{BootId, Failure, FailureStep, LogContents, OpenError, Position};

/// How a log's files are laid out.
#[derive(Debug, Clone)]
pub(crate) struct FileLayout {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) contents: LogContents,
    pub(crate) boot: BootId,
    pub(crate) file_max_bytes: u64,
    /// Space kept for when there is none; 0 for none.
    pub(crate) reserve_bytes: u64,
    /// How much is kept of what recovery does not need.
    pub(crate) history: HistoryRetention,
}

/// A file that takes no more frames.
#[derive(Debug)]
pub(crate) struct SealedFile {
    pub(crate) path: PathBuf,
    pub(crate) start: Position,
    pub(crate) end: Position,
    pub(crate) bytes: u64,
    /// When it was made, ms since the Unix epoch; 0 where it is unknown.
    pub(crate) made_at_ms: u64,
}

/// What is known of a log's files before the one that is begun.
#[derive(Debug)]
pub(crate) struct FoundFiles {
    /// Oldest first, the history included.
    pub(crate) sealed: VecDeque<SealedFile>,
    /// Behind the last record.
    pub(crate) end: Position,
    /// Where recovery had to begin.
    pub(crate) mark: ReplayMark,
}

/// How much space a log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Enough.
    Ample,
    /// The file being written is the last space there is: the reserve, or a file behind which no reserve fitted.
    Reserve,
    /// None: what waits cannot be written.
    Full,
}

/// Whether a batch fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Made,
    NoSpace,
}

/// The file being written.
#[derive(Debug)]
struct ActiveFile {
    /// None until there is space for it: then nothing was written to it.
    file: Option<Arc<dyn StorageFile>>,
    path: PathBuf,
    start: Position,
    /// Bytes of frames in it.
    bytes: u64,
    /// Bytes of frames for which space is reserved.
    reserved_bytes: u64,
    is_synced: bool,
    made_at_ms: u64,
}

/// The files of one log, the last of which is being written.
#[derive(Debug)]
pub(crate) struct FileSet {
    layout: FileLayout,
    /// The oldest ones are history: those before the mark.
    sealed: VecDeque<SealedFile>,
    sealed_bytes: u64,
    mark: ReplayMark,
    history: History,
    /// Files deleted since the start.
    deleted: u64,
    active: ActiveFile,
    has_reserve: bool,
    is_full: bool,
}

impl FileSet {
    /// Begins a new file behind those found. Where there is no space once all history is given up: in the reserve, or in a file of the
    /// reserve's size, or later.
    pub(crate) fn begin(
        layout: FileLayout,
        found: FoundFiles,
        now_ms: u64,
    ) -> Result<FileSet, OpenError> {
        let FoundFiles {
            mut sealed,
            end,
            mut mark,
        } = found;
        let creating = |error| OpenError::io("creating", &path_of(&layout.dir, end), error);
        let created = loop {
            match create(&layout, end, layout.file_max_bytes, now_ms) {
                Err(error)
                    if is_no_space(&error)
                        && History::of(&sealed, mark.position()).files > 0
                        && retention::delete_oldest(&layout, &mut sealed, &mut mark).is_ok() => {}
                created => break created,
            }
        };
        let active = match created {
            Err(error) if is_no_space(&error) => {
                begin_without_space(&layout, end, now_ms).map_err(creating)?
            }
            created => created.map_err(creating)?,
        };
        let sealed_bytes = sealed.iter().map(|file| file.bytes).sum();
        let mut files = FileSet {
            has_reserve: layout.reserve_bytes == 0,
            layout,
            history: History::of(&sealed, mark.position()),
            sealed,
            sealed_bytes,
            mark,
            deleted: 0,
            is_full: active.file.is_none(),
            active,
        };
        // The first space there is belongs to the file.
        if !files.is_full {
            files.renew_reserve().map_err(|error| {
                OpenError::io("creating", &reserve_path(&files.layout.dir), error)
            })?;
        }
        Ok(files)
    }

    /// Sees to it that `bytes` more can be written, in a new file where the current one is full. A batch is never divided, so
    /// a file is at most as long as the larger of its limit and one batch.
    pub(crate) fn make_room(&mut self, bytes: u64, now_ms: u64) -> Result<Room, Failure> {
        let wanted = self.active.bytes + bytes;
        let room = if self.is_too_old(now_ms) {
            self.rotate(bytes, now_ms)?
        } else if self.active.file.is_some() && wanted <= self.active.reserved_bytes {
            Ok(())
        } else if self.active.bytes == 0 {
            self.enlarge_unwritten(wanted, now_ms)
        } else {
            self.rotate(bytes, now_ms)?
        };
        match room {
            Ok(()) => {
                self.is_full = false;
                Ok(Room::Made)
            }
            Err(error) if is_no_space(&error) => {
                self.is_full = true;
                Ok(Room::NoSpace)
            }
            Err(error) => Err(self.rotate_failure(&error)),
        }
    }

    /// Makes an active file without frames as large as this, or makes it at all.
    fn enlarge_unwritten(&mut self, wanted: u64, now_ms: u64) -> io::Result<()> {
        if let Some(file) = &self.active.file {
            file.allocate(HEADER_BYTES_U64 + wanted)?;
            self.active.reserved_bytes = wanted;
            return Ok(());
        }
        let whole = self.layout.file_max_bytes.max(wanted);
        let start = self.active.start;
        let created = loop {
            match create(&self.layout, start, whole, now_ms) {
                Err(error) if is_no_space(&error) && self.give_up_oldest() => {}
                created => break created,
            }
        };
        self.active = match created {
            Err(error) if is_no_space(&error) && self.layout.reserve_bytes >= wanted => {
                if self.has_reserve {
                    self.has_reserve = false;
                    take_reserve(&self.layout, start, now_ms)?
                } else {
                    create(&self.layout, start, self.layout.reserve_bytes, now_ms)?
                }
            }
            created => created?,
        };
        Ok(())
    }

    /// Writes whole frames for which room was made.
    pub(crate) fn append(&mut self, batch: &[u8]) -> Result<(), Failure> {
        let offset = HEADER_BYTES_U64 + self.active.bytes;
        let Some(file) = &self.active.file else {
            return Err(Failure::without_file(FailureStep::NoSpace));
        };
        file.write_all_at(batch, offset)
            .map_err(|error| Failure::io(FailureStep::Write, &self.active.path, &error))?;
        self.active.bytes += batch.len() as u64;
        self.active.is_synced = false;
        Ok(())
    }

    /// Forces what was written to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        let synced = match &self.active.file {
            Some(file) => file.sync_data(),
            None => Ok(()),
        };
        synced.map_err(|error| Failure::io(FailureStep::Sync, &self.active.path, &error))?;
        self.active.is_synced = true;
        Ok(())
    }

    /// Whether all that was written is on the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.active.is_synced
    }

    pub(crate) fn space(&self) -> Space {
        if self.is_full {
            Space::Full
        } else if self.has_reserve {
            Space::Ample
        } else {
            Space::Reserve
        }
    }

    /// Makes a new reserve where the old one is used up and there is space for it and for another file: with less, the log
    /// would be short of space again at once.
    pub(crate) fn look_for_space(&mut self) -> Result<(), Failure> {
        if self.has_reserve {
            return Ok(());
        }
        while self.is_short_of_space() {
            if !self.give_up_oldest() {
                return Ok(());
            }
        }
        self.renew_reserve()
            .map_err(|error| self.rotate_failure(&error))
    }

    /// Gives back the space behind the last frame: the log ends in order.
    pub(crate) fn give_back(&mut self) -> Result<(), Failure> {
        let Some(file) = &self.active.file else {
            return Ok(());
        };
        file.set_length(HEADER_BYTES_U64 + self.active.bytes)
            .map_err(|error| Failure::io(FailureStep::Write, &self.active.path, &error))?;
        self.active.reserved_bytes = self.active.bytes;
        Ok(())
    }

    pub(crate) fn files(&self) -> u64 {
        self.sealed.len() as u64 + 1
    }

    /// Space that the files take, reserved or used.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let reserve = if self.has_reserve {
            self.layout.reserve_bytes
        } else {
            0
        };
        self.sealed_bytes + HEADER_BYTES_U64 + self.active.reserved_bytes + reserve
    }

    /// Goes on in a new file, or in the reserve. The inner error is one of space or of making the file.
    fn rotate(&mut self, bytes: u64, now_ms: u64) -> Result<io::Result<()>, Failure> {
        // Holes are then only ever in the last file, whatever the policy.
        if self.layout.is_synced() && !self.active.is_synced {
            self.sync()?;
        }
        let end = Position(self.active.start.0 + self.active.bytes);
        let wanted = self.layout.file_max_bytes.max(bytes);
        let reserve_fits = self.has_reserve && self.layout.reserve_bytes >= bytes;
        let created = loop {
            match create(&self.layout, end, wanted, now_ms) {
                Err(error) if is_no_space(&error) && self.give_up_oldest() => {}
                created => break created,
            }
        };
        let next = match created {
            Err(error) if is_no_space(&error) && reserve_fits => {
                let taken = take_reserve(&self.layout, end, now_ms);
                self.has_reserve = false;
                taken
            }
            created => created,
        };
        let next = match next {
            Ok(next) => next,
            Err(error) => return Ok(Err(error)),
        };
        let full = std::mem::replace(&mut self.active, next);
        let length = HEADER_BYTES_U64 + full.bytes;
        // Not synced: should the cut come undone, what comes back is zeros, which end a file as well.
        if let Some(file) = &full.file {
            file.set_length(length)
                .map_err(|error| Failure::io(FailureStep::Rotate, &full.path, &error))?;
        }
        self.sealed_bytes += length;
        self.sealed.push_back(SealedFile {
            path: full.path,
            start: full.start,
            end,
            bytes: length,
            made_at_ms: full.made_at_ms,
        });
        Ok(Ok(()))
    }

    /// Reserves the space of the reserve where that was not done. That there is none is no error.
    fn renew_reserve(&mut self) -> io::Result<()> {
        if self.has_reserve {
            return Ok(());
        }
        let path = reserve_path(&self.layout.dir);
        let storage = &self.layout.storage;
        let bytes = HEADER_BYTES_U64 + self.layout.reserve_bytes;
        // One that is there, from an earlier run, must not be given up first.
        let found = match storage.open(&path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => storage.create(&path),
            opened => opened,
        };
        let made = found
            .and_then(|file| file.allocate(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| storage.sync_directory(&self.layout.dir));
        match made {
            Ok(()) => self.has_reserve = true,
            // What was reserved in part is given back; there may be no room for the name alone.
            Err(error) if is_no_space(&error) => match storage.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn rotate_failure(&self, error: &io::Error) -> Failure {
        let end = Position(self.active.start.0 + self.active.bytes);
        Failure::io(FailureStep::Rotate, &path_of(&self.layout.dir, end), error)
    }
}

impl FileLayout {
    /// Whether header, name and batches are synced before they are relied on. The written log leaves that to the kernel.
    fn is_synced(&self) -> bool {
        self.contents == LogContents::Journal
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
