//! Responses of a watch whose events are encoded already: once for everybody who sees them, however many watch.

use bytes::Bytes;
use engine::{Event, Handle};
use prost::Message as _;

use crate::progress;

/// [`crate::v1::WatchResponse`] with events as octets: a repeated message and a repeated `bytes` are the same on the wire.
#[expect(
    unreachable_pub,
    reason = "a public trait of a private module names it"
)]
#[derive(Clone, PartialEq, prost::Message)]
pub struct WatchResponse {
    /// Each a [`crate::v1::Event`].
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) events: Vec<Bytes>,
    #[prost(string, tag = "2")]
    pub(crate) resume_position: String,
}

/// The event on the wire; made when it is first asked for.
pub(crate) fn event(event: &Event, engine: &Handle) -> Bytes {
    event.encoded(|event| progress::event(event, engine).encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn on_the_wire_it_is_the_response_of_the_contract() {
        let events = [1, 2, 70_000].map(|sequence| v1::Event {
            message_id: format!("message {sequence}"),
            sequence,
            late: sequence == 2,
            ..v1::Event::default()
        });
        let contract = v1::WatchResponse {
            events: events.to_vec(),
            resume_position: "here".into(),
        };
        let ours = WatchResponse {
            events: events
                .iter()
                .map(|event| event.encode_to_vec().into())
                .collect(),
            resume_position: "here".into(),
        };
        assert_eq!(ours.encode_to_vec(), contract.encode_to_vec());
        let nothing = WatchResponse::default().encode_to_vec();
        assert_eq!(nothing, v1::WatchResponse::default().encode_to_vec());
    }
}
