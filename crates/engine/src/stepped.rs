//! The engine in steps: no thread, no runtime, no clock of its own. Whoever owns it decides when a turn, or a step of the journal's
//! writer, takes place.
//!
//! Everything else is the engine as it runs on its thread: the same shard, turns, sleeps and wake-ups. The thread's loop reads so:
//!
//! ```text
//! turn ─► Again ─► (let sessions read) ─► turn
//!     ├─► Sleep { longest } ─► (wait for is_woken, or longest) ─► turn
//!     └─► Over ─► close
//! ```

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use connector::Connector;
use journal::{Append as _, Position, SteppedJournal};
use message::{MessageId, Now};
use partition::MessageView;

use crate::config::EngineConfig;
use crate::events::EventDrive;
use crate::handle::Handle;
use crate::keys::KeyFiles;
use crate::reader::ReadBy;
use crate::shard::{self, EngineFailure, Helpers, OpenError, Shard, ShardFailure};
use crate::shared::{Life, Shared};

/// An engine that moves only when it is told to. Dropping it is what a kill leaves: nothing more is written.
pub struct Stepped {
    shared: Arc<Shared>,
    shard: Shard,
    journal: SteppedJournal,
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another turn, at once.
    Again,
    /// Nothing, until [`Stepped::is_woken`] or this time has passed.
    Sleep {
        /// The longest sleep.
        longest: Duration,
    },
    /// It was drained or stopped: [`Stepped::close`] it.
    Over,
}

/// What an engine holds on to: all of it is 0 once nothing is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Messages that are not final.
    pub live: usize,
    /// Messages in lanes.
    pub in_lanes: usize,
    /// Messages that hold credits of the engine.
    pub credit_messages: u64,
    /// Bytes that are held of the engine's credits.
    pub credit_bytes: u64,
    /// What waits for the journal.
    pub deferred: usize,
    /// What connectors have reported and nobody has decided on.
    pub inbox: usize,
    /// Withdrawals of messages that no lane has met yet.
    pub withdrawn: usize,
    /// Attempts in doubt.
    pub uncertain: usize,
}

/// What the partitions hold of a message: for whoever compares them with a fold of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is live, or lately finished.
    Whole(Box<MessageView>),
    /// It is live, and a row only.
    Cold,
    /// Nothing.
    Nothing,
}

impl Held {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Debug for Stepped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stepped")
            .field("shared", &self.shared)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl Stepped {
    /// Makes the connectors (one per configured carrier, in that order), replays the journal and opens. `seed` stands for the randomness of
    /// the operating system.
    ///
    /// # Errors
    /// As for [`crate::Engine`].
    pub fn open(
        config: EngineConfig,
        seed: u64,
        connectors: impl FnOnce(Rc<dyn Fn()>) -> Vec<Box<dyn Connector>>,
    ) -> Result<Self, EngineFailure> {
        let shared =
            Shared::new(config, seed).map_err(|error| OpenError::Carriers(error.to_string()))?;
        let wake = Arc::clone(&shared.wake);
        let connectors = connectors(Rc::new(move || wake.notify_one()));
        let (shard, journal) = Shard::open(
            Arc::clone(&shared),
            connectors,
            Helpers {
                key_files: KeyFiles::None,
                read_by: ReadBy::Asker,
                events: EventDrive::Turns,
            },
            |recovery, wake, clock| {
                let journal = recovery.start_stepped(wake, clock)?;
                Ok((journal.appender(), journal))
            },
        )?;
        Ok(Self {
            shared,
            shard,
            journal,
        })
    }

    /// What the outside sees.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// One turn.
    ///
    /// # Errors
    /// It has failed, and whoever waited was answered; there is no further turn.
    pub fn turn(&mut self, now: Now) -> Result<Next, EngineFailure> {
        self.shard.wake_up();
        let advanced = self.shard.advance(now);
        self.shard.step_events(now);
        let ended = match advanced {
            Ok(shard::Next::Again) => return Ok(Next::Again),
            Ok(shard::Next::Sleep) => {
                return Ok(match self.shard.fall_asleep(now) {
                    None => Next::Again,
                    Some(longest) => Next::Sleep { longest },
                });
            }
            Ok(shard::Next::Over) => Ok(()),
            Err(failure) => Err(failure),
        };
        self.shard.end(&ended);
        ended?;
        Ok(Next::Over)
    }

    /// Whether somebody has called since the last time this was asked.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(self.shared.wake.notified()).poll(&mut cx).is_ready()
    }

    /// Lets the journal's writer do the next thing there is to do.
    pub fn step_disk(&mut self) -> journal::Step {
        self.journal.step()
    }

    /// When the journal's writer has something to do although nobody commits, on the clock's `mono_ns`; see
    /// [`SteppedJournal::next_ns`].
    #[must_use]
    pub fn next_disk_ns(&self) -> Option<u64> {
        self.journal.next_ns()
    }

    /// Begins the end: see [`crate::Engine::drain`].
    pub fn drain(&self) {
        self.shared.set_life(Life::Draining);
    }

    /// What it holds on to.
    #[must_use]
    pub fn held(&self) -> Held {
        let credits = self.shared.engine_credits.in_use();
        let shard = &self.shard;
        Held {
            credit_messages: u64::from(credits.messages),
            credit_bytes: credits.bytes,
            ..shard.held()
        }
    }

    /// What its partitions hold of a message at this instant, durable or not.
    #[must_use]
    pub fn known(&self, id: MessageId) -> Known {
        self.shard.known(id)
    }

    /// How far the records may be relied on.
    #[must_use]
    pub fn durable(&self) -> Position {
        self.journal.appender().durable()
    }

    /// How far no power cut can take them.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.journal.appender().synced()
    }

    /// How far there are records.
    #[must_use]
    pub fn appended(&self) -> Position {
        self.journal.appender().appended()
    }

    /// Writes and syncs everything appended, and lets go of the data directory.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn close(self) -> Result<(), EngineFailure> {
        drop(self.shard);
        let closed = self.journal.close().map(drop);
        closed.map_err(|failure| ShardFailure::Journal(failure.to_string()).into())
    }
}
