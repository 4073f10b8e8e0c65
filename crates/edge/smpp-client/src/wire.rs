//! The connection under a session: TCP, with or without TLS, behind two non-blocking calls.
//!
//! Both kinds take one path, so that a submit reaches the kernel in the call that makes it, whatever lies in between. That is why rustls
//! is driven here by hand: an async wrapper would write when its task is polled next, and a permit would be spent before its segment
//! left.
//!
//! The kernel is a queue as well, and one in which nothing is overtaken. `TCP_NOTSENT_LOWAT` keeps it to [`WRITE_MAX_BYTES`], and
//! `TCP_NODELAY` keeps it from waiting.

use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConnection;
use smpp_session::Session;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Most octets of one write, and of what the kernel may hold unsent.
pub const WRITE_MAX_BYTES: usize = 16 * 1024;

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// So many octets.
    Octets(usize),
    /// Nothing for now.
    Blocked,
    /// The peer has finished.
    End,
}

/// How far a flush came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// The kernel has everything.
    All,
    /// The kernel takes no more; ask again when the socket is writable.
    Blocked,
    /// The TLS handshake is not done; ask again after the next read.
    Handshaking,
}

/// One connection, as a session sees it: bytes in, bytes out, and whether the way out is free. Nothing here waits.
///
/// [`SmppConnector`](crate::SmppConnector) runs on TCP with or without TLS; another wire stands in where time is virtual.
pub trait Wire {
    /// Reads into `buffer`, which is not empty.
    ///
    /// # Errors
    /// The connection broke.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<ReadResult>;

    /// Writes what waits in the session ([`Session::transmit`]) until nothing is left or no more is taken, and says so by
    /// [`Session::handle_transmitted`].
    ///
    /// # Errors
    /// The connection broke.
    fn flush(&mut self, session: &mut Session) -> io::Result<Flushed>;

    /// Whether nothing waits above the kernel.
    fn is_empty(&self, session: &Session) -> bool;

    /// Whether what is written now would not queue behind much else in the kernel.
    fn is_writable(&self) -> bool;

    /// Tells the peer that nothing follows, as far as that is taken.
    fn say_goodbye(&mut self, session: &mut Session);
}

/// TCP, with or without TLS.
#[derive(Debug)]
pub struct TcpWire {
    stream: Rc<TcpStream>,
    tls: Option<Box<Tls>>,
}

#[derive(Debug)]
struct Tls {
    connection: ClientConnection,
    /// Octets at the front of the session's outbound buffer that TLS has taken and of whose records the kernel has none. They become
    /// transmitted with the first octet of a record: until then the peer cannot have seen any of them.
    sealed: usize,
}

impl TcpWire {
    /// A connection whose options are set; see [`tune`].
    pub(crate) fn new(stream: Rc<TcpStream>, tls: Option<ClientConnection>) -> Self {
        let tls = tls.map(|connection| {
            Box::new(Tls {
                connection,
                sealed: 0,
            })
        });
        Self { stream, tls }
    }
}

impl Wire for TcpWire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<ReadResult> {
        match &mut self.tls {
            None => read_tcp(&self.stream, buffer),
            Some(tls) => tls.read(&self.stream, buffer),
        }
    }

    fn flush(&mut self, session: &mut Session) -> io::Result<Flushed> {
        match &mut self.tls {
            None => flush_tcp(&self.stream, session),
            Some(tls) => tls.flush(&self.stream, session),
        }
    }

    fn is_empty(&self, session: &Session) -> bool {
        session.transmit().is_empty()
            && self
                .tls
                .as_ref()
                .is_none_or(|tls| !tls.connection.wants_write())
    }

    /// Whether the kernel holds less than its low-water mark, asked level-triggered: the runtime's own readiness stays set until a
    /// write fails. When the answer is no, that readiness is cleared, so that waiting for it means something.
    fn is_writable(&self) -> bool {
        let stream = &*self.stream;
        let poll_now = || {
            let mut fds = [PollFd::new(stream, PollFlags::OUT)];
            poll(
                &mut fds,
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                }),
            )?;
            if fds[0].revents().is_empty() {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        };
        match stream.try_io(Interest::WRITABLE, poll_now) {
            Ok(()) => true,
            // A broken socket is writable: the write will say what is wrong.
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    fn say_goodbye(&mut self, session: &mut Session) {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        // The connection ends either way; whoever is not told finds out by its end.
        let _ = self.flush(session);
    }
}

impl Tls {
    fn read(&mut self, stream: &TcpStream, buffer: &mut [u8]) -> io::Result<ReadResult> {
        loop {
            match self.connection.reader().read(buffer) {
                Ok(0) => return Ok(ReadResult::End),
                Ok(octets) => return Ok(ReadResult::Octets(octets)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.connection.read_tls(&mut NonBlocking(stream)) {
                Ok(0) => return Ok(ReadResult::End),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(ReadResult::Blocked);
                }
                Err(error) => return Err(error),
            }
            if let Err(error) = self.connection.process_new_packets() {
                // The alert that says why; the connection ends whether or not the peer takes it.
                let _ = self.connection.write_tls(&mut NonBlocking(stream));
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    fn flush(&mut self, stream: &TcpStream, session: &mut Session) -> io::Result<Flushed> {
        loop {
            while self.connection.wants_write() {
                match self.connection.write_tls(&mut NonBlocking(stream)) {
                    Ok(_) => session.handle_transmitted(std::mem::take(&mut self.sealed)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Flushed::Blocked);
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.connection.is_handshaking() {
                return Ok(Flushed::Handshaking);
            }
            let waiting = session.transmit();
            if waiting.is_empty() {
                return Ok(Flushed::All);
            }
            let chunk = &waiting[..waiting.len().min(WRITE_MAX_BYTES)];
            self.sealed = self.connection.writer().write(chunk)?;
            if self.sealed == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }
}

fn flush_tcp(stream: &TcpStream, session: &mut Session) -> io::Result<Flushed> {
    loop {
        let waiting = session.transmit();
        if waiting.is_empty() {
            return Ok(Flushed::All);
        }
        match stream.try_write(&waiting[..waiting.len().min(WRITE_MAX_BYTES)]) {
            Ok(octets) => session.handle_transmitted(octets),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
            Err(error) => return Err(error),
        }
    }
}

/// A read that does not fill the buffer has emptied the socket: its readiness is cleared at once, which saves the read that would only
/// find that out.
fn read_tcp(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<ReadResult> {
    let mut octets = None;
    let room = buffer.len();
    let read = stream.try_io(Interest::READABLE, || {
        let count = rustix::io::read(stream, buffer)?;
        octets = Some(count);
        if 0 < count && count < room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match (octets, read) {
        (Some(0), _) => Ok(ReadResult::End),
        (Some(count), _) => Ok(ReadResult::Octets(count)),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadResult::Blocked),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(ReadResult::Blocked),
    }
}

/// Sets what every connection has: no Nagle, a short unsent queue, and an end to bytes that nobody acknowledges.
pub(crate) fn tune(stream: &TcpStream, user_timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        socket.set_tcp_notsent_lowat(WRITE_MAX_BYTES as u32)?;
        socket.set_tcp_user_timeout(Some(user_timeout))?;
    }
    Ok(())
}

/// The socket as rustls wants it.
struct NonBlocking<'a>(&'a TcpStream);

impl Read for NonBlocking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.try_write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
