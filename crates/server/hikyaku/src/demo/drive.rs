//! The demo's client: submits through gRPC as any service would, watches what becomes of the messages, and stops when
//! each has ended.
//!
//! ```text
//! bulk connection ── SubmitStream, WAIT ─► as fast as the engine reads
//! otp connection ─── SubmitStream, REFUSE ► one at a time, paced for each carrier
//! watch connection ─ Watch, final states ◄  and Get, for whatever the watch missed
//! ```
//!
//! Limits: four requests of 500 submissions wait to be written, the engine leaves at most 4,096 of a stream unanswered,
//! 64 look-ups are in flight. Nothing for [`STALL_MAX`] ends the run: what has not ended by then is looked up a last
//! time, and is lost if it has not ended there either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grpc_api::v1::{self, streamed_answer::Outcome};
use message::MessageId;
use thiserror::Error;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::connection::{Client, Connections};
use super::plan::{Plan, Target};
use super::progress::Progress;
use super::submission::submission;
use super::tally::{Final, Sighting, Tally};

/// Submissions in one request.
const CHUNK: u64 = 500;
/// Requests that wait to be written.
const REQUESTS_MAX: usize = 4;
/// Look-ups in flight.
const LOOK_UPS_MAX: usize = 64;
/// How often the account is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// With all answered and nothing new for so long, a watch that fell behind is helped by look-ups.
const QUIET: Duration = Duration::from_millis(500);
/// With nothing new for so long, the run is over.
const STALL_MAX: Duration = Duration::from_secs(20);

/// The account, shared by the tasks of the client: each takes it once a response.
pub(super) type SharedTally = Arc<Mutex<Tally>>;

/// What to drive, and where to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    /// What is sent where.
    pub(super) plan: Plan,
    /// Decides texts.
    pub(super) seed: u64,
}

