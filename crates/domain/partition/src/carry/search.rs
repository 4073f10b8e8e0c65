//! Whom to carry: what keeps the journal from letting go of its beginning, found a few at a time.

use std::ops::Bound;

use message::MessageId;

use crate::state::Partition;

/// Whose records begin before a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Live messages.
    pub live: Vec<MessageId>,
    /// Where the records of cold messages begin.
    pub cold: Vec<u64>,
    /// Inbound messages.
    pub inbound: Vec<MessageId>,
}

/// How far a search has come. Whatever changes meanwhile: what lies behind and stays as it is, is found by one search or the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BehindSearch {
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Inbound,
    /// Live messages with a deadline after this one.
    Live(Option<(u64, MessageId)>),
    /// Rows of the lanes from this ordinal on.
    Waiting(u64),
    /// Rows of awaited receipts from this ordinal on.
    Awaited(u64),
    Over,
}

impl Partition {
    /// Adds to `found` whose records begin before `before`, looking at some `looks` of them; `false` when all have been looked at.
    pub fn search_behind(
        &self,
        before: u64,
        search: &mut BehindSearch,
        looks: usize,
        found: &mut Behind,
    ) -> bool {
        search.stage = match search.stage {
            Stage::Inbound => {
                // Bounded by a limit of its own, and small.
                found.inbound.extend(self.inbound.behind(before));
                Stage::Live(None)
            }
            Stage::Live(after) => {
                let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
                let mut last = None;
                for deadline in self.deadlines.after(begin).take(looks) {
                    last = Some(deadline);
                    let entry = self.live.get(&deadline.1);
                    if entry.is_some_and(|entry| entry.record_at < before) {
                        found.live.push(deadline.1);
                    }
                }
                last.map_or(Stage::Waiting(0), |last| Stage::Live(Some(last)))
            }
            Stage::Waiting(from) => {
                let next = self.cold.behind(before, from, looks, &mut found.cold);
                next.map_or(Stage::Awaited(0), Stage::Waiting)
            }
            Stage::Awaited(from) => {
                let next = self.awaited.behind(before, from, looks, &mut found.cold);
                next.map_or(Stage::Over, Stage::Awaited)
            }
            Stage::Over => Stage::Over,
        };
        search.stage != Stage::Over
    }
}
