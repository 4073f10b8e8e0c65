//! The writer: a value that does one round of work a turn, and the thread that drives it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use journal::keyed::{KeyedConfig, KeyedLog, SyncJob};
use journal::{AppendError, Failure, Position, Storage};
use message::Now;

use super::queue::Call;
use super::{Event, EventKey, EventLog, codec};

/// How often limits are looked at, and the longest wait for work.
const TICK_MS: u64 = 1_000;
/// How long after a failure the log is begun anew.
const RETRY_MS: u64 = 10_000;
/// Closed files that may wait for a sync.
const UNSYNCED_FILES_MAX: usize = 4;
/// After a round of so many events the next is put off: more events a write and a wake-up, and nobody notices a millisecond.
const BUSY_EVENTS: usize = 32;
const BUSY_REST: Duration = Duration::from_millis(1);

/// Writes events to the disk, then shows them to watchers.
#[derive(Debug)]
pub(crate) struct EventWriter {
    hub: Arc<EventLog>,
    storage: Arc<dyn Storage>,
    config: KeyedConfig,
    data_id: u64,
    log: Option<KeyedLog>,
    /// When the log failed.
    failed_ms: Option<u64>,
    syncing: Option<Syncing>,
    drive: EventDrive,
    /// The last event taken.
    last: EventKey,
    ticked_ms: u64,
}

/// Who drives a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventDrive {
    /// A thread of its own, and one for each sync.
    Thread,
    /// Whoever drives the shard, turn by turn; syncs happen in the turn.
    Turns,
}

#[derive(Debug)]
struct Syncing {
    job: Arc<SyncJob>,
    thread: JoinHandle<Result<(), Failure>>,
    /// What follows from journal records before this is in the job.
    before: Position,
}

impl EventWriter {
    /// `log` is none where it could not be opened.
    pub(super) fn new(
        hub: Arc<EventLog>,
        (storage, config): (Arc<dyn Storage>, KeyedConfig),
        (log, last): (Option<KeyedLog>, EventKey),
        (data_id, now_ms): (u64, u64),
    ) -> Self {
        let failed_ms = log.is_none().then_some(now_ms);
        hub.failed.store(failed_ms.is_some(), Ordering::Release);
        // Before the first position is given out.
        hub.data_id.store(data_id, Ordering::Release);
        let index = log.as_ref().map(KeyedLog::index);
        hub.show(|ring| ring.open(last, index));
        hub.grew.notify_waiters();
        Self {
            hub,
            storage,
            config,
            data_id,
            log,
            failed_ms,
            syncing: None,
            drive: EventDrive::Thread,
            last,
            ticked_ms: now_ms,
        }
    }

    /// Does what there is to do; returns how many events that were.
    pub(crate) fn turn(&mut self, now_ms: u64) -> usize {
        let waiting = self.hub.take(Vec::new());
        if let Some(lost) = waiting.lost {
            self.lose(lost, now_ms);
        }
        let count = waiting.events.len();
        if let Err(failure) = self.write(&waiting.events, now_ms) {
            self.fail(&failure, now_ms);
        }
        self.publish(waiting.events);
        self.end_sync(now_ms);
        self.begin_sync(waiting.secure, now_ms);
        if now_ms.saturating_sub(self.ticked_ms) >= TICK_MS {
            self.ticked_ms = now_ms;
            self.tick(now_ms);
        }
        count
    }

    /// Writes and syncs what is left.
    pub(crate) fn close(mut self, now_ms: u64) {
        while self.turn(now_ms) > 0 {}
        if let Some(log) = &mut self.log
            && self.failed_ms.is_none()
            && let Err(failure) = log.sync_job().run()
        {
            tracing::warn!(%failure, "the event log was not synced at the end");
        }
    }

    fn write(&mut self, events: &[Event], now_ms: u64) -> Result<(), Failure> {
        let Some(last) = events.last() else {
            return Ok(());
        };
        self.last = last.key;
        match &mut self.log {
            Some(log) if self.failed_ms.is_none() => append(log, events, now_ms),
            Some(_) | None => Ok(()),
        }
    }

