//! The task behind one configured session: connect, bind, move bytes, and again.
//!
//! ```text
//!        ┌──────────────────────── delay (back-off) ◄────────────────────┐
//!        ▼              ┌─ next address ─┐                               │
//!     look up ─► gate (one by one) ─► connect ─► TLS, bind ─► bound ─► ended (reported)
//!        │ drain        │ drain          │ drain                │ drain: in flight 0, unbind
//!        └──────────────┴────────────────┴──────────────────────┴──────► done
//! ```
//!
//! Names are looked up before the gate, and every address of a name passes it: a slow resolver would bunch the connects that the gate
//! parted, and a name with many addresses would be many connects for one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use smpp_codec::Bind;
use smpp_session::{Role, Session, SessionConfig};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::config::split_host;
use crate::end::SessionEnd;
use crate::live::{Cause, Live};
use crate::pool::{EVENTS_MAX, Link, Pool};
use crate::reconnect::{Backoff, Connect, Setback};
use crate::wire::{Wire, tune};

const MS_NS: u64 = 1_000_000;
/// Least number of timed-out requests that a session remembers for a late answer; a larger window has room for all of it.
const LATE_ANSWERS: usize = 4_096;
/// A deadline for a timer that is off: long beyond any configured one.
const FAR: Duration = Duration::from_secs(86_400 * 365);

/// Keeps one configured session up until the pool drains.
pub(crate) async fn keep_session(pool: Rc<Pool>, index: usize) {
    let link = &pool.links[index];
    let mut backoff = Backoff::new(pool.config.reconnect, link.index);
    let mut connect = Connect::First;
    let mut host = index;
    while !pool.draining.get() {
        let end = run_session(&pool, link, host, &mut connect).await;
        let number = link.number.get();
        let bound_ns = pool.close(link);
        report(&pool, number, &end);
        if pool.draining.get() {
            break;
        }
        if bound_ns.is_none() {
            host += 1;
        }
        link.bind_fatal.set(end.setback() == Setback::BindFatal);
        let delay_ms = backoff.delay_ms(
            end.setback(),
            bound_ns.map_or(0, |bound_ns| bound_ns / MS_NS),
        );
        wait(&pool, link, Duration::from_millis(delay_ms)).await;
    }
    link.ended.set(true);
    pool.wake();
}

