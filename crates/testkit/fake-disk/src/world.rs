//! What the disk holds, as the running system sees it and as the platter does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::contents::{Contents, SECTOR_BYTES};
use crate::{Operation, Totals};

pub(crate) type FileId = u64;

#[derive(Debug)]
pub(crate) struct World {
    directories: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, FileId>,
    durable_names: BTreeMap<PathBuf, FileId>,
    /// Changes of names since their directory was synced, in order. What one operation changes stays together.
    name_changes: Vec<Vec<(PathBuf, Option<FileId>)>>,
    files: BTreeMap<FileId, FileState>,
    next_file: FileId,
    locks: BTreeSet<PathBuf>,
    random: u64,
    pub(crate) boot: u64,
    /// Rises with every crash; what was opened under another number is dead.
    pub(crate) process: u64,
    faults: Vec<(Operation, io::ErrorKind)>,
    pub(crate) kill_in_write: Option<usize>,
    /// Between a kill in the middle of a write and the crash that the test then declares.
    dead: bool,
    pub(crate) capacity: Option<u64>,
    pub(crate) totals: Totals,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    seen: Contents,
    durable: Contents,
    /// Sectors that were written since the last sync.
    unsynced: BTreeSet<u64>,
    /// Space up to here is reserved.
    reserved_bytes: u64,
}

