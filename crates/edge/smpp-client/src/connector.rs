//! The seam to the engine.

use std::rc::Rc;

use ::connector::{
    Connector, ConnectorEvent, ConnectorStatus, Dispatch, ReceiptHandle, Slot, Verdict,
};
use message::{Now, Outcome, SegmentRef};
use tokio::task::JoinHandle;

use crate::config::{CarrierConfig, ConfigError};
use crate::driver::keep_session;
use crate::live::{Live, WRITE_MAX_PDUS};
use crate::pool::{Ambient, EVENTS_MAX, Link, Pool};
use crate::request::Scratch;
use crate::tls::{TlsConnector, TlsError};
use crate::wire::{TcpWire, Wire};

/// Speaks SMPP to one carrier over a pool of sessions.
///
/// It lives on one thread, inside a [`tokio::task::LocalSet`]: each configured session has a task there that moves its bytes and timers,
/// while the methods of [`Connector`] are called from the engine's turn. Dropping it ends the tasks and closes the connections without
/// unbind; [`Connector::drain`] ends them in order.
pub struct SmppConnector<W: Wire = TcpWire> {
    pool: Rc<Pool<W>>,
    tasks: Vec<JoinHandle<()>>,
    scratch: Scratch,
    /// Places that a batch wrote to.
    touched: Vec<u32>,
    /// Where the search for a slot starts, so that equal sessions take turns.
    next_place: usize,
}

/// Why a carrier cannot be started: ours to correct, a retry does not help.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates are missing or wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A carrier whose configuration was checked and whose certificates were read: starting it cannot fail any more.
///
/// Unlike the connector it may be made on one thread and started on another.
#[derive(Clone, Debug)]
pub struct PreparedCarrier {
    config: CarrierConfig,
    tls: Option<TlsConnector>,
}

impl PreparedCarrier {
    /// Checks the configuration and reads the certificates.
    ///
    /// # Errors
    /// The configuration is wrong or its certificates are.
    pub fn new(config: CarrierConfig) -> Result<Self, StartError> {
        config.check()?;
        let tls = config.tls.as_ref().map(TlsConnector::load).transpose()?;
        Ok(Self { config, tls })
    }

    /// Starts the sessions; call it inside a `LocalSet`. It returns before anything is connected.
    ///
    /// `wake` is called on this thread whenever events were queued or a slot may have become free, sometimes from within a method of
    /// the connector: it must only note that a turn is due.
    #[must_use]
    pub fn start(self, wake: Rc<dyn Fn()>) -> SmppConnector {
        let pool = Rc::new(Pool::new(self.config, Ambient::PROCESS, wake));
        let task = |place| {
            let (pool, tls) = (Rc::clone(&pool), self.tls.clone());
            tokio::task::spawn_local(keep_session(pool, tls, place))
        };
        let tasks = (0..pool.links.len()).map(task).collect();
        let mut connector = SmppConnector::on(pool);
        connector.tasks = tasks;
        connector
    }
}

impl SmppConnector {
    /// Prepares and starts a carrier; see [`PreparedCarrier`].
    ///
    /// # Errors
    /// The configuration is wrong or its certificates are.
    pub fn start(config: CarrierConfig, wake: Rc<dyn Fn()>) -> Result<Self, StartError> {
        Ok(PreparedCarrier::new(config)?.start(wake))
    }
}

impl<W: Wire> SmppConnector<W> {
    /// A connector on a pool whose sessions somebody keeps.
    pub(crate) fn on(pool: Rc<Pool<W>>) -> Self {
        Self {
            pool,
            tasks: Vec::new(),
            scratch: Scratch::default(),
            touched: Vec::new(),
            next_place: 0,
        }
    }

    /// The carrier's configuration.
    #[must_use]
    pub fn config(&self) -> &CarrierConfig {
        &self.pool.config
    }

