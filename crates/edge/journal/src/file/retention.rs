//! What a log keeps of what recovery does not need: its history.
//!
//! ```text
//!  ── history, deleted oldest first ──▶ mark ◀── replay set, never deleted ── … ── active file
//!     over a limit, or no space          moves on, durably, as records cease to be needed
//! ```
//!
//! Limits: [`HistoryRetention`] by bytes and by age, and [`FILES_MAX`] files. A file that somebody still has to read
//! ([`Keep::unread_from`]) is kept over a limit by a quarter of it. Where there is no space, none of that counts.

use std::collections::VecDeque;

use super::{FileLayout, FileSet, SealedFile};
use crate::journal::HistoryRetention;
use crate::mark::ReplayMark;
use crate::{Failure, FailureStep, Position};

/// Most files of history: each start of the process makes a file, however little is written to it.
const FILES_MAX: usize = 4096;
/// Most files deleted in a step: each deletion is synced, and records wait meanwhile.
const DELETED_PER_STEP: u64 = 4;
/// Of the limits, what a file stays longer that somebody still has to read.
const UNREAD_SHARE: u64 = 4;
/// A file is closed when it is older than this part of the age at which it is deleted, however little it holds.
const FILES_PER_AGE: u64 = 16;
/// And not before this, in milliseconds.
const FILE_AGE_MIN_MS: u64 = 60_000;

/// What is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Recovery needs the record that ends here and all after it.
    pub(crate) oldest_needed: Position,
    /// Somebody still has to read from here on.
    pub(crate) unread_from: Position,
}

/// Whether a step of retention left something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retained {
    All,
    /// There is more to delete.
    InPart,
}

/// The files before the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

impl History {
    pub(super) fn of(sealed: &VecDeque<SealedFile>, mark: Position) -> History {
        let before = || sealed.iter().take_while(|file| file.end <= mark);
        History {
            files: before().count(),
            bytes: before().map(|file| file.bytes).sum(),
        }
    }
}

impl HistoryRetention {
    /// When a file is old enough to be closed.
    fn file_age_max_ms(self) -> u64 {
        if self.max_age_ms == 0 {
            return u64::MAX;
        }
        (self.max_age_ms / FILES_PER_AGE).max(FILE_AGE_MIN_MS)
    }
}

