//! How a session ends, and what that means for the next one.

use std::io;

use smpp_codec::CommandStatus;
use smpp_session::{CloseReason, ControlError, SessionError};

use crate::reconnect::Setback;
use crate::tls::TlsError;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    /// The host has no address, or none answers.
    #[error("no connection: {source}")]
    Connect {
        /// What the last address said.
        source: io::Error,
    },
    /// No connection in time.
    #[error("no connection within {session_init_ms} ms")]
    ConnectTimeout {
        /// The time allowed.
        session_init_ms: u64,
    },
    /// TLS could not begin.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// The peer closed it without unbind.
    #[error("closed by the carrier")]
    PeerClosed,
    /// Bytes that are no PDUs, or a peer that does not read.
    #[error(transparent)]
    Protocol(#[from] SessionError),
    /// Our bind or unbind could not be said.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A session cannot be built from the configuration.
    #[error(transparent)]
    Config(#[from] smpp_session::ConfigError),
    /// A timer of the session ran out.
    #[error("timer: {reason:?}")]
    Timer {
        /// Which.
        reason: CloseReason,
    },
    /// The carrier refused the bind.
    #[error("bind refused: {status}")]
    BindRefused {
        /// With this status.
        status: CommandStatus,
    },
    /// The carrier asked to unbind.
    #[error("unbound by the carrier")]
    UnbindRequested,
    /// We asked to unbind, and the carrier answered or closed.
    #[error("unbound")]
    Unbound,
    /// We stopped before it was bound.
    #[error("stopped before it was bound")]
    Stopped,
}

impl SessionEnd {
    /// What it means for the next attempt.
    pub(crate) const fn setback(&self) -> Setback {
        match self {
            Self::BindRefused { status } => Setback::of_bind_status(*status),
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls(_)
            | Self::Io(_)
            | Self::PeerClosed
            | Self::Protocol(_)
            | Self::Control(_)
            | Self::Config(_)
            | Self::Timer { .. }
            | Self::UnbindRequested
            | Self::Unbound
            | Self::Stopped => Setback::BackOff,
        }
    }

    /// Whether it was meant to end.
    pub(crate) const fn is_orderly(&self) -> bool {
        match self {
            Self::Unbound | Self::Stopped => true,
            Self::BindRefused { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls(_)
            | Self::Io(_)
            | Self::PeerClosed
            | Self::Protocol(_)
            | Self::Control(_)
            | Self::Config(_)
            | Self::Timer { .. }
            | Self::UnbindRequested => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrong_credentials_are_fatal() {
        let refused = |code| SessionEnd::BindRefused {
            status: CommandStatus::from_u32(code),
        };
        assert_eq!(refused(0x0E).setback(), Setback::BindFatal);
        assert_eq!(refused(0x05).setback(), Setback::BackOff);
        assert_eq!(SessionEnd::PeerClosed.setback(), Setback::BackOff);
        assert!(SessionEnd::Unbound.is_orderly() && !SessionEnd::PeerClosed.is_orderly());
    }
}
