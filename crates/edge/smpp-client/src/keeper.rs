//! What keeping a configured session up decides: when to connect, to which host, with which limits, and how long to wait after an end.
//!
//! No socket and no clock in here. The session task does what this says on TCP; [`crate::SteppedSessions`] does it where somebody else
//! moves bytes and time.

use smpp_codec::Bind;
use smpp_session::{Role, Session, SessionConfig};

use crate::config::CarrierConfig;
use crate::end::SessionEnd;
use crate::live::Live;
use crate::pool::{EVENTS_MAX, Link, Pool};
use crate::reconnect::{Backoff, Connect, Setback};
use crate::wire::Wire;

const MS_NS: u64 = 1_000_000;
/// Least number of timed-out requests that a session remembers for a late answer; a larger window has room for all of it.
const LATE_ANSWERS: usize = 4_096;

/// The memory of one configured session over all its connections.
#[derive(Debug)]
pub(crate) struct Keeper {
    backoff: Backoff,
    connect: Connect,
    host: usize,
}

impl Keeper {
    pub(crate) fn new<W: Wire>(pool: &Pool<W>, link: &Link<W>) -> Self {
        Self {
            backoff: Backoff::new(pool.config.reconnect, link.index),
            connect: Connect::First,
            host: link.index as usize,
        }
    }

    /// A session that was connected before.
    #[cfg(test)]
    pub(crate) fn again<W: Wire>(pool: &Pool<W>, link: &Link<W>) -> Self {
        Self {
            connect: Connect::Again,
            ..Self::new(pool, link)
        }
    }

    /// Where to connect next.
    pub(crate) fn host<'c>(&self, config: &'c CarrierConfig) -> &'c str {
        &config.hosts[self.host % config.hosts.len()]
    }

    /// Passes the carrier's gate to connect now, or says when to ask again.
    pub(crate) fn may_connect<W: Wire>(&mut self, pool: &Pool<W>, now_ns: u64) -> Result<(), u64> {
        if pool.events.borrow().len() >= EVENTS_MAX {
            return Err(now_ns + pool.config.reconnect.min_ms * MS_NS);
        }
        pool.gate.borrow_mut().pass(self.connect, now_ns)?;
        if self.connect == Connect::Again {
            pool.reconnects.set(pool.reconnects.get() + 1);
        }
        self.connect = Connect::Again;
        Ok(())
    }

    /// Takes a connection that is over, or never was, out of its place and says how long to wait, in milliseconds.
    pub(crate) fn ended<W: Wire>(
        &mut self,
        pool: &Pool<W>,
        link: &Link<W>,
        end: &SessionEnd,
    ) -> u64 {
        let number = link.number.get();
        let bound_ns = pool.close(link);
        report(pool, number, end);
        if bound_ns.is_none() {
            self.host += 1;
        }
        link.bind_fatal.set(end.setback() == Setback::BindFatal);
        let bound_ms = bound_ns.map_or(0, |bound_ns| bound_ns / MS_NS);
        self.backoff.delay_ms(end.setback(), bound_ms)
    }
}

/// Begins a session on a connection that was made at `started_ns`: its bind is queued.
pub(crate) fn open_session<W: Wire>(
    pool: &Pool<W>,
    link: &Link<W>,
    wire: W,
    started_ns: u64,
) -> Result<(), SessionEnd> {
    let config = session_config(&pool.config);
    let late_max = config.late_answers_max;
    let mut session = Session::new(config, started_ns)?;
    session.bind(link.bind_type, bind(&pool.config))?;
    *link.live.borrow_mut() = Some(Live::new(session, wire, late_max));
    Ok(())
}

fn report<W: Wire>(pool: &Pool<W>, session: u32, end: &SessionEnd) {
    let carrier = &pool.config.name;
    match end.setback() {
        Setback::BindFatal => {
            tracing::error!(%carrier, %end, "credentials refused, probing slowly")
        }
        Setback::BackOff if end.is_orderly() => {
            tracing::info!(%carrier, session, %end, "session ended")
        }
        Setback::BackOff => tracing::warn!(%carrier, session, %end, "session lost"),
    }
}

fn session_config(config: &CarrierConfig) -> SessionConfig {
    SessionConfig {
        window_size: config.window_size,
        response_timeout_ns: config.response_timeout_ms * MS_NS,
        enquire_link_ns: config.enquire_link_ms * MS_NS,
        enquire_link_response_ns: config.enquire_link_ms * MS_NS,
        session_init_ns: config.session_init_ms * MS_NS,
        late_answers_max: LATE_ANSWERS.max(config.window_size as usize),
        ..SessionConfig::new(Role::Esme)
    }
}

fn bind(config: &CarrierConfig) -> Bind<'_> {
    let credentials = &config.credentials;
    Bind {
        system_id: (&*credentials.system_id).into(),
        password: (&*credentials.password).into(),
        system_type: (&*credentials.system_type).into(),
        ..Bind::default()
    }
}
