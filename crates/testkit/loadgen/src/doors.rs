//! Where a driver puts its messages: two doors a caller, one for urgent messages and one for the rest, each a stream or a row of batch
//! calls. Urgent ones have a connection of their own, as a log-in service beside a campaign would.

use std::sync::Arc;

use grpc_api::v1;
use message::Category;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::mix::{Draft, Mix};
use crate::run::{LoadError, Shared};
use crate::submission::streamed;
use crate::target::{Client, Target, client};

/// Requests that wait for one stream.
pub const REQUESTS_MAX: usize = 64;
/// `SubmitBatch` calls in flight at one door.
const CALLS_MAX: usize = 16;

/// Which call carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// `SubmitStream`.
    Stream,
    /// `SubmitBatch`, several calls in flight.
    Batch,
}

/// What the engine is asked to do when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    Refuse,
}

/// Submissions of one request.
pub(crate) type Request = Vec<v1::StreamedSubmission>;

/// Messages of one request, by number.
pub(crate) type Drafts = Vec<(u64, Draft)>;

/// By caller and urgency. Dropping them ends the streams once all is answered.
pub(crate) struct Doors {
    doors: Vec<Sender<Request>>,
}

impl Doors {
    /// Opens all; `channels` are the connections of urgent messages and of the rest.
    pub(crate) async fn open(
        target: &Target,
        channels: (Channel, Channel),
        (via, patience): (Via, Patience),
        shared: &Arc<Shared>,
        tasks: &mut JoinSet<Result<(), LoadError>>,
    ) -> Result<Self, LoadError> {
        let on_full = match patience {
            Patience::Wait => v1::OnFull::Wait,
            Patience::Refuse => v1::OnFull::Refuse,
        };
        let mut doors = Vec::new();
        for key in target.callers() {
            for channel in [&channels.0, &channels.1] {
                let (door, requests) = mpsc::channel(REQUESTS_MAX);
                let client = client(channel, &key);
                let shared = Arc::clone(shared);
                match via {
                    Via::Stream => {
                        let answers = open_stream(client, requests, on_full).await?;
                        tasks.spawn(take_answers(answers, shared));
                    }
                    Via::Batch => {
                        tasks.spawn(call_batches(client, requests, on_full, shared));
                    }
                }
                doors.push(door);
            }
        }
        Ok(Self { doors })
    }

    /// Messages `nths` by door, those without any left out.
    pub(crate) fn sort(
        &self,
        mix: &Mix,
        nths: std::ops::Range<u64>,
    ) -> Vec<(&Sender<Request>, Drafts)> {
        let mut sorted: Vec<_> = self.doors.iter().map(|door| (door, Vec::new())).collect();
        for nth in nths {
            let draft = mix.draft(nth);
            let place = usize::from(draft.caller) * 2 + place(draft.category);
            if let Some((_, drafts)) = sorted.get_mut(place) {
                drafts.push((nth, draft));
            }
        }
        sorted.retain(|(_, drafts)| !drafts.is_empty());
        sorted
    }
}

/// The request of some drafts.
pub(crate) fn request(shared: &Shared, drafts: &[(u64, Draft)]) -> Request {
    drafts
        .iter()
        .map(|(nth, draft)| streamed(shared.run, *nth, *draft))
        .collect()
}

const fn place(category: Category) -> usize {
    match category {
        Category::Otp | Category::Alert => 0,
        Category::Transactional | Category::Promotional => 1,
    }
}

async fn open_stream(
    mut client: Client,
    requests: Receiver<Request>,
    on_full: v1::OnFull,
) -> Result<Streaming<v1::SubmitStreamResponse>, LoadError> {
    let requests = ReceiverStream::new(requests).map(move |submissions| v1::SubmitStreamRequest {
        on_full: on_full.into(),
        submissions,
    });
    let opened = client.submit_stream(requests).await;
    Ok(opened
        .map_err(LoadError::call("SubmitStream"))?
        .into_inner())
}

async fn take_answers(
    mut answers: Streaming<v1::SubmitStreamResponse>,
    shared: Arc<Shared>,
) -> Result<(), LoadError> {
    use v1::streamed_answer::Outcome;
    while let Some(response) = answers
        .message()
        .await
        .map_err(LoadError::call("SubmitStream"))?
    {
        let now_ns = shared.now_ns();
        let mut tally = shared.tally();
        for answer in response.answers {
            match answer.outcome {
                Some(Outcome::Admission(_)) => tally.admitted(answer.client_ref, now_ns),
                Some(Outcome::Refusal(refusal)) => {
                    tally.refused(answer.client_ref, refusal.code(), now_ns);
                }
                None => tally.strange(),
            }
        }
        drop(tally);
        shared.moved.notify_one();
    }
    Ok(())
}

async fn call_batches(
    client: Client,
    mut requests: Receiver<Request>,
    on_full: v1::OnFull,
    shared: Arc<Shared>,
) -> Result<(), LoadError> {
    let places = Arc::new(Semaphore::new(CALLS_MAX));
    let mut calls = JoinSet::new();
    while let Some(request) = requests.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Err(LoadError::Ended("its own places for calls"));
        };
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
        calls.spawn(call_batch(
            client.clone(),
            (request, on_full),
            Arc::clone(&shared),
            place,
        ));
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    Ok(())
}

async fn call_batch(
    mut client: Client,
    (request, on_full): (Request, v1::OnFull),
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
) -> Result<(), LoadError> {
    use v1::answer::Outcome;
    let (nths, submissions): (Vec<u64>, Vec<_>) = request
        .into_iter()
        .filter_map(|streamed| Some((streamed.client_ref, streamed.submission?)))
        .unzip();
    let request = v1::SubmitBatchRequest {
        submissions,
        on_full: on_full.into(),
    };
    let answered = client.submit_batch(request).await;
    let answers = answered
        .map_err(LoadError::call("SubmitBatch"))?
        .into_inner()
        .answers;
    let now_ns = shared.now_ns();
    let mut tally = shared.tally();
    for (nth, answer) in nths.into_iter().zip(answers) {
        match answer.outcome {
            Some(Outcome::Admission(_)) => tally.admitted(nth, now_ns),
            Some(Outcome::Refusal(refusal)) => tally.refused(nth, refusal.code(), now_ns),
            None => tally.strange(),
        }
    }
    drop(tally);
    shared.moved.notify_one();
    Ok(())
}
