//! After replay: what the claims and the Written records say about attempts that were under way when the process ended.
//!
//! | since the claim | same boot | new boot |
//! |---|---|---|
//! | claimed, Written found | uncertain: ProcessCrash | uncertain: PowerCut |
//! | claimed, no Written | unwritten: free to send | uncertain: PowerCut |
//! | not claimed | never sent | never sent |
//!
//! A message that waits for its time (`send_at`, or the delay before a retry) is not claimed before it is released into its lane, so that
//! it falls under the last line until its Claimed record says that it was released.
//!
//! The Written file is not synced, so that after a power cut its silence proves nothing.

use message::{CarrierId, CarrierMessageId, MessageId, MessageState, Outcome, Reason, SegmentRef};

use crate::effect::{Enqueue, Place};
use crate::entry::Taken;
use crate::event::{Event, OutcomeReport};
use crate::record::Written;
use crate::state::Partition;

/// Whether the machine was restarted since the journal was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The page cache survived.
    Same,
    /// It did not.
    New,
}

/// A live message after replay, and what the engine must do for it.
#[derive(Debug)]
pub enum Recovered {
    /// It waits in a lane.
    Queued(Enqueue),
    /// It waits for its time, a receipt or evidence; only its credits and expectations need restoring.
    Waiting,
    /// It may have been sent: decide this outcome.
    Doubtful(Event),
}

impl Partition {
    /// Folds a Written record of the cell's file in; only those of attempts without an outcome matter, the others change nothing.
    pub fn recover_written(&mut self, record: Written) {
        let attempt = record.segment.to_ref();
        let written = self.apply(crate::Record::Written(record), 0);
        debug_assert!(written.is_ok() || attempt.is_none());
    }

