//! The directory of files: opened once, changed by one owner, shown to everybody as [`KeyTables`].
//!
//! Limits: see the crate's head. Every method that changes something does as much as its name says and returns; the caller decides when.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Damage, KeyTableError};
use crate::file::KeyFile;
use crate::format::{Covered, KeyRow};
use crate::merge::{PARTS_MAX, WHOLE_ROWS, merged};
use crate::tables::{FileDamage, KeyTables, Member};
use crate::write::{Outline, Writer, failed, sync_dir};

const DIR_MODE: u32 = 0o700;
const HOUR_MS: u64 = 3_600_000;
const KEYS: &str = "keys";
const AHEAD: &str = "ahead";
const FORGOTTEN: &str = "forgotten";
const TEMPORARY: &str = "tmp";

/// What a file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) last_ms: u64,
    pub(crate) number: u64,
    pub(crate) first_ms: u64,
}

impl Name {
    fn parse(stem: &str) -> Option<Self> {
        let mut parts = stem.split('-').map(|part| part.parse().ok());
        let (first_ms, last_ms, number) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self {
            last_ms,
            number,
            first_ms,
        })
    }

    fn file(&self, dir: &Path, suffix: &str) -> PathBuf {
        let (first, last, number) = (self.first_ms, self.last_ms, self.number);
        dir.join(format!("{first:013}-{last:013}-{number:06}.{suffix}"))
    }

    const fn hour(&self) -> u64 {
        self.first_ms / HOUR_MS
    }
}

/// Keys that are to become a file.
#[derive(Debug)]
pub struct KeyBatch {
    /// The keys, in any order.
    pub rows: Vec<KeyRow>,
    /// When the first and the last of them were made, in milliseconds since the epoch.
    pub made_ms: (u64, u64),
    /// The journal whose keys they are.
    pub covered: Covered,
}

/// An opened directory.
#[derive(Debug)]
pub struct Opened {
    /// The directory.
    pub directory: KeyDirectory,
    /// Files left half made by a crash, removed: what they were made of is still in the journal.
    pub removed: usize,
}

/// The owner of the directory.
#[derive(Debug)]
pub struct KeyDirectory {
    dir: PathBuf,
    tables: KeyTables,
    next_number: u64,
    kept_ms: u64,
}

