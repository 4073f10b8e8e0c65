//! The thread that feeds the index, and its share of a core.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::feed::{Feed, Step};
use crate::shared::Shared;

/// How long after trouble it is tried again.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// The thread and those of the store that it starts step back behind all others by so much.
const NICENESS: i32 = 10;

/// How long the end of the engine waits for it: opening an index can take longer, and being killed at it costs nothing.
const END_WITHIN: Duration = Duration::from_secs(2);

/// The running thread; dropping it ends it, or leaves it behind where that takes too long. It writes nothing but the index, which is made
/// again from the journal.
#[derive(Debug)]
pub(crate) struct HistoryThread {
    stop: Arc<Stop>,
    thread: Option<Running>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    /// Nothing comes through it; its other end goes with the thread, however that ends.
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl HistoryThread {
    /// Starts feeding. Without the thread everything works but the index, so that a failure to start it is told and no more.
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        let stop = Arc::new(Stop::default());
        let history = Arc::clone(&shared.history);
        let Ok(source) = history.source().cloned() else {
            return Self { stop, thread: None };
        };
        let feed = Feed::new(history, source, shared.config.dir.clone());
        let (stopping, shared) = (Arc::clone(&stop), Arc::clone(shared));
        let (ending, ended) = sync_channel(0);
        let started = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || {
                let _ending: SyncSender<()> = ending;
                drive(feed, &shared, &stopping);
            });
        let thread = started
            .map(|thread| Running { thread, ended })
            .inspect_err(|error| tracing::error!(%error, "the history thread could not be started: nothing is indexed"))
            .ok();
        Self { stop, thread }
    }
}

impl Drop for HistoryThread {
    fn drop(&mut self) {
        *lock(&self.stop.asked) = true;
        self.stop.changed.notify_all();
        let Some(Running { thread, ended }) = self.thread.take() else {
            return;
        };
        if ended.recv_timeout(END_WITHIN) == Err(RecvTimeoutError::Timeout) {
            tracing::info!(
                "the history index is busy and is left behind; it is gone on with at the next start"
            );
            return;
        }
        if thread.join().is_err() {
            tracing::error!(
                "the history thread panicked; this is a defect, please report it with the log"
            );
        }
    }
}

fn drive(mut feed: Feed, shared: &Shared, stop: &Stop) {
    // Refused by no system we run on; and if it is, the share below still holds.
    let _ = rustix::process::nice(NICENESS);
    let limits = shared.history.limits;
    loop {
        let begun = thread_time();
        let wall_ms = (shared.config.clock)().wall_ms;
        // The store trusts what it reads more than it should, and a panic of its must not end the feeding for good.
        let stepped = catch_unwind(AssertUnwindSafe(|| feed.step(wall_ms)))
            .or_else(|_| catch_unwind(AssertUnwindSafe(|| feed.give_up())));
        let Ok(step) = stepped else {
            shared
                .history
                .slot
                .clear("the store failed and could not be closed; restart the engine");
            tracing::error!(
                "the history index failed and could not be closed: nothing is indexed until a restart"
            );
            return;
        };
        let worked = thread_time().saturating_sub(begun);
        let rest = rest_after(worked, limits.cpu_percent);
        let pause = match step {
            Step::More => rest,
            Step::CaughtUp => rest.max(Duration::from_millis(limits.feed_every_ms)),
            Step::Trouble => rest.max(AFTER_TROUBLE),
        };
        if stop.asked_within(pause) {
            break;
        }
    }
    feed.close();
}

/// How long to rest after `worked` of work, so that work is at most `percent` of the time.
fn rest_after(worked: Duration, percent: u32) -> Duration {
    let percent = percent.clamp(1, 100);
    worked * (100 - percent) / percent
}

/// What this thread has used of a core. Waiting for the disk or for a core is no work.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

impl Stop {
    fn asked_within(&self, pause: Duration) -> bool {
        let asked = lock(&self.asked);
        let waited = self
            .changed
            .wait_timeout_while(asked, pause, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner);
        *waited.0
    }
}

fn lock(asked: &Mutex<bool>) -> std::sync::MutexGuard<'_, bool> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_rest_make_the_share() {
        for percent in [1, 10, 50, 99] {
            let worked = Duration::from_millis(30);
            let rest = rest_after(worked, percent);
            let share = worked.as_secs_f64() / (worked + rest).as_secs_f64();
            assert!((share * 100.0 - f64::from(percent)).abs() < 0.01, "{share}");
        }
        assert_eq!(rest_after(Duration::from_secs(1), 100), Duration::ZERO);
        assert_eq!(
            rest_after(Duration::from_secs(1), 0),
            Duration::from_secs(99)
        );
    }

    #[test]
    fn the_threads_own_time_rises_with_its_work() {
        let begun = thread_time();
        let mut sum = 0_u64;
        while thread_time() == begun {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(thread_time() > begun);
    }
}
