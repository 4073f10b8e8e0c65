//! The disk behind a log, as a trait: everything that a log asks of an operating system goes through here.
//!
//! [`FileStorage`] is the real one; a simulator puts virtual contents in its place. The traits are objects rather than
//! type parameters: a call is one system call, beside which a virtual call is nothing, and the engine, its readers and its
//! tools need not carry a parameter for what differs in tests only.

mod disk;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::FileStorage;

use crate::BootId;

/// A file system: directories, names, and two facts that only the machine knows.
///
/// What a method promises about a crash is part of it: contents are durable after [`StorageFile::sync_data`], names after
/// [`Storage::sync_directory`], and neither before.
pub trait Storage: Debug + Send + Sync {
    /// Which boot of the machine this is.
    ///
    /// # Errors
    /// Where the operating system does not say.
    fn boot_id(&self) -> io::Result<BootId>;

    /// 32 random bytes: the seed of everything random in an engine.
    ///
    /// # Errors
    /// Where the operating system has none.
    fn random_seed(&self) -> io::Result<[u8; 32]>;

    /// Makes a directory, readable by its owner only, and those above it that are missing, and makes their names durable.
    ///
    /// # Errors
    /// As the file system says.
    fn make_directory(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive hold on a file, made where it is missing. It ends when the value is dropped or the process ends.
    ///
    /// # Errors
    /// As the file system says; that somebody else has it is no error.
    fn lock(&self, path: &Path) -> io::Result<Locked>;

    /// The files of a directory, in any order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes an empty file, readable by its owner only; one of that name loses what it held.
    ///
    /// # Errors
    /// As the file system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] and whatever else the file system says.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>>;

    /// Removes a file. Whoever has it open can go on reading it.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in the same directory, in one step; a file that had it is gone.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_directory(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that this process may still use in the file system that holds `dir`.
    ///
    /// # Errors
    /// As the file system says.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// What an opened file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// What came of the attempt to lock.
#[derive(Debug)]
pub enum Locked {
    /// The lock, held until the value is dropped.
    Held(Box<dyn StorageLock>),
    /// Somebody else has it.
    Taken,
}

/// An exclusive hold that ends when it is dropped.
pub trait StorageLock: Debug + Send + Sync {}

/// One open file. Offsets are explicit, so that readers and the writer share a file without sharing a cursor.
pub trait StorageFile: Debug + Send + Sync {
    /// Reads at `offset` into `bytes` and returns how many it got: fewer than asked for only at the end of the file.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, beyond the end too, where the gap reads as zeros.
    ///
    /// # Errors
    /// As the file system says; how much was written is unknown then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reserves the space of the first `bytes` bytes, so that writing there never lacks space; what was never written reads
    /// as zeros. A shorter file grows to that length.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] or [`io::ErrorKind::QuotaExceeded`] where there is not so much; whatever else the file
    /// system says.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros for which no space is reserved.
    ///
    /// # Errors
    /// As the file system says.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// As the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Makes durable what was written and what is needed to read it back.
    ///
    /// # Errors
    /// As the file system says. What became of the data is unknown then, and a later success proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// The same with everything else about the file: to be called where it was cut, since a cut is not needed to read back
    /// what is left, and yet must not come undone.
    ///
    /// # Errors
    /// As for [`sync_data`](StorageFile::sync_data).
    fn sync_all(&self) -> io::Result<()>;
}
