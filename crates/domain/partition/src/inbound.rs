use std::collections::BTreeMap;

use bytes::Bytes;
use message::{CarrierId, MessageId};

/// A message from a handset, kept until a client acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundView {
    /// Our id of it.
    pub id: MessageId,
    /// The carrier it came from.
    pub carrier: CarrierId,
    /// The handset.
    pub from: Box<str>,
    /// Our number.
    pub to: Box<str>,
    /// The text, decoded.
    pub text: Box<str>,
    /// The octets.
    pub octets: Bytes,
    /// The alphabet as stated.
    pub data_coding: u8,
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

    pub(crate) fn contains(&self, id: MessageId) -> bool {
        self.by_id.contains_key(&id)
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &InboundView> {
        self.by_id.values().map(|(view, _)| view)
    }

    /// Ids rise in journal order, so that the first has the lowest position.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        self.by_id.values().next().map(|(_, position)| *position)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
