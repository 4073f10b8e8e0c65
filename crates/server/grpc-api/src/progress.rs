//! The engine's events and views on the wire.

use std::sync::Arc;

use engine::{Event, Handle, InboundView, MessageView};
use message::{CarrierId, MessageState};

use crate::answer::id_text;
use crate::v1;

/// An event.
pub(crate) fn event(event: &Event, engine: &Handle) -> v1::Event {
    v1::Event {
        message_id: id_text(event.message),
        sequence: event.sequence,
        state: state_number(event.state),
        reason: i32::from(event.reason.number()),
        time: Some(timestamp(event.at_ms)),
        leg: u32::from(event.leg),
        attempt: u32::from(event.attempt),
        segment: u32::from(event.segment),
        segments: u32::from(event.segments),
        uncertain: event.uncertain,
        late: event.late,
        carrier_status: event.status,
        carrier: carrier_name(event.carrier, engine),
        config_version: event.config_version,
        batch_id: text(event.batch_id.as_ref()),
        context: event.context.clone(),
    }
}

/// What is known of a message.
pub(crate) fn view(view: MessageView, engine: &Handle) -> v1::MessageView {
    v1::MessageView {
        message_id: id_text(view.id),
        state: state_number(view.state),
        reason: i32::from(view.reason.number()),
        sequence: view.sequence,
        attempt: u32::from(view.attempt),
        segments: u32::from(view.segments),
        uncertain: view.uncertain,
        late: view.late,
        carrier: carrier_name(view.carrier, engine),
        carrier_message_id: view
            .carrier_message_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        carrier_status: view.status,
        admitted_at: Some(timestamp(view.admitted_ms)),
        changed_at: Some(timestamp(view.changed_ms)),
        expires_at: Some(timestamp(view.expires_ms)),
        batch_id: text(view.batch_id.as_ref()),
        context: view.context,
        config_version: view.config_version,
    }
}

/// A message from a person.
pub(crate) fn inbound(view: &InboundView, engine: &Handle) -> v1::InboundMessage {
    let message = &view.message;
    v1::InboundMessage {
        id: id_text(view.id),
        carrier: carrier_name(Some(view.carrier), engine),
        from: message.from.clone().into(),
        to: message.to.clone().into(),
        text: message.text.clone().into(),
        octets: message.octets.clone(),
        data_coding: u32::from(message.data_coding),
        received_at: Some(timestamp(view.received_ms)),
    }
}

/// The number of a state; those of the contract are those of the records.
pub(crate) fn state_number(state: MessageState) -> i32 {
    i32::from(state.number())
}

fn carrier_name(id: Option<CarrierId>, engine: &Handle) -> String {
    id.and_then(|id| engine.carrier_name(id))
        .unwrap_or_default()
        .to_owned()
}

fn text(text: Option<&Arc<str>>) -> String {
    text.map(|text| text.as_ref().to_owned())
        .unwrap_or_default()
}

pub(crate) fn timestamp(ms: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(ms / 1_000).expect("a thousandth of u64 fits"),
        nanos: i32::try_from(ms % 1_000 * 1_000_000).expect("under a second of nanoseconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_has_every_state_under_its_number() {
        for state in MessageState::ALL {
            let wire = v1::MessageState::try_from(state_number(state)).unwrap();
            let name = wire.as_str_name().strip_prefix("MESSAGE_STATE_").unwrap();
            assert_eq!(name.to_lowercase(), state.name());
            assert_eq!(state_number(state) >= 10, state.is_final(), "{state}");
        }
    }

    #[test]
    fn times_keep_their_milliseconds() {
        let time = timestamp(1_700_000_000_250);
        assert_eq!((time.seconds, time.nanos), (1_700_000_000, 250_000_000));
        assert_eq!(timestamp(u64::MAX).nanos, 615_000_000);
    }
}
