//! Messages from handsets that nobody has acknowledged.
//!
//! Limits: [`crate::Limits::inbound`] of them, each kept for [`crate::Limits::inbound_ms`]; beyond, the carrier is asked to send again.

use std::collections::BTreeMap;

use message::{CarrierId, InboundMessage, MessageId};

use crate::record;

/// A message from a handset, kept until a client acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundView {
    /// Our id of it.
    pub id: MessageId,
    /// The carrier it came from.
    pub carrier: CarrierId,
    /// What it says.
    pub message: InboundMessage,
    /// When it came, in milliseconds since the epoch.
    pub received_ms: u64,
}

/// What waits for a client, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct InboundMessages {
    by_id: BTreeMap<MessageId, Kept>,
    /// The first position of the last that went without an acknowledgement; 0 for none.
    expired_at: u64,
}

#[derive(Debug)]
struct Kept {
    view: InboundView,
    /// Where its first record began: what streams resume by.
    first_at: u64,
    /// Where the record begins that the journal must be kept from for it.
    record_at: u64,
}

impl InboundView {
    /// Its record.
    pub(crate) fn record(&self) -> record::Inbound {
        let (id_high, id_low) = record::halves(self.id);
        record::Inbound {
            id_high,
            id_low,
            carrier: self.carrier.0,
            from: self.message.from.to_string(),
            to: self.message.to.to_string(),
            text: self.message.text.to_string(),
            octets: self.message.octets.clone(),
            data_coding: u32::from(self.message.data_coding),
            at_ms: self.received_ms,
            first_at: None,
        }
    }
}

impl InboundMessages {
    pub(crate) fn keep(&mut self, view: InboundView, first_at: u64, record_at: u64) {
        let kept = Kept {
            view,
            first_at,
            record_at,
        };
        self.by_id.insert(kept.view.id, kept);
    }

    /// With the position of its first record.
    pub(crate) fn find(&self, id: MessageId) -> Option<(u64, &InboundView)> {
        let kept = self.by_id.get(&id)?;
        Some((kept.first_at, &kept.view))
    }

    pub(crate) fn acknowledged(&mut self, id: MessageId) {
        self.by_id.remove(&id);
    }

    pub(crate) fn expired(&mut self, id: MessageId) {
        if let Some(kept) = self.by_id.remove(&id) {
            self.expired_at = self.expired_at.max(kept.first_at);
        }
    }

    pub(crate) fn expired_at(&self) -> u64 {
        self.expired_at
    }

    /// The first that came before `before_ms`.
    pub(crate) fn overdue(&self, before_ms: u64) -> Option<MessageId> {
        self.by_id
            .values()
            .next()
            .filter(|kept| kept.view.received_ms < before_ms)
            .map(|kept| kept.view.id)
    }

    /// With the position of each one's first record.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &InboundView)> {
        self.by_id.values().map(|kept| (kept.first_at, &kept.view))
    }

    /// Those whose record begins before a position.
    pub(crate) fn behind(&self, before: u64) -> impl Iterator<Item = MessageId> + '_ {
        let behind = move |kept: &&Kept| kept.record_at < before;
        self.by_id.values().filter(behind).map(|kept| kept.view.id)
    }

    /// Looks at all of them, which are few: asked for when the journal is looked through for what can go.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        self.by_id.values().map(|kept| kept.record_at).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
