//! The loop around the turns.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use journal::FileJournal;
use message::Now;
use queue::Sleep;

use super::{DECISION_ROOM_BYTES, OpenError, Shard, ShardFailure};
use crate::config::ConnectorFactory;
use crate::shared::{Life, Shared};

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
    let (mut shard, journal) = Shard::open(Arc::clone(&shared), connectors, clock())?;
    for carrier in &mut shard.cell.carriers {
        carrier.refresh(clock());
    }
    // A drain that was asked for during replay stands.
    if shared.life() == Life::Starting {
        shared.set_life(Life::Open);
    }
    let ended = turns(&mut shard, clock).await;
    shared.set_life(match &ended {
        Ok(()) => Life::Stopped,
        Err(_) => Life::Failed,
    });
    shard.refuse_rest();
    close(shard, journal)?;
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
    let shared = Arc::clone(&shard.shared);
    let mut draining = false;
    loop {
        let now = clock();
        let busy = shard.turn(now)?;
        if shared.life() == Life::Draining {
            if !draining {
                draining = true;
                shard.cell.drain(now);
            }
            if shard.is_at_rest() {
                return Ok(());
            }
        }
        if shared.life() == Life::Stopped {
            return Ok(());
        }
        if busy {
            // Session tasks share this thread: reading must get its turn.
            tokio::task::yield_now().await;
        } else {
            sleep(shard, clock).await;
        }
    }
}

/// Sleeps until there is something to do.
async fn sleep(shard: &Shard, clock: fn() -> Now) {
    use journal::Append as _;
    let shared = &shard.shared;
    let flag = &shared.flag;
    let room_bytes = shard.journal.room_bytes();
    let room_to_admit = room_bytes >= shard.intake_room_bytes();
    let room_to_decide = room_bytes >= DECISION_ROOM_BYTES;
    let work = || {
        (room_to_admit && !shared.intake.is_empty())
            || (room_to_decide && !shared.control.is_empty())
            || shard.journal.durable() > shard.durable
    };
    if flag.sleep_unless(work) == Sleep::WorkFound {
        tokio::task::yield_now().await;
        return;
    }
    let now_ns = clock().mono_ns;
    let longest = match shard.cell.next_permit_ns() {
        _ if !room_to_admit => ROOM_LOOK,
        Some(at_ns) if shard.may_dispatch() => {
            Duration::from_nanos(at_ns.saturating_sub(now_ns)).min(SLEEP_MAX)
        }
        Some(_) | None => SLEEP_MAX,
    };
    // Elapsing is as good a reason for a turn as being woken.
    let _ = tokio::time::timeout(longest, shared.wake.notified()).await;
    flag.stay_awake();
}

impl Shard {
    /// Whether nothing is in flight and nobody waits for an answer.
    fn is_at_rest(&self) -> bool {
        self.cell.is_drained()
            && self.inbox.is_empty()
            && self.deferred.len() == 0
            && self.shared.intake.is_empty()
            && self.shared.control.is_empty()
    }

    /// Answers whoever still waits: nothing more will happen here.
    fn refuse_rest(&mut self) {
        self.shared.refuse_items(std::mem::take(&mut self.arrivals));
        self.deferred.refuse_rest(self.shared.life());
        self.shared.refuse_left_over();
    }
}

fn close(shard: Shard, journal: FileJournal) -> Result<(), ShardFailure> {
    drop(shard);
    journal
        .close()
        .map(drop)
        .map_err(|failure| ShardFailure::Journal(failure.to_string()))
}
