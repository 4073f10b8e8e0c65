//! The disk behind the journal's traits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use journal::BootId;
use journal::storage::{Access, Locked, Storage, StorageFile, StorageLock};

use crate::world::{FileId, Lengths, World, dead};
use crate::{Operation, lock};

#[derive(Debug)]
pub(crate) struct FakeStorage {
    world: Arc<Mutex<World>>,
}

impl FakeStorage {
    pub(crate) fn new(world: Arc<Mutex<World>>) -> FakeStorage {
        FakeStorage { world }
    }

    fn checked(&self, operation: Operation) -> io::Result<MutexGuard<'_, World>> {
        let mut world = lock(&self.world);
        world.check(operation)?;
        Ok(world)
    }

    fn file(&self, world: &World, id: FileId) -> Arc<dyn StorageFile> {
        Arc::new(FakeFile {
            world: Arc::clone(&self.world),
            id,
            process: world.process,
        })
    }
}

impl Storage for FakeStorage {
    fn boot_id(&self) -> io::Result<BootId> {
        let boot = lock(&self.world).boot;
        let mut bytes = [0xb0; 16];
        bytes[..8].copy_from_slice(&boot.to_be_bytes());
        Ok(BootId(bytes))
    }

    fn random_seed(&self) -> io::Result<[u8; 32]> {
        let mut world = lock(&self.world);
        let mut seed = [0; 32];
        for word in seed.chunks_exact_mut(8) {
            word.copy_from_slice(&world.random().to_le_bytes());
        }
        Ok(seed)
    }

    fn make_directory(&self, dir: &Path) -> io::Result<()> {
        lock(&self.world).make_directory(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        let mut world = lock(&self.world);
        if !world.lock(path) {
            return Ok(Locked::Taken);
        }
        Ok(Locked::Held(Box::new(FakeLock {
            world: Arc::clone(&self.world),
            path: path.to_owned(),
            process: world.process,
        })))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.checked(Operation::List)?.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.checked(Operation::Create)?;
        let id = world.create(path)?;
        Ok(self.file(&world, id))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let world = self.checked(Operation::Open)?;
        let id = world.find(path)?;
        Ok(self.file(&world, id))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.checked(Operation::Remove)?.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.checked(Operation::Rename)?.rename(from, to)
    }

    fn sync_directory(&self, dir: &Path) -> io::Result<()> {
        self.checked(Operation::SyncDirectory)?.sync_directory(dir);
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(lock(&self.world).free_bytes())
    }
}

#[derive(Debug)]
struct FakeLock {
    world: Arc<Mutex<World>>,
    path: PathBuf,
    process: u64,
}

impl StorageLock for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        lock(&self.world).unlock(&self.path, self.process);
    }
}

#[derive(Debug)]
struct FakeFile {
    world: Arc<Mutex<World>>,
    id: FileId,
    process: u64,
}

impl FakeFile {
    fn alive(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = lock(&self.world);
        if world.process == self.process {
            Ok(world)
        } else {
            Err(dead())
        }
    }

    fn checked(&self, operation: Operation) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.alive()?;
        world.check(operation)?;
        Ok(world)
    }
}

impl StorageFile for FakeFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.checked(Operation::Read)?.read(self.id, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.checked(Operation::Write)?
            .write(self.id, bytes, offset)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.checked(Operation::Allocate)?.allocate(self.id, bytes)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.checked(Operation::Write)?.set_length(self.id, bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.checked(Operation::Read)?.length(self.id)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.alive()?.sync(self.id, Lengths::GrownOnly)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.alive()?.sync(self.id, Lengths::CutsToo)
    }
}
