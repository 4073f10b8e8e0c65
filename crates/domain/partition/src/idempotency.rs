//! Which submission a client has made before.
//!
//! Limits: `capacity` keys; beyond it new keys are refused. A key is 128 bits of a hash, so that none is kept in clear.

use std::collections::{BTreeSet, HashMap};

use message::{IdBuildHasher, MessageId, Submission, TenantId};
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

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The keys that are remembered. A key leaves when its time is over; when the table is full, intake refuses new ones rather than forget an old
/// one early.
#[derive(Debug)]
pub(crate) struct IdempotencyKeys {
    by_key: HashMap<u128, Remembered, IdBuildHasher>,
    /// By the end of their time; keys carried forward come after younger ones on replay, so that a queue would not do.
    order: BTreeSet<(u64, u128)>,
    capacity: usize,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    pub(crate) body: u64,
    pub(crate) message: MessageId,
    pub(crate) until_ms: u64,
    /// The journal position that makes it durable, for retention.
    pub(crate) position: u64,
}

impl IdempotencyKeys {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            by_key: HashMap::default(),
            order: BTreeSet::new(),
            capacity,
        }
    }

    pub(crate) fn find(&self, key: u128, now_ms: u64) -> Option<Remembered> {
        self.by_key
            .get(&key)
            .copied()
            .filter(|remembered| remembered.until_ms > now_ms)
    }

    pub(crate) fn is_full(&self, now_ms: u64) -> bool {
        self.by_key.len() >= self.capacity
            && self
                .order
                .first()
                .is_none_or(|(until_ms, _)| *until_ms > now_ms)
    }

    pub(crate) fn remember(&mut self, key: u128, remembered: Remembered) {
        if let Some(before) = self.by_key.insert(key, remembered) {
            self.order.remove(&(before.until_ms, key));
        }
        self.order.insert((remembered.until_ms, key));
    }

    /// Forgets the keys whose time is over.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while let Some((until_ms, key)) = self.order.first().copied() {
            if until_ms > now_ms {
                break;
            }
            self.order.pop_first();
            self.by_key.remove(&key);
        }
    }

    /// Keys whose durable record lies before `position`: they must be carried forward before that part of the journal goes.
    pub(crate) fn before(&self, position: u64) -> impl Iterator<Item = record::KeyKept> + '_ {
        self.by_key
            .iter()
            .filter(move |(_, remembered)| remembered.position < position)
            .map(|(key, remembered)| kept(*key, remembered))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}

fn kept(key: u128, remembered: &Remembered) -> record::KeyKept {
    let (id_high, id_low) = record::halves(remembered.message);
    record::KeyKept {
        segment: record::Segment {
            id_high,
            id_low,
            ..record::Segment::default()
        },
        idempotency: idempotency_record(
            IdempotencyKey {
                key,
                body: remembered.body,
            },
            remembered.until_ms,
        ),
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
