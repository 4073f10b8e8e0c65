//! A door in front of a message centre: it always listens, notes when each connection comes, and hands it on if anybody is at home. It
//! can keep what comes, so that nobody is heard and nobody is gone.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// A running door. Its threads end with their connections, the one that listens with the process.
pub(crate) struct Door {
    address: SocketAddr,
    knocks: Arc<Mutex<Vec<Instant>>>,
    keeper: Arc<Keeper>,
}

/// Whether octets are kept.
#[derive(Default)]
struct Keeper {
    keeps: Mutex<bool>,
    changed: Condvar,
}

impl Door {
    /// Opens one before `home`.
    pub(crate) fn before(home: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let knocks = Arc::new(Mutex::new(Vec::new()));
        let keeper = Arc::new(Keeper::default());
        let (noted, kept_by) = (Arc::clone(&knocks), Arc::clone(&keeper));
        std::thread::spawn(move || {
            for guest in listener.incoming() {
                noted.lock().unwrap().push(Instant::now());
                // Nobody at home: the guest finds its connection closed.
                if let (Ok(guest), Ok(host)) = (guest, TcpStream::connect(home)) {
                    join(&guest, &host, &kept_by);
                }
            }
        });
        Self {
            address,
            knocks,
            keeper,
        }
    }

    /// Where to knock.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When connections came, oldest first.
    pub(crate) fn knocks(&self) -> Vec<Instant> {
        self.knocks.lock().unwrap().clone()
    }

    /// Keeps what comes from now on, in both directions.
    pub(crate) fn keep(&self) {
        *self.keeper.keeps.lock().unwrap() = true;
    }

    /// Passes on what was kept and what comes.
    pub(crate) fn pass(&self) {
        *self.keeper.keeps.lock().unwrap() = false;
        self.keeper.changed.notify_all();
    }
}

impl Keeper {
    fn wait(&self) {
        let keeps = self.keeps.lock().unwrap();
        let _passes = self.changed.wait_while(keeps, |keeps| *keeps).unwrap();
    }
}

fn join(guest: &TcpStream, host: &TcpStream, keeper: &Arc<Keeper>) {
    for (from, to) in [(guest, host), (host, guest)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        to.set_nodelay(true).unwrap();
        let keeper = Arc::clone(keeper);
        std::thread::spawn(move || {
            carry(&from, &to, &keeper);
            // However one direction ends, the connection has ended: a message centre that dies closes no half of it politely.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, keeper: &Keeper) {
    let mut octets = [0; 16_384];
    while let Ok(count) = from.read(&mut octets)
        && count > 0
    {
        keeper.wait();
        if to.write_all(&octets[..count]).is_err() {
            return;
        }
    }
}
