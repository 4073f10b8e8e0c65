//! One connection with its session: bytes in, bytes out, and what is due.
//!
//! Everything here is synchronous. The session task calls [`Live::step`] when something happened; the connector calls [`Live::submit`] and
//! [`Live::answer`] in the engine's turn, on the same thread. What `submit` queued leaves in the same call, together with the answers
//! that were queued before; answers alone leave with the task's next step.

use connector::{ConnectorEvent, Dispatch, SessionNo, Verdict};
use message::{Outcome, Reason, Rejection};
use smpp_codec::{CommandStatus, DataSmResp, DeliverSmResp, Pdu};
use smpp_session::{BindType, RequestKind, Retry, Session, SessionState};

use crate::config::CarrierConfig;
use crate::end::SessionEnd;
use crate::flights::Flight;
use crate::inbox::{Book, Inbox, RECEIPT_WINDOW_FULL, REFUSED_FOR_NOW, outcome_event};
use crate::request::{Scratch, with_submit_sm};
use crate::verdict::SessionCare;
use crate::wire::{Flushed, ReadResult, WRITE_MAX_BYTES, Wire};

/// Most requests of one write.
pub(crate) const WRITE_MAX_PDUS: u32 = 64;
/// Octets that one read asks for.
const READ_BYTES: usize = 64 * 1024;
/// Octets of the buffer that all sessions of a carrier read through: what was left of a PDU, and a read.
pub(crate) const SCRATCH_BYTES: usize = 65 * 1024 + READ_BYTES;
/// Reads of one step, so that one session does not keep the thread from the others.
const READS_PER_STEP: u32 = 4;
/// The most that a submit_sm of one segment takes on the wire, rounded up, to judge when the kernel's queue can matter at all.
const SUBMIT_SM_BYTES: usize = 320;

/// What woke the session's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The engine queued something, or is draining.
    Work,
    /// The socket has bytes.
    Readable,
    /// The socket takes bytes again.
    Writable,
    /// A deadline came.
    Timer,
}

/// What a step works with.
pub(crate) struct Turn<'a> {
    pub(crate) config: &'a CarrierConfig,
    pub(crate) events: &'a mut Vec<ConnectorEvent>,
    pub(crate) scratch: &'a mut [u8],
    pub(crate) now_ns: u64,
    pub(crate) draining: bool,
    pub(crate) next_number: &'a dyn Fn() -> SessionNo,
}

/// A connection and its session.
#[derive(Debug)]
pub(crate) struct Live<W> {
    pub(crate) session: Session,
    pub(crate) book: Book,
    wire: W,
    /// The start of a PDU whose end has not come.
    carry: Vec<u8>,
    blocked: bool,
    unflushed_pdus: u32,
    polled_ns: Option<u64>,
    /// The deadline that the task sleeps until.
    pub(crate) armed_ns: u64,
    /// Whether the task has been told that something waits.
    pub(crate) told: bool,
}

impl<W: Wire> Live<W> {
    /// A connection whose session has its bind queued.
    pub(crate) fn new(session: Session, wire: W, late_max: usize) -> Self {
        Self {
            session,
            book: Book::new(late_max),
            wire,
            carry: Vec::new(),
            blocked: false,
            unflushed_pdus: 0,
            polled_ns: None,
            armed_ns: u64::MAX,
            told: false,
        }
    }

    /// As what the session is bound now, if it is.
    pub(crate) fn bound_as(&self) -> Option<BindType> {
        match self.session.state() {
            SessionState::Bound(bind_type) => Some(bind_type),
            SessionState::Open
            | SessionState::Binding
            | SessionState::Unbinding(_)
            | SessionState::Closed => None,
        }
    }

    /// Whether new segments may be given to it at all, ready or not.
    pub(crate) fn may_carry(&self) -> bool {
        self.book.end.is_none()
            && self.book.care == SessionCare::Keep
            && self.bound_as().is_some_and(BindType::may_submit)
    }

    /// Whether the task has to wait for the socket to take bytes.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether a segment given now would leave now: nothing is stuck in our buffers and the kernel's is short. Answers that were queued
    /// in this turn are not in the way: they leave with the segment.
    pub(crate) fn is_ready(&mut self, now_ns: u64) -> bool {
        if self.blocked {
            return false;
        }
        let in_kernel_bytes = self.session.in_flight() as usize * SUBMIT_SM_BYTES;
        if in_kernel_bytes < WRITE_MAX_BYTES || self.polled_ns == Some(now_ns) {
            return true;
        }
        self.blocked = !self.wire.is_writable();
        self.polled_ns = Some(now_ns).filter(|_| !self.blocked);
        !self.blocked
    }

