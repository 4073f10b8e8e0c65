//! Two sessions joined by a wire without latency, and what the tests keep of an event.

use bytes::BytesMut;
use smpp_codec::{
    Bind, BindResp, COctetString, CommandId, CommandStatus, FrameLimit, Pdu, SubmitSm,
    SubmitSmResp, split_frame,
};
use smpp_session::{
    Answer, BindType, CloseReason, Event, RequestKind, Role, Session, SessionConfig,
};

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// An event without what it borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Bound(BindType, Vec<u8>),
    BindRefused(CommandStatus),
    BindRequested(BindType, Vec<u8>),
    Answered(u64, CommandStatus),
    AnsweredLate(u64, CommandStatus),
    TimedOut(u64),
    Request(u32, RequestKind, Vec<u8>),
    UnbindRequested,
    Unbound,
    CloseDue(CloseReason),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Bound {
                bind_type,
                response,
            } => Self::Bound(bind_type, response.unwrap().system_id.as_bytes().to_vec()),
            Event::BindRefused { status } => Self::BindRefused(status),
            Event::BindRequested { bind_type, bind } => {
                Self::BindRequested(bind_type, bind.system_id.as_bytes().to_vec())
            }
            Event::Answered(Answer {
                correlation,
                status,
                ..
            }) => Self::Answered(correlation, status),
            Event::AnsweredLate(Answer {
                correlation,
                status,
                ..
            }) => Self::AnsweredLate(correlation, status),
            Event::TimedOut { correlation, .. } => Self::TimedOut(correlation),
            Event::Request {
                sequence_number,
                pdu,
            } => {
                let body = match pdu {
                    Pdu::SubmitSm(message) | Pdu::DeliverSm(message) => message.body().to_vec(),
                    _ => Vec::new(),
                };
                Self::Request(sequence_number, RequestKind::of(&pdu).unwrap(), body)
            }
            Event::UnbindRequested => Self::UnbindRequested,
            Event::Unbound => Self::Unbound,
            Event::CloseDue { reason } => Self::CloseDue(reason),
        }
    }
}

/// One PDU as it goes over the wire.
pub(crate) fn wire(pdu: &Pdu<'_>, status: CommandStatus, sequence_number: u32) -> Vec<u8> {
    let mut out = BytesMut::new();
    pdu.encode(status, sequence_number, &mut out).unwrap();
    out.to_vec()
}

/// A PDU of any command id with any body.
pub(crate) fn raw(command_id: u32, status: u32, sequence_number: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut out = Vec::new();
    for field in [length, command_id, status, sequence_number] {
        out.extend(field.to_be_bytes());
    }
    out.extend(body);
    out
}

/// What waits to be written, as (command, status, number).
pub(crate) fn waiting(session: &Session) -> Vec<(CommandId, CommandStatus, u32)> {
    let mut rest = session.transmit();
    let mut found = Vec::new();
    while let Some(frame) = split_frame(rest, FrameLimit::default()).unwrap() {
        found.push((
            frame.header.command_id,
            frame.header.command_status,
            frame.header.sequence_number,
        ));
        rest = &rest[frame.len()..];
    }
    assert!(rest.is_empty(), "only whole PDUs wait");
    found
}

/// Feeds bytes to a session; all of them must be whole PDUs.
pub(crate) fn feed(session: &mut Session, bytes: &[u8], now_ns: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    let consumed = session
        .handle_bytes(bytes, now_ns, &mut |event: Event<'_>| {
            seen.push(event.into())
        })
        .unwrap();
    assert_eq!(consumed, bytes.len());
    seen
}

pub(crate) fn fire(session: &mut Session, now_ns: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    session.handle_timeout(now_ns, &mut |event: Event<'_>| seen.push(event.into()));
    seen
}

/// The driver writes all there is.
pub(crate) fn write_all(session: &mut Session) -> Vec<u8> {
    let bytes = session.transmit().to_vec();
    session.handle_transmitted(bytes.len());
    bytes
}

pub(crate) fn submit_sm(body: &[u8]) -> Pdu<'_> {
    Pdu::SubmitSm(SubmitSm {
        short_message: body,
        ..SubmitSm::default()
    })
}

pub(crate) fn deliver_sm(body: &[u8]) -> Pdu<'_> {
    Pdu::DeliverSm(SubmitSm {
        short_message: body,
        ..SubmitSm::default()
    })
}

pub(crate) fn submit_sm_resp(message_id: &[u8]) -> Pdu<'_> {
    Pdu::SubmitSmResp(SubmitSmResp {
        message_id: COctetString::new(message_id),
        ..SubmitSmResp::default()
    })
}

pub(crate) fn credentials() -> Bind<'static> {
    Bind {
        system_id: COctetString::new(b"esme"),
        password: COctetString::new(b"secret"),
        ..Bind::default()
    }
}

pub(crate) fn welcome() -> BindResp<'static> {
    BindResp {
        system_id: COctetString::new(b"mc"),
        ..BindResp::default()
    }
}

/// A session of the given role bound at time 0, its outbound buffer empty.
pub(crate) fn bound(config: SessionConfig, bind_type: BindType) -> Session {
    let role = config.role;
    let mut session = Session::new(config, 0).unwrap();
    let (request, answer) = match bind_type {
        BindType::Transmitter => (
            Pdu::BindTransmitter(credentials()),
            Pdu::BindTransmitterResp(welcome()),
        ),
        BindType::Receiver => (
            Pdu::BindReceiver(credentials()),
            Pdu::BindReceiverResp(welcome()),
        ),
        BindType::Transceiver => (
            Pdu::BindTransceiver(credentials()),
            Pdu::BindTransceiverResp(welcome()),
        ),
    };
    match role {
        Role::Esme => {
            let number = session.bind(bind_type, credentials()).unwrap();
            feed(&mut session, &wire(&answer, CommandStatus::Ok, number), 0);
        }
        Role::Mc => {
            feed(&mut session, &wire(&request, CommandStatus::Ok, 1), 0);
            session.accept_bind(welcome(), 0).unwrap();
        }
    }
    write_all(&mut session);
    session
}

pub(crate) fn bound_esme() -> Session {
    bound(SessionConfig::new(Role::Esme), BindType::Transceiver)
}

pub(crate) fn bound_mc() -> Session {
    bound(SessionConfig::new(Role::Mc), BindType::Transceiver)
}