impl FileSet {
    /// Deletes, oldest first, the sealed files that end before `oldest_needed`; returns how many. For a log that keeps no history.
    pub(crate) fn retain_from(&mut self, oldest_needed: Position) -> Result<usize, Failure> {
        let mut deleted = 0;
        let is_dead = |file: &SealedFile| file.end < oldest_needed;
        // The last one stays while there is no other: positions go on behind it.
        while self.sealed.front().is_some_and(is_dead)
            && (self.active.file.is_some() || self.sealed.len() > 1)
        {
            self.delete_oldest()?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Moves the mark, and deletes some of the history that is over a limit.
    ///
    /// # Errors
    /// When the mark or a file did not move; what was done is done.
    pub(crate) fn retain(&mut self, keep: Keep, now_ms: u64) -> Result<Retained, Failure> {
        let moved = self.move_mark(keep.oldest_needed, now_ms);
        let most = self.deleted + DELETED_PER_STEP;
        while self.is_over_a_limit(keep.unread_from, now_ms) {
            if self.deleted == most {
                return moved.map(|()| Retained::InPart);
            }
            self.delete_oldest()?;
        }
        moved.map(|()| Retained::All)
    }

    fn move_mark(&mut self, oldest_needed: Position, now_ms: u64) -> Result<(), Failure> {
        let mut replayed = self.sealed.iter().skip(self.history.files);
        let first = replayed.find(|file| file.end >= oldest_needed);
        // The mark names a file that is there, which the active one is not until there is space for it.
        let last = match &self.active.file {
            Some(_) => None,
            None => self.sealed.back(),
        };
        let to = first.or(last).map_or(self.active.start, |file| file.start);
        if to <= self.mark.position() {
            return Ok(());
        }
        let FileLayout { storage, dir, .. } = &self.layout;
        self.mark.move_to(&**storage, dir, (to, now_ms))?;
        self.history = History::of(&self.sealed, to);
        Ok(())
    }

    fn is_over_a_limit(&self, unread_from: Position, now_ms: u64) -> bool {
        let Some(oldest) = self.sealed.front().filter(|_| self.history.files > 0) else {
            return false;
        };
        let limit = self.layout.history;
        let is_unread = oldest.end > unread_from;
        let longer = |limit: u64| {
            let spare = if is_unread { limit / UNREAD_SHARE } else { 0 };
            limit.saturating_add(spare)
        };
        // Its newest record is older than the file behind it.
        let next = self.sealed.get(1);
        let sealed_ms = next.map_or(self.active.made_at_ms, |file| file.made_at_ms);
        self.history.bytes > longer(limit.max_bytes)
            || now_ms.saturating_sub(sealed_ms) > longer(limit.max_age_ms)
            || self.history.files > FILES_MAX
            || self.is_short_of_space()
    }

    /// Whether there is less than a file and the reserve need: others that write to this file system would soon have none.
    pub(super) fn is_short_of_space(&self) -> bool {
        let wanted = self.layout.file_max_bytes + self.layout.reserve_bytes;
        let free = self.layout.storage.free_bytes(&self.layout.dir);
        free.is_ok_and(|free| free < wanted)
    }

    /// Whether the active file holds records for so long that history by whole files would keep them far too long.
    pub(super) fn is_too_old(&self, now_ms: u64) -> bool {
        let age_ms = now_ms.saturating_sub(self.active.made_at_ms);
        self.active.bytes > 0
            && self.has_reserve
            && !self.is_full
            && age_ms > self.layout.history.file_age_max_ms()
            && !self.is_short_of_space()
    }

    /// Deletes the oldest file of history because there is no space; `false` where there is no history, or it cannot be deleted.
    pub(super) fn give_up_oldest(&mut self) -> bool {
        self.history.files > 0 && self.delete_oldest().is_ok()
    }

    fn delete_oldest(&mut self) -> Result<(), Failure> {
        let before = self.sealed.len();
        let deleted = delete_oldest(&self.layout, &mut self.sealed, &mut self.mark);
        self.deleted += (before - self.sealed.len()) as u64;
        self.sealed_bytes = self.sealed.iter().map(|file| file.bytes).sum();
        self.history = History::of(&self.sealed, self.mark.position());
        deleted
    }

    /// Files deleted since the start.
    pub(crate) fn deleted(&self) -> u64 {
        self.deleted
    }

    pub(crate) fn history(&self) -> History {
        self.history
    }

    /// When the oldest record of history was written, at the earliest, in milliseconds since the epoch; where there is no history, of
    /// the replay set.
    pub(crate) fn begun_ms(&self) -> u64 {
        let oldest = self.sealed.front();
        oldest.map_or(self.active.made_at_ms, |file| file.made_at_ms)
    }

    /// Where the mark stands.
    pub(crate) fn mark(&self) -> Position {
        self.mark.position()
    }

    /// Where the mark goes next: the end of the first file that recovery must read. The mark moves there when nothing before it is needed.
    pub(crate) fn next_mark(&self) -> Position {
        let first = self.sealed.get(self.history.files);
        first.map_or(Position(u64::MAX), |file| file.end)
    }
}

/// Deletes the oldest sealed file, if there is one.
///
/// Each deletion is made durable before the next, because a file system may otherwise keep them in another order over a power cut,
/// and a hole between two files looks like loss; the mark behind the file is durable before the first.
pub(super) fn delete_oldest(
    layout: &FileLayout,
    sealed: &mut VecDeque<SealedFile>,
    mark: &mut ReplayMark,
) -> Result<(), Failure> {
    let Some(file) = sealed.front() else {
        return Ok(());
    };
    let storage = &layout.storage;
    mark.make_sure(&**storage, &layout.dir)?;
    storage
        .remove(&file.path)
        .map_err(|error| Failure::io(FailureStep::Delete, &file.path, &error))?;
    sealed.pop_front();
    if layout.is_synced() {
        storage
            .sync_directory(&layout.dir)
            .map_err(|error| Failure::io(FailureStep::Delete, &layout.dir, &error))?;
    }
    Ok(())
}
