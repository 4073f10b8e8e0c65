//! `Inbound`: messages from people, until they are acknowledged.

use engine::{Handle, InboundWatcher};
use tokio::task::JoinSet;
use tonic::Status;

use crate::limits::{ACKNOWLEDGEMENTS_MAX, EVENTS_PER_RESPONSE_MAX};
use crate::outlet::{Outlet, Stuck};
use crate::phase::Phase;
use crate::service::{LongCall, Responses};
use crate::{answer, parse, position, progress, v1, watch};

type Out = Outlet<v1::InboundResponse>;

/// Starts the stream.
///
/// # Errors
/// INVALID_ARGUMENT for a position that is wrong, OUT_OF_RANGE for one of another data directory, one that was never given out or one with
/// an expired message behind it, UNAVAILABLE when the engine ends before it is ready.
pub(crate) async fn start(
    call: LongCall,
    request: &v1::InboundRequest,
) -> Result<Responses<v1::InboundResponse>, Status> {
    let after = position::parse(&request.resume_position)?;
    let watcher = call.engine.inbound(after).await.map_err(watch::refused)?;
    let (outlet, responses) = Outlet::new();
    tokio::spawn(run(call, watcher, outlet));
    Ok(responses)
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
    let parsed: Vec<_> = parse::message_ids("ids", &ids)?;
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
    let mut resume = position::text(watcher.position());
    let closing = call.phases.reached(Phase::Closing);
    tokio::pin!(closing);
    let last = loop {
        tokio::select! {
            biased;
            next = watcher.next(&mut events) => if let Err(lost) = next {
                break position::lost(lost);
            },
            () = out.closed() => return,
            () = &mut closing => break watch::draining(),
        }
        // A response has room for all that the engine hands over at once, so that the position is that of its last message.
        debug_assert!(events.len() <= EVENTS_PER_RESPONSE_MAX);
        let messages = events
            .drain(..)
            .map(|event| progress::inbound(&event, &call.engine))
            .collect();
        let position = position::text(watcher.position());
        let response = v1::InboundResponse {
            messages,
            resume_position: position.clone(),
        };
        match out.send(response).await {
            Ok(()) => resume = position,
            Err(Stuck::Gone) => return,
            Err(Stuck::Unread) => break position::too_slow(&resume),
        }
    };
    out.end(last);
}
