//! What arrives: frames to answers, requests and events.

use smpp_codec::{CommandId, CommandStatus, Frame, Pdu, split_frame};

use super::control::{PendingBind, bind_response_id};
use super::{Probe, ProbeVerdict, Session, header, refusal};
use crate::config::{BindType, Role};
use crate::error::SessionError;
use crate::event::{Answer, Event, Handler, RequestKind};
use crate::state::{Permission, SessionState};
use crate::window::{InFlight, Lookup};

impl Session {
    /// Takes every whole PDU at the start of `input` and returns how many bytes they were. Give the rest again, with
    /// what is read next. Events go to `handler` inline and borrow from `input`.
    ///
    /// A body that does not decode, an unknown command, a request out of place: each is answered and the session goes on.
    ///
    /// # Errors
    /// Framing is lost or the peer reads no answers: the session is over. Events of PDUs before it were delivered.
    pub fn handle_bytes<H: Handler>(
        &mut self,
        input: &[u8],
        now_ns: u64,
        handler: &mut H,
    ) -> Result<usize, SessionError> {
        let mut consumed = 0;
        loop {
            match split_frame(&input[consumed..], self.config.frame_limit) {
                Ok(Some(frame)) => {
                    consumed += frame.len();
                    self.handle_frame(&frame, now_ns, handler)?;
                }
                Ok(None) => break,
                Err(error) => {
                    if self.state != SessionState::Closed {
                        self.transmit.push_header(&error.generic_nack());
                        self.counters.nacks_sent += 1;
                        self.end();
                    }
                    return Err(SessionError::Framing(error));
                }
            }
        }
        if consumed > 0 {
            self.note_life(now_ns);
            self.restart_response_timer();
        }
        Ok(consumed)
    }

