//! What can go wrong on a session, by operation: whose fault it is and whether another try can help.

use smpp_codec::{CommandId, EncodeError, FrameError};

use crate::config::{BindType, Role};
use crate::event::RequestKind;
use crate::state::SessionState;

/// Who caused an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The code or configuration on our side.
    Ours,
    /// The other end of the link.
    Peer,
    /// Nobody: a limit was reached in normal work.
    Load,
}

/// When the same call may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// On this session, once an answer or a time-out frees a slot.
    AfterAnswer,
    /// On this session, once the kernel took bytes.
    AfterWrite,
    /// On this session once it is bound, or on another one.
    WhenBound,
    /// On a new connection.
    Reconnect,
    /// Never with the same argument.
    Never,
}

/// The session is over: close the connection and take [`Session::close`](crate::Session::close).
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The inbound stream is no sequence of PDUs any more. A `generic_nack` was queued.
    #[error("inbound framing lost: {0}")]
    Framing(#[source] FrameError),
    /// The peer sends requests and does not read our answers.
    #[error("{waiting_bytes} outbound bytes wait unread by the peer, allowed are {hard_max_bytes}")]
    TransmitOverflow {
        /// What waits.
        waiting_bytes: usize,
        /// `transmit_hard_max_bytes` of the configuration.
        hard_max_bytes: usize,
    },
}

impl SessionError {
    /// Whose fault it is: always the peer's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Framing(_) | Self::TransmitOverflow { .. } => Fault::Peer,
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Framing(_) | Self::TransmitOverflow { .. } => Retry::Reconnect,
        }
    }
}

/// A data request was not taken; nothing was queued and no slot is held.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Every slot is in flight.
    #[error("window full: {window_size} requests in flight")]
    WindowFull {
        /// The number of slots.
        window_size: u32,
    },
    /// The session is not bound, or not any more.
    #[error("session state is {state:?}, data requests need Bound")]
    NotBound {
        /// The state found.
        state: SessionState,
    },
    /// The bind type or the direction forbids this request.
    #[error("{role:?} may not send {request:?} on a {bind_type:?} session")]
    WrongBindType {
        /// Our end.
        role: Role,
        /// As bound.
        bind_type: BindType,
        /// What was to be sent.
        request: RequestKind,
    },
    /// Only `submit_sm`, `deliver_sm` and `data_sm` are submitted.
    #[error("{command_id:?} is no data request, allowed are SubmitSm, DeliverSm and DataSm")]
    NotADataRequest {
        /// What was given.
        command_id: CommandId,
    },
    /// The outbound buffer is at its bound.
    #[error("{waiting_bytes} outbound bytes wait, requests are allowed below {max_bytes}")]
    TransmitFull {
        /// What waits.
        waiting_bytes: usize,
        /// `transmit_max_bytes` of the configuration.
        max_bytes: usize,
    },
    /// The request has no form on the wire.
    #[error("request not encoded: {0}")]
    Encode(#[source] EncodeError),
}

impl SubmitError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::WindowFull { .. } | Self::NotBound { .. } | Self::TransmitFull { .. } => {
                Fault::Load
            }
            Self::WrongBindType { .. } | Self::NotADataRequest { .. } | Self::Encode(_) => {
                Fault::Ours
            }
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::WindowFull { .. } => Retry::AfterAnswer,
            Self::TransmitFull { .. } => Retry::AfterWrite,
            Self::NotBound { .. } => Retry::WhenBound,
            Self::WrongBindType { .. } | Self::NotADataRequest { .. } | Self::Encode(_) => {
                Retry::Never
            }
        }
    }
}

/// An answer to the peer's request, or to its bind, was not queued.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The session is over, or it is an MC without a bind request to decide on.
    #[error("session state is {state:?}, which has nothing to answer")]
    WrongState {
        /// The state found.
        state: SessionState,
    },
    /// Only responses to data requests and `generic_nack` answer a request.
    #[error(
        "{command_id:?} is no answer, allowed are SubmitSmResp, DeliverSmResp, DataSmResp and GenericNack"
    )]
    NotAnAnswer {
        /// What was given.
        command_id: CommandId,
    },
    /// The peer does not read our answers. The session is over.
    #[error("{waiting_bytes} outbound bytes wait unread by the peer, allowed are {hard_max_bytes}")]
    TransmitOverflow {
        /// What waits.
        waiting_bytes: usize,
        /// `transmit_hard_max_bytes` of the configuration.
        hard_max_bytes: usize,
    },
    /// The answer has no form on the wire.
    #[error("answer not encoded: {0}")]
    Encode(#[source] EncodeError),
}

impl RespondError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::WrongState { .. } => Fault::Load,
            Self::NotAnAnswer { .. } | Self::Encode(_) => Fault::Ours,
            Self::TransmitOverflow { .. } => Fault::Peer,
        }
    }

    /// Whether another try can help. The peer repeats an unanswered request itself, on its next session.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::WrongState { .. } | Self::NotAnAnswer { .. } | Self::Encode(_) => Retry::Never,
            Self::TransmitOverflow { .. } => Retry::Reconnect,
        }
    }
}

/// A bind or unbind request was not queued.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Binding needs `Open`, unbinding needs `Bound`.
    #[error("session state is {state:?}, allowed is {allowed}")]
    WrongState {
        /// The state found.
        state: SessionState,
        /// The state needed.
        allowed: &'static str,
    },
    /// Only an ESME binds; only an MC decides on a bind.
    #[error("role is {role:?}, which does not do this")]
    WrongRole {
        /// Our end.
        role: Role,
    },
    /// The peer does not read. The session is over.
    #[error("{waiting_bytes} outbound bytes wait unread by the peer, allowed are {hard_max_bytes}")]
    TransmitOverflow {
        /// What waits.
        waiting_bytes: usize,
        /// `transmit_hard_max_bytes` of the configuration.
        hard_max_bytes: usize,
    },
    /// The bind has no form on the wire.
    #[error("bind not encoded: {0}")]
    Encode(#[source] EncodeError),
}

impl ControlError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::WrongState { .. } | Self::WrongRole { .. } | Self::Encode(_) => Fault::Ours,
            Self::TransmitOverflow { .. } => Fault::Peer,
        }
    }

    /// Whether another try can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::WrongState { .. } | Self::WrongRole { .. } | Self::Encode(_) => Retry::Never,
            Self::TransmitOverflow { .. } => Retry::Reconnect,
        }
    }
}
