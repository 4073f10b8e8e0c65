//! Beginning and end in order: bind, the MC's decision on it, unbind.

use smpp_codec::{Bind, BindResp, CommandId, CommandStatus, Pdu};

use super::{Session, header, refusal};
use crate::config::{BindType, Role};
use crate::error::ControlError;
use crate::state::SessionState;
use crate::timers::Timer;

impl Session {
    /// ESME: asks to bind. The answer comes as `Bound` or `BindRefused`.
    ///
    /// # Errors
    /// Not an ESME, not `Open`, or the bind has no form on the wire. Nothing was queued.
    pub fn bind(&mut self, bind_type: BindType, bind: Bind<'_>) -> Result<u32, ControlError> {
        self.require_role(Role::Esme)?;
        if self.state != SessionState::Open {
            return Err(ControlError::WrongState {
                state: self.state,
                allowed: "Open",
            });
        }
        self.room_for_control()?;
        let sequence_number = self.draw_number();
        let pdu = match bind_type {
            BindType::Transmitter => Pdu::BindTransmitter(bind),
            BindType::Receiver => Pdu::BindReceiver(bind),
            BindType::Transceiver => Pdu::BindTransceiver(bind),
        };
        self.transmit
            .push(&pdu, CommandStatus::Ok, sequence_number)
            .map_err(ControlError::Encode)?;
        self.binding = Some(PendingBind {
            sequence_number,
            bind_type,
        });
        self.state = SessionState::Binding;
        Ok(sequence_number)
    }

    /// MC: takes the bind that `BindRequested` announced; the state is `Bound` afterwards.
    ///
    /// # Errors
    /// Not an MC, no bind awaits a decision, the peer does not read, or the answer has no form on the wire. Nothing was
    /// queued.
    pub fn accept_bind(
        &mut self,
        response: BindResp<'_>,
        now_ns: u64,
    ) -> Result<BindType, ControlError> {
        let pending = self.pending_decision()?;
        self.room_for_control()?;
        let pdu = match pending.bind_type {
            BindType::Transmitter => Pdu::BindTransmitterResp(response),
            BindType::Receiver => Pdu::BindReceiverResp(response),
            BindType::Transceiver => Pdu::BindTransceiverResp(response),
        };
        self.transmit
            .push(&pdu, CommandStatus::Ok, pending.sequence_number)
            .map_err(ControlError::Encode)?;
        self.become_bound(pending.bind_type, now_ns);
        Ok(pending.bind_type)
    }

    /// MC: refuses the bind that `BindRequested` announced; the state is `Open` again. `Ok` is sent as `BindFailed`.
    ///
    /// # Errors
    /// Not an MC, no bind awaits a decision, or the peer does not read: one that binds and binds ends here.
    pub fn refuse_bind(&mut self, status: CommandStatus) -> Result<(), ControlError> {
        let pending = self.pending_decision()?;
        self.room_for_control()?;
        let response_id = bind_response_id(pending.bind_type);
        let status = refusal(status, CommandStatus::BindFailed);
        self.transmit
            .push_header(&header(response_id, status, pending.sequence_number));
        self.binding = None;
        self.state = SessionState::Open;
        Ok(())
    }

    /// Ends the session in order: no more submits; requests in flight may still be answered. `Unbound` follows, or
    /// `CloseDue` after the response timeout. To drain, wait until [`Session::in_flight`] is 0 first.
    ///
    /// # Errors
    /// The state is not `Bound`, or the peer does not read; nothing was queued.
    pub fn unbind(&mut self, now_ns: u64) -> Result<u32, ControlError> {
        let SessionState::Bound(bind_type) = self.state else {
            return Err(ControlError::WrongState {
                state: self.state,
                allowed: "Bound",
            });
        };
        self.room_for_control()?;
        let sequence_number = self.draw_number();
        self.transmit.push_header(&header(
            CommandId::Unbind,
            CommandStatus::Ok,
            sequence_number,
        ));
        let deadline_ns = now_ns.saturating_add(self.config.response_timeout_ns);
        self.unbind = Some(PendingUnbind {
            sequence_number,
            deadline_ns,
        });
        self.state = SessionState::Unbinding(bind_type);
        self.timers.stop(Timer::EnquireLink);
        self.timers.stop(Timer::Inactivity);
        self.restart_response_timer();
        Ok(sequence_number)
    }
}

/// A bind that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingBind {
    pub(super) sequence_number: u32,
    pub(super) bind_type: BindType,
}

/// Our `unbind` that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingUnbind {
    pub(super) sequence_number: u32,
    pub(super) deadline_ns: u64,
}

impl Session {
    pub(super) fn become_bound(&mut self, bind_type: BindType, now_ns: u64) {
        self.binding = None;
        self.state = SessionState::Bound(bind_type);
        self.timers.stop(Timer::SessionInit);
        self.restart_enquire_link_timer(now_ns);
        self.restart_inactivity_timer(now_ns);
    }

    fn require_role(&self, role: Role) -> Result<(), ControlError> {
        if self.config.role == role {
            Ok(())
        } else {
            Err(ControlError::WrongRole {
                role: self.config.role,
            })
        }
    }

    fn pending_decision(&self) -> Result<PendingBind, ControlError> {
        self.require_role(Role::Mc)?;
        self.binding.ok_or(ControlError::WrongState {
            state: self.state,
            allowed: "Binding",
        })
    }

    fn room_for_control(&mut self) -> Result<(), ControlError> {
        let (waiting_bytes, hard_max_bytes) =
            (self.transmit().len(), self.config.transmit_hard_max_bytes);
        self.transmit.room_for_answer().map_err(|_| {
            self.end();
            ControlError::TransmitOverflow {
                waiting_bytes,
                hard_max_bytes,
            }
        })
    }
}

pub(super) fn bind_response_id(bind_type: BindType) -> CommandId {
    match bind_type {
        BindType::Transmitter => CommandId::BindTransmitterResp,
        BindType::Receiver => CommandId::BindReceiverResp,
        BindType::Transceiver => CommandId::BindTransceiverResp,
    }
}
