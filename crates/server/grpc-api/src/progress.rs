//! The engine's events and views on the wire, and the resume position.

use std::sync::Arc;

use engine::{Event, Handle, InboundView, MessageView};
use message::{CarrierId, MessageState};
use tonic::{Code, Status};

use crate::answer::{self, id_text};
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

/// A resume position: which run of the engine, and where in it. Opaque to clients.
pub(crate) fn position_text(run_id: u64, position: u64) -> String {
    format!("{run_id:016x}{position:016x}")
}

/// The position a client hands back; none when it sends none.
///
/// # Errors
/// INVALID_ARGUMENT when it is not a position, OUT_OF_RANGE when it is of an earlier run.
pub(crate) fn parse_position(run_id: u64, text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let sound = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let parsed = sound
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
        .ok_or_else(|| {
            answer::invalid(
                "resume_position",
                "is not a position: hand back `resume_position` of an earlier response as it was, or leave it out",
            )
        })?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the position"
    )]
    let (of_run, position) = ((parsed >> 64) as u64, parsed as u64);
    if of_run == run_id {
        Ok(Some(position))
    } else {
        Err(answer::failure(
            Code::OutOfRange,
            "POSITION_LOST",
            "resume_position is of an earlier run of the engine: watch again without it, and ask Get for what happened meanwhile",
        ))
    }
}

/// A position that has been overwritten.
pub(crate) fn position_lost(run_id: u64, oldest: u64) -> Status {
    answer::failure(
        Code::OutOfRange,
        "POSITION_LOST",
        format!(
            "events before position {} are gone (the watcher was too slow, or resumed too late): watch again from there or without a position, and ask Get for the rest",
            position_text(run_id, oldest)
        ),
    )
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
    fn positions_lead_back_to_their_own_run_only() {
        for position in [0, 1, u64::MAX] {
            let text = position_text(7, position);
            assert_eq!(parse_position(7, &text).unwrap(), Some(position));
            assert_eq!(
                parse_position(8, &text).unwrap_err().code(),
                Code::OutOfRange
            );
        }
        assert_eq!(parse_position(7, "").unwrap(), None);
        for bad in [
            "7",
            "latest",
            &"g".repeat(32),
            &"+".repeat(32),
            &"0".repeat(33),
        ] {
            assert_eq!(
                parse_position(7, bad).unwrap_err().code(),
                Code::InvalidArgument
            );
        }
    }

    #[test]
    fn times_keep_their_milliseconds() {
        let time = timestamp(1_700_000_000_250);
        assert_eq!((time.seconds, time.nanos), (1_700_000_000, 250_000_000));
        assert_eq!(timestamp(u64::MAX).nanos, 615_000_000);
    }
}
