//! Messages from handsets that nobody has acknowledged.
//!
//! Limits: [`crate::Limits::inbound`] of them, each kept for [`crate::Limits::inbound_ms`]; beyond, the carrier is asked to send again.

use std::collections::BTreeMap;

use message::{CarrierId, InboundMessage, MessageId};

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
    by_id: BTreeMap<MessageId, (InboundView, u64)>,
}

impl InboundMessages {
    pub(crate) fn keep(&mut self, view: InboundView, position: u64) {
        self.by_id.insert(view.id, (view, position));
    }

    /// With the position of its record.
    pub(crate) fn find(&self, id: MessageId) -> Option<(u64, &InboundView)> {
        let (view, position) = self.by_id.get(&id)?;
        Some((*position, view))
    }

    pub(crate) fn remove(&mut self, id: MessageId) {
        self.by_id.remove(&id);
    }

    /// The first that came before `before_ms`.
    pub(crate) fn overdue(&self, before_ms: u64) -> Option<MessageId> {
        self.by_id
            .values()
            .next()
            .filter(|(view, _)| view.received_ms < before_ms)
            .map(|(view, _)| view.id)
    }

    /// With the position of each one's record.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &InboundView)> {
        self.by_id
            .values()
            .map(|(view, position)| (*position, view))
    }

    /// Ids rise in journal order, so that the first has the lowest position.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        self.by_id.values().next().map(|(_, position)| *position)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