    /// Ids of all live messages that are not cold, oldest first: the order in which they go back into their lanes.
    #[must_use]
    pub fn live_ids(&self) -> Vec<MessageId> {
        let mut ids: Vec<_> = self.live.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Where a live message that is not cold was admitted, however often it was carried since: over all partitions together, messages are in order of admission by that.
    #[must_use]
    pub fn admitted_at(&self, id: MessageId) -> Option<u64> {
        self.live.get(&id).map(|entry| entry.admitted_at)
    }

    /// What to do for a live message, after all records were applied.
    #[must_use]
    pub fn recovered(&self, id: MessageId, boot: Boot) -> Option<Recovered> {
        let entry = self.live.get(&id)?;
        let doubtful = |carrier, reason| {
            Recovered::Doubtful(Event::Outcome(OutcomeReport {
                segment: crate::decide::first_segment(id, entry.attempt),
                carrier,
                outcome: Outcome::Uncertain { reason },
                status: 0,
                session: 0,
            }))
        };
        Some(match (entry.state, boot) {
            (MessageState::Attempting, Boot::Same | Boot::New) if entry.awaits_evidence() => {
                Recovered::Waiting
            }
            (MessageState::Attempting, Boot::Same) => doubtful(entry.carrier, Reason::ProcessCrash),
            (MessageState::Attempting, Boot::New) => doubtful(entry.carrier, Reason::PowerCut),
            // An earlier attempt may have gone elsewhere: what became of this one nobody wrote down in time.
            (MessageState::Queued, Boot::New) if entry.claimed => doubtful(None, Reason::PowerCut),
            (MessageState::Queued | MessageState::Admitted, Boot::Same | Boot::New) => {
                Recovered::Queued(entry.enqueue(id, entry.attempt, Place::Back))
            }
            (MessageState::Scheduled | MessageState::Submitted, Boot::Same | Boot::New) => {
                Recovered::Waiting
            }
            (
                MessageState::Delivered
                | MessageState::Sent
                | MessageState::Undeliverable
                | MessageState::Rejected
                | MessageState::Expired
                | MessageState::Cancelled
                | MessageState::Failed
                | MessageState::Unknown,
                Boot::Same | Boot::New,
            ) => return None,
        })
    }

    /// The facts derived from a message's records that the engine's indexes must hold again.
    pub fn derived(&self, id: MessageId, facts: &mut Vec<Derived>) {
        let (taken, payload): (&[Taken], _) = match (self.live.get(&id), self.finished.find(id)) {
            (Some(entry), _) => (&entry.taken, Some(entry)),
            (None, Some(finished)) => (&finished.taken, None),
            (None, None) => return,
        };
        let expected = taken.iter().filter(|taken| taken.is_expected());
        facts.extend(expected.map(|taken| Derived::Expectation {
            carrier: taken.carrier,
            id: taken.id.clone(),
            segment: taken.segment,
        }));
        let Some(entry) = payload else {
            return;
        };
        facts.extend(entry.doubts.iter().map(|doubt| Derived::Uncertain {
            carrier: doubt.carrier,
            segment: doubt.segment,
            payload: std::sync::Arc::clone(&entry.payload),
        }));
        if !entry.released {
            facts.push(Derived::Credits {
                tenant: entry.tenant,
                payload: std::sync::Arc::clone(&entry.payload),
                cost_bytes: entry.cost_bytes,
            });
        }
    }

    /// Ids of finished messages whose expectations are still open.
    #[must_use]
    pub fn finished_with_expectations(&self) -> Vec<MessageId> {
        self.finished
            .iter()
            .filter(|finished| finished.taken.iter().any(Taken::is_expected))
            .map(|finished| finished.view.id)
            .collect()
    }

    /// The carriers' ids of finished messages for which no evidence is awaited any more.
    pub fn settled_ids(&self) -> impl Iterator<Item = (CarrierId, &CarrierMessageId)> {
        let settled = self.finished.iter().filter(|it| it.taken.is_empty());
        settled.filter_map(|it| it.view.carrier.zip(it.view.carrier_message_id.as_ref()))
    }

    /// Whether this very segment is under way, written and neither answered nor given up, from this sender to this recipient.
    #[must_use]
    pub fn is_under_way(&self, segment: SegmentRef, recipient: &str, sender: &str) -> bool {
        self.live.get(&segment.message).is_some_and(|entry| {
            entry.state == MessageState::Attempting
                && entry.attempt == segment.attempt
                && !entry.awaits_evidence()
                && is_between(&entry.payload, recipient, sender)
        })
    }

    /// Whether a message went from this sender to this recipient, as far as it is still remembered.
    #[must_use]
    pub fn went_between(&self, id: MessageId, recipient: &str, sender: &str) -> bool {
        let entry = self.live.get(&id);
        entry.is_some_and(|entry| is_between(&entry.payload, recipient, sender))
    }

    /// Whether a message's attempt is in doubt: bytes may have left and nothing is known.
    #[must_use]
    pub fn is_in_doubt(&self, id: MessageId) -> bool {
        self.live.get(&id).is_some_and(|entry| entry.in_doubt())
    }
}

/// Compared as [`receipts::address_hash`] sees addresses.
fn is_between(payload: &message::Payload, recipient: &str, sender: &str) -> bool {
    let bare = |address: &str| address.trim_start_matches('+').to_owned();
    *payload.recipient.digits() == *bare(recipient) && bare(payload.sender.as_str()) == bare(sender)
}

/// Something the engine derives from the state and keeps in an index of its own.
#[derive(Clone, Debug)]
pub enum Derived {
    /// A receipt is awaited.
    Expectation {
        /// From this carrier.
        carrier: message::CarrierId,
        /// For this id.
        id: message::CarrierMessageId,
        /// For this segment.
        segment: SegmentRef,
    },
    /// An attempt is uncertain.
    Uncertain {
        /// At this carrier; `None` when it may have gone over any.
        carrier: Option<message::CarrierId>,
        /// Which.
        segment: SegmentRef,
        /// What was sent.
        payload: std::sync::Arc<message::Payload>,
    },
    /// The message holds credits.
    Credits {
        /// Of this tenant.
        tenant: message::TenantId,
        /// What is to be sent, for its lane.
        payload: std::sync::Arc<message::Payload>,
        /// How many bytes.
        cost_bytes: u32,
    },
}
