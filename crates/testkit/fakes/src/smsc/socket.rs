//! What a connection needs of its socket beyond reading and writing.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::config::{SlowReader, SmscConfig};

/// Receive buffer of a slow reader, in octets: a large one would take a second's worth of traffic before the peer feels anything.
const SLOW_RECEIVE_BUFFER_BYTES: usize = 8 * 1024;

/// A plain or a TLS connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The TCP socket below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Sets what every connection has.
pub(crate) fn tune(stream: &TcpStream, config: &SmscConfig) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match config.slow_reader {
        SlowReader::Off => {}
        SlowReader::BytesPerSecond(_) | SlowReader::Pause { .. } => {
            socket2::SockRef::from(stream).set_recv_buffer_size(SLOW_RECEIVE_BUFFER_BYTES)?;
        }
    }
    if config.quick_ack {
        Ok(())
    } else {
        set_quick_ack(stream, false)
    }
}

/// Says that what was read is acknowledged at once. The kernel forgets this by itself, so that it is said after every read.
pub(crate) fn acknowledge_now(stream: &TcpStream) -> io::Result<()> {
    set_quick_ack(stream, true)
}

#[cfg(target_os = "linux")]
fn set_quick_ack(stream: &TcpStream, on: bool) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_quickack(on)
}

/// Other systems leave the choice to the kernel.
#[cfg(not(target_os = "linux"))]
fn set_quick_ack(_: &TcpStream, _: bool) -> io::Result<()> {
    Ok(())
}

/// Whether the peer has closed its end, found out without reading a byte.
pub(crate) fn peer_is_gone(stream: &TcpStream) -> bool {
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut fds = [PollFd::new(stream, gone)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut fds, Some(&at_once)) {
        Ok(_) => fds[0].revents().intersects(gone),
        Err(_) => true,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::runtime::Builder;

    #[test]
    fn late_acknowledgements_are_late_and_quick_ones_quick() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (stream, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
            let (_peer, (stream, _)) = (stream.unwrap(), accepted.unwrap());
            let mut config = SmscConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
            config.quick_ack = false;
            tune(&stream, &config).unwrap();
            let is_quick = || socket2::SockRef::from(&stream).tcp_quickack().unwrap();
            assert!(!is_quick() && stream.nodelay().unwrap());
            acknowledge_now(&stream).unwrap();
            assert!(is_quick());
        });
    }

    #[test]
    fn a_peer_that_left_is_noticed() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (peer, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
            let (stream, _) = accepted.unwrap();
            assert!(!peer_is_gone(&stream));
            drop(peer.unwrap());
            stream.readable().await.unwrap();
            assert!(peer_is_gone(&stream));
        });
    }
}
