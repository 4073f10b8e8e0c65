use bytes::Bytes;
use message::{CallerId, IdSource, MessageState, Reason, TenantId};

use super::*;

/// The event of the record that ends at `position`.
pub(super) fn event(position: u64) -> Event {
    Event {
        key: EventKey::of_record(journal::Position(position)),
        message: IdSource::new(1).peek(1_000, position),
        tenant: TenantId(1),
        caller: CallerId(10),
        batch_id: None,
        sequence: 3,
        leg: 0,
        attempt: 1,
        segment: 0,
        segments: 1,
        state: MessageState::Delivered,
        reason: Reason::ReceiptDelivered,
        status: 0,
        uncertain: false,
        late: false,
        at_ms: 1_000,
        config_version: 1,
        carrier: None,
        context: Bytes::new(),
        encoded: Encoded::default(),
    }
}
