//! A load by `SubmitStream`, and a watch that follows every message to its end.
//!
//! Bulk goes over one stream, in requests of [`BATCH`]; otp, where it is wanted, over a second one of the same connection, one a request,
//! as a log-in service beside a campaign. The loop is closed: no more than [`Load::open_max`] messages have no end yet, and no more than
//! [`UNANSWERED_MAX`] no answer, so that an otp's time is the engine's and not that of a queue of our own.

#![allow(
    dead_code,
    reason = "every bench compiles this module and uses a part of it"
)]

pub(crate) mod carrier;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use grpc_api::v1;
use hdrhistogram::Histogram;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::engine_process::caller::Caller;
use crate::rig;

/// Submissions of one request.
const BATCH: u64 = 100;
/// Submissions without an answer, over both streams; the engine itself allows 4,096 a stream.
const UNANSWERED_MAX: u64 = 2_048;
/// Requests that wait for the connection.
const REQUESTS_MAX: usize = 16;
/// Octets of each text, that of the session driver's bench.
const TEXT_LEN: usize = 100;

/// What to submit.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// When to stop submitting.
    pub(crate) until: Until,
    /// Every so manieth message is an otp; 0 for none.
    pub(crate) otp_every: u64,
    /// Messages without a final state at most.
    pub(crate) open_max: u64,
    /// Which way to wait for the end.
    pub(crate) follow: Follow,
}

/// When to stop submitting.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Messages(u64),
    Time(Instant),
}

/// How far messages are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Until the answer to the submission.
    ToAdmission,
    /// Until the final state, by a watch.
    ToFinal,
    /// By a watch, but the load ends with the last answer.
    WhileSubmitting,
}

/// What came of it.
pub(crate) struct Loaded {
    pub(crate) admitted: u64,
    pub(crate) delivered: u64,
    /// Until the last admission.
    pub(crate) admitted_after: Duration,
    /// Until the last final state.
    pub(crate) final_after: Duration,
    pub(crate) otp: Times,
    pub(crate) bulk: Times,
}

/// As the client sees them, in nanoseconds.
pub(crate) struct Times {
    pub(crate) submit_to_admit: Histogram<u64>,
    pub(crate) submit_to_final: Histogram<u64>,
}

/// Why the figures are worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the engine ended a call: {0}")]
    Call(#[from] Status),
    #[error("a submission was refused: {0}")]
    Refused(String),
    #[error("a message ended as {0:?}, not delivered")]
    NotDelivered(v1::MessageState),
    #[error("a stream ended early")]
    Ended,
}

/// Runs a load to its end.
pub(crate) async fn run(caller: &mut Caller, load: Load) -> Result<Loaded, LoadError> {
    let state = State::new(load);
    let mut finals = match load.follow {
        Follow::ToAdmission => None,
        Follow::ToFinal | Follow::WhileSubmitting => Some(watch(caller).await?),
    };
    let (bulk_requests, bulk_answers) = open(caller).await?;
    let (otp_requests, otp_answers) = open(caller).await?;
    let submitted = async {
        tokio::try_join!(
            state.submit(bulk_requests, otp_requests),
            state.take_answers(bulk_answers),
            state.take_answers(otp_answers),
        )
    };
    match (&mut finals, load.follow) {
        (Some(finals), Follow::ToFinal) => {
            tokio::try_join!(submitted, state.take_finals(finals))?;
        }
        (Some(finals), Follow::WhileSubmitting | Follow::ToAdmission) => {
            tokio::select! {
                submitted = submitted => submitted.map(drop)?,
                followed = state.take_finals(finals) => followed?,
            }
        }
        (None, _) => submitted.await.map(drop)?,
    }
    Ok(state.loaded())
}

type Requests = mpsc::Sender<v1::SubmitStreamRequest>;

async fn open(
    caller: &mut Caller,
) -> Result<(Requests, Streaming<v1::SubmitStreamResponse>), LoadError> {
    let (requests, received) = mpsc::channel(REQUESTS_MAX);
    let answers = caller.submit_stream(ReceiverStream::new(received)).await?;
    Ok((requests, answers.into_inner()))
}

/// A watch of final states, in place.
async fn watch(caller: &mut Caller) -> Result<Streaming<v1::WatchResponse>, LoadError> {
    let request = v1::WatchRequest {
        mine_only: true,
        state_class: v1::StateClass::Final.into(),
        ..v1::WatchRequest::default()
    };
    let mut events = caller.watch(request).await?.into_inner();
    events.message().await?.ok_or(LoadError::Ended)?;
    Ok(events)
}

/// What the tasks of a load share, on one thread.
struct State {
    load: Load,
    began: Instant,
    /// When each message was submitted, in nanoseconds since the beginning, by its number.
    submitted_ns: RefCell<Vec<u64>>,
    admitted: Cell<u64>,
    delivered: Cell<u64>,
    all_submitted: Cell<bool>,
    admitted_after: Cell<Duration>,
    final_after: Cell<Duration>,
    otp: RefCell<Times>,
    bulk: RefCell<Times>,
    room: Notify,
}

impl State {
    fn new(load: Load) -> Self {
        Self {
            load,
            began: Instant::now(),
            submitted_ns: RefCell::new(Vec::new()),
            admitted: Cell::new(0),
            delivered: Cell::new(0),
            all_submitted: Cell::new(false),
            admitted_after: Cell::default(),
            final_after: Cell::default(),
            otp: RefCell::new(Times::new()),
            bulk: RefCell::new(Times::new()),
            room: Notify::new(),
        }
    }

