//! Writing: one atomic batch a commit, progress included.

use std::collections::BTreeMap;

use fjall::{OwnedWriteBatch, PersistMode};
use message::MessageId;
use prost::Message as _;

use crate::row::{Meta, Row};
use crate::store::{HistoryIndex, decode_row};
use crate::{Fact, IndexError, Portion, Progress, keys};

/// The writing end. There is one, since a row is read, changed and written, and nothing else may write it meanwhile.
#[derive(Debug)]
pub struct Feeder {
    index: HistoryIndex,
    progress: Progress,
}

/// What [`Feeder::expire`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Messages that left the index.
    pub messages: usize,
    /// Whether some that should leave are still there: call again.
    pub more: bool,
}

impl Feeder {
    pub(crate) fn new(index: HistoryIndex, progress: Progress) -> Self {
        Self { index, progress }
    }

    /// How far the index reaches.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Adds the next portion of the journal. Either all of it is kept or nothing; a power cut may take the last commits, but never one
    /// without those after it.
    ///
    /// # Errors
    /// [`IndexError`]; then nothing was kept.
    pub fn commit(&mut self, portion: &Portion) -> Result<(), IndexError> {
        let mut by_message: BTreeMap<MessageId, Vec<&Fact>> = BTreeMap::new();
        for fact in &portion.facts {
            by_message.entry(fact.id).or_default().push(fact);
        }
        let rows = &self.index.rows;
        let mut batch = self.index.database.batch();
        for (id, facts) in by_message {
            self.add_message(&mut batch, id, &facts)?;
        }
        for name in &portion.names {
            batch.insert(rows, keys::name(name.kind, name.number), name.slug.as_str());
        }
        for opening in &portion.openings {
            batch.insert(rows, keys::opening(opening.start), opening.note.as_slice());
        }
        let meta = Meta::new(self.index.secret_check, portion.progress);
        batch.insert(rows, keys::META, meta.encode_to_vec());
        batch.commit()?;
        self.progress = portion.progress;
        Ok(())
    }

    fn add_message(
        &self,
        batch: &mut OwnedWriteBatch,
        id: MessageId,
        facts: &[&Fact],
    ) -> Result<(), IndexError> {
        let rows = &self.index.rows;
        let key = keys::message(id);
        let before = match rows.get(&key)? {
            Some(value) => Some(decode_row(id, &value)?),
            None => None,
        };
        let mut row = before.clone().unwrap_or_default();
        let known_until = row.last_end;
        let mut starts = Vec::with_capacity(facts.len());
        for fact in facts.iter().filter(|fact| fact.end > known_until) {
            row.apply(fact);
            starts.push(fact.start);
        }
        let Some(first) = starts.first() else {
            return Ok(());
        };
        let positions = keys::encode_rising(starts.iter().copied());
        batch.insert(rows, keys::positions(id, *first), positions);
        if let Some(before) = before {
            self.remove_listings(batch, id, &before, Some(&row));
        }
        let octets = id.to_bytes();
        if let Some((tenant, state, recipient)) = row.listing() {
            batch.insert(rows, keys::state(tenant, state, &octets), []);
            batch.insert(rows, keys::recipient(recipient, &octets), []);
        }
        batch.insert(rows, keys::expiry(row.last_end, &octets), []);
        batch.insert(rows, key, row.encode_to_vec());
        Ok(())
    }

    /// Removes the listings of a row, except those that stay in `next`, so that they are not removed and inserted in one batch.
    fn remove_listings(
        &self,
        batch: &mut OwnedWriteBatch,
        id: MessageId,
        row: &Row,
        next: Option<&Row>,
    ) {
        let rows = &self.index.rows;
        let octets = id.to_bytes();
        let stays = next.and_then(Row::listing);
        if let Some((tenant, state, recipient)) = row.listing() {
            if stays.is_none_or(|(next_tenant, next_state, _)| {
                (next_tenant, next_state) != (tenant, state)
            }) {
                batch.remove(rows, keys::state(tenant, state, &octets));
            }
            if stays.is_none_or(|(_, _, next_recipient)| next_recipient != recipient) {
                batch.remove(rows, keys::recipient(recipient, &octets));
            }
        }
        if next.is_none_or(|next| next.last_end != row.last_end) {
            batch.remove(rows, keys::expiry(row.last_end, &octets));
        }
    }

    /// Removes up to `max` messages whose records all end at or before the journal position `before`: their files are gone.
    ///
    /// # Errors
    /// [`IndexError`]; then nothing was removed.
    pub fn expire(&mut self, before: u64, max: usize) -> Result<Expired, IndexError> {
        let rows = &self.index.rows;
        let range = keys::expiry(0, &[0; 16])..=keys::expiry(before, &[0xff; 16]);
        let mut batch = self.index.database.batch();
        let mut expired = Expired {
            messages: 0,
            more: false,
        };
        for guard in rows.range(range) {
            if expired.messages == max {
                expired.more = true;
                break;
            }
            let key = guard.key()?;
            let id = keys::id_at_end(&key)
                .ok_or_else(|| IndexError::Damaged("a key without an id".into()))?;
            self.remove_message(&mut batch, id)?;
            batch.remove(rows, key);
            expired.messages += 1;
        }
        self.remove_openings(&mut batch, before)?;
        batch.commit()?;
        Ok(expired)
    }

    /// The last note before the oldest record is in force for that record, and stays.
    fn remove_openings(&self, batch: &mut OwnedWriteBatch, before: u64) -> Result<(), IndexError> {
        let rows = &self.index.rows;
        let mut dispensable = rows
            .range(keys::opening(0)..=keys::opening(before))
            .rev()
            .skip(1);
        dispensable.try_for_each(|guard| {
            batch.remove(rows, guard.key()?);
            Ok(())
        })
    }

    fn remove_message(&self, batch: &mut OwnedWriteBatch, id: MessageId) -> Result<(), IndexError> {
        let rows = &self.index.rows;
        let key = keys::message(id);
        if let Some(value) = rows.get(&key)? {
            self.remove_listings(batch, id, &decode_row(id, &value)?, None);
            batch.remove(rows, key);
        }
        for guard in rows.prefix(keys::positions_of(id)) {
            batch.remove(rows, guard.key()?);
        }
        Ok(())
    }

    /// Puts all commits so far onto the device. Without it a power cut may take the last of them, which are then fed again.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn sync(&self) -> Result<(), IndexError> {
        Ok(self.index.database.persist(PersistMode::SyncData)?)
    }
}
