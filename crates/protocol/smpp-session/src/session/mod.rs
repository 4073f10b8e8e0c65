//! The session: what it holds, requests and answers out, the end. Bind and unbind are in `control`, what arrives in
//! `receive`, what falls due in `timeout`.

mod control;
mod receive;
mod timeout;

use smpp_codec::{CommandId, CommandStatus, HEADER_LEN, Header, Pdu};

use self::control::{PendingBind, PendingUnbind};
use crate::config::{ConfigError, Role, SessionConfig};
use crate::counters::Counters;
use crate::error::{RespondError, SubmitError};
use crate::event::{Lost, RequestKind};
use crate::late::LateAnswers;
use crate::sequence::SequenceNumbers;
use crate::state::{Permission, SessionState};
use crate::timers::{Timer, Timers};
use crate::transmit::Transmit;
use crate::window::{InFlight, Window};

/// One end of one SMPP connection; see the crate's page for how to drive it and [`SessionState`] for its states.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    state: SessionState,
    numbers: SequenceNumbers,
    window: Window,
    late: LateAnswers,
    transmit: Transmit,
    timers: Timers,
    /// The bind under way: ours (ESME) or the peer's that awaits a decision (MC).
    binding: Option<PendingBind>,
    probe: Option<Probe>,
    unbind: Option<PendingUnbind>,
    counters: Counters,
}

impl Session {
    /// A session on a connection that was made at `now_ns`.
    ///
    /// # Errors
    /// A value of the configuration lies outside its range.
    pub fn new(config: SessionConfig, now_ns: u64) -> Result<Self, ConfigError> {
        config.check()?;
        let mut timers = Timers::default();
        timers.start(
            Timer::SessionInit,
            now_ns.saturating_add(config.session_init_ns),
        );
        Ok(Self {
            state: SessionState::Open,
            numbers: SequenceNumbers::starting_at(config.first_sequence_number),
            window: Window::with_size(config.window_size),
            late: LateAnswers::with_max(config.late_answers_max),
            transmit: Transmit::with_bounds(
                config.transmit_max_bytes,
                config.transmit_hard_max_bytes,
            ),
            timers,
            binding: None,
            probe: None,
            unbind: None,
            counters: Counters::default(),
            config,
        })
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.config.role
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// Free slots of the window. It says nothing about the state: [`Session::submit`] may still refuse.
    #[must_use]
    pub fn window_free(&self) -> u32 {
        self.window.free()
    }

    /// Data requests without an answer or a time-out yet.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.window.len()
    }

    /// Timed-out requests that a late answer would still settle.
    #[must_use]
    pub fn late_awaited(&self) -> usize {
        self.late.len()
    }

    /// Counts since the session began.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Outbound bytes that wait to be written, in order.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.transmit.waiting()
    }

    /// The kernel took `bytes` from the front of [`Session::transmit`]. From then on what lies in them may have reached
    /// the peer, also when the write reported an error afterwards.
    pub fn handle_transmitted(&mut self, bytes: usize) {
        self.transmit.advance(bytes);
    }

    /// Sends a data request: ESME `submit_sm` and `data_sm`, MC `deliver_sm` and `data_sm`. Returns its number.
    ///
    /// `correlation` comes back with the answer, the time-out or [`Session::close`]. The slot is held before a byte of
    /// the request can leave.
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing was queued and no slot is held.
    pub fn submit(
        &mut self,
        correlation: u64,
        pdu: &Pdu<'_>,
        now_ns: u64,
    ) -> Result<u32, SubmitError> {
        let Some(request) = RequestKind::of(pdu) else {
            return Err(SubmitError::NotADataRequest {
                command_id: pdu.command_id(),
            });
        };
        self.may_submit(request)?;
        let sequence_number = self.draw_data_number();
        let first_byte = self
            .transmit
            .push(pdu, CommandStatus::Ok, sequence_number)
            .map_err(SubmitError::Encode)?;
        self.window.insert(InFlight {
            sequence_number,
            request,
            correlation,
            first_byte,
            sent_at_ns: now_ns,
        });
        if self.window.len() == 1 {
            self.restart_response_timer();
        }
        self.restart_inactivity_timer(now_ns);
        Ok(sequence_number)
    }

    /// Answers a data request of the peer: `SubmitSmResp`, `DeliverSmResp`, `DataSmResp` or `GenericNack`, with the
    /// number from its `Request` event. In any order, at any time while the session lasts.
    ///
    /// # Errors
    /// See [`RespondError`]; nothing was queued.
    pub fn respond(
        &mut self,
        sequence_number: u32,
        status: CommandStatus,
        pdu: &Pdu<'_>,
        now_ns: u64,
    ) -> Result<(), RespondError> {
        if !is_data_answer(pdu) {
            return Err(RespondError::NotAnAnswer {
                command_id: pdu.command_id(),
            });
        }
        self.may_respond()?;
        self.transmit
            .push(pdu, status, sequence_number)
            .map_err(RespondError::Encode)?;
        if matches!(pdu, Pdu::GenericNack) {
            self.counters.nacks_sent += 1;
        }
        self.restart_inactivity_timer(now_ns);
        Ok(())
    }

    /// Refuses a data request of the peer with a response that has no body. `Ok` is sent as `SystemError`.
    ///
    /// # Errors
    /// The session is not bound, or the peer does not read its answers; nothing was queued.
    pub fn refuse(
        &mut self,
        sequence_number: u32,
        request: RequestKind,
        status: CommandStatus,
        now_ns: u64,
    ) -> Result<(), RespondError> {
        self.may_respond()?;
        let status = refusal(status, CommandStatus::SystemError);
        self.transmit
            .push_header(&header(request.response_id(), status, sequence_number));
        self.restart_inactivity_timer(now_ns);
        Ok(())
    }

    /// The connection is gone, or is about to be: empties the window and says what became of its requests. Call it once,
    /// after the last [`Session::handle_transmitted`]; what still waits in [`Session::transmit`] is dropped.
    pub fn close(&mut self) -> Lost {
        self.end();
        let mut lost = Lost::default();
        while let Some(request) = self.window.pop_oldest() {
            if self.transmit.is_unwritten(request.first_byte) {
                lost.unwritten.push(request.correlation);
            } else {
                lost.uncertain.push(request.correlation);
            }
        }
        self.transmit.clear();
        lost
    }
}