fn report(pool: &Pool, session: u32, end: &SessionEnd) {
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

/// Waits for the carrier's turn to connect; `false` when the pool drains.
async fn pass_gate(pool: &Pool, link: &Link, connect: Connect) -> bool {
    while !pool.draining.get() {
        let now_ns = pool.clock.mono_ns();
        let full = pool.events.borrow().len() >= EVENTS_MAX;
        let opens_ns = if full {
            now_ns + pool.config.reconnect.min_ms * MS_NS
        } else {
            match pool.gate.borrow_mut().pass(connect, now_ns) {
                Ok(()) => return true,
                Err(opens_ns) => opens_ns,
            }
        };
        wait(
            pool,
            link,
            Duration::from_nanos(opens_ns.saturating_sub(now_ns)),
        )
        .await;
    }
    false
}

/// Sleeps, but not beyond the beginning of a drain.
async fn wait(pool: &Pool, link: &Link, duration: Duration) {
    tokio::select! {
        biased;
        () = drain_begins(pool, link) => {}
        () = sleep(duration) => {}
    }
}

async fn drain_begins(pool: &Pool, link: &Link) {
    while !pool.draining.get() {
        link.notify.notified().await;
    }
}

/// One connection, from the first SYN to its end.
async fn run_session(pool: &Pool, link: &Link, host: usize, turn: &mut Connect) -> SessionEnd {
    match open(pool, link, host, turn).await {
        Ok(stream) => drive(pool, link, &stream).await,
        Err(end) => end,
    }
}

/// Connects and queues the bind.
async fn open(
    pool: &Pool,
    link: &Link,
    host: usize,
    turn: &mut Connect,
) -> Result<Rc<TcpStream>, SessionEnd> {
    let config = &pool.config;
    let host = &config.hosts[host % config.hosts.len()];
    let (name, port) = split_host(host).ok_or_else(|| SessionEnd::Connect {
        source: io::ErrorKind::InvalidInput.into(),
    })?;
    let addresses = in_time(pool, link, lookup_host((name, port))).await?;
    let stream = connect(pool, link, addresses, turn).await?;
    let started_ns = pool.clock.mono_ns();
    tune(&stream, Duration::from_millis(config.response_timeout_ms))?;
    let stream = Rc::new(stream);
    let tls = pool.tls.as_ref().map(|tls| tls.open(name)).transpose()?;
    let session_config = session_config(pool);
    let late_max = session_config.late_answers_max;
    let mut session = Session::new(session_config, started_ns)?;
    session.bind(link.bind_type, bind(pool))?;
    *link.live.borrow_mut() = Some(Live::new(
        session,
        Wire::new(Rc::clone(&stream), tls),
        late_max,
    ));
    Ok(stream)
}

/// Connects to the first of these addresses that takes it.
async fn connect(
    pool: &Pool,
    link: &Link,
    addresses: impl Iterator<Item = SocketAddr>,
    turn: &mut Connect,
) -> Result<TcpStream, SessionEnd> {
    let mut failed = SessionEnd::Connect {
        source: io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
    };
    for address in addresses {
        if !pass_gate(pool, link, *turn).await {
            return Err(SessionEnd::Stopped);
        }
        if *turn == Connect::Again {
            pool.reconnects.set(pool.reconnects.get() + 1);
        }
        *turn = Connect::Again;
        match in_time(pool, link, TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(SessionEnd::Stopped) => return Err(SessionEnd::Stopped),
            Err(end) => failed = end,
        }
    }
    Err(failed)
}

/// A step towards a connection: given up after `session_init_ms`, and when a drain begins.
async fn in_time<T>(
    pool: &Pool,
    link: &Link,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, SessionEnd> {
    let session_init_ms = pool.config.session_init_ms;
    tokio::select! {
        biased;
        () = drain_begins(pool, link) => Err(SessionEnd::Stopped),
        done = timeout(Duration::from_millis(session_init_ms), step) => match done {
            Err(_) => Err(SessionEnd::ConnectTimeout { session_init_ms }),
            Ok(done) => done.map_err(|source| SessionEnd::Connect { source }),
        },
    }
}

fn session_config(pool: &Pool) -> SessionConfig {
    let config = &pool.config;
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

fn bind(pool: &Pool) -> Bind<'_> {
    let credentials = &pool.config.credentials;
    Bind {
        system_id: (&*credentials.system_id).into(),
        password: (&*credentials.password).into(),
        system_type: (&*credentials.system_type).into(),
        ..Bind::default()
    }
}

/// Moves bytes and timers until the session is over.
async fn drive(pool: &Pool, link: &Link, stream: &TcpStream) -> SessionEnd {
    let mut alarm = pin!(sleep(FAR));
    let mut cause = Cause::Work;
    loop {
        if let Some(end) = pool.step(link, cause) {
            return end;
        }
        let blocked = arm(pool, link, alarm.as_mut());
        cause = tokio::select! {
            biased;
            _ = stream.readable() => Cause::Readable,
            _ = stream.writable(), if blocked => Cause::Writable,
            () = link.notify.notified() => Cause::Work,
            () = alarm.as_mut() => Cause::Timer,
        };
    }
}

/// Sets the alarm to the session's next deadline; tells whether the socket's writability is awaited.
///
/// The alarm is moved only when it would ring too late. One that rings early finds nothing due and is set again; moving it with every
/// answer would cost more than that.
fn arm(pool: &Pool, link: &Link, alarm: Pin<&mut Sleep>) -> bool {
    let mut slot = link.live.borrow_mut();
    let Some(live) = slot.as_mut() else {
        return false;
    };
    let rung = alarm.is_elapsed();
    let deadline_ns = live.session.poll_timeout().unwrap_or(u64::MAX);
    if rung || deadline_ns < live.armed_ns {
        let left = Duration::from_nanos(deadline_ns.saturating_sub(pool.clock.mono_ns()));
        alarm.reset(Instant::now() + left.min(FAR));
        live.armed_ns = deadline_ns;
    }
    live.is_blocked()
}

#[cfg(test)]
mod tests {
    use message::CarrierId;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{CarrierConfig, Credentials, ReconnectConfig};

    #[tokio::test]
    async fn every_address_of_a_name_passes_the_gate() {
        const GAP_MS: u64 = 30;
        // Held and not listened on: connects are refused, and nobody else gets the ports meanwhile.
        let away = [(); 2].map(|()| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
            socket
        });
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let credentials = Credentials {
            system_id: "account".into(),
            password: "secret".into(),
            system_type: "".into(),
        };
        let config = CarrierConfig {
            reconnect: ReconnectConfig {
                gap_ms: GAP_MS,
                ..ReconnectConfig::default()
            },
            ..CarrierConfig::new(CarrierId(1), "test", "many.example:2775", credentials)
        };
        let pool = Pool::new(config, None, Rc::new(|| {}));
        let addresses = [
            away[0].local_addr().unwrap(),
            away[1].local_addr().unwrap(),
            there.local_addr().unwrap(),
        ];
        let began = Instant::now();
        let mut turn = Connect::Again;
        let connected = connect(&pool, &pool.links[0], addresses.into_iter(), &mut turn).await;
        assert_eq!(connected.unwrap().peer_addr().unwrap(), addresses[2]);
        assert!(began.elapsed() >= Duration::from_millis(2 * GAP_MS));
        assert_eq!(pool.reconnects.get(), 3);

        let nothing = connect(&pool, &pool.links[0], [].into_iter(), &mut turn).await;
        assert!(matches!(nothing, Err(SessionEnd::Connect { .. })));
        assert_eq!(pool.reconnects.get(), 3, "there was nothing to connect to");
    }
}
