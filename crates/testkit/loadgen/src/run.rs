//! One run: connections, the driver, the measured span, the drain.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep_until, timeout};
use tonic::Status;

use crate::doors::{Doors, Patience, Via};
use crate::follow;
use crate::mix::{Mix, MixError};
use crate::schedule::{MESSAGES_MAX, Schedule, ScheduleError, Spacing};
use crate::submission::RunId;
use crate::tally::{Loaded, Span, Tally};
use crate::target::Target;
use crate::{closed, open};

/// Between two looks at whether all has settled, when nothing says that it moved.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What to submit, how fast, and how far to follow it.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the messages are.
    pub mix: Mix,
    /// When they go.
    pub pace: Pace,
    /// Through which call.
    pub via: Via,
    /// How far each is followed.
    pub follow: Follow,
    /// Load before the measured span.
    pub warm_up: Duration,
    /// Length of the measured span.
    pub measured: Duration,
    /// How long to wait for answers and ends after it.
    pub drain_max: Duration,
    /// Submissions without an answer; beyond it an open loop skips and a closed one waits.
    pub unanswered_max: u64,
    /// Ends the load early, when so many were sent.
    pub messages_max: u64,
}

/// When messages go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// At a rate fixed in advance.
    Open {
        /// Messages in a second.
        rate_per_second: f64,
        /// How they are spread.
        spacing: Spacing,
    },
    /// Whenever fewer than this are in flight: without an end where ends are followed, else without an answer.
    Closed {
        /// Messages in flight.
        in_flight: u64,
    },
}

/// How far each message is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// To the answer.
    ToAdmission,
    /// To the final state, by a watch.
    ToFinal,
}

