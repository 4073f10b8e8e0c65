//! The thread of a message centre: accepts, pauses, resumes, stops.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::clock;
use super::config::SmscConfig;
use super::connection::Connection;
use super::socket::{Socket, tune};
use super::world::{SharedWorld, lock};

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1_024;
/// A TLS handshake may take so long.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptors left), so long until the next.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// What the handle asks for. Each is answered when it is done.
pub(crate) enum Command {
    Pause(SyncSender<io::Result<()>>),
    Resume(SyncSender<io::Result<()>>),
}

/// What the thread owns.
pub(crate) struct Listener {
    pub(crate) config: Arc<SmscConfig>,
    pub(crate) world: SharedWorld,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) receipt_clock: Arc<Notify>,
    pub(crate) local_addr: SocketAddr,
}

/// Whether connections are taken.
enum Door {
    Open(TcpListener),
    /// The port is held and nobody listens: a connection is refused, and nobody else gets the port meanwhile.
    Shut(RawSocket),
}

/// A socket that holds an address and does not listen yet.
pub(crate) fn reserve(addr: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(addr))?;
    Ok(socket)
}

/// Begins to listen.
pub(crate) fn listen(socket: RawSocket) -> io::Result<StdListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Listener {
    /// Until the handle lets go of `commands`.
    pub(crate) async fn run(
        self,
        listener: StdListener,
        mut commands: mpsc::Receiver<Command>,
    ) -> io::Result<()> {
        tokio::spawn(ripen(
            Arc::clone(&self.world),
            Arc::clone(&self.receipt_clock),
        ));
        let mut door = Door::Open(TcpListener::from_std(listener)?);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => break,
                    Some(Command::Pause(done)) => {
                        let paused = self.pause(door, &mut connections).await;
                        door = answer(paused, &done)?;
                    }
                    Some(Command::Resume(done)) => door = answer(resume(door), &done)?,
                },
                Some(ended) = connections.join_next() => if let Err(error) = ended
                    && let Ok(panic) = error.try_into_panic()
                {
                    std::panic::resume_unwind(panic);
                },
                stream = accept(&door) => self.admit(stream, &mut connections),
            }
        }
        connections.shutdown().await;
        Ok(())
    }

    async fn pause(&self, door: Door, connections: &mut JoinSet<()>) -> io::Result<Door> {
        let Door::Open(listener) = door else {
            return Ok(door);
        };
        drop(listener);
        let held = reserve(self.local_addr);
        connections.shutdown().await;
        held.map(Door::Shut)
    }

    fn admit(&self, stream: TcpStream, connections: &mut JoinSet<()>) {
        let limit = usize::try_from(self.config.connections_max).unwrap_or(usize::MAX);
        if connections.len() >= limit {
            lock(&self.world).counts.connections_refused += 1;
            return;
        }
        // A socket that takes no option is gone already.
        if tune(&stream, &self.config).is_err() {
            return;
        }
        let (config, world) = (Arc::clone(&self.config), Arc::clone(&self.world));
        match &self.tls {
            None => connections.spawn(serve(stream, config, world)),
            Some(acceptor) => {
                let handshake = acceptor.accept(stream);
                connections.spawn(async move {
                    match timeout(HANDSHAKE, handshake).await {
                        Ok(Ok(stream)) => serve(stream, config, world).await,
                        Ok(Err(_)) | Err(_) => lock(&world).counts.protocol_errors += 1,
                    }
                })
            }
        };
    }
}

/// Tells the caller how it went; the thread goes on only with a door.
fn answer(door: io::Result<Door>, done: &SyncSender<io::Result<()>>) -> io::Result<Door> {
    let copy = match &door {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    // A caller that does not wait for the answer does not need it.
    let _ = done.send(copy);
    door
}

fn resume(door: Door) -> io::Result<Door> {
    match door {
        Door::Open(_) => Ok(door),
        Door::Shut(socket) => Ok(Door::Open(TcpListener::from_std(listen(socket)?)?)),
    }
}

async fn accept(door: &Door) -> TcpStream {
    let Door::Open(listener) = door else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn serve<S: Socket>(stream: S, config: Arc<SmscConfig>, world: SharedWorld) {
    if let Ok(connection) = Connection::new(stream, config, world) {
        connection.run().await;
    }
}

/// Makes receipts due in time.
async fn ripen(world: SharedWorld, earlier: Arc<Notify>) {
    loop {
        let now_ns = clock::mono_ns();
        let next_ns = lock(&world).ripen_receipts(now_ns);
        let pause = next_ns.map_or(Duration::from_secs(3_600), |next_ns| {
            Duration::from_nanos(next_ns.saturating_sub(now_ns))
        });
        tokio::select! {
            () = earlier.notified() => {}
            () = sleep(pause) => {}
        }
    }
}
