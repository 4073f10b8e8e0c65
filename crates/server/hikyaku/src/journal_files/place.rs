//! Which data directory is meant, what lies in it, and whether an engine is at work there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use journal::LogContents;

use crate::config;

/// The kernel's list of locks: asking it disturbs nobody, while trying to take the lock could make an engine's start fail.
const LOCKS_PATH: &str = "/proc/locks";

/// Which data directory.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The data directory: what the configuration calls journal.dir
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
    /// The main file of the configuration that names the data directory
    #[arg(long, value_name = "FILE", default_value = "config/hikyaku.toml")]
    config: PathBuf,
}

/// One of the logs of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Log {
    /// Every record of every partition: what the engine must not forget
    Journal,
    /// What was about to be put on the wire
    Written,
    /// The events that watchers see
    Events,
}

/// Every log, in the order in which an engine opens them.
pub(super) const LOGS: [Log; 3] = [Log::Journal, Log::Written, Log::Events];

impl Log {
    /// Its folder in the data directory, which is also what it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Written => "written",
            Self::Events => "events",
        }
    }

    pub(super) const fn contents(self) -> LogContents {
        match self {
            Self::Journal => LogContents::Journal,
            Self::Written => LogContents::Written,
            Self::Events => LogContents::Keyed,
        }
    }
}

impl Place {
    /// The data directory.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub(super) fn find(&self) -> Result<PathBuf, String> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => {
                let config = config::load(&self.config).map_err(|problems| {
                    format!("{problems}\n--dir DATA_DIR needs no configuration")
                })?;
                config.journal.dir
            }
        };
        check(&dir)?;
        Ok(dir)
    }
}

fn check(dir: &Path) -> Result<(), String> {
    let shown = dir.display();
    match fs::metadata(dir.join(Log::Journal.name())) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!(
            "--dir {shown}: what is called journal in it is no directory"
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_log = fs::read_dir(dir).is_ok_and(|mut entries| {
                entries.any(|entry| {
                    entry.is_ok_and(|entry| entry.path().extension() == Some("journal".as_ref()))
                })
            });
            let above = dir.parent().unwrap_or(Path::new("."));
            Err(if is_log {
                format!(
                    "--dir {shown}: this is one log; give the data directory that holds it, {}",
                    above.display()
                )
            } else {
                format!(
                    "--dir {shown}: no data directory: there is no journal/ in it. Allowed is what the configuration calls journal.dir, after an engine has run once"
                )
            })
        }
        Err(error) => Err(format!("--dir {shown}: {error}")),
    }
}

/// The process that holds the data directory's lock, as far as the kernel shows it to us: none is seen across containers.
pub(super) fn holder(dir: &Path) -> Option<u32> {
    let lock = fs::metadata(dir.join(Log::Journal.name()).join("lock")).ok()?;
    let locks = fs::read_to_string(LOCKS_PATH).ok()?;
    holder_in(&locks, lock.dev(), lock.ino())
}

/// Looks for `1: FLOCK  ADVISORY  WRITE 4711 fd:01:131090 0 EOF`.
fn holder_in(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (kind, process, file) = (words.nth(1)?, words.nth(2)?, words.next()?);
        (kind == "FLOCK" && file == wanted)
            .then(|| process.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_by_its_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fd:01:131090 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4711 fd:01:131090 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 fd:01:131091 0 EOF\n";
        let device = rustix::fs::makedev(0xfd, 1);
        assert_eq!(holder_in(locks, device, 131_090), Some(4711));
        assert_eq!(holder_in(locks, device, 131_091), None);
        assert_eq!(holder_in("", device, 131_090), None);
    }

    #[test]
    fn a_directory_without_a_journal_is_told_from_one_that_is_a_log() {
        let dir = std::env::temp_dir().join(format!("hikyaku-place-{}", std::process::id()));
        fs::create_dir_all(dir.join("journal")).unwrap();
        fs::write(dir.join("journal/0000000000000000.journal"), "").unwrap();
        assert_eq!(check(&dir), Ok(()));
        let inside = check(&dir.join("journal")).unwrap_err();
        assert!(inside.contains("this is one log"), "{inside}");
        let missing = check(&dir.join("nothing")).unwrap_err();
        assert!(missing.contains("journal.dir"), "{missing}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