/// The two ends of the measured span: the moments to look at what processes have used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The warm-up is over.
    Begins,
    /// The span is over; what is in flight drains from now on.
    Ends,
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The arguments must change.
    #[error(transparent)]
    Mix(#[from] MixError),
    /// The arguments must change.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Nobody answers at the target; another try can help when somebody does.
    #[error("cannot connect: {}", innermost(.0))]
    Connect(#[from] tonic::transport::Error),
    /// The engine refused or broke a call.
    #[error("{call} failed: {status}")]
    Call {
        /// Its name.
        call: &'static str,
        /// What it said.
        status: Box<Status>,
    },
    /// The engine ended a stream that should go on.
    #[error("the engine ended {0} early")]
    Ended(&'static str),
    /// A defect of ours.
    #[error("a part of the load generator failed: {0}")]
    Task(#[from] JoinError),
}

impl LoadError {
    pub(crate) fn call(call: &'static str) -> impl Fn(Status) -> Self {
        move |status| Self::Call {
            call,
            status: Box::new(status),
        }
    }
}

impl Default for Load {
    /// Closed, 10,000 in flight, followed to the end; a second of warm-up, five measured.
    fn default() -> Self {
        Self {
            mix: Mix::default(),
            pace: Pace::Closed { in_flight: 10_000 },
            via: Via::Stream,
            follow: Follow::ToFinal,
            warm_up: Duration::from_secs(1),
            measured: Duration::from_secs(5),
            drain_max: Duration::from_secs(30),
            unanswered_max: 50_000,
            messages_max: MESSAGES_MAX,
        }
    }
}

/// What the tasks of a run share.
pub(crate) struct Shared {
    pub(crate) run: RunId,
    began: Instant,
    tally: Mutex<Tally>,
    /// Something was answered or has ended.
    pub(crate) moved: Notify,
    given_up: AtomicBool,
}

impl Shared {
    /// Nanoseconds since the beginning.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The account; held for one request or response at a time.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        // A task that panicked ends the run by itself.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn at(&self, since: Duration) -> tokio::time::Instant {
        (self.began + since).into()
    }

    /// The run has failed: a thread that paces must end.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

/// Loads the target and returns what came of it. `on_edge` is called when the measured span begins and when it ends.
///
/// A message that never ends is no error: it is [`Loaded::pending`].
///
/// # Errors
/// See [`LoadError`]. Refusals of single messages are counted, not errors.
pub async fn run(
    target: &Target,
    load: &Load,
    mut on_edge: impl FnMut(Edge),
) -> Result<Loaded, LoadError> {
    let callers = u16::try_from(target.callers().len()).unwrap_or(u16::MAX);
    let mix = Mix {
        callers,
        ..load.mix.clone()
    };
    mix.check()?;
    let schedule = schedule(load)?;
    let mut tasks = JoinSet::new();
    let span = Span {
        begins_ns: nanos(load.warm_up),
        ends_ns: nanos(load.warm_up + load.measured),
    };
    let watches = match load.follow {
        Follow::ToAdmission => Vec::new(),
        Follow::ToFinal => follow::open(target).await?,
    };
    let channels = (target.connect().await?, target.connect().await?);
    let shared = Arc::new(Shared {
        run: RunId(RandomState::new().hash_one(std::process::id())),
        began: Instant::now(),
        tally: Mutex::new(Tally::new(span)),
        moved: Notify::new(),
        given_up: AtomicBool::new(false),
    });
    for watch in watches {
        tasks.spawn(follow::take_finals(watch, Arc::clone(&shared)));
    }
    let patience = match load.pace {
        Pace::Open { .. } => Patience::Refuse,
        Pace::Closed { .. } => Patience::Wait,
    };
    let doors = Doors::open(target, channels, (load.via, patience), &shared, &mut tasks).await?;
    let driven = async {
        match schedule {
            Some(schedule) => {
                open::drive(mix, schedule, load.unanswered_max, doors, &shared).await?
            }
            None => closed::drive(&mix, load, doors, &shared).await?,
        }
        settle(load, &shared).await;
        Ok(())
    };
    let driven = between_edges(driven, load, &shared, &mut on_edge);
    let ended = tokio::select! {
        ended = driven => ended,
        failed = first_failure(&mut tasks) => Err(failed),
    };
    shared.given_up.store(true, Ordering::Relaxed);
    tasks.shutdown().await;
    ended?;
    let tally = std::mem::replace(&mut *shared.tally(), Tally::new(span));
    Ok(tally.into_loaded())
}

fn schedule(load: &Load) -> Result<Option<Schedule>, ScheduleError> {
    match load.pace {
        Pace::Closed { .. } => Ok(None),
        Pace::Open {
            rate_per_second,
            spacing,
        } => Schedule::new(rate_per_second, load.warm_up + load.measured, spacing).map(Some),
    }
}

/// Calls `on_edge` at both ends of the measured span while the work goes on; at once where the work ends before.
async fn between_edges(
    work: impl Future<Output = Result<(), LoadError>>,
    load: &Load,
    shared: &Shared,
    on_edge: &mut impl FnMut(Edge),
) -> Result<(), LoadError> {
    let edges = [
        (Edge::Begins, load.warm_up),
        (Edge::Ends, load.warm_up + load.measured),
    ];
    let mut work = std::pin::pin!(work);
    let mut ended = None;
    for (edge, since) in edges {
        if ended.is_none() {
            tokio::select! {
                () = sleep_until(shared.at(since)) => {}
                result = &mut work => ended = Some(result),
            }
        }
        on_edge(edge);
    }
    match ended {
        Some(result) => result,
        None => work.await,
    }
}

/// Waits until everything sent is answered and, where ends are followed, has ended; or until the drain's time is over.
async fn settle(load: &Load, shared: &Shared) {
    let deadline = tokio::time::Instant::now() + load.drain_max;
    while tokio::time::Instant::now() < deadline {
        {
            let tally = shared.tally();
            let open = match load.follow {
                Follow::ToAdmission => tally.unanswered(),
                Follow::ToFinal => tally.unanswered().max(tally.in_flight()),
            };
            if open == 0 {
                return;
            }
        }
        // Whether it moved or not is looked at above.
        let _ = timeout(LOOK_INTERVAL, shared.moved.notified()).await;
    }
}

/// The first task that fails; never when none does.
async fn first_failure(tasks: &mut JoinSet<Result<(), LoadError>>) -> LoadError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return error.into(),
            None => std::future::pending().await,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The cause at the bottom, which is the one that a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}
