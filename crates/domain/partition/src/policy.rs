//! How attempts are settled, carrier by carrier, and the bounds of a partition, with their defaults.

use message::{CarrierId, Lane};

/// What to do about an attempt whose fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUncertain {
    /// Send once more; the copy, if it becomes one, is flagged.
    ResendOnce,
    /// Wait for the receipt or the late answer until the uncertain deadline.
    AwaitReceipt,
    /// Give up at once.
    Fail,
}

/// How refused attempts are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts that a carrier may refuse before the message fails, at least 1. Throttled and unwritten attempts do not count.
    pub attempts_max: u16,
    /// Delay before the second attempt, in milliseconds; doubled for each further one.
    pub delay_ms: u64,
    /// The longest delay, in milliseconds.
    pub delay_max_ms: u64,
}

/// How the messages of one carrier are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For refused attempts.
    pub retry: RetryPolicy,
    /// For uncertain attempts, by [`Lane::index`].
    pub on_uncertain: [OnUncertain; 4],
    /// When an attempt without an answer counts as uncertain, in milliseconds from the write, by [`Lane::index`].
    pub uncertain_after_ms: [u64; 4],
    /// How long evidence about an uncertain attempt is awaited, in milliseconds.
    pub uncertain_deadline_ms: u64,
    /// How long a receipt is awaited, in milliseconds.
    pub receipt_deadline_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy {
                attempts_max: 5,
                delay_ms: 1_000,
                delay_max_ms: 60_000,
            },
            on_uncertain: [
                OnUncertain::ResendOnce,
                OnUncertain::ResendOnce,
                OnUncertain::AwaitReceipt,
                OnUncertain::AwaitReceipt,
            ],
            uncertain_after_ms: [5_000, 10_000, 30_000, 30_000],
            uncertain_deadline_ms: 3_600_000,
            receipt_deadline_ms: 72 * 3_600_000,
        }
    }
}

impl Policy {
    /// The delay before attempt `tries + 1`, after `tries` refusals.
    #[must_use]
    pub fn retry_delay_ms(&self, tries: u16) -> u64 {
        let doublings = u32::from(tries.saturating_sub(1)).min(32);
        self.retry
            .delay_ms
            .saturating_mul(1 << doublings)
            .min(self.retry.delay_max_ms)
    }

    /// What to do about an uncertain attempt of this lane.
    #[must_use]
    pub const fn on_uncertain(&self, lane: Lane) -> OnUncertain {
        self.on_uncertain[lane.index()]
    }
}

/// The bounds of one partition, and how long it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Finished messages that can still be looked up.
    pub finished: usize,
    /// Idempotency keys that are in no file.
    pub idempotency_keys: usize,
    /// How long a key is remembered, in milliseconds.
    pub idempotency_ms: u64,
    /// Carrier ids whose early receipts are kept.
    pub early_receipts: usize,
    /// How long an early receipt is kept, in milliseconds.
    pub early_receipt_ms: u64,
    /// Inbound messages kept until a client acknowledges them.
    pub inbound: usize,
    /// How long an inbound message is kept, in milliseconds.
    pub inbound_ms: u64,
    /// Live messages are counted by stretches of journal of so many bytes, for what it must be kept for: a small part of its files.
    pub pinned_by_bytes: u64,
    /// The policy of carriers that have none of their own.
    pub policy: Policy,
    /// Policies by carrier.
    pub carrier_policies: Vec<(CarrierId, Policy)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            finished: 16_384,
            idempotency_keys: 65_536,
            idempotency_ms: 24 * 3_600_000,
            early_receipts: 16_384,
            early_receipt_ms: 60_000,
            inbound: 16_384,
            inbound_ms: 24 * 3_600_000,
            pinned_by_bytes: 1 << 20,
            policy: Policy::default(),
            carrier_policies: Vec::new(),
        }
    }
}

impl Limits {
    /// The policy of a carrier, or of one that is not known.
    #[must_use]
    pub fn policy(&self, carrier: impl Into<Option<CarrierId>>) -> &Policy {
        let carrier = carrier.into();
        self.carrier_policies
            .iter()
            .find(|(id, _)| Some(*id) == carrier)
            .map_or(&self.policy, |(_, policy)| policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_double_up_to_their_limit() {
        let policy = Policy::default();
        assert_eq!(policy.retry_delay_ms(1), 1_000);
        assert_eq!(policy.retry_delay_ms(2), 2_000);
        assert_eq!(policy.retry_delay_ms(60), 60_000);
    }
}