/// Our `enquire_link` that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    sequence_number: u32,
    verdict: ProbeVerdict,
}

/// What is known of the peer since the probe left. Any PDU proves life: a peer that answers submits in order may reach the
/// probe late, and closing on it would make a thousand requests uncertain for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeVerdict {
    Awaited,
    Alive,
}

impl Session {
    /// Over: no timer fires any more, nothing new is sent.
    fn end(&mut self) {
        self.state = SessionState::Closed;
        self.timers.stop_all();
        self.binding = None;
    }

    fn may_submit(&self, request: RequestKind) -> Result<(), SubmitError> {
        match (self.state.may_send(self.config.role, request), self.state) {
            (Permission::Allowed, _) => {}
            (Permission::WrongBindType, SessionState::Bound(bind_type)) => {
                return Err(SubmitError::WrongBindType {
                    role: self.config.role,
                    bind_type,
                    request,
                });
            }
            (Permission::WrongBindType | Permission::NotBound, state) => {
                return Err(SubmitError::NotBound { state });
            }
        }
        if self.window.free() == 0 {
            return Err(SubmitError::WindowFull {
                window_size: self.config.window_size,
            });
        }
        self.transmit
            .room_for_request()
            .map_err(|_| SubmitError::TransmitFull {
                waiting_bytes: self.transmit().len(),
                max_bytes: self.config.transmit_max_bytes,
            })
    }

    fn may_respond(&mut self) -> Result<(), RespondError> {
        match self.state {
            SessionState::Bound(_) | SessionState::Unbinding(_) => {}
            SessionState::Open | SessionState::Binding | SessionState::Closed => {
                return Err(RespondError::WrongState { state: self.state });
            }
        }
        let (waiting_bytes, hard_max_bytes) =
            (self.transmit().len(), self.config.transmit_hard_max_bytes);
        self.transmit.room_for_answer().map_err(|_| {
            self.end();
            RespondError::TransmitOverflow {
                waiting_bytes,
                hard_max_bytes,
            }
        })
    }

    /// A number for a control request, which takes no cell of the window.
    fn draw_number(&mut self) -> u32 {
        let controls = self.control_numbers();
        let (window, late) = (&self.window, &self.late);
        self.numbers.allocate(|number| {
            window.is_in_flight(number) || late.contains(number) || controls.contains(&Some(number))
        })
    }

    /// A number for a data request, whose cell must be free.
    fn draw_data_number(&mut self) -> u32 {
        let controls = self.control_numbers();
        let (window, late) = (&self.window, &self.late);
        self.numbers.allocate(|number| {
            window.is_cell_taken(number)
                || late.contains(number)
                || controls.contains(&Some(number))
        })
    }

    fn control_numbers(&self) -> [Option<u32>; 3] {
        [
            self.binding.map(|binding| binding.sequence_number),
            self.probe.map(|probe| probe.sequence_number),
            self.unbind.map(|unbind| unbind.sequence_number),
        ]
    }

    fn restart_enquire_link_timer(&mut self, now_ns: u64) {
        if self.config.enquire_link_ns > 0 && matches!(self.state, SessionState::Bound(_)) {
            self.timers.start(
                Timer::EnquireLink,
                now_ns.saturating_add(self.config.enquire_link_ns),
            );
        }
    }

