//! A directory of the demo's own, gone when the demo is.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder};
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Only we may look in.
const MODE: u32 = 0o700;

/// A new directory, removed with all it holds when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one below the system's directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// When that cannot be written to.
    pub(super) fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("hikyaku-demo-{}", random_word()));
        // Fails when it exists: nobody can have prepared it for us.
        DirBuilder::new().mode(MODE).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("hikyaku: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// 32 hexadecimal digits that nobody can guess.
pub(super) fn random_word() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_it_holds() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "text").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn two_words_differ() {
        assert_ne!(random_word(), random_word());
        assert_eq!(random_word().len(), 32);
    }
}
