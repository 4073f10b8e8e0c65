//! What the connector and its session tasks share. All of it lives on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use connector::{ConnectorEvent, ConnectorStatus, Irregularities, SessionNo};
use smpp_session::{BindType, Counters};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{BindMode, CarrierConfig};
use crate::end::SessionEnd;
use crate::live::{Cause, Live, SCRATCH_BYTES, Turn};
use crate::reconnect::ConnectGate;
use crate::wire::Wire;

/// Events that may wait for the engine before no further slot is offered and no session is opened.
pub(crate) const EVENTS_MAX: usize = 65_536;

/// Sessions are numbered over the whole process, over all carriers and threads; there is one such count, so it is a static.
static SESSIONS_OPENED: AtomicU32 = AtomicU32::new(0);

/// What a pool takes from the process around it.
#[derive(Clone, Copy, Debug)]
pub struct Ambient {
    /// The monotonic clock, in nanoseconds.
    pub mono_ns: fn() -> u64,
    /// The number of the session that is bound next: each is given once in the life of the process.
    pub next_session: fn() -> SessionNo,
}

impl Ambient {
    /// The machine's clock, and numbers that all carriers of the process share.
    pub(crate) const PROCESS: Self = Self {
        mono_ns: || Clock.mono_ns(),
        next_session: next_session_number,
    };
}

/// One carrier's sessions and what they report.
pub(crate) struct Pool<W> {
    pub(crate) config: CarrierConfig,
    pub(crate) ambient: Ambient,
    pub(crate) links: Vec<Link<W>>,
    pub(crate) gate: RefCell<ConnectGate>,
    pub(crate) events: RefCell<Vec<ConnectorEvent>>,
    pub(crate) draining: Cell<bool>,
    pub(crate) reconnects: Cell<u64>,
    receiver_missing: Cell<bool>,
    /// Of sessions that have ended.
    irregularities: Cell<Irregularities>,
    found_last: Cell<usize>,
    scratch: RefCell<Box<[u8]>>,
    wake: Rc<dyn Fn()>,
}

/// One configured session: the place that connections of it come and go in.
pub(crate) struct Link<W> {
    pub(crate) index: u32,
    pub(crate) bind_type: BindType,
    /// The connection, while there is one.
    pub(crate) live: RefCell<Option<Live<W>>>,
    /// The number of the bound session, 0 when there is none; beside `live` so that a search need not look inside.
    pub(crate) number: Cell<u32>,
    /// Whether the last bind was refused for good.
    pub(crate) bind_fatal: Cell<bool>,
    /// Whether its task has ended.
    pub(crate) ended: Cell<bool>,
    /// Wakes its task.
    pub(crate) notify: Notify,
}

