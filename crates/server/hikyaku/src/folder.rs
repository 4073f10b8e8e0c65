//! A directory of a command's own, gone when the command is.

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
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes one below the system's directory for temporary files (`TMPDIR`), named after the command.
    ///
    /// # Errors
    /// When that cannot be written to.
    pub(crate) fn create(command: &str) -> io::Result<Self> {
        Self::create_in(&std::env::temp_dir(), command)
    }

    /// The same below another directory.
    ///
    /// # Errors
    /// When that cannot be written to.
    pub(crate) fn create_in(parent: &Path, command: &str) -> io::Result<Self> {
        let path = parent.join(format!("hikyaku-{command}-{}", random_word()));
        // Fails when it exists: nobody can have prepared it for us.
        DirBuilder::new().mode(MODE).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
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
pub(crate) fn random_word() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_it_holds() {
        let folder = Folder::create("test").unwrap();
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
