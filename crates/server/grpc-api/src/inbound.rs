//! `Inbound`: messages from people, until they are acknowledged.

use engine::{Handle, InboundWatcher};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::limits::{ACKNOWLEDGEMENTS_MAX, EVENTS_PER_RESPONSE_MAX, RESPONSES_WAITING_MAX};
use crate::phase::Phase;
use crate::service::{LongCall, Responses};
use crate::{answer, parse, progress, v1};

type Out = mpsc::Sender<Result<v1::InboundResponse, Status>>;

/// Starts the stream.
pub(crate) fn start(call: LongCall) -> Responses<v1::InboundResponse> {
    let (out, responses) = mpsc::channel(RESPONSES_WAITING_MAX);
    let watcher = call.engine.inbound();
    tokio::spawn(run(call, watcher, out));
    Responses::new(responses)
}

/// Acknowledges; those that were not waiting for it are handed back.
///
/// # Errors
/// INVALID_ARGUMENT when there are too many or one is no id; then none was acknowledged.
pub(crate) async fn acknowledge(engine: &Handle, ids: Vec<String>) -> Result<Vec<String>, Status> {
    if ids.len() > ACKNOWLEDGEMENTS_MAX {
        return Err(answer::invalid(
            "ids",
            format!(
                "has {}: at most {ACKNOWLEDGEMENTS_MAX} in one request",
                ids.len()
            ),
        ));
    }
    let parsed = ids
        .iter()
        .map(|id| parse::message_id("ids", id))
        .collect::<Result<Vec<_>, _>>()?;
    // All at once, so that they share a sync of the journal instead of waiting for one each.
    let mut asked = JoinSet::new();
    for (id, text) in parsed.into_iter().zip(ids) {
        let engine = engine.clone();
        asked.spawn(async move { (!engine.acknowledge_inbound(id).await).then_some(text) });
    }
    Ok(asked.join_all().await.into_iter().flatten().collect())
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
