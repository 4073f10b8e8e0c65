//! The disk of a run: the fake disk, how slow it is at present, and the planted defects of disks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fake_disk::{FakeDisk, Operation};
use journal::BootId;
use journal::storage::{Access, Locked, Storage, StorageFile};

use crate::dice::Dice;
use crate::mutant::Mutant;

/// The disk, as the world handles it.
pub(crate) struct Disk {
    disk: FakeDisk,
    slow_until_ns: u64,
    slow_by_ns: u64,
    mutant: Option<Mutant>,
}

impl Disk {
    pub(crate) fn new(mut dice: Dice, mutant: Option<Mutant>) -> Self {
        Self {
            disk: FakeDisk::new(dice.bits()),
            slow_until_ns: 0,
            slow_by_ns: 0,
            mutant,
        }
    }

    /// The disk as the present process sees it.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        let honest = self.disk.storage();
        match self.mutant {
            Some(mutant @ (Mutant::SyncLies | Mutant::BootLies)) => {
                Arc::new(Liar { honest, mutant })
            }
            Some(
                Mutant::UncertainCalledUnwritten
                | Mutant::RefusedCalledTaken
                | Mutant::OutcomesLost
                | Mutant::SentTwice
                | Mutant::ReceiptsSwapped,
            )
            | None => honest,
        }
    }

    pub(crate) fn kill_process(&self) {
        self.disk.kill();
    }

    /// The process will be killed in the middle of its next write.
    pub(crate) fn kill_in_next_write(&self, bytes: usize) {
        self.disk.kill_in_next_write(bytes);
    }

    /// Takes that back, if there was no write since.
    pub(crate) fn spare_next_write(&self) -> bool {
        self.disk.spare_next_write()
    }

    pub(crate) fn cut_power(&self) {
        self.disk.cut_power();
    }

    pub(crate) fn fail_next_sync(&self) {
        self.disk.fail_next(Operation::Sync, io::ErrorKind::Other);
    }

    pub(crate) fn fail_next_write(&self) {
        self.disk.fail_next(Operation::Write, io::ErrorKind::Other);
    }

    /// Nothing more fits.
    pub(crate) fn fill(&self) {
        self.disk.set_capacity(Some(self.disk.used_bytes()));
    }

    pub(crate) fn make_room(&self) {
        self.disk.set_capacity(None);
    }

    pub(crate) fn slow_down(&mut self, until_ns: u64, by_ns: u64) {
        (self.slow_until_ns, self.slow_by_ns) = (until_ns, by_ns);
    }

    /// How much longer an operation takes now.
    pub(crate) fn slow_ns(&self, now_ns: u64) -> u64 {
        if now_ns < self.slow_until_ns {
            self.slow_by_ns
        } else {
            0
        }
    }
}

/// A disk, or a machine, that does not keep what it says.
#[derive(Debug)]
struct Liar {
    honest: Arc<dyn Storage>,
    mutant: Mutant,
}

#[derive(Debug)]
struct LyingFile {
    honest: Arc<dyn StorageFile>,
    mutant: Mutant,
}

impl Liar {
    fn file(&self, honest: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        let mutant = self.mutant;
        Arc::new(LyingFile { honest, mutant })
    }
}

impl Storage for Liar {
    fn boot_id(&self) -> io::Result<BootId> {
        match self.mutant {
            Mutant::BootLies => Ok(BootId([7; 16])),
            _ => self.honest.boot_id(),
        }
    }

    fn random_seed(&self) -> io::Result<[u8; 32]> {
        self.honest.random_seed()
    }

    fn make_directory(&self, dir: &Path) -> io::Result<()> {
        self.honest.make_directory(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        self.honest.lock(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.honest.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.honest.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        self.honest.open(path, access).map(|file| self.file(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.honest.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.honest.rename(from, to)
    }

    fn sync_directory(&self, dir: &Path) -> io::Result<()> {
        self.honest.sync_directory(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.honest.free_bytes(dir)
    }
}

impl StorageFile for LyingFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.honest.read_at(bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.honest.write_all_at(bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.honest.allocate(bytes)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.honest.set_length(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.honest.length()
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.mutant {
            Mutant::SyncLies => Ok(()),
            _ => self.honest.sync_data(),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.honest.sync_all()
    }
}
