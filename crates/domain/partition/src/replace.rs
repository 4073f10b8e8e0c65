//! New content for a message of which nothing was sent.
//!
//! ```text
//! Scheduled, Queued (claimed or not), no doubt ──► Replaced: the attempt in the lane is void, the next one takes its place
//! a doubt, Attempting, Submitted, final         ──► TooLate
//! another tenant's, forgotten, never there      ──► Unknown
//! ```
//!
//! The replaced message enters its lane behind the others of its sender, when its record is durable. It gets a new attempt number, so that
//! what lanes and claims still hold of the old content can be told from the new; no attempt is counted as made.

use std::sync::Arc;

use message::{MessageId, MessageState, Payload, Reason, SenderId, TenantId, stable_hash};

use crate::admission::{sender_of, sender_parts};
use crate::apply::Change;
use crate::decide::first_segment;
use crate::effect::{Answer, Decision, Effect, Enqueue, Place, ReplaceVerdict};
use crate::entry::Entry;
use crate::event::Replacement;
use crate::record::{self, Record};
use crate::state::Partition;

/// When a replaced message may be sent.
struct Times {
    /// 0 for at once.
    send_at_ms: u64,
    expires_ms: u64,
}

impl Partition {
    pub(crate) fn decide_replace(
        &self,
        (tenant, id): (TenantId, MessageId),
        replacement: Replacement,
        decision: &mut Decision,
    ) {
        let verdict = match self.live.get(&id).filter(|entry| entry.tenant == tenant) {
            Some(entry) => self.replace_live(id, entry, replacement, decision),
            None => match self.finished.find(id) {
                Some(known) if known.view.tenant == tenant => ReplaceVerdict::TooLate {
                    state: known.view.state,
                },
                Some(_) | None => ReplaceVerdict::Unknown,
            },
        };
        decision.answer = Answer::Replace(verdict);
    }

    fn replace_live(
        &self,
        id: MessageId,
        entry: &Entry,
        replacement: Replacement,
        decision: &mut Decision,
    ) -> ReplaceVerdict {
        let now_ms = decision.now.wall_ms;
        let unsent = matches!(entry.state, MessageState::Queued | MessageState::Scheduled);
        let times = entry.times_of(&replacement, now_ms);
        let next_attempt = entry.attempt.checked_add(1);
        let (Some(attempt), true) = (next_attempt, unsent && entry.doubts.is_empty()) else {
            return ReplaceVerdict::TooLate { state: entry.state };
        };
        if times.expires_ms <= now_ms {
            return ReplaceVerdict::TooLate { state: entry.state };
        }
        let cost_bytes = entry.cost_with(&replacement);
        let (sender_kind, sender) = sender_parts(replacement.sender);
        let record = record::Replaced {
            segment: first_segment(id, attempt).into(),
            sender_kind,
            sender,
            text: replacement.text,
            segments: u32::from(replacement.segments),
            expires_ms: times.expires_ms,
            send_at_ms: times.send_at_ms,
            cost_bytes,
            at_ms: now_ms,
        };
        if entry.state == MessageState::Queued {
            decision.effects.push(Effect::Supersede { id, attempt });
        }
        let payload = match entry.payload_of(&record) {
            Ok(payload) => Arc::new(payload),
            Err(_) => return ReplaceVerdict::TooLate { state: entry.state },
        };
        decision.effects.push(Effect::Recost {
            payload: Arc::clone(&payload),
            from_bytes: entry.cost_bytes,
            to_bytes: cost_bytes,
        });
        if times.send_at_ms <= now_ms {
            decision.effects.push(Effect::Enqueue(Enqueue {
                id,
                attempt,
                claimed: false,
                group: entry.group,
                tenant: entry.tenant,
                sender_hash: sender_hash(&payload.sender),
                cost_bytes,
                place: Place::Back,
                payload,
            }));
        }
        decision.records.push(Record::Replaced(Box::new(record)));
        ReplaceVerdict::Replaced
    }

    pub(crate) fn apply_replaced(
        &mut self,
        record: &record::Replaced,
    ) -> Result<Option<Change>, &'static str> {
        let segment = record.segment.to_ref().ok_or("segment")?;
        let Some(entry) = self.live.get_mut(&segment.message) else {
            return Ok(None);
        };
        let payload = entry.payload_of(record)?;
        entry.sender_hash = sender_hash(&payload.sender);
        entry.payload = Arc::new(payload);
        entry.cost_bytes = record.cost_bytes;
        entry.attempt = segment.attempt;
        entry.claimed = false;
        entry.whole = false;
        entry.sequence += 2;
        entry.reason = Reason::ReplacedByCaller;
        entry.changed_ms = record.at_ms;
        let scheduled = record.send_at_ms > record.at_ms;
        entry.state = if scheduled {
            MessageState::Scheduled
        } else {
            MessageState::Queued
        };
        let due_ms = if scheduled {
            record.send_at_ms.min(record.expires_ms)
        } else {
            record.expires_ms
        };
        let change = entry.change(segment, record.at_ms, entry.sequence);
        self.set_due(segment.message, due_ms);
        Ok(Some(change))
    }
}

impl Entry {
    /// Without a new `send_at` the message keeps its time; without a new `valid_for` it keeps the length of its validity.
    fn times_of(&self, replacement: &Replacement, now_ms: u64) -> Times {
        let waits = self.state == MessageState::Scheduled;
        let began_ms = if waits { self.due_ms } else { self.admitted_ms };
        let kept_ms = if waits { self.due_ms } else { 0 };
        let send_at_ms = replacement.send_at_ms.unwrap_or(kept_ms);
        let begins_ms = send_at_ms.max(now_ms);
        let expires_ms = match (replacement.valid_for_ms, replacement.send_at_ms) {
            (Some(valid_for_ms), _) => begins_ms.saturating_add(valid_for_ms),
            (None, Some(_)) => {
                begins_ms.saturating_add(self.payload.expires_ms.saturating_sub(began_ms))
            }
            (None, None) => self.payload.expires_ms,
        };
        Times {
            send_at_ms: if send_at_ms > now_ms { send_at_ms } else { 0 },
            expires_ms,
        }
    }

    /// What the message holds of the byte credits with the new text.
    fn cost_with(&self, replacement: &Replacement) -> u32 {
        let octets = |text: &bytes::Bytes| u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.cost_bytes
            .saturating_sub(octets(&self.payload.text))
            .saturating_add(octets(&replacement.text))
    }

    fn payload_of(&self, record: &record::Replaced) -> Result<Payload, &'static str> {
        Ok(Payload {
            sender: sender_of(record.sender_kind, record.sender.as_str().into())?,
            text: record.text.clone(),
            expires_ms: record.expires_ms,
            segments: u8::try_from(record.segments).map_err(|_| "segments")?,
            ..(*self.payload).clone()
        })
    }
}

fn sender_hash(sender: &SenderId) -> u64 {
    stable_hash(&[sender.as_str().as_bytes()])
}