impl FileState {
    fn space_bytes(&self) -> u64 {
        // Reserved space is whole sectors: a write inside them needs no more.
        let reserved_bytes = self.reserved_bytes.next_multiple_of(SECTOR_BYTES);
        reserved_bytes.max(self.seen.written_bytes())
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            directories: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            files: BTreeMap::new(),
            next_file: 0,
            locks: BTreeSet::new(),
            random: seed,
            boot: 1,
            process: 1,
            faults: Vec::new(),
            kill_in_write: None,
            dead: false,
            capacity: None,
            totals: Totals::default(),
        }
    }

    /// 64 random bits (SplitMix64).
    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn fail(&mut self, operation: Operation, kind: io::ErrorKind) {
        self.faults.push((operation, kind));
    }

    /// The error that was asked for at this operation.
    pub(crate) fn check(&mut self, operation: Operation) -> io::Result<()> {
        if self.dead {
            return Err(dead());
        }
        let at = self.faults.iter().position(|(of, _)| *of == operation);
        match at {
            Some(at) => Err(io::Error::from(self.faults.remove(at).1)),
            None => Ok(()),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process += 1;
        self.totals.crashes += 1;
        self.locks.clear();
        self.faults.clear();
        self.kill_in_write = None;
        self.dead = false;
    }

    pub(crate) fn cut_power(&mut self) {
        self.kill();
        self.boot += 1;
        for change in std::mem::take(&mut self.name_changes) {
            if self.random() & 1 == 0 {
                apply(&mut self.durable_names, &change);
            }
        }
        self.names = self.durable_names.clone();
        let kept: BTreeSet<FileId> = self.names.values().copied().collect();
        self.files.retain(|id, _| kept.contains(id));
        for id in kept {
            // Everything, nothing, or each sector for itself.
            let style = self.random() % 4;
            let length = self.random() & 1 == 0;
            let torn = self.random();
            let Some(mut file) = self.files.remove(&id) else {
                continue;
            };
            let unsynced: Vec<u64> = file.unsynced.iter().copied().collect();
            for (at, number) in unsynced.iter().enumerate() {
                let written = match style {
                    0 => false,
                    1 => true,
                    2 | 3 => self.random() & 1 == 0,
                    4.. => unreachable!("a remainder of 4"),
                };
                let mut sector = if written {
                    file.seen.sector(*number)
                } else {
                    file.durable.sector(*number)
                };
                if style == 3 && at as u64 == torn % unsynced.len() as u64 {
                    let half = usize::try_from(torn >> 32).unwrap_or_default() % sector.len();
                    let (new, old) = (file.seen.sector(*number), file.durable.sector(*number));
                    sector[..half].copy_from_slice(&new[..half]);
                    sector[half..].copy_from_slice(&old[half..]);
                }
                file.durable.set_sector(*number, sector);
            }
            if length && file.seen.length != file.durable.length {
                file.durable.set_length(file.seen.length);
            } else {
                // Sectors behind the end are no part of the file.
                let length = file.durable.length;
                file.durable.length = u64::MAX;
                file.durable.set_length(length);
            }
            file.unsynced.clear();
            file.seen = file.durable.clone();
            file.reserved_bytes = file.reserved_bytes.min(file.seen.length);
            self.files.insert(id, file);
        }
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.names
            .values()
            .filter_map(|id| self.files.get(id))
            .map(FileState::space_bytes)
            .sum()
    }

    pub(crate) fn damage(&mut self, path: &Path, offset: u64, mask: u8) -> bool {
        let Some(file) = self.names.get(path).and_then(|id| self.files.get_mut(id)) else {
            return false;
        };
        let flip = |contents: &mut Contents| {
            let mut byte = [0];
            let found = contents.read(&mut byte, offset) == 1;
            if found {
                contents.write(&[byte[0] ^ mask], offset, |_| ());
            }
            found
        };
        flip(&mut file.durable);
        flip(&mut file.seen)
    }

    pub(crate) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let file = self.files.get(self.names.get(path)?)?;
        let mut bytes = vec![0; usize::try_from(file.seen.length).ok()?];
        file.seen.read(&mut bytes, 0);
        Some(bytes)
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    pub(crate) fn make_directory(&mut self, dir: &Path) {
        self.directories.insert(dir.to_owned());
    }

    pub(crate) fn lock(&mut self, path: &Path) -> bool {
        self.locks.insert(path.to_owned())
    }

    pub(crate) fn unlock(&mut self, path: &Path, process: u64) {
        if process == self.process {
            self.locks.remove(path);
        }
    }

    pub(crate) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.directories.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        Ok(self.names.keys().filter(inside).cloned().collect())
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<FileId> {
        let parent = path
            .parent()
            .is_some_and(|dir| self.directories.contains(dir));
        if !parent {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Some(id) = self.names.get(path).copied() {
            self.set_length(id, 0)?;
            return Ok(id);
        }
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, FileState::default());
        self.change_names(vec![(path.to_owned(), Some(id))]);
        Ok(id)
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<FileId> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.change_names(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        self.change_names(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        Ok(())
    }

    pub(crate) fn sync_directory(&mut self, dir: &Path) {
        for change in std::mem::take(&mut self.name_changes) {
            if change.iter().any(|(path, _)| path.parent() == Some(dir)) {
                apply(&mut self.durable_names, &change);
            } else {
                self.name_changes.push(change);
            }
        }
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| {
            capacity.saturating_sub(self.used_bytes())
        })
    }

    pub(crate) fn read(&self, id: FileId, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.file(id)?.seen.read(bytes, offset))
    }

    pub(crate) fn length(&self, id: FileId) -> io::Result<u64> {
        Ok(self.file(id)?.seen.length)
    }

    pub(crate) fn write(&mut self, id: FileId, bytes: &[u8], offset: u64) -> io::Result<()> {
        let killed = self.kill_in_write.take();
        let bytes = killed.map_or(bytes, |some| &bytes[..some.min(bytes.len())]);
        self.take_space(id, offset + bytes.len() as u64)?;
        self.totals.writes += 1;
        self.totals.written_bytes += bytes.len() as u64;
        let file = self.file_mut(id)?;
        let unsynced = &mut file.unsynced;
        file.seen.write(bytes, offset, |number| {
            unsynced.insert(number);
        });
        if killed.is_some() {
            self.dead = true;
            return Err(dead());
        }
        Ok(())
    }

    pub(crate) fn allocate(&mut self, id: FileId, bytes: u64) -> io::Result<()> {
        self.take_space(id, bytes)?;
        let file = self.file_mut(id)?;
        file.reserved_bytes = file.reserved_bytes.max(bytes);
        if file.seen.length < bytes {
            file.seen.set_length(bytes);
        }
        Ok(())
    }

    pub(crate) fn set_length(&mut self, id: FileId, bytes: u64) -> io::Result<()> {
        let file = self.file_mut(id)?;
        let before = file.seen.length;
        file.seen.set_length(bytes);
        file.reserved_bytes = file.reserved_bytes.min(bytes);
        // What was cut counts as changed: the platter may still have it.
        for number in bytes / SECTOR_BYTES..before.div_ceil(SECTOR_BYTES) {
            if file.durable.sector(number) != file.seen.sector(number) {
                file.unsynced.insert(number);
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self, id: FileId, lengths: Lengths) -> io::Result<()> {
        if self.dead {
            return Err(dead());
        }
        self.totals.syncs += 1;
        let checked = self.check(Operation::Sync);
        let file = self.file_mut(id)?;
        let unsynced = std::mem::take(&mut file.unsynced);
        // After a failed sync the kernel holds the pages for clean: the next one succeeds without them.
        checked?;
        for number in unsynced {
            let sector = file.seen.sector(number);
            file.durable.set_sector(number, sector);
        }
        let (seen, durable) = (file.seen.length, file.durable.length);
        if seen > durable || lengths == Lengths::CutsToo {
            file.durable.length = seen;
        }
        Ok(())
    }

    /// Whether the file system has room for the file to reach `end`.
    fn take_space(&self, id: FileId, end: u64) -> io::Result<()> {
        let Some(capacity) = self.capacity else {
            return Ok(());
        };
        let held = self.file(id)?.space_bytes();
        let wanted = end.div_ceil(SECTOR_BYTES) * SECTOR_BYTES;
        if wanted > held && self.used_bytes() - held + wanted > capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change_names(&mut self, change: Vec<(PathBuf, Option<FileId>)>) {
        apply(&mut self.names, &change);
        self.name_changes.push(change);
    }

    fn file(&self, id: FileId) -> io::Result<&FileState> {
        self.files.get(&id).ok_or_else(dead)
    }

    fn file_mut(&mut self, id: FileId) -> io::Result<&mut FileState> {
        self.files.get_mut(&id).ok_or_else(dead)
    }
}

/// Which changes of a file's length a sync makes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lengths {
    GrownOnly,
    CutsToo,
}

fn apply(names: &mut BTreeMap<PathBuf, FileId>, change: &[(PathBuf, Option<FileId>)]) {
    for (path, id) in change {
        match id {
            Some(id) => names.insert(path.clone(), *id),
            None => names.remove(path),
        };
    }
}

pub(crate) fn dead() -> io::Error {
    io::Error::other("the process that opened this has crashed")
}