impl<W: Wire> Pool<W> {
    pub(crate) fn new(config: CarrierConfig, ambient: Ambient, wake: Rc<dyn Fn()>) -> Self {
        Self {
            ambient,
            links: links(&config),
            gate: RefCell::new(ConnectGate::new(&config.reconnect)),
            events: RefCell::new(Vec::new()),
            draining: Cell::new(false),
            reconnects: Cell::new(0),
            receiver_missing: Cell::new(false),
            irregularities: Cell::default(),
            found_last: Cell::new(0),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            wake,
            config,
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        (self.ambient.mono_ns)()
    }

    /// Tells the engine that there is something for it.
    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    /// The place of a bound session. Calls come in runs for one session, so the place found last is looked at first.
    pub(crate) fn link_of(&self, session: SessionNo) -> Option<&Link<W>> {
        let is_of = |link: &Link<W>| session.0 != 0 && link.number.get() == session.0;
        if let Some(link) = self
            .links
            .get(self.found_last.get())
            .filter(|link| is_of(link))
        {
            return Some(link);
        }
        let place = self.links.iter().position(is_of)?;
        self.found_last.set(place);
        self.links.get(place)
    }

    /// Lets the session of a place do what is due; the engine is woken when that gave it something to do.
    pub(crate) fn step(&self, link: &Link<W>, cause: Cause) -> Option<SessionEnd> {
        let mut slot = link.live.borrow_mut();
        let live = slot.as_mut()?;
        let mut events = self.events.borrow_mut();
        let (events_before, blocked_before) = (events.len(), live.is_blocked());
        let end = live.step(
            cause,
            &mut Turn {
                config: &self.config,
                events: &mut events,
                scratch: &mut self.scratch.borrow_mut(),
                now_ns: self.now_ns(),
                draining: self.draining.get(),
                next_number: &self.ambient.next_session,
            },
        );
        let news = events.len() > events_before || (blocked_before && !live.is_blocked());
        let bound = live
            .book
            .number
            .filter(|session| session.0 != link.number.get());
        drop((slot, events));
        if let Some(session) = bound {
            link.number.set(session.0);
            link.bind_fatal.set(false);
            tracing::info!(carrier = %self.config.name, session = session.0, bind = ?link.bind_type, "session bound");
            self.note_receivers();
        }
        if news {
            self.wake();
        }
        end
    }

    /// Takes the connection out of its place and reports what it lost.
    pub(crate) fn close(&self, link: &Link<W>) -> Option<u64> {
        let live = link.live.borrow_mut().take()?;
        let now_ns = self.now_ns();
        let bound_ns = live
            .book
            .bound_ns
            .map(|bound_ns| now_ns.saturating_sub(bound_ns));
        link.number.set(0);
        let so_far = self.irregularities.get();
        self.irregularities
            .set(with_those_of(so_far, live.session.counters()));
        live.close(now_ns, &mut self.events.borrow_mut());
        self.note_receivers();
        self.wake();
        bound_ns
    }

    pub(crate) fn status(&self) -> ConnectorStatus {
        let mut status = ConnectorStatus {
            sessions_configured: self.config.sessions_total(),
            reconnects: self.reconnects.get(),
            irregularities: self.irregularities.get(),
            ..ConnectorStatus::default()
        };
        for link in &self.links {
            status.bind_fatal |= link.bind_fatal.get();
            let live = link.live.borrow();
            let Some(live) = live.as_ref() else { continue };
            status.in_flight += live.session.in_flight();
            status.irregularities = with_those_of(status.irregularities, live.session.counters());
            if live.may_carry() {
                status.sessions_bound += 1;
                status.window += self.config.window_size;
            }
            if live.bound_as().is_some_and(BindType::may_deliver) {
                status.sessions_receiving += 1;
            }
        }
        status.receiver_missing = status.sessions_bound > 0 && status.sessions_receiving == 0;
        status
    }

    /// Says so once when receipts can no longer come in while segments still go out, and once when they can again.
    fn note_receivers(&self) {
        let missing = self.status().receiver_missing;
        if missing == self.receiver_missing.replace(missing) {
            return;
        }
        if missing {
            tracing::warn!(carrier = %self.config.name, "transmitter without receiver: receipts cannot come in");
        } else {
            tracing::info!(carrier = %self.config.name, "receipts can come in again, or nothing goes out");
        }
    }
}

fn with_those_of(so_far: Irregularities, session: Counters) -> Irregularities {
    Irregularities {
        late_answers: so_far.late_answers + session.late_answers,
        late_forgotten: so_far.late_forgotten + session.late_forgotten,
        unsolicited_answers: so_far.unsolicited_answers + session.unsolicited_answers,
        duplicate_answers: so_far.duplicate_answers + session.duplicate_answers,
        not_understood: so_far.not_understood + session.nacks_sent,
        malformed: so_far.malformed + session.requests_malformed,
        forbidden: so_far.forbidden + session.requests_refused_by_state,
    }
}

fn next_session_number() -> SessionNo {
    SessionNo(
        SESSIONS_OPENED
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1),
    )
}

/// Receivers come first, so that at the start receipts can come in before segments go out.
fn links<W>(config: &CarrierConfig) -> Vec<Link<W>> {
    let (receivers, carriers) = match config.bind {
        BindMode::Transceiver => (0, BindType::Transceiver),
        BindMode::TransmitterReceiver => (config.receiver_sessions, BindType::Transmitter),
    };
    let bind_type = |index| {
        if index < receivers {
            BindType::Receiver
        } else {
            carriers
        }
    };
    let link = |index| Link {
        index,
        bind_type: bind_type(index),
        live: RefCell::new(None),
        number: Cell::new(0),
        bind_fatal: Cell::new(false),
        ended: Cell::new(false),
        notify: Notify::new(),
    };
    (0..config.sessions_total()).map(link).collect()
}
