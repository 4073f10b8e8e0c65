//! What lies in a log's directory, by name.
//!
//! | name | what |
//! |---|---|
//! | `0000000000001f40.journal` | records; the name is the position of the first, in 16 hexadecimal digits |
//! | `mark` | from which position on recovery must read |
//! | `reserve` | space that is kept for a full disk |
//! | `lock` | held by the one process that uses the directory |

use std::path::{Path, PathBuf};

use crate::storage::{Locked, Storage, StorageLock};
use crate::{OpenError, Position};

const SUFFIX: &str = "journal";
const LOCK_NAME: &str = "lock";
const RESERVE_NAME: &str = "reserve";
const MARK_NAME: &str = "mark";
/// The last position at which a file may begin: a log that has written this much is none, and behind it positions can be counted on in
/// 64 bits whatever a file holds.
const START_MAX: Position = Position(1 << 62);

/// A file found in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) start: Position,
    pub(crate) path: PathBuf,
}

/// The directory's journal files in the order of their positions.
pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> Result<Vec<FoundFile>, OpenError> {
    let paths = storage
        .list(dir)
        .map_err(|error| OpenError::io("listing", dir, error))?;
    let mut found = Vec::new();
    for path in paths {
        if path
            .extension()
            .is_some_and(|extension| extension == SUFFIX)
        {
            let start = position_in_name(&path)
                .ok_or_else(|| OpenError::FileName { file: path.clone() })?;
            found.push(FoundFile { start, path });
        }
    }
    found.sort_by_key(|file| file.start);
    Ok(found)
}

fn position_in_name(path: &Path) -> Option<Position> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == 16
        && stem
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits
        .then(|| u64::from_str_radix(stem, 16).ok().map(Position))
        .flatten()
        .filter(|start| *start <= START_MAX)
}

pub(crate) fn path_of(dir: &Path, start: Position) -> PathBuf {
    dir.join(format!("{:016x}.{SUFFIX}", start.0))
}

pub(crate) fn reserve_path(dir: &Path) -> PathBuf {
    dir.join(RESERVE_NAME)
}

pub(crate) fn mark_path(dir: &Path) -> PathBuf {
    dir.join(MARK_NAME)
}

/// Makes the directory where it is missing, and takes the exclusive hold on it, which ends with the process, however it
/// ends.
pub(crate) fn lock_directory(
    storage: &dyn Storage,
    dir: &Path,
) -> Result<Box<dyn StorageLock>, OpenError> {
    storage
        .make_directory(dir)
        .map_err(|error| OpenError::io("creating directory", dir, error))?;
    let path = dir.join(LOCK_NAME);
    match storage.lock(&path) {
        Ok(Locked::Held(lock)) => Ok(lock),
        Ok(Locked::Taken) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(error) => Err(OpenError::io("locking", &path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_positions() {
        let path = path_of(Path::new("d"), Position(0xabc));
        assert_eq!(path, Path::new("d/0000000000000abc.journal"));
        assert_eq!(position_in_name(&path), Some(Position(0xabc)));
        for name in [
            "abc.journal",
            "0000000000000ABC.journal",
            "000000000000000g.journal",
            "+000000000000abc.journal",
            "fffffffffffffff0.journal",
        ] {
            assert_eq!(position_in_name(Path::new(name)), None, "{name}");
        }
    }
}