    /// Gives the session one segment; it is written at the latest by the next [`Self::flush`].
    ///
    /// # Errors
    /// What became of the segment instead.
    pub(crate) fn submit(
        &mut self,
        dispatch: &Dispatch,
        config: &CarrierConfig,
        scratch: &mut Scratch,
        now_ns: u64,
    ) -> Result<(), Outcome> {
        if self.book.end.is_some() {
            return Err(Outcome::Unwritten);
        }
        let correlation = self.book.flights.insert(Flight {
            segment: dispatch.segment,
            written_ns: now_ns,
        });
        let session = &mut self.session;
        let given = with_submit_sm(dispatch, config, scratch, now_ns, |pdu| {
            session
                .submit(correlation, pdu, now_ns)
                .map_err(|error| error.retry())
        });
        let refused = match given {
            Ok(Ok(_)) => {
                self.unflushed_pdus += 1;
                if self.unflushed_pdus >= WRITE_MAX_PDUS
                    || self.session.transmit().len() >= WRITE_MAX_BYTES
                {
                    self.flush();
                }
                return Ok(());
            }
            Err(_) | Ok(Err(Retry::Never)) => Outcome::Rejected {
                rejection: Rejection::Final,
                reason: Reason::NotEncodable,
            },
            Ok(Err(
                Retry::AfterAnswer | Retry::AfterWrite | Retry::WhenBound | Retry::Reconnect,
            )) => Outcome::Unwritten,
        };
        self.book.flights.take(correlation);
        Err(refused)
    }

    /// Queues the answer to a request of the carrier; nothing when it was answered before.
    pub(crate) fn answer(&mut self, sequence: u32, verdict: Verdict, now_ns: u64) {
        let Some(kind) = self.book.unanswered.remove(&sequence) else {
            return;
        };
        let queued = match verdict {
            Verdict::TemporaryError => self.session.refuse(sequence, kind, REFUSED_FOR_NOW, now_ns),
            Verdict::Taken => {
                let response = match kind {
                    RequestKind::DataSm => Pdu::DataSmResp(DataSmResp::default()),
                    RequestKind::DeliverSm | RequestKind::SubmitSm => {
                        Pdu::DeliverSmResp(DeliverSmResp::default())
                    }
                };
                self.session
                    .respond(sequence, CommandStatus::Ok, &response, now_ns)
            }
        };
        if let Err(error) = queued {
            // The peer repeats what has no answer; the session itself reports what broke it.
            tracing::debug!(%error, "an answer could not be queued");
        }
        if self.session.transmit().len() >= WRITE_MAX_BYTES {
            self.flush();
        }
    }

    /// Writes what waits, unless the socket is known to take nothing; a broken connection is noted and ends with the next step.
    pub(crate) fn flush(&mut self) {
        self.unflushed_pdus = 0;
        self.polled_ns = None;
        if self.blocked {
            return;
        }
        match self.wire.flush(&mut self.session) {
            Ok(Flushed::All | Flushed::Handshaking) => {}
            Ok(Flushed::Blocked) => self.blocked = true,
            Err(error) => {
                self.book.end.get_or_insert(SessionEnd::Io(error));
            }
        }
    }

    /// Whether something waits for the task: a deadline before the one it sleeps until, a blocked socket, an end.
    pub(crate) fn needs_task(&self) -> bool {
        self.blocked
            || self.book.end.is_some()
            || !self.session.transmit().is_empty()
            || self
                .session
                .poll_timeout()
                .is_some_and(|deadline_ns| deadline_ns < self.armed_ns)
    }

    /// Does what is due. Returns why the session is over, once it is.
    pub(crate) fn step(&mut self, cause: Cause, turn: &mut Turn<'_>) -> Option<SessionEnd> {
        self.told = false;
        if cause == Cause::Writable {
            self.blocked = false;
        }
        if cause == Cause::Readable
            && let Err(end) = self.read(turn)
        {
            return Some(self.book.end.take().unwrap_or(end));
        }
        if self
            .session
            .poll_timeout()
            .is_some_and(|deadline_ns| deadline_ns <= turn.now_ns)
        {
            let (session, mut inbox) = self.split(turn);
            session.handle_timeout(inbox.now_ns, &mut inbox);
        }
        self.refuse_overflow(turn.now_ns);
        if self.book.end.is_none()
            && let Err(end) = self.wind_down(turn)
        {
            return Some(end);
        }
        self.flush();
        self.book.end.take()
    }

