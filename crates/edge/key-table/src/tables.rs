//! All files as they stand, for lookups: a snapshot that any thread may hold.

use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::Name;
use crate::error::Damage;
use crate::file::KeyFile;
use crate::format::{Covered, KeyRow};

/// A file of the directory, open.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Name,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<KeyFile>,
}

/// A file that is not what was written, and what of it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDamage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
    /// Keys made up to here may be missing, in milliseconds since the epoch.
    pub lost_to_ms: u64,
}

/// The files of keys at one moment. Cheap to clone; files that are deleted meanwhile stay readable.
#[derive(Clone, Debug, Default)]
pub struct KeyTables {
    /// The youngest last.
    pub(crate) members: Vec<Member>,
    /// Files that could not be opened, by name.
    pub(crate) unreadable: Vec<(Name, FileDamage)>,
    /// Keys made up to here were given up by choice; 0 for none.
    pub(crate) forgotten_to_ms: u64,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The row, if its time is not over.
    pub row: Option<KeyRow>,
    /// Blocks that had to be read.
    pub reads: u32,
}

impl KeyTables {
    /// Whether a key may be in some file; `false` is certain, and costs no read.
    #[must_use]
    pub fn may_hold(&self, key: u128) -> bool {
        self.members.iter().any(|member| member.file.may_hold(key))
    }

    /// Looks a key up in every file, the youngest first. A block that is damaged is passed over, and remembered: see [`Self::damages`].
    #[must_use]
    pub fn find(&self, key: u128, now_ms: u64) -> Found {
        let mut found = Found::default();
        for member in self.members.iter().rev() {
            if !member.file.may_hold(key) || member.file.until_ms() <= now_ms {
                continue;
            }
            found.reads += 1;
            let row = member.file.find(key).ok().flatten();
            found.row = row.filter(|row| row.until_ms > now_ms);
            if found.row.is_some() {
                break;
            }
        }
        found
    }

    /// Keys in all files together; one that stands in two of them counts twice.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.members.iter().map(|member| member.file.rows()).sum()
    }

    /// How many files answer.
    #[must_use]
    pub fn files(&self) -> usize {
        self.members.len()
    }

    /// Whether the key of a record that ends at this journal position is in a file.
    #[must_use]
    pub fn covers(&self, position: u64) -> bool {
        self.members
            .iter()
            .any(|member| member.file.covered().holds(position))
    }

    /// How far the journal's keys are in files.
    #[must_use]
    pub fn covered_to(&self) -> u64 {
        let of = |member: &Member| member.file.covered();
        self.members
            .iter()
            .map(of)
            .map(|it: Covered| it.to)
            .max()
            .unwrap_or(0)
    }

    /// The window that is certain: every key made within so many milliseconds before now is known, as far as files can tell. `kept_ms`, the
    /// time that keys are kept for, unless something was lost or given up within it.
    #[must_use]
    pub fn window_ms(&self, now_ms: u64, kept_ms: u64) -> u64 {
        let damaged = self.damages().map(|damage| damage.lost_to_ms);
        let lost_to_ms = damaged.chain([self.forgotten_to_ms]).max().unwrap_or(0);
        kept_ms.min(now_ms.saturating_sub(lost_to_ms))
    }

    /// Every file that is not what was written.
    pub fn damages(&self) -> impl Iterator<Item = FileDamage> {
        let met = self.members.iter().filter_map(|member| {
            Some(FileDamage {
                path: member.path.clone(),
                damage: member.file.damage()?,
                lost_to_ms: member.name.last_ms,
            })
        });
        let unreadable = self.unreadable.iter().map(|(_, damage)| damage.clone());
        unreadable.chain(met)
    }
}
