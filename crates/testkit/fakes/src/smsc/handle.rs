//! What the starter of a message centre holds.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::inbound::{InboundError, InboundText};
use super::listener::Command;
use super::report::{Report, Snapshot};
use super::unique::MessageKey;
use super::world::{SharedWorld, lock};

/// A running message centre. Dropped, it stops.
pub struct SmscHandle {
    local_addr: SocketAddr,
    world: SharedWorld,
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// The thread of the message centre could not do as it was told. It has ended; start another.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The port could not be held or listened on again.
    #[error("sim smsc: listener lost: {0}")]
    Listener(#[source] io::Error),
    /// The thread is gone.
    #[error("sim smsc: has ended")]
    Ended,
}

impl SmscHandle {
    pub(crate) fn new(
        local_addr: SocketAddr,
        world: SharedWorld,
        commands: mpsc::Sender<Command>,
        thread: JoinHandle<io::Result<()>>,
    ) -> Self {
        Self {
            local_addr,
            world,
            commands: Some(commands),
            thread: Some(thread),
        }
    }

    /// Where it listens, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.world).snapshot()
    }

    /// Everything counted so far.
    #[must_use]
    pub fn report(&self) -> Report {
        lock(&self.world).report()
    }

    /// Messages taken more than once with their copies beyond the first; at most 100,000 of them.
    #[must_use]
    pub fn copies(&self) -> Vec<(MessageKey, u32)> {
        lock(&self.world).unique.copies()
    }

    /// How often the message with this id in its stamp (TLV 0x3FF0) was taken.
    #[must_use]
    pub fn seen(&self, message_id: [u8; 16]) -> u32 {
        lock(&self.world)
            .unique
            .times(&MessageKey::Stamped(message_id))
    }

    /// A handset writes: queued to the next session that may deliver, whoever bound it, and sent again until it is acknowledged.
    ///
    /// # Errors
    /// See [`InboundError`].
    pub fn send_inbound(&self, written: &InboundText) -> Result<(), InboundError> {
        lock(&self.world).queue_inbound(written)
    }

    /// Kills all connections and refuses new ones; when it returns, none is left. What was taken is remembered, receipts wait. As a
    /// crash that loses nothing. Blocks for as long as that takes.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn pause(&self) -> Result<(), ControlError> {
        self.command(Command::Pause)
    }

    /// Listens again on the same address; ids go on where they were.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn resume(&self) -> Result<(), ControlError> {
        self.command(Command::Resume)
    }

    /// Kills all connections, ends the thread and says what was counted.
    #[must_use]
    pub fn stop(mut self) -> Report {
        self.end();
        self.report()
    }

    fn command(
        &self,
        command: impl FnOnce(SyncSender<io::Result<()>>) -> Command,
    ) -> Result<(), ControlError> {
        let (done, answer) = sync_channel(1);
        let commands = self.commands.as_ref().ok_or(ControlError::Ended)?;
        // Not `blocking_send`, which refuses to work inside somebody else's runtime.
        commands
            .try_send(command(done))
            .map_err(|_| ControlError::Ended)?;
        answer
            .recv()
            .map_err(|_| ControlError::Ended)?
            .map_err(ControlError::Listener)
    }

    fn end(&mut self) {
        self.commands = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for SmscHandle {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for SmscHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmscHandle")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}