/// Why the run was given up.
#[derive(Debug, Error)]
pub(super) enum DriveError {
    /// The engine refused a call, or the connection broke.
    #[error("{call} failed: {status}")]
    Call {
        call: &'static str,
        status: Box<Status>,
    },
    /// A stream that should go on was ended.
    #[error("the engine ended {0}")]
    Ended(&'static str),
    /// The engine gave an id or an answer that cannot be.
    #[error("the engine answered nonsense: {0}")]
    Nonsense(String),
    /// A task of the client died: a defect of ours.
    #[error("a part of the client failed: {0}")]
    Task(#[from] JoinError),
}

/// Submits all of the plan and follows it to its end; returns when the first submission went out.
///
/// # Errors
/// See [`DriveError`]. A message that never ends is no error: it stays missing in the account.
pub(super) async fn run(
    connections: Connections,
    script: Script,
    tally: &SharedTally,
    progress: &Progress,
) -> Result<Instant, DriveError> {
    let Connections { bulk, otp, watch } = connections;
    let events = open_watch(watch.clone()).await?;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    tasks.spawn(submit_bulk(bulk, script, Arc::clone(tally)));
    tasks.spawn(submit_otps(otp, script, started, Arc::clone(tally)));
    let behind = Behind::default();
    tasks.spawn(follow(
        watch.clone(),
        events,
        behind.clone(),
        Arc::clone(tally),
    ));
    until_ended(script, tasks, tally, progress, (&watch, &behind)).await?;
    Ok(started)
}

/// Looks at the account until all has ended or nothing moves any more.
async fn until_ended(
    script: Script,
    mut tasks: JoinSet<Result<(), DriveError>>,
    tally: &SharedTally,
    progress: &Progress,
    (client, behind): (&Client, &Behind),
) -> Result<(), DriveError> {
    let messages = script.plan.messages();
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = (0, 0);
    let mut moved_at = Instant::now();
    loop {
        tokio::select! {
            Some(ended) = tasks.join_next() => ended??,
            now = looks.tick() => {
                let (answered, ended, complete) = {
                    let tally = lock(tally);
                    progress.show(&tally);
                    let all = tally.answered() == messages;
                    (tally.answered(), tally.ended(), all && tally.ended() == tally.admitted())
                };
                if complete {
                    return Ok(());
                }
                if (answered, ended) != last {
                    (last, moved_at) = ((answered, ended), now);
                }
                let quiet = now.duration_since(moved_at);
                let stalled = quiet >= STALL_MAX;
                if stalled || (quiet >= QUIET && answered == messages && behind.is_set()) {
                    look_up_missing(client, tally).await?;
                }
                if stalled {
                    return Ok(());
                }
            }
        }
    }
}

async fn submit_bulk(
    mut client: Client,
    script: Script,
    tally: SharedTally,
) -> Result<(), DriveError> {
    let bulk = script.plan.bulk();
    if bulk == 0 {
        return Ok(());
    }
    let (requests, queue) = mpsc::channel(REQUESTS_MAX);
    let write = async move {
        for first in (0..bulk).step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX)) {
            let numbers = first..(first + CHUNK).min(bulk);
            let request = request(numbers, v1::OnFull::Wait, script);
            if requests.send(request).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        let answers = client
            .submit_stream(ReceiverStream::new(queue))
            .await
            .map_err(failed("SubmitStream"))?;
        read_answers(answers.into_inner(), script, &tally).await
    };
    tokio::join!(write, read).1
}

async fn submit_otps(
    mut client: Client,
    script: Script,
    started: Instant,
    tally: SharedTally,
) -> Result<(), DriveError> {
    let (requests, queue) = mpsc::channel(REQUESTS_MAX);
    let write = async move {
        let contracted = pace_otps(script, Target::Contracted, started, &requests);
        let unlimited = pace_otps(script, Target::Unlimited, started, &requests);
        tokio::join!(contracted, unlimited);
    };
    let read = async {
        let answers = client
            .submit_stream(ReceiverStream::new(queue))
            .await
            .map_err(failed("SubmitStream"))?;
        read_answers(answers.into_inner(), script, &tally).await
    };
    tokio::join!(write, read).1
}

/// One OTP at a time; the first after one interval, when the bulk is in the lanes.
async fn pace_otps(
    script: Script,
    target: Target,
    started: Instant,
    requests: &Sender<v1::SubmitStreamRequest>,
) {
    let every = script.plan.otp_interval(target);
    let mut due = started;
    for number in script.plan.otp_numbers(target) {
        due += every;
        sleep_until(due).await;
        let request = request(number..number + 1, v1::OnFull::Refuse, script);
        if requests.send(request).await.is_err() {
            // The reading half knows why.
            return;
        }
    }
}

fn request(
    numbers: std::ops::Range<u64>,
    on_full: v1::OnFull,
    script: Script,
) -> v1::SubmitStreamRequest {
    let submissions = numbers.map(|number| v1::StreamedSubmission {
        client_ref: number,
        submission: Some(submission(number, script.plan.job(number), script.seed)),
    });
    v1::SubmitStreamRequest {
        on_full: on_full.into(),
        submissions: submissions.collect(),
    }
}

async fn read_answers(
    mut answers: tonic::Streaming<v1::SubmitStreamResponse>,
    script: Script,
    tally: &SharedTally,
) -> Result<(), DriveError> {
    while let Some(response) = answers.message().await.map_err(failed("SubmitStream"))? {
        let mut tally = lock(tally);
        for answer in &response.answers {
            let number = answer.client_ref;
            match &answer.outcome {
                Some(Outcome::Admission(admission)) => {
                    let id = parse_id(&admission.message_id)?;
                    tally.admit(id, script.plan.job(number));
                }
                Some(Outcome::Refusal(refusal)) => {
                    let reason = refusal.code().as_str_name();
                    tally.refuse(reason.strip_prefix("REASON_").unwrap_or(reason));
                }
                None => {
                    return Err(DriveError::Nonsense(format!(
                        "neither admitted nor refused: {number}"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Whether the watch has missed events.
#[derive(Clone, Debug, Default)]
struct Behind(Arc<std::sync::atomic::AtomicBool>);

impl Behind {
    fn set(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

async fn open_watch(mut client: Client) -> Result<tonic::Streaming<v1::WatchResponse>, DriveError> {
    let request = v1::WatchRequest {
        mine_only: true,
        state_class: v1::StateClass::Final.into(),
        ..v1::WatchRequest::default()
    };
    let mut events = client
        .watch(request)
        .await
        .map_err(failed("Watch"))?
        .into_inner();
    // The first response says that the watch is in place.
    let first = events.message().await.map_err(failed("Watch"))?;
    first.ok_or(DriveError::Ended("the watch"))?;
    Ok(events)
}

/// Never ends by itself. A watch that fell too far behind is begun anew; what it missed is looked up later.
async fn follow(
    client: Client,
    mut events: tonic::Streaming<v1::WatchResponse>,
    behind: Behind,
    tally: SharedTally,
) -> Result<(), DriveError> {
    loop {
        match events.message().await {
            Ok(Some(response)) => {
                let mut tally = lock(&tally);
                for event in &response.events {
                    tally.see(Sighting {
                        id: parse_id(&event.message_id)?,
                        ended: Final::of(event.state()),
                        uncertain: event.uncertain,
                        late: event.late,
                    });
                }
            }
            Ok(None) => return Err(DriveError::Ended("the watch")),
            Err(status) if status.code() == Code::OutOfRange => {
                behind.set();
                events = open_watch(client.clone()).await?;
            }
            Err(status) => return Err(failed("Watch")(status)),
        }
    }
}

/// Asks for every message that has not been seen to end.
async fn look_up_missing(client: &Client, tally: &SharedTally) -> Result<(), DriveError> {
    let missing = lock(tally).missing();
    let mut missing = missing.into_iter();
    let mut calls = JoinSet::new();
    loop {
        while calls.len() < LOOK_UPS_MAX
            && let Some(id) = missing.next()
        {
            calls.spawn(look_up(client.clone(), id));
        }
        let Some(answer) = calls.join_next().await else {
            return Ok(());
        };
        if let Some(sighting) = answer?? {
            lock(tally).see(sighting);
        }
    }
}

async fn look_up(mut client: Client, id: MessageId) -> Result<Option<Sighting>, DriveError> {
    let request = v1::GetRequest {
        message_id: id.to_string(),
    };
    match client.get(request).await {
        Ok(answer) => Ok(answer.into_inner().message.map(|view| Sighting {
            id,
            ended: Final::of(view.state()),
            uncertain: view.uncertain,
            late: view.late,
        })),
        // Nobody knows it: it stays missing.
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(failed("Get")(status)),
    }
}

fn parse_id(text: &str) -> Result<MessageId, DriveError> {
    text.parse()
        .map_err(|error| DriveError::Nonsense(format!("{text:?}: {error}")))
}

fn failed(call: &'static str) -> impl Fn(Status) -> DriveError {
    move |status| DriveError::Call {
        call,
        status: Box::new(status),
    }
}

/// The account; a task that died while it held it has been reported already.
pub(super) fn lock(tally: &SharedTally) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
