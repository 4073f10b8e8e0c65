//! The file system of the operating system.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;

use super::{Access, Locked, Storage, StorageFile, StorageLock};
use crate::BootId;
use crate::boot;

/// Records hold message bodies and numbers: nobody but the engine's user may read them.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

const RANDOM_PATH: &str = "/dev/urandom";

/// Zeros written at a time where a file system cannot reserve space.
const ZEROS_BYTES: usize = 256 << 10;

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileStorage;

impl FileStorage {
    /// The real disk, ready to be handed to a log.
    #[must_use]
    pub fn shared() -> Arc<dyn Storage> {
        Arc::new(FileStorage)
    }
}

impl Storage for FileStorage {
    fn boot_id(&self) -> io::Result<BootId> {
        boot::read()
    }

    fn random_seed(&self) -> io::Result<[u8; 32]> {
        let mut seed = [0; 32];
        File::open(RANDOM_PATH)?.read_exact(&mut seed)?;
        Ok(seed)
    }

    /// A synced file in a directory whose own name a power cut took away is lost all the same: so the names of all that was
    /// made are synced, from the inside out.
    fn make_directory(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(dir)?;
        for made in missing {
            let parent = match made.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                Some(_) | None => Path::new("."),
            };
            self.sync_directory(parent)?;
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Locked::Held(Box::new(FileLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(Locked::Taken),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::Write)
            .open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// The operating system releases it with the last handle.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl StorageLock for FileLock {}

#[derive(Debug)]
struct DiskFile(File);

impl StorageFile for DiskFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.0.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                fill_with_zeros(&self.0, bytes)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Extends a file with written zeros: the only reservation that every file system honours.
fn fill_with_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = file.metadata()?.len();
    while offset < bytes {
        let some =
            usize::try_from(bytes - offset).map_or(ZEROS_BYTES, |rest| rest.min(ZEROS_BYTES));
        file.write_all_at(&zeros[..some], offset)?;
        offset += some as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("storage-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        FileStorage.make_directory(&dir).unwrap();
        dir
    }

    #[test]
    fn seeds_differ() {
        let seed = || FileStorage.random_seed().unwrap();
        assert_ne!(seed(), seed());
    }

    #[test]
    fn allocated_space_reads_as_zeros_and_keeps_what_was_written() {
        let dir = scratch("allocate");
        let file = FileStorage.create(&dir.join("a")).unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        file.allocate(10_000).unwrap();
        assert_eq!(file.length().unwrap(), 10_000);
        let mut bytes = vec![1; 20_000];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 10_000);
        assert_eq!(&bytes[..3], b"abc");
        assert!(bytes[3..10_000].iter().all(|byte| *byte == 0));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn zeros_stand_in_where_space_cannot_be_reserved() {
        let dir = scratch("zeros");
        let path = dir.join("a");
        fs::write(&path, b"abc").unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let bytes = ZEROS_BYTES as u64 + 77;
        fill_with_zeros(&file, bytes).unwrap();
        let found = fs::read(&path).unwrap();
        assert_eq!((found.len() as u64, &found[..3]), (bytes, &b"abc"[..]));
        assert!(found[3..].iter().all(|byte| *byte == 0));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_lock_is_held_until_dropped_and_space_is_reported() {
        let dir = scratch("lock");
        let path = dir.join("lock");
        let held = FileStorage.lock(&path).unwrap();
        assert!(matches!(held, Locked::Held(_)));
        assert!(matches!(FileStorage.lock(&path).unwrap(), Locked::Taken));
        drop(held);
        assert!(matches!(FileStorage.lock(&path).unwrap(), Locked::Held(_)));
        assert!(FileStorage.free_bytes(&dir).unwrap() > 0);
        fs::remove_dir_all(dir).unwrap();
    }
}