impl KeyDirectory {
    /// Opens the directory, making it if need be, and every file in it. `kept_ms` is how long keys are kept: damage older than that no longer
    /// matters.
    ///
    /// # Errors
    /// When the directory itself cannot be made or read. A file that cannot be read is not an error but a [`FileDamage`] of the tables.
    pub fn open(dir: &Path, kept_ms: u64) -> Result<Opened, KeyTableError> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)
            .map_err(failed(dir, "making the directory"))?;
        sync_dir(dir)?;
        let mut directory = Self {
            dir: dir.to_owned(),
            tables: KeyTables::default(),
            next_number: 1,
            kept_ms,
        };
        let mut removed = 0;
        for entry in fs::read_dir(dir).map_err(failed(dir, "listing"))? {
            let path = entry.map_err(failed(dir, "listing"))?.path();
            let text = |part: Option<&std::ffi::OsStr>| part?.to_str().map(str::to_owned);
            let (Some(stem), Some(suffix)) = (text(path.file_stem()), text(path.extension()))
            else {
                continue;
            };
            match (&*suffix, Name::parse(&stem)) {
                (KEYS, Some(name)) => directory.take_file(name, path),
                (AHEAD, Some(name)) => directory.take_ahead(name, path),
                (FORGOTTEN, _) => {
                    let to_ms = stem.parse().unwrap_or(0);
                    directory.tables.forgotten_to_ms = directory.tables.forgotten_to_ms.max(to_ms);
                }
                (TEMPORARY, _) => {
                    fs::remove_file(&path).map_err(failed(&path, "removing"))?;
                    removed += 1;
                }
                // Somebody else's file: not ours to touch.
                (_, _) => {}
            }
        }
        directory
            .tables
            .members
            .sort_unstable_by_key(|member| member.name);
        Ok(Opened { directory, removed })
    }

    fn take_file(&mut self, name: Name, path: PathBuf) {
        self.next_number = self.next_number.max(name.number + 1);
        let opened = File::open(&path)
            .map_err(|error| Damage::Read(error.kind()))
            .and_then(KeyFile::open);
        match opened {
            Ok(file) => self.tables.members.push(Member {
                name,
                path,
                file: Arc::new(file),
            }),
            Err(damage) => self.note_unreadable(name, path, damage),
        }
    }

    fn take_ahead(&mut self, name: Name, path: PathBuf) {
        self.next_number = self.next_number.max(name.number + 1);
        self.note_unreadable(name, path, Damage::AheadOfJournal { to: 0, end: 0 });
    }

    fn note_unreadable(&mut self, name: Name, path: PathBuf, damage: Damage) {
        let lost_to_ms = name.last_ms;
        let damage = FileDamage {
            path,
            damage,
            lost_to_ms,
        };
        self.tables.unreadable.push((name, damage));
    }

    /// The files as they stand now.
    #[must_use]
    pub fn tables(&self) -> KeyTables {
        self.tables.clone()
    }

    /// Sets files aside that cover records behind the journal's end: after a power cut with a journal that was not synced, their keys would
    /// name messages that no longer exist, and records yet to come would count as covered.
    ///
    /// # Errors
    /// When a file cannot be renamed.
    pub fn set_aside_ahead(&mut self, journal_end: u64) -> Result<(), KeyTableError> {
        let ahead = |member: &mut Member| member.file.covered().to > journal_end;
        let aside: Vec<_> = self.tables.members.extract_if(.., ahead).collect();
        for member in aside {
            let path = member.name.file(&self.dir, AHEAD);
            fs::rename(&member.path, &path).map_err(failed(&path, "renaming to this"))?;
            sync_dir(&path)?;
            let damage = Damage::AheadOfJournal {
                to: member.file.covered().to,
                end: journal_end,
            };
            self.note_unreadable(member.name, path, damage);
        }
        Ok(())
    }

    /// Makes a file of these rows, in any order, and returns when it is durable. Rows whose time is over are left out; without any other, no
    /// file is made.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    pub fn file(&mut self, batch: KeyBatch, now_ms: u64) -> Result<(), KeyTableError> {
        let KeyBatch {
            mut rows,
            made_ms,
            covered,
        } = batch;
        rows.retain(|row| row.until_ms > now_ms);
        // Of a key that stands there twice, the one that lasts longest comes first and is taken.
        rows.sort_unstable_by_key(|row| (row.key, Reverse(row.until_ms)));
        let outline = Outline {
            rows_max: rows.len() as u64,
            made_ms,
            covered,
        };
        let made = self.make(&outline, |writer| {
            rows.iter().try_for_each(|row| writer.push(row))
        })?;
        self.add(made);
        Ok(())
    }

    /// Merges the parts of one hour that is over, or has [`PARTS_MAX`] of them, into one file. A file of [`WHOLE_ROWS`] or more is no part any
    /// more, so that a merge stays short. `false` when there is nothing to merge. An hour with damage stays in parts.
    ///
    /// # Errors
    /// When a part cannot be read, which is a damage of the tables from then on, or the file cannot be written; the parts stay as they were.
    pub fn merge(&mut self, now_ms: u64) -> Result<bool, KeyTableError> {
        let Some(hour) = self.hour_to_merge(now_ms) else {
            return Ok(false);
        };
        let of_hour = |member: &&Member| is_part(member) && member.name.hour() == hour;
        let parts: Vec<_> = self
            .tables
            .members
            .iter()
            .filter(of_hour)
            .cloned()
            .collect();
        let files: Vec<_> = parts.iter().map(|part| Arc::clone(&part.file)).collect();
        let made = files.iter().map(|file| file.made_ms());
        let covered = files.iter().map(|file| file.covered());
        let outline = Outline {
            rows_max: files.iter().map(|file| file.rows()).sum(),
            made_ms: made
                .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
                .unwrap_or_default(),
            covered: covered.reduce(Covered::joined).unwrap_or_default(),
        };
        let made = self.make(&outline, |writer| {
            merged(&files, |row| {
                if row.until_ms > now_ms {
                    writer.push(row).map_err(MergeFault::Write)
                } else {
                    Ok(())
                }
            })
            .map_err(|fault| fault.of(&parts))
        })?;
        self.add(made);
        // The parts hold nothing that the whole does not, so that a crash from here on leaves copies at worst.
        self.remove(|member| parts.iter().any(|part| part.name == member.name))?;
        Ok(true)
    }

    fn hour_to_merge(&self, now_ms: u64) -> Option<u64> {
        let damaged = |hour| {
            let mut unreadable = self.tables.unreadable.iter();
            let mut members = self.tables.members.iter();
            unreadable.any(|(name, _)| name.hour() == hour)
                || members.any(|it| it.name.hour() == hour && it.file.damage().is_some())
        };
        let mut hours = BTreeMap::<u64, usize>::new();
        for member in self.tables.members.iter().filter(|member| is_part(member)) {
            *hours.entry(member.name.hour()).or_default() += 1;
        }
        let due = |(hour, parts): &(u64, usize)| {
            let over = *hour < now_ms / HOUR_MS;
            (*parts >= PARTS_MAX || (over && *parts > 1)) && !damaged(*hour)
        };
        hours.into_iter().find(due).map(|(hour, _)| hour)
    }

    /// Deletes the files whose time is over, and what was remembered of damage and of keys given up that long ago.
    ///
    /// # Errors
    /// When a file cannot be deleted.
    pub fn expire(&mut self, now_ms: u64) -> Result<(), KeyTableError> {
        self.remove(|member| member.file.until_ms() <= now_ms)?;
        let kept_ms = self.kept_ms;
        let over = |last_ms: u64| last_ms.saturating_add(kept_ms) <= now_ms;
        for (_, damage) in &self.tables.unreadable {
            if over(damage.lost_to_ms) {
                delete(&damage.path)?;
            }
        }
        let unreadable = &mut self.tables.unreadable;
        unreadable.retain(|(_, damage)| !over(damage.lost_to_ms));
        if self.tables.forgotten_to_ms != 0 && over(self.tables.forgotten_to_ms) {
            delete(&self.forgotten_mark(self.tables.forgotten_to_ms))?;
            self.tables.forgotten_to_ms = 0;
        }
        Ok(())
    }

    /// Gives up the oldest file before its time, so that there is room for younger keys. The mark that says so is durable before the file
    /// goes. `false` when there is none.
    ///
    /// # Errors
    /// When the mark cannot be made or the file not deleted.
    pub fn forget_oldest(&mut self) -> Result<bool, KeyTableError> {
        let Some(oldest) = self.tables.members.first().map(|member| member.name) else {
            return Ok(false);
        };
        let before_ms = self.tables.forgotten_to_ms;
        if oldest.last_ms > before_ms {
            let mark = self.forgotten_mark(oldest.last_ms);
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&mark)
                .and_then(|file| file.sync_all())
                .map_err(failed(&mark, "making the mark"))?;
            sync_dir(&mark)?;
            self.tables.forgotten_to_ms = oldest.last_ms;
            if before_ms != 0 {
                delete(&self.forgotten_mark(before_ms))?;
            }
        }
        self.remove(|member| member.name == oldest)?;
        Ok(true)
    }

    fn forgotten_mark(&self, to_ms: u64) -> PathBuf {
        self.dir.join(format!("{to_ms:013}.{FORGOTTEN}"))
    }

    fn add(&mut self, made: Option<Member>) {
        self.tables.members.extend(made);
        self.tables
            .members
            .sort_unstable_by_key(|member| member.name);
    }

    fn remove(&mut self, gone: impl Fn(&Member) -> bool) -> Result<(), KeyTableError> {
        // Out of the tables first: what cannot be deleted is found again at the next start, and harmless.
        let removed = self.tables.members.extract_if(.., |member| gone(member));
        let removed: Vec<_> = removed.collect();
        removed.iter().try_for_each(|member| delete(&member.path))
    }

    /// Makes a file from what `fill` writes; `None` when that was nothing.
    fn make(
        &mut self,
        outline: &Outline,
        fill: impl FnOnce(&mut Writer) -> Result<(), KeyTableError>,
    ) -> Result<Option<Member>, KeyTableError> {
        let name = Name {
            first_ms: outline.made_ms.0,
            last_ms: outline.made_ms.1,
            number: self.next_number,
        };
        self.next_number += 1;
        let temporary = self.dir.join(format!("{:06}.{TEMPORARY}", name.number));
        let mut writer = Writer::create(temporary, outline)?;
        fill(&mut writer)?;
        if writer.rows() == 0 {
            return Ok(None);
        }
        let path = name.file(&self.dir, KEYS);
        writer.finish(&path)?;
        let file = File::open(&path).map_err(failed(&path, "opening"))?;
        let file = KeyFile::open(file).map_err(|damage| KeyTableError::Damaged {
            path: path.clone(),
            damage,
        })?;
        Ok(Some(Member {
            name,
            path,
            file: Arc::new(file),
        }))
    }
}

/// What ends a merge early.
enum MergeFault {
    Write(KeyTableError),
    Damage(Damage),
}

impl From<Damage> for MergeFault {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl MergeFault {
    fn of(self, parts: &[Member]) -> KeyTableError {
        match self {
            Self::Write(error) => error,
            Self::Damage(damage) => {
                let damaged = parts.iter().find(|part| part.file.damage().is_some());
                let path = damaged.map(|part| part.path.clone()).unwrap_or_default();
                KeyTableError::Damaged { path, damage }
            }
        }
    }
}

fn is_part(member: &Member) -> bool {
    member.file.rows() < WHOLE_ROWS
}

fn delete(path: &Path) -> Result<(), KeyTableError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(path, "deleting")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
