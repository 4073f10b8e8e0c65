//! The loop around the turns.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use message::{MessageId, Now};
use queue::Sleep;

use super::{DECISION_ROOM_BYTES, Helpers, OpenError, Shard, ShardFailure};
use crate::config::ConnectorFactory;
use crate::events::EventDrive;
use crate::history::HistoryThread;
use crate::keys::KeyFiles;
use crate::reader::ReadBy;
use crate::shared::{Life, Shared};
use crate::stepped::{Held, Known};

/// The longest sleep: gauges, deadlines and retention want a turn now and then.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// How often room is looked for while the journal has none, which nothing announces.
const ROOM_LOOK: Duration = Duration::from_millis(1);

/// Opens the shard and runs it until it is drained or fails. Must run inside a `LocalSet`: the connectors spawn their tasks on it.
pub(crate) async fn run(
    shared: Arc<Shared>,
    connectors: ConnectorFactory,
) -> Result<(), EngineFailure> {
    let clock = shared.config.clock;
    let wake = Arc::clone(&shared.wake);
    let connectors = connectors(Rc::new(move || wake.notify_one()));
    let (mut shard, journal) = Shard::open(
        shared,
        connectors,
        Helpers {
            key_files: KeyFiles::OnDisk,
            read_by: ReadBy::OwnThread,
            events: EventDrive::Thread,
        },
        |recovery, wake, clock| {
            let journal = recovery.start(wake, clock)?;
            Ok((journal.appender(), journal))
        },
    )?;
    let history = HistoryThread::start(&shard.shared);
    let ended = turns(&mut shard, clock).await;
    shard.end(&ended);
    // It reads the journal, and ends before that is closed.
    drop(history);
    drop(shard);
    let closed = journal.close().map(drop);
    closed.map_err(|failure| ShardFailure::Journal(failure.to_string()))?;
    ended.map_err(EngineFailure::from)
}

/// Why the engine ended.
#[derive(Debug, thiserror::Error)]
pub enum EngineFailure {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It failed while running.
    #[error(transparent)]
    Shard(#[from] ShardFailure),
    /// Its thread panicked, which is a defect of ours.
    #[error("the shard's thread panicked; this is a defect, please report it with the log")]
    Panicked,
}

async fn turns(shard: &mut Shard, clock: fn() -> Now) -> Result<(), ShardFailure> {
    loop {
        match shard.advance(clock())? {
            Next::Over => return Ok(()),
            // Session tasks share this thread: reading must get its turn.
            Next::Again => tokio::task::yield_now().await,
            Next::Sleep => sleep(shard, clock).await,
        }
    }
}

/// Sleeps until there is something to do.
async fn sleep(shard: &Shard, clock: fn() -> Now) {
    match shard.fall_asleep(clock()) {
        None => tokio::task::yield_now().await,
        Some(longest) => {
            // Elapsing is as good a reason for a turn as being woken.
            let _ = tokio::time::timeout(longest, shard.shared.wake.notified()).await;
            shard.wake_up();
        }
    }
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another turn, at once.
    Again,
    /// A sleep: see [`Shard::fall_asleep`].
    Sleep,
    /// Nothing: the engine was drained or stopped.
    Over,
}

impl Shard {
    /// One turn with all that surrounds it, and what follows.
    pub(crate) fn advance(&mut self, now: Now) -> Result<Next, ShardFailure> {
        let busy = self.turn(now)?;
        match self.shared.life() {
            Life::Stopped => return Ok(Next::Over),
            Life::Draining => {
                if !self.draining {
                    self.draining = true;
                    self.cell.drain(now);
                }
                if self.is_at_rest() {
                    return Ok(Next::Over);
                }
            }
            Life::Starting | Life::Open | Life::Failed => {}
        }
        Ok(if busy { Next::Again } else { Next::Sleep })
    }

    /// Declares that nobody works here until somebody calls or the time that this returns has passed; `None` when there is work.
    pub(crate) fn fall_asleep(&self, now: Now) -> Option<Duration> {
        use journal::Append as _;
        let shared = &self.shared;
        let room_bytes = self.journal.room_bytes();
        let room_to_admit = room_bytes >= self.intake_room_bytes();
        let room_to_decide = room_bytes >= DECISION_ROOM_BYTES;
        let work = || {
            (room_to_admit && !shared.intake.is_empty())
                || (room_to_decide && !shared.control.is_empty())
                || self.journal.durable() > self.durable
                || (room_to_decide && self.backlog.is_busy())
        };
        if shared.flag.sleep_unless(work) == Sleep::WorkFound {
            return None;
        }
        Some(match self.cell.next_permit_ns() {
            _ if !room_to_admit => ROOM_LOOK,
            Some(at_ns) if self.may_dispatch() => {
                Duration::from_nanos(at_ns.saturating_sub(now.mono_ns)).min(SLEEP_MAX)
            }
            Some(_) | None => SLEEP_MAX,
        })
    }

    /// The sleep is over, whatever ended it.
    pub(crate) fn wake_up(&self) {
        self.shared.flag.stay_awake();
    }

    /// Whether nothing is in flight and nobody waits for an answer.
    fn is_at_rest(&self) -> bool {
        self.cell.is_drained()
            && self.inbox.is_empty()
            && self.deferred.len() == 0
            && self.shared.intake.is_empty()
            && self.shared.control.is_empty()
            && self.backlog.is_idle()
            && self.awaited.looking.is_empty()
    }

    /// What it holds on to, but for the credits.
    pub(crate) fn held(&self) -> Held {
        let lanes = self.cell.depths();
        Held {
            live: self.partitions.iter().map(|it| it.counts().live).sum(),
            in_lanes: lanes.flat_map(|(_, depths)| depths).sum(),
            deferred: self.deferred.len(),
            inbox: self.inbox.len() + self.awaited.looking.len(),
            withdrawn: self.cell.withdrawn(),
            uncertain: self.evidence.uncertain(),
            ..Held::default()
        }
    }

    /// What its partitions hold of a message.
    pub(crate) fn known(&self, id: MessageId) -> Known {
        let Some(partition) = self.partitions.get(usize::from(id.partition())) else {
            return Known::Nothing;
        };
        match partition.find(id) {
            Some(view) => Known::Whole(Box::new(view)),
            None if partition.cold_position(id).is_some() => Known::Cold,
            None => Known::Nothing,
        }
    }

    /// Life is over, for this reason: whoever still waits is answered.
    pub(crate) fn end(&mut self, ended: &Result<(), ShardFailure>) {
        self.shared.set_life(match ended {
            Ok(()) => Life::Stopped,
            Err(_) => Life::Failed,
        });

        self.shared.refuse_items(std::mem::take(&mut self.arrivals));
        self.deferred.refuse_rest(self.shared.life());
        self.shared.refuse_left_over();
    }
}
