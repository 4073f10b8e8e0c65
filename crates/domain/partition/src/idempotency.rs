//! Which submission a client has made before.
//!
//! A partition knows the keys of the last hour or less; older ones are in files, and what those know comes with the submission
//! ([`SubmittedKey`]).
//!
//! Limits: `capacity` keys that are in no file; beyond it new keys are refused. A key takes some 100 bytes in memory and is 128 bits of a
//! hash, so that none is kept in clear.

use std::collections::HashMap;
use std::sync::Arc;

use message::{CarrierId, CarrierMessageId, IdBuildHasher, MessageId, Submission, TenantId};
use sha2::{Digest, Sha256};

use crate::admission::receipt_wanted_number;
use crate::record;

/// A client's promise that two submissions are the same one: 128 bits for the key, 64 for the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Hash of (tenant, recipient key, key).
    pub key: u128,
    /// Hash of the body.
    pub body: u64,
}

impl IdempotencyKey {
    /// The key of a submission that has one. The scope is the tenant and the recipient key, so that tenants cannot meet; the recipient's
    /// number stands in for a missing recipient key.
    #[must_use]
    pub fn of(tenant: TenantId, submission: &Submission) -> Option<Self> {
        let key = submission.idempotency_key.as_ref()?;
        let digits = submission.recipient.digits();
        let recipient_key = submission.recipient_key.as_deref().unwrap_or(&digits);
        let scope = digest(&[
            &tenant.0.to_be_bytes(),
            recipient_key.as_bytes(),
            key.as_bytes(),
        ]);
        let mut half = [0; 16];
        half.copy_from_slice(&scope[..16]);
        Some(Self {
            key: u128::from_be_bytes(half),
            body: body_hash(submission),
        })
    }
}

fn body_hash(submission: &Submission) -> u64 {
    let number = |value: Option<u64>| value.map_or(u64::MAX, |value| value).to_be_bytes();
    let labels: String = submission
        .labels
        .iter()
        .map(|(key, value)| format!("{}:{key}{}:{value}", key.len(), value.len()))
        .collect();
    let hash = digest(&[
        &submission.recipient.to_u64().to_be_bytes(),
        submission.sender.as_str().as_bytes(),
        submission.category.name().as_bytes(),
        &submission.text,
        &[receipt_wanted_number(submission.receipt_wanted)],
        &number(submission.valid_for_ms),
        &number(submission.send_at_ms),
        submission.batch_id.as_deref().unwrap_or("").as_bytes(),
        &submission.context,
        labels.as_bytes(),
    ]);
    let mut half = [0; 8];
    half.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(half)
}

/// The key by which a receipt of a carrier for this id is looked up in files: 128 bits of a hash.
#[must_use]
pub fn receipt_key(carrier: CarrierId, id: &CarrierMessageId) -> u128 {
    let hash = digest(&[&carrier.0.to_be_bytes(), id.as_bytes()]);
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What a file of older keys knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorKey {
    /// Hash of the body it was used with.
    pub body: u64,
    /// The message admitted under it.
    pub message: MessageId,
    /// Until when it is remembered, in milliseconds since the epoch.
    pub until_ms: u64,
}

/// A submission's key, and what is known of it outside the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmittedKey {
    /// The key.
    pub key: IdempotencyKey,
    /// What files of older keys know of it.
    pub prior: Option<PriorKey>,
    /// Whether another key may be remembered.
    pub room: KeyRoom,
}

/// Whether another key may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRoom {
    /// It may.
    Free,
    /// As many are known as may be: a known key is answered, a new one refused.
    Full,
}

/// Keys together, from one sealing to the next.
#[derive(Debug, Default)]
pub struct KeyGeneration {
    by_key: HashMap<u128, PriorKey, IdBuildHasher>,
    /// When the first and the last were made, in milliseconds since the epoch.
    made_ms: Option<(u64, u64)>,
    /// The journal position that makes the first of them durable.
    oldest_position: Option<u64>,
}

impl KeyGeneration {
    /// The keys, in no order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (u128, PriorKey)> {
        self.by_key.iter().map(|(key, prior)| (*key, *prior))
    }

    /// What is known of a key.
    #[must_use]
    pub fn find(&self, key: u128) -> Option<PriorKey> {
        self.by_key.get(&key).copied()
    }

    /// Adds a key, made at a time in milliseconds since the epoch; the last of its name stays.
    pub fn add(&mut self, key: u128, prior: PriorKey, made_ms: u64) {
        self.by_key.insert(key, prior);
        let (first_ms, last_ms) = self.made_ms.unwrap_or((made_ms, made_ms));
        self.made_ms = Some((first_ms.min(made_ms), last_ms.max(made_ms)));
    }

    /// When the first and the last were made, in milliseconds since the epoch; `None` without any.
    #[must_use]
    pub const fn made_ms(&self) -> Option<(u64, u64)> {
        self.made_ms
    }
}

/// The keys that are in no file yet.
///
/// They leave together: [`Self::seal`] closes a generation, which goes on answering until it is in a file and [`Self::filed`] drops
/// it. Until then its first record pins the journal, so that a key is in memory, in the journal or in a file at any time. One table freed
/// at once costs nothing; forgetting key by key took an ordered set as large as the table.
#[derive(Debug)]
pub(crate) struct IdempotencyKeys {
    present: KeyGeneration,
    sealed: Option<Arc<KeyGeneration>>,
    capacity: usize,
}

/// A key to be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewKey {
    pub(crate) key: u128,
    pub(crate) prior: PriorKey,
    pub(crate) made_ms: u64,
    /// The journal position that makes it durable.
    pub(crate) position: u64,
}

impl IdempotencyKeys {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            present: KeyGeneration::default(),
            sealed: None,
            capacity,
        }
    }

    pub(crate) fn find(&self, key: u128, now_ms: u64) -> Option<PriorKey> {
        let generations = [Some(&self.present), self.sealed.as_deref()];
        generations
            .into_iter()
            .flatten()
            .filter_map(|generation| generation.by_key.get(&key).copied())
            .find(|known| known.until_ms > now_ms)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    pub(crate) fn remember(&mut self, new: NewKey) {
        let present = &mut self.present;
        present.add(new.key, new.prior, new.made_ms);
        present.oldest_position.get_or_insert(new.position);
    }

    /// Closes the present generation; `None` when it is empty, or while the one before it is in no file yet.
    pub(crate) fn seal(&mut self) -> Option<Arc<KeyGeneration>> {
        if self.sealed.is_some() || self.present.by_key.is_empty() {
            return None;
        }
        let sealed = Arc::new(std::mem::take(&mut self.present));
        self.sealed = Some(Arc::clone(&sealed));
        Some(sealed)
    }

    /// The sealed generation is in a file.
    pub(crate) fn filed(&mut self) {
        self.sealed = None;
    }

    /// The journal must be kept from here on for the sake of keys that are in no file.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        let sealed = self.sealed.as_ref().and_then(|keys| keys.oldest_position);
        // Sealed before the present ones were made.
        sealed.or(self.present.oldest_position)
    }

    pub(crate) fn len(&self) -> usize {
        self.present.by_key.len() + self.sealed.as_ref().map_or(0, |keys| keys.by_key.len())
    }
}

/// The form records carry.
pub(crate) fn idempotency_record(key: IdempotencyKey, until_ms: u64) -> record::Idempotency {
    record::Idempotency {
        key_high: (key.key >> 64) as u64,
        key_low: (key.key & u128::from(u64::MAX)) as u64,
        body: key.body,
        until_ms,
    }
}