    fn publish(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.hub.note_shown(events.len());
        self.hub.show(|ring| ring.push(events));
    }

    /// Events up to `lost` never came here.
    fn lose(&mut self, lost: EventKey, now_ms: u64) {
        tracing::error!(
            position = lost.position.0,
            "the event log is too far behind: watchers lose their history"
        );
        self.last = lost;
        if self.failed_ms.is_none() {
            self.begin_anew(now_ms);
        }
        self.hub.show(|ring| ring.clear(lost));
    }

    fn fail(&mut self, failure: &Failure, now_ms: u64) {
        tracing::error!(%failure, "the event log failed: watchers that fall behind lose their history; it is begun anew soon");
        self.failed_ms = Some(now_ms);
        self.hub.failed.store(true, Ordering::Release);
        self.hub.show(|ring| ring.set_history(None));
    }

    /// Begins a log of which nothing lies before now.
    fn begin_anew(&mut self, now_ms: u64) {
        let last = self.last;
        let begun = match &mut self.log {
            Some(log) => log.begin_anew(last, now_ms),
            None => match KeyedLog::open(Arc::clone(&self.storage), self.config.clone(), now_ms) {
                Ok(opened) => {
                    let log = self.log.insert(opened.log);
                    log.set_note([self.data_id, 0]);
                    log.begin_anew(last, now_ms)
                }
                Err(error) => {
                    tracing::warn!(%error, "the event log cannot be opened; it is tried again in 10 s, without a restart");
                    self.failed_ms = Some(now_ms);
                    return;
                }
            },
        };
        match begun {
            Ok(()) => {
                self.failed_ms = None;
                self.hub.failed.store(false, Ordering::Release);
                let index = self.log.as_ref().map(KeyedLog::index);
                self.hub.show(|ring| ring.set_history(index));
            }
            Err(failure) => self.fail(&failure, now_ms),
        }
    }

    fn tick(&mut self, now_ms: u64) {
        match self.failed_ms {
            Some(at_ms) if now_ms.saturating_sub(at_ms) >= RETRY_MS => self.begin_anew(now_ms),
            Some(_) => {}
            None => {
                let Some(log) = &mut self.log else { return };
                // Closes a file that is old, although nothing is written.
                if let Err(failure) = log.write_batch(now_ms) {
                    self.fail(&failure, now_ms);
                } else if let Err(failure) = log.retain(now_ms) {
                    tracing::warn!(%failure, "an old file of the event log cannot be deleted");
                }
            }
        }
    }

    /// Starts a sync where one is due and none is running. A thread of its own waits for the disk: the next round must not.
    fn begin_sync(&mut self, wanted: Position, now_ms: u64) {
        let unwanted = self.hub.is_synced(wanted);
        let Some(log) = &mut self.log else { return };
        if self.syncing.is_some() || self.failed_ms.is_some() {
            return;
        }
        let before = if !unwanted {
            wanted
        } else if log.unsynced_files() >= UNSYNCED_FILES_MAX {
            self.last.position
        } else {
            return;
        };
        let marked = mark(log, before, now_ms);
        let begun = marked.and_then(|()| {
            let job = Arc::new(log.sync_job());
            if self.drive == EventDrive::Turns {
                job.run()?;
                log.synced(&job);
                self.hub.note_synced(before);
                return Ok(None);
            }
            let (running, hub) = (Arc::clone(&job), Arc::clone(&self.hub));
            let thread = thread::Builder::new().name("events-sync".into());
            let spawned = thread.spawn(move || {
                let ran = running.run();
                hub.call();
                ran
            });
            spawned
                .map(|thread| {
                    Some(Syncing {
                        job,
                        thread,
                        before,
                    })
                })
                .map_err(|error| no_thread(&error))
        });
        match begun {
            Ok(syncing) => self.syncing = syncing,
            Err(failure) => self.fail(&failure, now_ms),
        }
    }

