//! What the session tells us, turned into events for the engine.

use std::collections::HashMap;

use connector::{ConnectorEvent, ReceiptHandle, SessionNo};
use message::{Outcome, Reason};
use smpp_codec::{CommandStatus, Pdu};
use smpp_session::{Answer, Event, Handler, RequestKind};

use crate::config::CarrierConfig;
use crate::delivery::{Delivered, Delivery};
use crate::end::SessionEnd;
use crate::flights::{Flight, Flights};
use crate::verdict::{SessionCare, outcome_of_status, session_care};

/// What a session knows beside the protocol's own state.
#[derive(Debug)]
pub(crate) struct Book {
    /// The session's number once it is bound.
    pub(crate) number: Option<SessionNo>,
    /// When it was bound.
    pub(crate) bound_ns: Option<u64>,
    /// Segments in flight, and late ones.
    pub(crate) flights: Flights,
    /// The carrier's requests that wait for the engine, by sequence number.
    pub(crate) unanswered: HashMap<u32, RequestKind>,
    /// The carrier's requests that are refused as soon as the session may be used again.
    pub(crate) refused: Vec<(u32, RequestKind)>,
    /// Whether the session shall finish what is in flight and bind anew.
    pub(crate) care: SessionCare,
    /// Why the session is over, once it is.
    pub(crate) end: Option<SessionEnd>,
}

impl Book {
    pub(crate) fn new(late_max: usize) -> Self {
        Self {
            number: None,
            bound_ns: None,
            flights: Flights::new(late_max),
            unanswered: HashMap::new(),
            refused: Vec::new(),
            care: SessionCare::Keep,
            end: None,
        }
    }

    /// The event about a flight that was settled.
    pub(crate) fn settled(
        &self,
        flight: Flight,
        outcome: Outcome,
        settled_ns: u64,
    ) -> ConnectorEvent {
        outcome_event(
            self.number.unwrap_or(SessionNo(0)),
            flight,
            outcome,
            settled_ns,
        )
    }
}

/// The event about a segment that got no answer.
pub(crate) const fn outcome_event(
    session: SessionNo,
    flight: Flight,
    outcome: Outcome,
    settled_ns: u64,
) -> ConnectorEvent {
    ConnectorEvent::Outcome {
        segment: flight.segment,
        session,
        outcome,
        status: 0,
        written_ns: flight.written_ns,
        settled_ns,
    }
}

/// Receives one call's events.
pub(crate) struct Inbox<'a> {
    pub(crate) config: &'a CarrierConfig,
    pub(crate) book: &'a mut Book,
    pub(crate) events: &'a mut Vec<ConnectorEvent>,
    pub(crate) now_ns: u64,
    pub(crate) next_number: &'a dyn Fn() -> SessionNo,
}

impl Handler for Inbox<'_> {
    fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::Bound { .. } => {
                let session = (self.next_number)();
                self.book.number = Some(session);
                self.book.bound_ns = Some(self.now_ns);
                self.events.push(ConnectorEvent::SessionUp { session });
            }
            Event::BindRefused { status } => self.end(SessionEnd::BindRefused { status }),
            // An ESME is asked for nothing of the kind; the session answers such a request itself.
            Event::BindRequested { .. } => {}
            Event::Answered(answer) | Event::AnsweredLate(answer) => self.on_answer(&answer),
            Event::TimedOut { correlation, .. } => {
                if let Some(flight) = self.book.flights.time_out(correlation) {
                    let reason = Reason::ResponseTimeout;
                    let event =
                        self.book
                            .settled(flight, Outcome::Uncertain { reason }, self.now_ns);
                    self.events.push(event);
                }
            }
            Event::Request {
                sequence_number,
                pdu,
            } => self.on_request(sequence_number, pdu),
            Event::UnbindRequested => self.end(SessionEnd::UnbindRequested),
            Event::Unbound => self.end(SessionEnd::Unbound),
            Event::CloseDue { reason } => self.end(SessionEnd::Timer { reason }),
        }
    }
}

impl Inbox<'_> {
    fn end(&mut self, end: SessionEnd) {
        self.book.end.get_or_insert(end);
    }

    fn on_answer(&mut self, answer: &Answer<'_>) {
        let Some(flight) = self.book.flights.take(answer.correlation) else {
            return;
        };
        // Taken or not is said by the status; an id that cannot be read is none.
        let message_id = if let Ok(Pdu::SubmitSmResp(response)) = &answer.response {
            response.message_id.as_bytes()
        } else {
            &[]
        };
        if session_care(answer.status) == SessionCare::Rebind {
            self.book.care = SessionCare::Rebind;
        }
        self.events.push(ConnectorEvent::Outcome {
            segment: flight.segment,
            session: self.book.number.unwrap_or(SessionNo(0)),
            outcome: outcome_of_status(answer.status, message_id, self.config.message_id_response),
            status: answer.status.to_u32(),
            written_ns: flight.written_ns,
            settled_ns: self.now_ns,
        });
    }

    /// A request beyond the receipt window, or with a number that still waits, is refused for now: the carrier sends it again. Keeping
    /// it without a place, or dropping it, would be worse.
    fn on_request(&mut self, sequence: u32, pdu: Pdu<'_>) {
        let Some(kind) = RequestKind::of(&pdu) else {
            return;
        };
        let delivery = if let Pdu::DeliverSm(deliver_sm) = pdu {
            Delivery::from(deliver_sm)
        } else if let Pdu::DataSm(data_sm) = pdu {
            Delivery::from(data_sm)
        } else {
            return self.book.refused.push((sequence, kind));
        };
        let full = self.book.unanswered.len() >= self.config.receipt_window as usize;
        let (Some(session), false) = (
            self.book.number,
            full || self.book.unanswered.contains_key(&sequence),
        ) else {
            return self.book.refused.push((sequence, kind));
        };
        self.book.unanswered.insert(sequence, kind);
        let handle = ReceiptHandle { session, sequence };
        self.events
            .push(match delivery.read(self.config.message_id_receipt) {
                Delivered::Receipt(receipt) => ConnectorEvent::Receipt { handle, receipt },
                Delivered::Inbound(inbound) => ConnectorEvent::Inbound { handle, inbound },
            });
    }
}

/// The status of a temporary refusal: the carrier keeps the delivery and tries again.
pub(crate) const REFUSED_FOR_NOW: CommandStatus = CommandStatus::ReceiverTemporaryError;
/// The status of a refusal because the receipt window is full.
pub(crate) const RECEIPT_WINDOW_FULL: CommandStatus = CommandStatus::MessageQueueFull;
