//! Where the open index is found, while there is one.

use std::sync::{Arc, Mutex, PoisonError};

use history_index::{HistoryIndex, RecipientSecret};

use super::HistoryError;

/// An open index and what its numbers are hashed with.
#[derive(Clone, Debug)]
pub(crate) struct OpenIndex {
    pub(crate) index: HistoryIndex,
    pub(crate) secret: RecipientSecret,
    /// Held as long as the index is; the last field, so that it goes last.
    #[expect(dead_code, reason = "only its life matters")]
    pub(crate) lease: Arc<()>,
}

/// Holds the index for the queries; the feeder puts it there and takes it away.
#[derive(Debug)]
pub(crate) struct IndexSlot(Mutex<Result<OpenIndex, String>>);

impl Default for IndexSlot {
    fn default() -> Self {
        Self(Mutex::new(Err("the engine is starting".into())))
    }
}

impl IndexSlot {
    pub(crate) fn put(&self, open: OpenIndex) {
        *self.lock() = Ok(open);
    }

    /// Takes the index away. A query that has it keeps it open until it has ended.
    pub(crate) fn clear(&self, why: &str) {
        *self.lock() = Err(why.into());
    }

    pub(crate) fn open(&self) -> Result<OpenIndex, HistoryError> {
        self.lock().clone().map_err(HistoryError::NoIndex)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Result<OpenIndex, String>> {
        // One assignment between lock and unlock: nothing can be half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