    fn end_sync(&mut self, now_ms: u64) {
        let Some(syncing) = self.syncing.take_if(|syncing| syncing.thread.is_finished()) else {
            return;
        };
        let ran = syncing
            .thread
            .join()
            .unwrap_or_else(|_| Err(no_thread(&io::Error::other("panicked"))));
        let Some(log) = &mut self.log else { return };
        match ran {
            Ok(()) => {
                log.synced(&syncing.job);
                self.hub.note_synced(syncing.before);
            }
            Err(failure) => {
                log.fail(failure.clone());
                self.fail(&failure, now_ms);
            }
        }
    }
}

pub(super) fn append(log: &mut KeyedLog, events: &[Event], now_ms: u64) -> Result<(), Failure> {
    for event in events {
        let mut encode = |out: &mut Vec<u8>| codec::encode(event, out);
        if let Err(AppendError::Full { .. }) = log.append(event.key, codec::VERSION, &mut encode) {
            log.write_batch(now_ms)?;
            // The batch is empty now, and an event is far smaller than one may be; a failure shows at the next write.
            let _ = log.append(event.key, codec::VERSION, &mut encode);
        }
    }
    log.write_batch(now_ms)
}

/// Says that everything before `before` is there, so that recovery need not look for it in the journal.
pub(super) fn mark(log: &mut KeyedLog, before: Position, now_ms: u64) -> Result<(), Failure> {
    // The batch is empty; a failure shows at the write.
    let _ = log.mark(EventKey::before(before), now_ms);
    log.write_batch(now_ms)
}

fn no_thread(error: &io::Error) -> Failure {
    Failure {
        step: journal::FailureStep::Thread,
        file: None,
        kind: Some(error.kind()),
        os_error: error.raw_os_error(),
    }
}

/// A writer and who drives it.
#[derive(Debug)]
pub(crate) enum EventDriver {
    /// Dropping it writes and syncs what waits.
    Thread(EventThread),
    /// Dropping it writes nothing more, as a kill.
    Turns(Box<EventWriter>),
}

impl EventDriver {
    pub(crate) fn start(
        mut writer: EventWriter,
        drive: EventDrive,
        clock: fn() -> Now,
    ) -> io::Result<Self> {
        writer.drive = drive;
        Ok(match drive {
            EventDrive::Thread => Self::Thread(EventThread::spawn(writer, clock)?),
            EventDrive::Turns => Self::Turns(Box::new(writer)),
        })
    }

    /// Whether its thread has died: nothing more is written or shown, and the replay mark waits for it for ever.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Thread(running) => running.thread.as_ref().is_some_and(JoinHandle::is_finished),
            Self::Turns(_) => false,
        }
    }

    /// A turn of the writer, where it has no thread.
    pub(crate) fn step(&mut self, now_ms: u64) {
        match self {
            Self::Thread(running) => debug_assert!(running.thread.is_some()),
            Self::Turns(writer) => {
                writer.turn(now_ms);
            }
        }
    }
}

/// Drives a writer until it is dropped, which writes and syncs what waits.
#[derive(Debug)]
pub(crate) struct EventThread {
    hub: Arc<EventLog>,
    thread: Option<JoinHandle<()>>,
}

impl EventThread {
    fn spawn(mut writer: EventWriter, clock: fn() -> Now) -> io::Result<Self> {
        let hub = Arc::clone(&writer.hub);
        let waiting = Arc::clone(&hub);
        let run = move || {
            while waiting.wait(Duration::from_millis(TICK_MS)) == Call::Work {
                if writer.turn(clock().wall_ms) >= BUSY_EVENTS {
                    thread::sleep(BUSY_REST);
                }
            }
            writer.close(clock().wall_ms);
        };
        let thread = thread::Builder::new().name("events".into()).spawn(run)?;
        Ok(Self {
            hub,
            thread: Some(thread),
        })
    }
}

impl Drop for EventThread {
    fn drop(&mut self) {
        self.hub.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the event log panicked; this is a defect");
        }
    }
}