    fn restart_inactivity_timer(&mut self, now_ns: u64) {
        if self.config.inactivity_ns > 0 && matches!(self.state, SessionState::Bound(_)) {
            self.timers.start(
                Timer::Inactivity,
                now_ns.saturating_add(self.config.inactivity_ns),
            );
        }
    }

    /// The response timer stands at the deadline of the oldest request or of the unbind, whichever comes first.
    fn restart_response_timer(&mut self) {
        if self.state == SessionState::Closed {
            return;
        }
        let timeout_ns = self.config.response_timeout_ns;
        let request_ns = self
            .window
            .oldest()
            .map(|request| request.sent_at_ns.saturating_add(timeout_ns));
        let unbind_ns = self.unbind.map(|unbind| unbind.deadline_ns);
        match request_ns.into_iter().chain(unbind_ns).min() {
            Some(deadline_ns) => self.timers.start(Timer::Response, deadline_ns),
            None => self.timers.stop(Timer::Response),
        }
    }
}

/// A refusal never says `Ok`, or the peer would take it for consent.
fn refusal(status: CommandStatus, instead_of_ok: CommandStatus) -> CommandStatus {
    if status == CommandStatus::Ok {
        instead_of_ok
    } else {
        status
    }
}

/// A PDU that is a header alone.
fn header(
    command_id: CommandId,
    command_status: CommandStatus,
    sequence_number: u32,
) -> [u8; HEADER_LEN] {
    const HEADER_LENGTH: u32 = 16;
    Header {
        command_length: HEADER_LENGTH,
        command_id,
        command_status,
        sequence_number,
    }
    .encode()
}

fn is_data_answer(pdu: &Pdu<'_>) -> bool {
    match pdu {
        Pdu::SubmitSmResp(_) | Pdu::DeliverSmResp(_) | Pdu::DataSmResp(_) | Pdu::GenericNack => {
            true
        }
        Pdu::BindTransmitter(_)
        | Pdu::BindReceiver(_)
        | Pdu::BindTransceiver(_)
        | Pdu::BindTransmitterResp(_)
        | Pdu::BindReceiverResp(_)
        | Pdu::BindTransceiverResp(_)
        | Pdu::Unbind
        | Pdu::UnbindResp
        | Pdu::EnquireLink
        | Pdu::EnquireLinkResp
        | Pdu::SubmitSm(_)
        | Pdu::DeliverSm(_)
        | Pdu::DataSm(_) => false,
    }
}

#[cfg(test)]
mod tests {
    //! Numbers that come round again; from outside this would take 2^31 requests.

    use smpp_codec::SubmitSm;

    use super::*;
    use crate::config::BindType;

    fn bound() -> Session {
        let mut session = Session::new(SessionConfig::new(Role::Esme), 0).unwrap();
        session.become_bound(BindType::Transceiver, 0);
        session
    }

    fn submit(session: &mut Session, now_ns: u64) -> u32 {
        let number = session
            .submit(0, &Pdu::SubmitSm(SubmitSm::default()), now_ns)
            .unwrap();
        session.handle_transmitted(usize::MAX);
        number
    }

    fn come_round(session: &mut Session) {
        session.numbers = SequenceNumbers::starting_at(1);
    }

    #[test]
    fn a_data_request_takes_no_number_that_is_in_flight_awaited_late_or_a_probe() {
        let mut session = bound();
        let timeout_ns = session.config.response_timeout_ns;
        assert_eq!(submit(&mut session, 0), 1);
        session.timers.start(Timer::EnquireLink, u64::MAX);
        session.handle_timeout(timeout_ns, &mut |_: crate::Event<'_>| {});
        assert_eq!(
            (session.late_awaited(), submit(&mut session, timeout_ns)),
            (1, 2)
        );
        session.timers.start(Timer::EnquireLink, timeout_ns);
        session.handle_timeout(timeout_ns, &mut |_: crate::Event<'_>| {});
        assert_eq!(session.probe.map(|probe| probe.sequence_number), Some(3));
        come_round(&mut session);
        assert_eq!(submit(&mut session, timeout_ns), 4);
    }

    #[test]
    fn a_control_request_takes_none_of_them_either_but_needs_no_free_cell() {
        let mut session = bound();
        let timeout_ns = session.config.response_timeout_ns;
        submit(&mut session, 0);
        session.timers.start(Timer::EnquireLink, u64::MAX);
        session.handle_timeout(timeout_ns, &mut |_: crate::Event<'_>| {});
        submit(&mut session, timeout_ns);
        come_round(&mut session);
        assert_eq!(session.unbind(timeout_ns).unwrap(), 3);
        session.numbers = SequenceNumbers::starting_at(2 + 32);
        assert!(
            session.window.is_cell_taken(2 + 32),
            "a window of 10 has 32 cells"
        );
        assert_eq!(session.draw_number(), 2 + 32);
    }
}
