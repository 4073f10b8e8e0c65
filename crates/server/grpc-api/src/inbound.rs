//! `Inbound`: messages from people, until they are acknowledged.

use engine::InboundWatcher;
use tokio::sync::mpsc;
use tonic::{Code, Status};

use crate::limits::{EVENTS_PER_RESPONSE_MAX, RESPONSES_WAITING_MAX};
use crate::phase::Phase;
use crate::service::{LongCall, Responses};
use crate::{answer, progress, v1};

type Out = mpsc::Sender<Result<v1::InboundResponse, Status>>;

/// Starts the stream.
pub(crate) fn start(call: LongCall) -> Responses<v1::InboundResponse> {
    let (out, responses) = mpsc::channel(RESPONSES_WAITING_MAX);
    let watcher = call.engine.inbound();
    tokio::spawn(run(call, watcher, out));
    Responses::new(responses)
}

async fn run(call: LongCall, mut watcher: InboundWatcher, out: Out) {
    let mut events = Vec::new();
    let closing = call.phases.reached(Phase::Closing);
    tokio::pin!(closing);
    loop {
        tokio::select! {
            biased;
            () = watcher.next(&mut events) => {}
            () = out.closed() => return,
            () = &mut closing => break,
        }
        for chunk in events.chunks(EVENTS_PER_RESPONSE_MAX) {
            let messages = chunk
                .iter()
                .map(|event| progress::inbound(event, &call.engine))
                .collect();
            let response = v1::InboundResponse { messages };
            if out.send(Ok(response)).await.is_err() {
                return;
            }
        }
        events.clear();
    }
    let last = answer::failure(
        Code::Unavailable,
        "DRAINING",
        "the engine is shutting down: ask again when it is back; what is not acknowledged comes again",
    );
    let _ = out.send(Err(last)).await;
}