    fn handle_frame<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        now_ns: u64,
        handler: &mut H,
    ) -> Result<(), SessionError> {
        match frame.header.command_id {
            CommandId::SubmitSmResp => {
                self.on_data_answer(frame, RequestKind::SubmitSm, now_ns, handler)
            }
            CommandId::DeliverSmResp => {
                self.on_data_answer(frame, RequestKind::DeliverSm, now_ns, handler)
            }
            CommandId::DataSmResp => {
                self.on_data_answer(frame, RequestKind::DataSm, now_ns, handler)
            }
            CommandId::SubmitSm => {
                return self.on_data_request(frame, RequestKind::SubmitSm, now_ns, handler);
            }
            CommandId::DeliverSm => {
                return self.on_data_request(frame, RequestKind::DeliverSm, now_ns, handler);
            }
            CommandId::DataSm => {
                return self.on_data_request(frame, RequestKind::DataSm, now_ns, handler);
            }
            CommandId::EnquireLink => return self.on_enquire_link(frame),
            CommandId::EnquireLinkResp => self.on_enquire_link_answer(frame),
            CommandId::GenericNack => self.on_nack(frame, now_ns, handler),
            CommandId::BindTransmitter => {
                return self.on_bind_request(frame, BindType::Transmitter, handler);
            }
            CommandId::BindReceiver => {
                return self.on_bind_request(frame, BindType::Receiver, handler);
            }
            CommandId::BindTransceiver => {
                return self.on_bind_request(frame, BindType::Transceiver, handler);
            }
            CommandId::BindTransmitterResp => {
                self.on_bind_answer(frame, BindType::Transmitter, now_ns, handler);
            }
            CommandId::BindReceiverResp => {
                self.on_bind_answer(frame, BindType::Receiver, now_ns, handler)
            }
            CommandId::BindTransceiverResp => {
                self.on_bind_answer(frame, BindType::Transceiver, now_ns, handler);
            }
            CommandId::Unbind => return self.on_unbind(frame, handler),
            CommandId::UnbindResp => self.on_unbind_answer(frame, handler),
            CommandId::Other(_) => return self.on_unknown(frame),
        }
        Ok(())
    }

    fn on_data_answer<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        request: RequestKind,
        now_ns: u64,
        handler: &mut H,
    ) {
        self.settle(frame, |candidate| candidate == request, now_ns, handler);
    }

    /// A nack names its request by number only, so it may answer anything of ours.
    fn on_nack<H: Handler>(&mut self, frame: &Frame<'_>, now_ns: u64, handler: &mut H) {
        let sequence_number = frame.header.sequence_number;
        if self.awaits_bind_answer(sequence_number) {
            self.on_bind_refused(frame, handler);
        } else if self
            .probe
            .is_some_and(|probe| probe.sequence_number == sequence_number)
        {
            self.probe = None;
        } else if self
            .unbind
            .is_some_and(|unbind| unbind.sequence_number == sequence_number)
        {
            self.on_unbind_answer(frame, handler);
        } else {
            self.settle(frame, |_| true, now_ns, handler);
        }
    }

    fn settle<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        fits: impl Fn(RequestKind) -> bool,
        now_ns: u64,
        handler: &mut H,
    ) {
        let sequence_number = frame.header.sequence_number;
        let found = self.window.lookup(sequence_number);
        if let Lookup::InFlight(request) = found {
            if fits(request.request) {
                self.window.settle(sequence_number);
                self.restart_inactivity_timer(now_ns);
                handler.on_event(Event::Answered(answer(frame, request)));
            } else {
                self.counters.unsolicited_answers += 1;
            }
            return;
        }
        match self.late.peek(sequence_number) {
            Some(request) if fits(request.request) => {
                self.late.forget(sequence_number);
                self.counters.late_answers += 1;
                self.restart_inactivity_timer(now_ns);
                handler.on_event(Event::AnsweredLate(answer(frame, request)));
            }
            None if found == Lookup::Settled => self.counters.duplicate_answers += 1,
            Some(_) | None => self.counters.unsolicited_answers += 1,
        }
    }

    fn on_data_request<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        request: RequestKind,
        now_ns: u64,
        handler: &mut H,
    ) -> Result<(), SessionError> {
        match self.state.may_receive(self.config.role, request) {
            Permission::Allowed => {}
            Permission::NotBound | Permission::WrongBindType => {
                return self.refuse_by_state(
                    frame,
                    request.response_id(),
                    CommandStatus::InvalidBindStatus,
                );
            }
        }
        self.restart_inactivity_timer(now_ns);
        match Pdu::decode(frame) {
            Ok(pdu) => {
                let sequence_number = frame.header.sequence_number;
                handler.on_event(Event::Request {
                    sequence_number,
                    pdu,
                });
                Ok(())
            }
            Err(error) => {
                self.counters.requests_malformed += 1;
                let status = refusal(error.command_status(), CommandStatus::SystemError);
                self.answer_bodiless(frame, request.response_id(), status)
            }
        }
    }

    fn on_enquire_link(&mut self, frame: &Frame<'_>) -> Result<(), SessionError> {
        self.counters.enquire_links_received += 1;
        self.answer_bodiless(frame, CommandId::EnquireLinkResp, CommandStatus::Ok)
    }

    fn on_enquire_link_answer(&mut self, frame: &Frame<'_>) {
        match self.probe {
            Some(probe) if probe.sequence_number == frame.header.sequence_number => {
                self.probe = None
            }
            Some(_) | None => self.counters.unsolicited_answers += 1,
        }
    }

    fn on_bind_request<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        bind_type: BindType,
        handler: &mut H,
    ) -> Result<(), SessionError> {
        let response_id = bind_response_id(bind_type);
        match (self.config.role, self.state) {
            (Role::Mc, SessionState::Open) => {}
            (
                Role::Mc,
                SessionState::Binding | SessionState::Bound(_) | SessionState::Unbinding(_),
            ) => {
                return self.refuse_by_state(frame, response_id, CommandStatus::AlreadyBound);
            }
            (Role::Esme, _) | (Role::Mc, SessionState::Closed) => {
                return self.refuse_by_state(frame, response_id, CommandStatus::InvalidBindStatus);
            }
        }
        match Pdu::decode(frame) {
            Ok(
                Pdu::BindTransmitter(bind) | Pdu::BindReceiver(bind) | Pdu::BindTransceiver(bind),
            ) => {
                let sequence_number = frame.header.sequence_number;
                self.binding = Some(PendingBind {
                    sequence_number,
                    bind_type,
                });
                self.state = SessionState::Binding;
                handler.on_event(Event::BindRequested { bind_type, bind });
                Ok(())
            }
            Ok(other) => {
                // Cannot be: the codec reads the body that the header names. A refusal is the safe answer.
                debug_assert!(false, "the codec read a bind as {:?}", other.command_id());
                self.answer_bodiless(frame, response_id, CommandStatus::BindFailed)
            }
            Err(error) => {
                self.counters.requests_malformed += 1;
                let status = refusal(error.command_status(), CommandStatus::BindFailed);
                self.answer_bodiless(frame, response_id, status)
            }
        }
    }

    fn on_bind_answer<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        bind_type: BindType,
        now_ns: u64,
        handler: &mut H,
    ) {
        let pending = self
            .binding
            .is_some_and(|binding| binding.bind_type == bind_type);
        if !pending || !self.awaits_bind_answer(frame.header.sequence_number) {
            self.counters.unsolicited_answers += 1;
        } else if frame.header.command_status == CommandStatus::Ok {
            self.become_bound(bind_type, now_ns);
            let response = match Pdu::decode(frame) {
                Ok(
                    Pdu::BindTransmitterResp(response)
                    | Pdu::BindReceiverResp(response)
                    | Pdu::BindTransceiverResp(response),
                ) => Ok(response),
                Ok(_) => Err(smpp_codec::DecodeError::UnknownCommand(
                    frame.header.command_id.to_u32(),
                )),
                Err(error) => Err(error),
            };
            handler.on_event(Event::Bound {
                bind_type,
                response,
            });
        } else {
            self.on_bind_refused(frame, handler);
        }
    }

    fn on_bind_refused<H: Handler>(&mut self, frame: &Frame<'_>, handler: &mut H) {
        self.binding = None;
        self.state = SessionState::Open;
        let status = refusal(frame.header.command_status, CommandStatus::BindFailed);
        handler.on_event(Event::BindRefused { status });
    }

    fn awaits_bind_answer(&self, sequence_number: u32) -> bool {
        self.config.role == Role::Esme
            && self
                .binding
                .is_some_and(|binding| binding.sequence_number == sequence_number)
    }

    /// The peer is done. Our answer goes out behind what already waits; what it still owes us may come until it closes.
    fn on_unbind<H: Handler>(
        &mut self,
        frame: &Frame<'_>,
        handler: &mut H,
    ) -> Result<(), SessionError> {
        if self.state == SessionState::Closed {
            return Ok(());
        }
        self.answer_bodiless(frame, CommandId::UnbindResp, CommandStatus::Ok)?;
        self.end();
        handler.on_event(Event::UnbindRequested);
        Ok(())
    }

    fn on_unbind_answer<H: Handler>(&mut self, frame: &Frame<'_>, handler: &mut H) {
        match self.unbind {
            Some(unbind) if unbind.sequence_number == frame.header.sequence_number => {
                self.unbind = None;
                if self.state != SessionState::Closed {
                    self.end();
                    handler.on_event(Event::Unbound);
                }
            }
            Some(_) | None => self.counters.unsolicited_answers += 1,
        }
    }

    /// A command this session does not speak. An unknown answer is not answered: two ends would nack each other for ever.
    fn on_unknown(&mut self, frame: &Frame<'_>) -> Result<(), SessionError> {
        if frame.header.command_id.is_response() {
            self.counters.unsolicited_answers += 1;
            return Ok(());
        }
        self.answer_bodiless(
            frame,
            CommandId::GenericNack,
            CommandStatus::InvalidCommandId,
        )
    }

    fn refuse_by_state(
        &mut self,
        frame: &Frame<'_>,
        response_id: CommandId,
        status: CommandStatus,
    ) -> Result<(), SessionError> {
        self.counters.requests_refused_by_state += 1;
        self.answer_bodiless(frame, response_id, status)
    }

    /// Answers a request of the peer on our own. A closed session is silent.
    fn answer_bodiless(
        &mut self,
        frame: &Frame<'_>,
        response_id: CommandId,
        status: CommandStatus,
    ) -> Result<(), SessionError> {
        if self.state == SessionState::Closed {
            return Ok(());
        }
        if self.transmit.room_for_answer().is_err() {
            self.end();
            return Err(SessionError::TransmitOverflow {
                waiting_bytes: self.transmit().len(),
                hard_max_bytes: self.config.transmit_hard_max_bytes,
            });
        }
        if response_id == CommandId::GenericNack {
            self.counters.nacks_sent += 1;
        }
        self.transmit
            .push_header(&header(response_id, status, frame.header.sequence_number));
        Ok(())
    }

    /// A PDU arrived: the link is not silent. The probe stays known, so that its answer is no stray one.
    fn note_life(&mut self, now_ns: u64) {
        self.probe = self.probe.map(|probe| Probe {
            verdict: ProbeVerdict::Alive,
            ..probe
        });
        self.restart_enquire_link_timer(now_ns);
    }
}

fn answer<'a>(frame: &Frame<'a>, request: InFlight) -> Answer<'a> {
    let status = if frame.header.command_id == CommandId::GenericNack {
        refusal(frame.header.command_status, CommandStatus::UnknownError)
    } else {
        frame.header.command_status
    };
    Answer {
        correlation: request.correlation,
        sequence_number: request.sequence_number,
        request: request.request,
        status,
        response: Pdu::decode(frame),
        sent_at_ns: request.sent_at_ns,
    }
}
