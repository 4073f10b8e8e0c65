//! Places in the lanes whose message got new content, and with it another place.
//!
//! Limits: as many as the lanes hold; when they are many, the cell goes through its lanes for them.

use std::collections::HashMap;

use message::{AttemptNo, IdBuildHasher, MessageId};

/// Messages with places that are void: those of attempts before the one to be made.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    by_message: HashMap<MessageId, Void, IdBuildHasher>,
    places: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Void {
    /// The attempt to be made.
    attempt: AttemptNo,
    /// How many places of earlier ones there are.
    places: u32,
}

impl Superseded {
    /// Another place of this message is void: the one it had before this attempt.
    pub(super) fn add(&mut self, id: MessageId, attempt: AttemptNo) {
        let void = self.by_message.entry(id).or_default();
        void.attempt = void.attempt.max(attempt);
        void.places += 1;
        self.places += 1;
    }

    /// Whether the place of this attempt is void.
    pub(super) fn holds(&self, id: MessageId, attempt: AttemptNo) -> bool {
        !self.by_message.is_empty()
            && self
                .by_message
                .get(&id)
                .is_some_and(|void| attempt < void.attempt)
    }

    /// As [`Self::holds`], and the place is dropped now.
    pub(super) fn drops(&mut self, id: MessageId, attempt: AttemptNo) -> bool {
        if !self.holds(id, attempt) {
            return false;
        }
        self.places -= 1;
        if let Some(void) = self.by_message.get_mut(&id) {
            void.places -= 1;
            if void.places == 0 {
                self.by_message.remove(&id);
            }
        }
        true
    }

    /// How many places are void.
    pub(super) fn places(&self) -> usize {
        self.places
    }
}
