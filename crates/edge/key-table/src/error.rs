//! What may go wrong with a file of keys, and whose fault it is.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why files of keys could not be read or made.
#[derive(Debug, Error)]
pub enum KeyTableError {
    /// The operating system refused. Trying again helps once its cause, such as a full disk, is gone.
    #[error("{path}: {doing}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not what was written. Trying again does not help.
    #[error("{path}: {damage}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// More rows than a file takes.
    #[error("{rows} keys in one file: at most {} are allowed", crate::ROWS_MAX)]
    TooMany {
        /// How many.
        rows: u64,
    },
}

/// What is wrong with a file, or with a block of it. The disk's fault, or somebody's who wrote into the file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Damage {
    /// It ends before its header does.
    #[error("has {bytes} bytes, which is less than a header")]
    Short {
        /// Its length.
        bytes: u64,
    },
    /// It does not begin as a file of keys does.
    #[error("does not begin with the magic of a file of keys")]
    Magic,
    /// A newer release wrote it.
    #[error(
        "has format {found}, this release reads format {}",
        crate::format::FORMAT
    )]
    Format {
        /// What it says.
        found: u32,
    },
    /// The header's checksum does not match.
    #[error("its header does not match its checksum")]
    Header,
    /// The header's counts do not fit each other or the length of the file.
    #[error("its header promises {promised} bytes, the file has {bytes}")]
    Length {
        /// By the header's counts.
        promised: u64,
        /// By the file system.
        bytes: u64,
    },
    /// Index and filter do not match their checksum.
    #[error("its index and filter do not match their checksum")]
    Tail,
    /// A block does not match its checksum, its number, or the order of its keys.
    #[error("block {number} does not match its checksum or its place")]
    Block {
        /// Which.
        number: u32,
    },
    /// The operating system could not read a part of it.
    #[error("reading failed: {0:?}")]
    Read(io::ErrorKind),
    /// It covers records that the journal does not have.
    #[error("covers the journal up to {to}, which ends at {end}")]
    AheadOfJournal {
        /// What the file covers.
        to: u64,
        /// Where the journal ends.
        end: u64,
    },
}
