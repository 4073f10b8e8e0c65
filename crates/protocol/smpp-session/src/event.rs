//! What a session tells its caller: events that borrow from the bytes just read.
//!
//! Events are handed over inside [`Session::handle_bytes`](crate::Session::handle_bytes) and
//! [`Session::handle_timeout`](crate::Session::handle_timeout), one call each. A queue of owned events was refused: it
//! would copy every body and need a bound of its own.

use smpp_codec::{Bind, BindResp, CommandId, CommandStatus, DecodeError, Pdu};

use crate::config::BindType;

/// Receives the events of a session.
///
/// The session is borrowed meanwhile: keep what needs an answer and call
/// [`Session::respond`](crate::Session::respond) after the call that delivered it.
pub trait Handler {
    /// Takes one event. What it borrows ends with the call.
    fn on_event(&mut self, event: Event<'_>);
}

impl<F: FnMut(Event<'_>)> Handler for F {
    fn on_event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// Something happened on the session.
#[derive(Debug)]
pub enum Event<'a> {
    /// ESME: the MC took the bind; the state is `Bound`.
    Bound {
        /// What was asked for and granted.
        bind_type: BindType,
        /// The MC's `system_id` and optional `sc_interface_version`, or why they did not decode. The bind stands either
        /// way: the status said so.
        response: Result<BindResp<'a>, DecodeError>,
    },
    /// ESME: the MC refused the bind; the state is `Open` again.
    BindRefused {
        /// Why; never `Ok`.
        status: CommandStatus,
    },
    /// MC: an ESME asks to bind. Decide with [`Session::accept_bind`](crate::Session::accept_bind) or
    /// [`Session::refuse_bind`](crate::Session::refuse_bind); until then the session_init timer runs on.
    BindRequested {
        /// What the ESME wants to do.
        bind_type: BindType,
        /// Its credentials.
        bind: Bind<'a>,
    },
    /// A data request got its answer; its slot is free.
    Answered(Answer<'a>),
    /// A data request that had timed out got its answer after all. Comes at most once, always after its `TimedOut`.
    AnsweredLate(Answer<'a>),
    /// A data request got no answer within the response timeout; its slot is free and its fate unknown.
    TimedOut {
        /// As given to [`Session::submit`](crate::Session::submit).
        correlation: u64,
        /// Its number on the wire.
        sequence_number: u32,
        /// When it was submitted.
        sent_at_ns: u64,
    },
    /// The peer sent a data request that state and bind type allow. Answer with
    /// [`Session::respond`](crate::Session::respond), in any order, any time. The session keeps no table of them: how
    /// many may be open is the caller's limit, and [`Session::refuse`](crate::Session::refuse) its refusal.
    Request {
        /// To be echoed in the answer; all 32 bits are the peer's.
        sequence_number: u32,
        /// `SubmitSm`, `DeliverSm` or `DataSm`.
        pdu: Pdu<'a>,
    },
    /// The peer ended the session. The answer is in [`Session::transmit`](crate::Session::transmit): write it out, then
    /// close. The state is `Closed`.
    UnbindRequested,
    /// The peer answered our unbind. The state is `Closed`.
    Unbound,
    /// A timer ended the session: close the connection. The state is `Closed`. Comes at most once.
    CloseDue {
        /// Which timer and why.
        reason: CloseReason,
    },
}

/// The answer to a data request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// As given to [`Session::submit`](crate::Session::submit).
    pub correlation: u64,
    /// Its number on the wire.
    pub sequence_number: u32,
    /// What was asked.
    pub request: RequestKind,
    /// The peer's verdict. Never `Ok` for a `generic_nack`, whatever its header says.
    pub status: CommandStatus,
    /// The answer itself: the response of the request or [`Pdu::GenericNack`]; or why the body did not decode, in which
    /// case the status still holds.
    pub response: Result<Pdu<'a>, DecodeError>,
    /// When the request was submitted.
    pub sent_at_ns: u64,
}

/// The requests that carry messages and take a slot of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// `submit_sm`, from the ESME.
    SubmitSm,
    /// `deliver_sm`, from the MC.
    DeliverSm,
    /// `data_sm`, from either.
    DataSm,
}

impl RequestKind {
    /// The command that answers it.
    #[must_use]
    pub fn response_id(self) -> CommandId {
        match self {
            Self::SubmitSm => CommandId::SubmitSmResp,
            Self::DeliverSm => CommandId::DeliverSmResp,
            Self::DataSm => CommandId::DataSmResp,
        }
    }

    /// The kind of a PDU, or nothing if it is no data request.
    #[must_use]
    pub fn of(pdu: &Pdu<'_>) -> Option<Self> {
        match pdu {
            Pdu::SubmitSm(_) => Some(Self::SubmitSm),
            Pdu::DeliverSm(_) => Some(Self::DeliverSm),
            Pdu::DataSm(_) => Some(Self::DataSm),
            Pdu::GenericNack
            | Pdu::BindTransmitter(_)
            | Pdu::BindReceiver(_)
            | Pdu::BindTransceiver(_)
            | Pdu::BindTransmitterResp(_)
            | Pdu::BindReceiverResp(_)
            | Pdu::BindTransceiverResp(_)
            | Pdu::Unbind
            | Pdu::UnbindResp
            | Pdu::EnquireLink
            | Pdu::EnquireLinkResp
            | Pdu::SubmitSmResp(_)
            | Pdu::DeliverSmResp(_)
            | Pdu::DataSmResp(_) => None,
        }
    }
}

/// Why the connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The session was not bound within `session_init_ns`.
    SessionInitExpired,
    /// No PDU arrived for `enquire_link_ns`, nor within `enquire_link_response_ns` after the probe.
    LinkSilent,
    /// No data request and no answer to one for `inactivity_ns`.
    Inactive,
    /// Our unbind got no answer within the response timeout.
    UnbindUnanswered,
    /// Not one byte of a data request could be written within the response timeout: the peer does not read.
    TransmitStalled,
}

/// The data requests in flight when the session ended, by correlation, each list in order of submission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Not one byte was handed to the kernel: the peer cannot have seen them.
    pub unwritten: Vec<u64>,
    /// At least one byte was handed over and no answer came: the peer may have taken them.
    pub uncertain: Vec<u64>,
}
