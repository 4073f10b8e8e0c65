//! Which messages have waited longest for their receipts.
//!
//! Most are done with in seconds and are not taken out then: that would need a search. They are passed over as the queue is gone through, two for each
//! that comes, once it holds more than it need.
//!
//! ```text
//! oldest ──► [ kept, looked at in this round ] ++ [ rest, not looked at yet ] ◄── new ones
//! ```
//!
//! Limits: about twice as many ids as receipts are awaited, and [`SPARE`].

use std::collections::VecDeque;

use message::MessageId;

/// Below so many more ids than are awaited nothing is looked at.
const SPARE: usize = 4_096;
/// Ids looked at for each that comes.
const LOOKED_AT: usize = 2;

/// Ids in the order in which their wait began, and some whose wait is over.
#[derive(Debug, Default)]
pub(super) struct Order {
    kept: VecDeque<MessageId>,
    rest: VecDeque<MessageId>,
}

impl Order {
    /// Adds the youngest. `alive` is how many are awaited, `awaits` says whether one is.
    pub(super) fn push(&mut self, id: MessageId, alive: usize, awaits: impl Fn(MessageId) -> bool) {
        self.rest.push_back(id);
        if self.kept.len() + self.rest.len() <= alive.saturating_mul(2) + SPARE {
            return;
        }
        for _ in 0..LOOKED_AT {
            match self.rest.pop_front() {
                Some(old) if awaits(old) => self.kept.push_back(old),
                Some(_) => {}
                None => std::mem::swap(&mut self.kept, &mut self.rest),
            }
        }
    }

    /// Takes out the oldest; its wait may be over.
    pub(super) fn pop_oldest(&mut self) -> Option<MessageId> {
        self.kept.pop_front().or_else(|| self.rest.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use message::IdSource;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_oldest_that_awaits_comes_first_and_little_else_is_kept(
            steps in proptest::collection::vec((0..10_u8, any::<prop::sample::Index>()), 1..3_000),
            rounds in 1..5_u64,
        ) {
            let mut order = Order::default();
            let mut awaited = BTreeSet::new();
            let id = |nth: u64| IdSource::new(0).peek(1_000_000 + nth, 7);
            let mut next = 0;
            for _ in 0..rounds {
                for (what, which) in &steps {
                    if *what < 8 {
                        next += 1;
                        awaited.insert(id(next));
                        order.push(id(next), awaited.len(), |id| awaited.contains(&id));
                    }
                    if *what > 1 && !awaited.is_empty() {
                        let done = *which.get(&awaited.iter().copied().collect::<Vec<_>>());
                        awaited.remove(&done);
                    }
                    if *what == 9 {
                        let oldest = awaited.pop_first();
                        let popped = std::iter::from_fn(|| order.pop_oldest());
                        let found = popped.into_iter().find(|id| oldest == Some(*id) || awaited.contains(id));
                        prop_assert_eq!(found, oldest);
                    }
                    let held = order.kept.len() + order.rest.len();
                    prop_assert!(held <= 4 * (awaited.len() + SPARE), "{} ids for {}", held, awaited.len());
                }
            }
        }
    }
}
