//! Pages of messages, newest first.
//!
//! A page goes on below the last id of the one before it. Ids rise with time, so that messages which come while somebody pages are
//! above the first page and disturb nothing. A message that moves from one listed state to another keeps its place, and is seen once.

use fjall::{Iter, Readable as _, Snapshot};
use message::{CarrierId, MessageId, MessageState, TenantId};

use crate::keys::{self, IdOctets};
use crate::store::{HistoryIndex, decode_row};
use crate::{IndexError, MessageSummary, Progress, RecipientHash};

/// Most rows of a page.
pub const PAGE_MAX: usize = 500;
/// Most rows looked at for a page: filters that fit few rows end a page early, and the next one goes on there.
pub const EXAMINED_MAX: usize = 20_000;

/// Which messages to list. All that is given must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose.
    pub tenant: TenantId,
    /// For whom.
    pub recipient: Option<RecipientHash>,
    /// Where they are; empty for anywhere.
    pub states: Vec<MessageState>,
    /// The last carrier that their records name.
    pub carrier: Option<CarrierId>,
    /// Admitted at or after this time by their id, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Admitted before this time by their id; `u64::MAX` for no end.
    pub until_ms: u64,
    /// Go on below this id.
    pub below: Option<MessageId>,
    /// Rows wanted, 1 to [`PAGE_MAX`].
    pub limit: usize,
}

/// Some messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages; there may be none although there are more pages.
    pub messages: Vec<MessageSummary>,
    /// Below which id the next page begins; `None` when there is nothing more.
    pub below: Option<MessageId>,
    /// How far the index reached when the page was made.
    pub indexed: Progress,
}

impl HistoryIndex {
    /// A page of messages.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn list(&self, query: &ListQuery) -> Result<Page, IndexError> {
        // Taken before the rows are read: what the page claims to reach it does.
        let indexed = self.progress()?;
        let snapshot = self.database.snapshot();
        let mut page = Page {
            messages: Vec::new(),
            below: None,
            indexed,
        };
        let limit = query.limit.clamp(1, PAGE_MAX);
        let mut candidates = Candidates::new(self, &snapshot, query)?;
        for examined in 1.. {
            let Some(id) = candidates.next()? else {
                break;
            };
            let summary = match snapshot.get(&self.rows, keys::message(id))? {
                Some(value) => decode_row(id, &value)?.summary(id)?,
                None => None,
            };
            page.messages
                .extend(summary.filter(|summary| query.fits(summary)));
            if page.messages.len() == limit || examined == EXAMINED_MAX {
                page.below = candidates.has_more().then_some(id);
                break;
            }
        }
        Ok(page)
    }
}

impl ListQuery {
    fn fits(&self, summary: &MessageSummary) -> bool {
        summary.tenant == self.tenant
            && (self.states.is_empty() || self.states.contains(&summary.state))
            && self
                .carrier
                .is_none_or(|carrier| summary.carrier == Some(carrier))
    }

    /// The ids that may be listed: from the first to before the second.
    fn ids(&self) -> (IdOctets, IdOctets) {
        let since = keys::lowest_id(self.since_ms);
        let until = match self.until_ms {
            u64::MAX => [0xff; 16],
            ms => keys::lowest_id(ms),
        };
        let below = self.below.map_or([0xff; 16], MessageId::to_bytes);
        (since, until.min(below))
    }
}

/// Ids from the listings that fit best, newest first.
struct Candidates {
    /// One listing, or one for each state, with the id that each offers next.
    listings: Vec<(Iter, Option<MessageId>)>,
}

impl Candidates {
    fn new(
        index: &HistoryIndex,
        snapshot: &Snapshot,
        query: &ListQuery,
    ) -> Result<Self, IndexError> {
        let (first, end) = query.ids();
        let mut listings = Vec::new();
        if first < end {
            let mut add = |first: Vec<u8>, end: Vec<u8>| -> Result<(), IndexError> {
                let mut listing = snapshot.range(&index.rows, first..end);
                let offered = offer(&mut listing)?;
                listings.push((listing, offered));
                Ok(())
            };
            if let Some(hash) = query.recipient {
                add(keys::recipient(hash, &first), keys::recipient(hash, &end))?;
            } else {
                let all = MessageState::ALL.as_slice();
                let wanted = if query.states.is_empty() {
                    all
                } else {
                    &query.states
                };
                for state in all.iter().filter(|state| wanted.contains(state)) {
                    let key = |id| keys::state(query.tenant, *state, id);
                    add(key(&first), key(&end))?;
                }
            }
        }
        Ok(Self { listings })
    }

    fn has_more(&self) -> bool {
        self.listings.iter().any(|(_, offered)| offered.is_some())
    }

    fn next(&mut self) -> Result<Option<MessageId>, IndexError> {
        let newest = self.listings.iter_mut().max_by_key(|(_, offered)| *offered);
        let Some((listing, offered)) = newest else {
            return Ok(None);
        };
        let id = offered.take();
        if id.is_some() {
            *offered = offer(listing)?;
        }
        Ok(id)
    }
}

fn offer(listing: &mut Iter) -> Result<Option<MessageId>, IndexError> {
    let Some(guard) = listing.next_back() else {
        return Ok(None);
    };
    let id = keys::id_at_end(&guard.key()?);
    id.map(Some)
        .ok_or_else(|| IndexError::Damaged("a listing without an id".into()))
}
