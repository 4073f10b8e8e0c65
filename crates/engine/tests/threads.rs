//! The death of a thread that works for the shard ends the engine, and says which it was.

mod rig;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::{Engine, EngineConfig, EngineFailure, Life, Limits, ShardFailure};
use journal::storage::{Access, FileStorage, Locked, Storage, StorageFile};
use message::{Category, Now};
use rig::{Directory, Script, config, now, start_with, submission, submit, wait_for};

/// Whether this is the thread that is to die, which then does.
fn die_in(name: &str, armed: &AtomicBool) {
    let here = std::thread::current();
    assert!(
        here.name() != Some(name) || !armed.load(Ordering::SeqCst),
        "the test wants it so"
    );
}

fn assert_ends(engine: Engine, failure: &ShardFailure) {
    let handle = engine.handle();
    wait_for("the engine to end", || handle.life() == Life::Failed);
    match engine.join() {
        Err(EngineFailure::Shard(why)) => assert_eq!(why, *failure),
        other => panic!("it ended with {other:?}"),
    }
}

#[tokio::test]
async fn without_its_events_thread_an_engine_ends() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    fn clock() -> Now {
        die_in("events", &ARMED);
        now()
    }
    let directory = Directory::new("threads-events");
    let config = EngineConfig {
        clock,
        ..config(&directory, Limits::default())
    };
    let engine = start_with(config, &Script::default());
    ARMED.store(true, Ordering::SeqCst);
    // Its event calls the thread.
    submit(&engine.handle(), submission(1, Category::Alert))
        .await
        .unwrap();
    assert_ends(engine, &ShardFailure::Events);
}

#[tokio::test]
async fn without_its_reader_an_engine_ends() {
    let directory = Directory::new("threads-reader");
    let armed = Arc::new(AtomicBool::new(false));
    let limits = Limits {
        head_messages: 16,
        ..Limits::default()
    };
    let config = EngineConfig {
        storage: Arc::new(Deadly(Arc::clone(&armed))),
        ..config(&directory, limits)
    };
    let script = Script::default();
    script.closed.store(true, Ordering::SeqCst);
    let engine = start_with(config, &script);
    armed.store(true, Ordering::SeqCst);
    for number in 0..400 {
        submit(&engine.handle(), submission(number, Category::Promotional))
            .await
            .unwrap();
    }
    // What is in memory leaves, and what is cold is to follow.
    script.closed.store(false, Ordering::SeqCst);
    assert_ends(engine, &ShardFailure::Reader);
}

/// The real disk, which kills the reader's thread when it opens a file.
#[derive(Debug)]
struct Deadly(Arc<AtomicBool>);

impl Storage for Deadly {
    fn boot_id(&self) -> io::Result<journal::BootId> {
        FileStorage.boot_id()
    }

    fn random_seed(&self) -> io::Result<[u8; 32]> {
        FileStorage.random_seed()
    }

    fn make_directory(&self, dir: &Path) -> io::Result<()> {
        FileStorage.make_directory(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        FileStorage.lock(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        FileStorage.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        FileStorage.create(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        die_in("reader-0", &self.0);
        FileStorage.open(path, access)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileStorage.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileStorage.rename(from, to)
    }

    fn sync_directory(&self, dir: &Path) -> io::Result<()> {
        FileStorage.sync_directory(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        FileStorage.free_bytes(dir)
    }
}
