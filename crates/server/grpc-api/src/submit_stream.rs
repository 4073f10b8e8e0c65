//! `SubmitStream`: one task reads and submits, one answers; between them is a count of what may be outstanding.
//!
//! ```text
//! client ──► reader ──(a place of STREAM_IN_FLIGHT_MAX each)──► engine ──► sink ──► answerer ──► client
//!                └── refused at once ────────────────────────────────────────────────►┘
//! ```
//!
//! A place is given back when its answer has been handed to the response channel, which holds [`RESPONSES_WAITING_MAX`]. So a client that
//! does not read its answers is not read either. When the client has closed its side, the reader takes all places, which it gets once
//! everything is answered, and the stream ends.

use std::sync::Arc;

use engine::{Refusal, ReplySink, ReplyTo};
use message::Reason;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tonic::{Status, Streaming};

use crate::limits::{RESPONSES_WAITING_MAX, STREAM_IN_FLIGHT_MAX, SUBMISSIONS_PER_REQUEST_MAX};
use crate::phase::Phase;
use crate::service::{self, LongCall, Responses};
use crate::{answer, parse, v1};

type Out = mpsc::Sender<Result<v1::SubmitStreamResponse, Status>>;

/// Starts the two tasks; the stream of answers is theirs.
pub(crate) fn start(
    call: LongCall,
    requests: Streaming<v1::SubmitStreamRequest>,
) -> Responses<v1::SubmitStreamResponse> {
    let (out, responses) = mpsc::channel(RESPONSES_WAITING_MAX);
    let places = Arc::new(Semaphore::new(STREAM_IN_FLIGHT_MAX as usize));
    let sink = ReplySink::new(STREAM_IN_FLIGHT_MAX as usize);
    let (all_answered, ended) = oneshot::channel();

    let answerer = Answerer {
        sink: sink.clone(),
        places: places.clone(),
        out: out.clone(),
    };
    tokio::spawn(answerer.run(ended));
    let reader = Reader {
        call,
        requests,
        sink,
        places,
        out,
    };
    tokio::spawn(reader.run(all_answered));
    Responses::new(responses)
}

struct Reader {
    call: LongCall,
    requests: Streaming<v1::SubmitStreamRequest>,
    sink: Arc<ReplySink>,
    places: Arc<Semaphore>,
    out: Out,
}

/// The stream has ended, or its client is gone.
struct Ended;

impl Reader {
    async fn run(mut self, all_answered: oneshot::Sender<()>) {
        let last = self.read_all().await;
        if self.places.acquire_many(STREAM_IN_FLIGHT_MAX).await.is_ok()
            && let Err(status) = last
        {
            let _ = self.out.send(Err(status)).await;
        }
        drop(all_answered);
    }

    /// Reads until the client closes its side, or the service closes; an error is what the stream shall end with.
    async fn read_all(&mut self) -> Result<(), Status> {
        let phases = self.call.phases.clone();
        let closing = phases.reached(Phase::Closing);
        tokio::pin!(closing);
        loop {
            let request = tokio::select! {
                biased;
                () = &mut closing => return Err(closed()),
                request = self.requests.message() => request?,
            };
            let Some(request) = request else {
                return Ok(());
            };
            tokio::select! {
                biased;
                handled = self.handle(request) => match handled? {
                    Ok(()) => {}
                    Err(Ended) => return Ok(()),
                },
                () = &mut closing => return Err(closed()),
            }
        }
    }

    async fn handle(&self, request: v1::SubmitStreamRequest) -> Result<Result<(), Ended>, Status> {
        let on_full = service::on_full(request.on_full)?;
        service::check_count(request.submissions.len())?;
        let mut refused = Vec::new();
        for wire in request.submissions {
            let Ok(place) = self.places.acquire().await else {
                return Ok(Err(Ended));
            };
            let reply = ReplyTo {
                sink: self.sink.clone(),
                tag: wire.client_ref,
            };
            let taken = match parse::submission(wire.submission) {
                Ok(parsed) => {
                    let caller = &self.call.caller;
                    service::admit(&self.call.engine, caller, parsed, on_full, reply).await
                }
                Err(refusal) => Err(refusal),
            };
            match taken {
                // The answerer gives the place back.
                Ok(()) => place.forget(),
                Err(refusal) => refused.push(answer::streamed(wire.client_ref, Err(refusal))),
            }
        }
        if refused.is_empty() {
            return Ok(Ok(()));
        }
        let response = v1::SubmitStreamResponse { answers: refused };
        Ok(self.out.send(Ok(response)).await.map_err(|_| Ended))
    }
}

struct Answerer {
    sink: Arc<ReplySink>,
    places: Arc<Semaphore>,
    out: Out,
}

impl Answerer {
    async fn run(self, mut ended: oneshot::Receiver<()>) {
        let mut replies = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.sink.recv(&mut replies) => {}
                () = self.out.closed() => break,
                _ = &mut ended => return,
            }
            while !replies.is_empty() {
                let count = replies.len().min(SUBMISSIONS_PER_REQUEST_MAX);
                let answers = replies
                    .drain(..count)
                    .map(|(client_ref, reply)| answer::streamed(client_ref, reply))
                    .collect();
                let response = v1::SubmitStreamResponse { answers };
                if self.out.send(Ok(response)).await.is_err() {
                    replies.clear();
                    break;
                }
                self.places.add_permits(count);
            }
        }
        // The client is gone: whoever waits for a place need not wait on. What the engine holds it still answers, into the sink.
        self.places.close();
    }
}

fn closed() -> Status {
    answer::status(&Refusal::of(Reason::Draining))
}
