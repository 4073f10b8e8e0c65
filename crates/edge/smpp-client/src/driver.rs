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

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::config::split_host;
use crate::end::SessionEnd;
use crate::keeper::{Keeper, open_session};
use crate::live::Cause;
use crate::pool::{Link, Pool};
use crate::tls::TlsConnector;
use crate::wire::{TcpWire, tune};

/// A deadline for a timer that is off: long beyond any configured one.
const FAR: Duration = Duration::from_secs(86_400 * 365);

/// Keeps one configured session up until the pool drains.
pub(crate) async fn keep_session(pool: Rc<Pool<TcpWire>>, tls: Option<TlsConnector>, index: usize) {
    let link = &pool.links[index];
    let mut keeper = Keeper::new(&pool, link);
    while !pool.draining.get() {
        let end = run_session(&pool, link, tls.as_ref(), &mut keeper).await;
        let delay_ms = keeper.ended(&pool, link, &end);
        if pool.draining.get() {
            break;
        }
        wait(&pool, link, Duration::from_millis(delay_ms)).await;
    }
    link.ended.set(true);
    pool.wake();
}

/// Waits for the carrier's turn to connect; `false` when the pool drains.
async fn pass_gate(pool: &Pool<TcpWire>, link: &Link<TcpWire>, keeper: &mut Keeper) -> bool {
    while !pool.draining.get() {
        let now_ns = pool.now_ns();
        match keeper.may_connect(pool, now_ns) {
            Ok(()) => return true,
            Err(opens_ns) => {
                let left_ns = opens_ns.saturating_sub(now_ns);
                wait(pool, link, Duration::from_nanos(left_ns)).await;
            }
        }
    }
    false
}

/// Sleeps, but not beyond the beginning of a drain.
async fn wait(pool: &Pool<TcpWire>, link: &Link<TcpWire>, duration: Duration) {
    tokio::select! {
        biased;
        () = drain_begins(pool, link) => {}
        () = sleep(duration) => {}
    }
}

async fn drain_begins(pool: &Pool<TcpWire>, link: &Link<TcpWire>) {
    while !pool.draining.get() {
        link.notify.notified().await;
    }
}

/// One connection, from the first SYN to its end.
async fn run_session(
    pool: &Pool<TcpWire>,
    link: &Link<TcpWire>,
    tls: Option<&TlsConnector>,
    keeper: &mut Keeper,
) -> SessionEnd {
    match open(pool, link, tls, keeper).await {
        Ok(stream) => drive(pool, link, &stream).await,
        Err(end) => end,
    }
}

/// Connects and queues the bind.
async fn open(
    pool: &Pool<TcpWire>,
    link: &Link<TcpWire>,
    tls: Option<&TlsConnector>,
    keeper: &mut Keeper,
) -> Result<Rc<TcpStream>, SessionEnd> {
    let config = &pool.config;
    let host = keeper.host(config);
    let (name, port) = split_host(host).ok_or_else(|| SessionEnd::Connect {
        source: io::ErrorKind::InvalidInput.into(),
    })?;
    let addresses = in_time(pool, link, lookup_host((name, port))).await?;
    let stream = connect(pool, link, addresses, keeper).await?;
    let started_ns = pool.now_ns();
    tune(&stream, Duration::from_millis(config.response_timeout_ms))?;
    let stream = Rc::new(stream);
    let tls = tls.map(|tls| tls.open(name)).transpose()?;
    let wire = TcpWire::new(Rc::clone(&stream), tls);
    open_session(pool, link, wire, started_ns)?;
    Ok(stream)
}

/// Connects to the first of these addresses that takes it.
async fn connect(
    pool: &Pool<TcpWire>,
    link: &Link<TcpWire>,
    addresses: impl Iterator<Item = SocketAddr>,
    keeper: &mut Keeper,
) -> Result<TcpStream, SessionEnd> {
    let mut failed = SessionEnd::Connect {
        source: io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
    };
    for address in addresses {
        if !pass_gate(pool, link, keeper).await {
            return Err(SessionEnd::Stopped);
        }
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
    pool: &Pool<TcpWire>,
    link: &Link<TcpWire>,
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

/// Moves bytes and timers until the session is over.
async fn drive(pool: &Pool<TcpWire>, link: &Link<TcpWire>, stream: &TcpStream) -> SessionEnd {
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
fn arm(pool: &Pool<TcpWire>, link: &Link<TcpWire>, alarm: Pin<&mut Sleep>) -> bool {
    let mut slot = link.live.borrow_mut();
    let Some(live) = slot.as_mut() else {
        return false;
    };
    let rung = alarm.is_elapsed();
    let deadline_ns = live.session.poll_timeout().unwrap_or(u64::MAX);
    if rung || deadline_ns < live.armed_ns {
        let left = Duration::from_nanos(deadline_ns.saturating_sub(pool.now_ns()));
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
    use crate::pool::Ambient;

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
        let pool = Pool::new(config, Ambient::PROCESS, Rc::new(|| {}));
        let addresses = [
            away[0].local_addr().unwrap(),
            away[1].local_addr().unwrap(),
            there.local_addr().unwrap(),
        ];
        let began = Instant::now();
        let link = &pool.links[0];
        let mut keeper = Keeper::again(&pool, link);
        let connected = connect(&pool, link, addresses.into_iter(), &mut keeper).await;
        assert_eq!(connected.unwrap().peer_addr().unwrap(), addresses[2]);
        assert!(began.elapsed() >= Duration::from_millis(2 * GAP_MS));
        assert_eq!(pool.reconnects.get(), 3);

        let nothing = connect(&pool, link, [].into_iter(), &mut keeper).await;
        assert!(matches!(nothing, Err(SessionEnd::Connect { .. })));
        assert_eq!(pool.reconnects.get(), 3, "there was nothing to connect to");
    }
}
