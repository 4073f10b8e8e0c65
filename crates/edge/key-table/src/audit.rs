//! Looking at a directory of key files without touching it.
//!
//! Limits: one file at a time, of which index and filter are in memory, some 1.7 bytes a key.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Damage, KeyTableError};
use crate::file::KeyFile;
use crate::format::Covered;
use crate::write::failed;

const KEYS: &str = "keys";
const AHEAD: &str = "ahead";

/// What one file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileAudit {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What its header says; none where that cannot be read.
    pub outline: Option<KeyFileOutline>,
    /// What is wrong with it: the first that was found.
    pub damage: Option<Damage>,
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFileOutline {
    /// How many keys it has.
    pub rows: u64,
    /// When the first and the last of them were made, in milliseconds since the epoch.
    pub made_ms: (u64, u64),
    /// When the time of the last one is over, in milliseconds since the epoch.
    pub until_ms: u64,
    /// The stretch of the journal whose keys it holds.
    pub covered: Covered,
}

/// Reads every file of the directory whole, in the order of their names, and hands what was found to `each`. A file that was set aside because
/// it covers records the journal lost counts as damaged. Files that are deleted meanwhile are left out.
///
/// # Errors
/// When the directory cannot be listed.
pub fn audit(dir: &Path, each: &mut dyn FnMut(KeyFileAudit)) -> Result<(), KeyTableError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed(dir, "listing"))? {
        let path = entry.map_err(failed(dir, "listing"))?.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        if matches!(suffix, Some(KEYS | AHEAD)) {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        if let Some(found) = look(path) {
            each(found);
        }
    }
    Ok(())
}

fn look(path: PathBuf) -> Option<KeyFileAudit> {
    let source = match File::open(&path) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            return Some(KeyFileAudit {
                path,
                bytes: 0,
                outline: None,
                damage: Some(Damage::Read(error.kind())),
            });
        }
    };
    let bytes = source.metadata().map_or(0, |found| found.len());
    let ahead = path.extension().is_some_and(|suffix| suffix == AHEAD);
    let (outline, damage) = match KeyFile::open(source) {
        Err(damage) => (None, Some(damage)),
        Ok(file) => {
            let outline = KeyFileOutline {
                rows: file.rows(),
                made_ms: file.made_ms(),
                until_ms: file.until_ms(),
                covered: file.covered(),
            };
            let to = outline.covered.to;
            // Where the journal ended when it was set aside is not recorded.
            let aside = ahead.then_some(Damage::AheadOfJournal { to, end: 0 });
            (Some(outline), file.check().err().or(aside))
        }
    };
    Some(KeyFileAudit {
        path,
        bytes,
        outline,
        damage,
    })
}
