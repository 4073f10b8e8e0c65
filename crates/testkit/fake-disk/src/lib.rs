//! A disk in memory, for simulations: it behaves as a real one may on its worst day, and the same way for the same seed.
//!
//! [`FakeDisk`] stands behind [`journal::Storage`]. Two kinds of end are told apart:
//! - [`FakeDisk::kill`], the end of the process: everything written is there, synced or not, because the page cache outlives
//!   processes. Locks are released and open files are dead.
//! - [`FakeDisk::cut_power`], the end of the machine: what was synced is there; of what was not, any part is, sector by sector
//!   (512 bytes), in any order, one sector perhaps torn in the middle; so are unsynced names, and a boot begins that has
//!   another id.
//!
//! What a test can ask for beside: an error at the next operation of a kind ([`FakeDisk::fail_next`]), where a failed sync loses
//! its data while a later sync succeeds, as kernels do; a process that is killed in the middle of a write
//! ([`FakeDisk::kill_in_next_write`]); a file system that is full ([`FakeDisk::set_capacity`]); a flipped bit
//! ([`FakeDisk::damage`]).
//!
//! Limits: contents are kept as sectors that were written, twice (as seen, as durable), so reserved space costs nothing. One
//! lock guards everything; it is meant for one thread.

mod contents;
mod handle;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::Storage;

use world::World;

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Reading a file, its length included.
    Read,
    /// Writing into a file, or changing its length.
    Write,
    /// Making a file's contents durable.
    Sync,
    /// Making an empty file.
    Create,
    /// Opening a file that exists.
    Open,
    /// Removing a file.
    Remove,
    /// Renaming a file.
    Rename,
    /// Making names durable.
    SyncDirectory,
    /// Reserving space.
    Allocate,
    /// Listing a directory.
    List,
}

/// What was asked of the disk since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Writes into files.
    pub writes: u64,
    /// Bytes in them.
    pub written_bytes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Kills and power cuts.
    pub crashes: u64,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FakeDisk {
    world: Arc<Mutex<World>>,
}

impl FakeDisk {
    /// An empty disk of unlimited size. Everything that it chooses follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> FakeDisk {
        FakeDisk {
            world: Arc::new(Mutex::new(World::new(seed))),
        }
    }

    /// The disk as a log sees it. What one process opened is dead after [`kill`](FakeDisk::kill) and
    /// [`cut_power`](FakeDisk::cut_power); the storage itself goes on and serves the next process.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(handle::FakeStorage::new(Arc::clone(&self.world)))
    }

    /// Ends the process that uses the disk: what it wrote stays.
    pub fn kill(&self) {
        self.world().kill();
    }

    /// Ends the machine: what was not synced is there in part, and the next boot has another id.
    pub fn cut_power(&self) {
        self.world().cut_power();
    }

    /// Makes the next operation of this kind fail.
    pub fn fail_next(&self, operation: Operation, kind: io::ErrorKind) {
        self.world().fail(operation, kind);
    }

    /// Kills the process in the middle of its next write, of which the first `bytes` are carried out. Whatever it tries
    /// afterwards fails; call [`kill`](FakeDisk::kill) or [`cut_power`](FakeDisk::cut_power) to go on.
    pub fn kill_in_next_write(&self, bytes: usize) {
        self.world().kill_in_write = Some(bytes);
    }

    /// Takes a kill in the next write back, if it has not come to one yet.
    pub fn spare_next_write(&self) -> bool {
        self.world().kill_in_write.take().is_some()
    }

    /// Bytes that files may take in all; `None` for no limit. What they take already stays.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity = bytes;
    }

    /// Bytes that files take, reserved space included.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// Flips bits of one byte of a file, durably. Outside the file it does nothing and returns `false`.
    pub fn damage(&self, path: &Path, offset: u64, mask: u8) -> bool {
        self.world().damage(path, offset, mask)
    }

    /// What a file holds.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.world().contents(path)
    }

    /// The names of all files, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.world().files()
    }

    /// What was asked of the disk.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.world().totals
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

/// A test that panicked with the lock held has failed already; others may look at what it left.
fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
