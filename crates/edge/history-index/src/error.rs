//! What can go wrong, and what helps.

use std::path::PathBuf;

use thiserror::Error;

/// Why the index did not do what it was asked. It never holds the only copy of anything.
#[derive(Debug, Error)]
pub enum IndexError {
    /// Somebody has the index open: another process, or a query of this one that has not ended. Trying again later helps.
    #[error("the history index {0} is open elsewhere; it is opened again when that has ended")]
    Locked(PathBuf),
    /// What is on the disk cannot be read. A rebuild helps, nothing else.
    #[error("the history index is damaged: {0}; it must be rebuilt from the journal")]
    Damaged(String),
    /// The file system refused. Trying again helps when it is mended or has room again.
    #[error("the history index could not be read or written: {0}")]
    Io(String),
}

impl IndexError {
    /// Whether only a rebuild helps.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Locked(_) | Self::Io(_) => false,
        }
    }
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) => Self::Io(error.to_string()),
            // A write failed before; what the disk holds is not known to be wrong.
            fjall::Error::Poisoned => Self::Io("an earlier write failed".into()),
            fjall::Error::Locked => Self::Io("it is open elsewhere".into()),
            fjall::Error::Storage(fjall::LsmError::Io(error)) => Self::Io(error.to_string()),
            // The list of the store's errors is open; whatever else it finds wrong is about what it read.
            other => Self::Damaged(other.to_string()),
        }
    }
}