    fn loaded(self) -> Loaded {
        Loaded {
            admitted: self.admitted.get(),
            delivered: self.delivered.get(),
            admitted_after: self.admitted_after.get(),
            final_after: self.final_after.get(),
            otp: self.otp.into_inner(),
            bulk: self.bulk.into_inner(),
        }
    }

    fn since_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn submitted(&self) -> u64 {
        self.submitted_ns.borrow().len() as u64
    }

    /// How many may be submitted now, a request full at most.
    fn room(&self) -> u64 {
        let submitted = self.submitted();
        let unanswered = submitted - self.admitted.get();
        let open = match self.load.follow {
            Follow::ToAdmission => 0,
            Follow::ToFinal | Follow::WhileSubmitting => submitted - self.delivered.get(),
        };
        UNANSWERED_MAX
            .saturating_sub(unanswered)
            .min(self.load.open_max.saturating_sub(open))
            .min(BATCH)
    }

    /// How many are still to be submitted, a request full at most.
    fn left(&self) -> u64 {
        match self.load.until {
            Until::Messages(messages) => (messages - self.submitted()).min(BATCH),
            Until::Time(end) if Instant::now() < end => BATCH,
            Until::Time(_) => 0,
        }
    }

    async fn submit(&self, bulk: Requests, otp: Requests) -> Result<(), LoadError> {
        loop {
            let count = self.left();
            if count == 0 {
                break;
            }
            // Full requests: what a few answers have made room for would go out in frames of a few submissions.
            while self.room() < count {
                self.room.notified().await;
            }
            let first = self.submitted();
            let mut batch = Vec::with_capacity(BATCH as usize);
            for nth in first..first + count {
                self.submitted_ns.borrow_mut().push(self.since_ns());
                if self.is_otp(nth) {
                    let one = vec![streamed(nth, v1::Category::Otp)];
                    send(&otp, one).await?;
                } else {
                    batch.push(streamed(nth, v1::Category::Promotional));
                }
            }
            send(&bulk, batch).await?;
        }
        self.all_submitted.set(true);
        Ok(())
    }

    fn is_otp(&self, nth: u64) -> bool {
        self.load.otp_every != 0 && nth.is_multiple_of(self.load.otp_every)
    }

    async fn take_answers(
        &self,
        mut answers: Streaming<v1::SubmitStreamResponse>,
    ) -> Result<(), LoadError> {
        while let Some(response) = answers.message().await? {
            for answer in response.answers {
                match answer.outcome {
                    Some(v1::streamed_answer::Outcome::Admission(_)) => {
                        self.note(answer.client_ref, |times| &mut times.submit_to_admit);
                    }
                    Some(v1::streamed_answer::Outcome::Refusal(refusal)) => {
                        return Err(LoadError::Refused(refusal.message));
                    }
                    None => return Err(LoadError::Ended),
                }
                self.admitted.set(self.admitted.get() + 1);
            }
            self.admitted_after.set(self.began.elapsed());
            self.room.notify_one();
        }
        Ok(())
    }

    /// Until everything that was submitted has ended.
    async fn take_finals(
        &self,
        finals: &mut Streaming<v1::WatchResponse>,
    ) -> Result<(), LoadError> {
        while !(self.all_submitted.get() && self.delivered.get() == self.submitted()) {
            let response = finals.message().await?.ok_or(LoadError::Ended)?;
            for event in response.events {
                if event.state() != v1::MessageState::Delivered {
                    return Err(LoadError::NotDelivered(event.state()));
                }
                if let Ok(nth) = event.context[..].try_into().map(u64::from_le_bytes) {
                    self.note(nth, |times| &mut times.submit_to_final);
                }
                self.delivered.set(self.delivered.get() + 1);
            }
            self.final_after.set(self.began.elapsed());
            self.room.notify_one();
        }
        Ok(())
    }

    fn note(&self, nth: u64, histogram: fn(&mut Times) -> &mut Histogram<u64>) {
        let began_ns = self.submitted_ns.borrow()[nth as usize];
        let times = if self.is_otp(nth) {
            &self.otp
        } else {
            &self.bulk
        };
        histogram(&mut times.borrow_mut()).saturating_record(self.since_ns() - began_ns);
    }
}

impl Times {
    fn new() -> Self {
        Self {
            submit_to_admit: rig::histogram_ns(),
            submit_to_final: rig::histogram_ns(),
        }
    }
}

async fn send(
    requests: &Requests,
    submissions: Vec<v1::StreamedSubmission>,
) -> Result<(), LoadError> {
    let request = v1::SubmitStreamRequest {
        on_full: v1::OnFull::Wait.into(),
        submissions,
    };
    requests.send(request).await.map_err(|_| LoadError::Ended)
}

/// The `nth` message; its number comes back with each event, as its context.
fn streamed(nth: u64, category: v1::Category) -> v1::StreamedSubmission {
    let text = format!("{nth:>10} {}", "x".repeat(TEXT_LEN - 11));
    let submission = v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: format!("8190{:08}", nth % 100_000_000),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text,
                sender: "Hikyaku".into(),
            }),
        }),
        category: category.into(),
        receipt_wanted: v1::ReceiptWanted::Always.into(),
        context: nth.to_le_bytes().to_vec().into(),
        ..v1::Submission::default()
    };
    v1::StreamedSubmission {
        client_ref: nth,
        submission: Some(submission),
    }
}