    /// Ends the connection: every segment in flight becomes an event, unwritten or uncertain, then the session is down.
    pub(crate) fn close(mut self, now_ns: u64, events: &mut Vec<ConnectorEvent>) {
        // Only when no segment waits: one that is unwritten must stay so.
        if self.wire.is_empty(&self.session) {
            self.wire.say_goodbye(&mut self.session);
        }
        let lost = self.session.close();
        let Some(session) = self.book.number else {
            return;
        };
        for correlation in lost.unwritten {
            if let Some(flight) = self.book.flights.take(correlation) {
                let flight = Flight {
                    written_ns: 0,
                    ..flight
                };
                events.push(outcome_event(session, flight, Outcome::Unwritten, now_ns));
            }
        }
        let reason = Reason::LinkLost;
        for correlation in lost.uncertain {
            if let Some(flight) = self.book.flights.take(correlation) {
                events.push(outcome_event(
                    session,
                    flight,
                    Outcome::Uncertain { reason },
                    now_ns,
                ));
            }
        }
        events.push(ConnectorEvent::SessionDown { session });
    }

    fn read(&mut self, turn: &mut Turn<'_>) -> Result<(), SessionEnd> {
        let mut carried = self.carry.len();
        turn.scratch[..carried].copy_from_slice(&self.carry);
        for _ in 0..READS_PER_STEP {
            match self
                .wire
                .read(&mut turn.scratch[carried..carried + READ_BYTES])?
            {
                ReadResult::Blocked => break,
                ReadResult::End => {
                    return Err(match self.session.state() {
                        SessionState::Unbinding(_) => SessionEnd::Unbound,
                        SessionState::Open
                        | SessionState::Binding
                        | SessionState::Bound(_)
                        | SessionState::Closed => SessionEnd::PeerClosed,
                    });
                }
                ReadResult::Octets(octets) => {
                    let filled = carried + octets;
                    let scratch = std::mem::take(&mut turn.scratch);
                    let (session, mut inbox) = self.split(turn);
                    let taken = session.handle_bytes(&scratch[..filled], inbox.now_ns, &mut inbox);
                    turn.scratch = scratch;
                    let taken = match taken {
                        Ok(taken) => taken,
                        Err(error) => {
                            // The refusal that says why is queued; the connection ends either way.
                            self.flush();
                            return Err(error.into());
                        }
                    };
                    turn.scratch.copy_within(taken..filled, 0);
                    carried = filled - taken;
                }
            }
        }
        self.carry.clear();
        self.carry.extend_from_slice(&turn.scratch[..carried]);
        Ok(())
    }

    fn split<'t>(&'t mut self, turn: &'t mut Turn<'_>) -> (&'t mut Session, Inbox<'t>) {
        let inbox = Inbox {
            config: turn.config,
            book: &mut self.book,
            events: turn.events,
            now_ns: turn.now_ns,
            next_number: turn.next_number,
        };
        (&mut self.session, inbox)
    }

    fn refuse_overflow(&mut self, now_ns: u64) {
        for (sequence, kind) in self.book.refused.drain(..) {
            if let Err(error) = self
                .session
                .refuse(sequence, kind, RECEIPT_WINDOW_FULL, now_ns)
            {
                tracing::debug!(%error, "a refusal could not be queued");
            }
        }
    }

    /// Drain, or a session to be replaced: unbinds when nothing is in flight any more. The carrier's unanswered deliveries are not
    /// waited for: it sends them again, and under a flood of them the end would never come.
    fn wind_down(&mut self, turn: &Turn<'_>) -> Result<(), SessionEnd> {
        if !turn.draining && self.book.care == SessionCare::Keep {
            return Ok(());
        }
        match self.session.state() {
            SessionState::Bound(_) if self.session.in_flight() == 0 => {
                self.session.unbind(turn.now_ns)?;
                Ok(())
            }
            SessionState::Bound(_) | SessionState::Unbinding(_) | SessionState::Closed => Ok(()),
            SessionState::Open | SessionState::Binding => Err(SessionEnd::Stopped),
        }
    }
}
