//! The states of a session and what they allow.

use crate::config::{BindType, Role};
use crate::event::RequestKind;

/// Where a session stands.
///
/// ```text
///                    bind() / bind request received
///          +------+ -----------------------------> +---------+
///   new -> | Open |                                | Binding |
///          +------+ <----------------------------- +---------+
///             |       bind refused / refuse_bind()   |     |
///             |                                      |     | bind taken / accept_bind()
///             |                                      |     v
///             |                                      |  +-------+  unbind()  +-----------+
///             |                                      |  | Bound | ---------> | Unbinding |
///             |                                      |  +-------+            +-----------+
///             | (1) (2) (5)              (1) (2) (5) |     | (1) (3) (4) (5)     | (1) (4) (5),
///             v                                      v     v                     v unbind answered
///          +------------------------------------------------------------------------+
///          |                                 Closed                                 |
///          +------------------------------------------------------------------------+
///
///   (1) unbind received: answered, then UnbindRequested
///   (2) session_init timer: CloseDue
///   (3) enquire_link timer twice without a PDU between, or inactivity timer: CloseDue
///   (4) response timer on the unbind, or on a request of which no byte is written: CloseDue
///   (5) framing lost, answers overflow, or close()
/// ```
///
/// `Closed` sends nothing new. What is still in [`Session::transmit`](crate::Session::transmit) may be written, answers
/// to requests in flight still settle, then the caller closes the connection and takes
/// [`Session::close`](crate::Session::close).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Connected, nobody has bound.
    Open,
    /// ESME: the bind request is out. MC: a bind request awaits [`Session::accept_bind`](crate::Session::accept_bind) or
    /// [`Session::refuse_bind`](crate::Session::refuse_bind).
    Binding,
    /// Data flows in the directions that the bind type allows.
    Bound(BindType),
    /// `unbind` is out. The peer's requests are still taken, ours are refused.
    Unbinding(BindType),
    /// Over.
    Closed,
}

impl SessionState {
    /// Whether `role` may send this request now.
    pub(crate) fn may_send(self, role: Role, request: RequestKind) -> Permission {
        match self {
            Self::Bound(bind_type) => permission(bind_type, role, request),
            Self::Open | Self::Binding | Self::Unbinding(_) | Self::Closed => Permission::NotBound,
        }
    }

    /// Whether `role` may be sent this request now. Unlike sending, receiving goes on while our unbind is out: the peer
    /// may have sent it before it saw the unbind.
    pub(crate) fn may_receive(self, role: Role, request: RequestKind) -> Permission {
        let peer = match role {
            Role::Esme => Role::Mc,
            Role::Mc => Role::Esme,
        };
        match self {
            Self::Bound(bind_type) | Self::Unbinding(bind_type) => {
                permission(bind_type, peer, request)
            }
            Self::Open | Self::Binding | Self::Closed => Permission::NotBound,
        }
    }
}

/// The verdict on a data request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Allowed,
    NotBound,
    /// The bind type or the direction forbids it.
    WrongBindType,
}

fn permission(bind_type: BindType, sender: Role, request: RequestKind) -> Permission {
    let allowed = match (sender, request) {
        (Role::Esme, RequestKind::SubmitSm | RequestKind::DataSm) => bind_type.may_submit(),
        (Role::Mc, RequestKind::DeliverSm | RequestKind::DataSm) => bind_type.may_deliver(),
        (Role::Esme, RequestKind::DeliverSm) | (Role::Mc, RequestKind::SubmitSm) => false,
    };
    if allowed {
        Permission::Allowed
    } else {
        Permission::WrongBindType
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BindType::{Receiver, Transceiver, Transmitter};
    use RequestKind::{DataSm, DeliverSm, SubmitSm};

    #[test]
    fn each_bind_type_opens_its_directions_only() {
        let table = [
            (Transmitter, [true, false, true, false]),
            (Receiver, [false, true, false, true]),
            (Transceiver, [true, true, true, true]),
        ];
        for (bind_type, expected) in table {
            let bound = SessionState::Bound(bind_type);
            let found = [
                bound.may_send(Role::Esme, SubmitSm),
                bound.may_send(Role::Mc, DeliverSm),
                bound.may_send(Role::Esme, DataSm),
                bound.may_send(Role::Mc, DataSm),
            ];
            assert_eq!(
                found.map(|permission| permission == Permission::Allowed),
                expected,
                "{bind_type:?}"
            );
            assert_eq!(
                bound.may_send(Role::Esme, DeliverSm),
                Permission::WrongBindType
            );
            assert_eq!(
                bound.may_receive(Role::Esme, SubmitSm),
                Permission::WrongBindType
            );
        }
    }

    #[test]
    fn unbinding_receives_but_does_not_send() {
        let state = SessionState::Unbinding(Transceiver);
        assert_eq!(state.may_send(Role::Esme, SubmitSm), Permission::NotBound);
        assert_eq!(
            state.may_receive(Role::Esme, DeliverSm),
            Permission::Allowed
        );
    }

    #[test]
    fn nothing_flows_unbound() {
        for state in [
            SessionState::Open,
            SessionState::Binding,
            SessionState::Closed,
        ] {
            assert_eq!(state.may_send(Role::Esme, SubmitSm), Permission::NotBound);
            assert_eq!(state.may_receive(Role::Mc, SubmitSm), Permission::NotBound);
        }
    }
}