    /// The session's slot, and how many places of its window are free; none when it may not or cannot carry a segment now.
    fn slot(&self, link: &Link<W>, now: Now) -> Option<(Slot, u32)> {
        if link.number.get() == 0 {
            return None;
        }
        let mut live = link.live.borrow_mut();
        let live = live.as_mut()?;
        let session = live.book.number?;
        let free = live.session.window_free();
        if free == 0 || !live.may_carry() {
            return None;
        }
        if !live.is_ready(now.mono_ns) {
            tell_task(link, live);
            return None;
        }
        // One write's worth: after it the engine asks again, and what became urgent meanwhile goes first.
        let any = free
            .saturating_sub(self.pool.config.otp_reserve())
            .min(WRITE_MAX_PDUS);
        let slot = Slot {
            session,
            free: any,
            free_otp: free.min(WRITE_MAX_PDUS) - any,
        };
        Some((slot, free))
    }

    fn give(&mut self, dispatch: &Dispatch, now: Now) -> Result<(), Outcome> {
        let link = self
            .pool
            .link_of(dispatch.session)
            .ok_or(Outcome::Unwritten)?;
        let mut live = link.live.borrow_mut();
        let live = live.as_mut().ok_or(Outcome::Unwritten)?;
        live.submit(dispatch, &self.pool.config, &mut self.scratch, now.mono_ns)?;
        if self.touched.last() != Some(&link.index) {
            self.touched.push(link.index);
        }
        Ok(())
    }
}

impl<W: Wire> Connector for SmppConnector<W> {
    fn poll_slot(&mut self, now: Now) -> Option<Slot> {
        if self.pool.draining.get() || self.pool.events.borrow().len() >= EVENTS_MAX {
            return None;
        }
        let places = self.pool.links.len();
        let mut best: Option<(Slot, u32, usize)> = None;
        for step in 0..places {
            let place = (self.next_place + step) % places;
            if let Some((slot, free)) = self.slot(&self.pool.links[place], now)
                && best.is_none_or(|(_, most, _)| free > most)
            {
                best = Some((slot, free, place));
            }
        }
        let (slot, _, place) = best?;
        self.next_place = (place + 1) % places;
        Some(slot)
    }

    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now) {
        self.touched.clear();
        for dispatch in batch.drain(..) {
            if let Err(outcome) = self.give(&dispatch, now) {
                self.pool.events.borrow_mut().push(ConnectorEvent::Outcome {
                    segment: dispatch.segment,
                    session: dispatch.session,
                    outcome,
                    status: 0,
                    written_ns: 0,
                    settled_ns: now.mono_ns,
                });
                self.pool.wake();
            }
        }
        for place in &self.touched {
            let link = &self.pool.links[*place as usize];
            if let Some(live) = link.live.borrow_mut().as_mut() {
                live.flush();
                tell_task(link, live);
            }
        }
    }

    fn drain_events(&mut self, events: &mut Vec<ConnectorEvent>) {
        events.append(&mut self.pool.events.borrow_mut());
    }

    fn in_flight(&self, each: &mut dyn FnMut(SegmentRef)) {
        for link in &self.pool.links {
            if let Some(live) = link.live.borrow().as_ref() {
                live.book.flights.each(each);
            }
        }
    }

    fn acknowledge(&mut self, handle: ReceiptHandle, verdict: Verdict, now: Now) {
        let Some(link) = self.pool.link_of(handle.session) else {
            return;
        };
        if let Some(live) = link.live.borrow_mut().as_mut() {
            live.answer(handle.sequence, verdict, now.mono_ns);
            tell_task(link, live);
        }
    }

    fn drain(&mut self, _now: Now) {
        self.pool.draining.set(true);
        for link in &self.pool.links {
            link.notify.notify_one();
        }
    }

    fn is_drained(&self) -> bool {
        self.pool.draining.get() && self.pool.links.iter().all(|link| link.ended.get())
    }

    fn status(&self) -> ConnectorStatus {
        self.pool.status()
    }
}

impl<W: Wire> Drop for SmppConnector<W> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Wakes the session's task when there is something that only it can wait for, once until it has stepped.
fn tell_task<W: Wire>(link: &Link<W>, live: &mut Live<W>) {
    if !live.told && live.needs_task() {
        live.told = true;
        link.notify.notify_one();
    }
}
