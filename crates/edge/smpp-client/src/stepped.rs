//! The sessions of a carrier for a world that moves bytes and time itself: no task, no socket, no runtime.
//!
//! [`SteppedSessions`] decides what a session task decides, by the same code, and leaves the waiting to its caller:
//!
//! ```text
//! may_connect ─► (caller connects) ─► connected ─► step … step ─► Ended { delay_ms } ─► (caller waits) ─► may_connect
//!                              └────► not_connected ─► delay_ms
//! ```

use std::io;
use std::rc::Rc;

use crate::config::{CarrierConfig, ConfigError};
use crate::connector::SmppConnector;
use crate::end::SessionEnd;
use crate::keeper::{Keeper, open_session};
use crate::live::Cause;
use crate::pool::{Ambient, Pool};
use crate::wire::Wire;

/// The sessions behind one [`SmppConnector`], stepped by hand.
pub struct SteppedSessions<W: Wire> {
    pool: Rc<Pool<W>>,
    keepers: Vec<Keeper>,
}

/// How a step left a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStep {
    /// It lives, or is not connected.
    Live {
        /// When it wants a step because of the time, monotonic.
        deadline_ns: Option<u64>,
        /// Whether it waits for its wire to take bytes.
        blocked: bool,
    },
    /// Its connection is over; what was in flight has been reported.
    Ended {
        /// How long to wait before the next connection, in milliseconds.
        delay_ms: u64,
    },
}

impl<W: Wire> SteppedSessions<W> {
    /// A connector and its sessions, none of them connected.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub fn new(
        config: CarrierConfig,
        ambient: Ambient,
        wake: Rc<dyn Fn()>,
    ) -> Result<(SmppConnector<W>, Self), ConfigError> {
        config.check()?;
        let pool = Rc::new(Pool::new(config, ambient, wake));
        let links = pool.links.iter();
        let keepers = links.map(|link| Keeper::new(&pool, link)).collect();
        let connector = SmppConnector::on(Rc::clone(&pool));
        Ok((connector, Self { pool, keepers }))
    }

    /// How many sessions are configured; each has a place from 0.
    #[must_use]
    pub fn places(&self) -> usize {
        self.keepers.len()
    }

    /// Whether the session of this place may connect now.
    ///
    /// # Errors
    /// When to ask again, monotonic; `None` when never, since the pool drains.
    pub fn may_connect(&mut self, place: usize, now_ns: u64) -> Result<(), Option<u64>> {
        if self.pool.draining.get() {
            self.pool.links[place].ended.set(true);
            self.pool.wake();
            return Err(None);
        }
        self.keepers[place]
            .may_connect(&self.pool, now_ns)
            .map_err(Some)
    }

    /// The connection was made: the bind is queued, and [`Self::step`] writes it.
    ///
    /// # Errors
    /// How long to wait before another connection, in milliseconds.
    pub fn connected(&mut self, place: usize, wire: W) -> Result<(), u64> {
        let now_ns = self.pool.now_ns();
        let link = &self.pool.links[place];
        open_session(&self.pool, link, wire, now_ns)
            .map_err(|end| self.keepers[place].ended(&self.pool, link, &end))
    }

    /// The connection could not be made: how long to wait before the next, in milliseconds.
    pub fn not_connected(&mut self, place: usize, source: io::Error) -> u64 {
        let end = SessionEnd::Connect { source };
        self.keepers[place].ended(&self.pool, &self.pool.links[place], &end)
    }

    /// Whether the connector has put something into the session that wants a step.
    #[must_use]
    pub fn is_called(&self, place: usize) -> bool {
        let live = self.pool.links[place].live.borrow();
        live.as_ref()
            .is_some_and(|live| live.told || self.pool.draining.get())
    }

    /// Lets the session of a place do what is due.
    pub fn step(&mut self, place: usize, cause: Cause) -> SessionStep {
        let link = &self.pool.links[place];
        if let Some(end) = self.pool.step(link, cause) {
            let delay_ms = self.keepers[place].ended(&self.pool, link, &end);
            return SessionStep::Ended { delay_ms };
        }
        let mut live = link.live.borrow_mut();
        let Some(live) = live.as_mut() else {
            return SessionStep::Live {
                deadline_ns: None,
                blocked: false,
            };
        };
        let deadline_ns = live.session.poll_timeout();
        live.armed_ns = deadline_ns.unwrap_or(u64::MAX);
        SessionStep::Live {
            deadline_ns,
            blocked: live.is_blocked(),
        }
    }
}
