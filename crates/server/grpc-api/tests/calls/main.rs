//! Every call of the contract over a real socket against a real engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod following;
mod history;
mod serving;
mod submitting;
mod world;

use grpc_api::v1;
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt as _;
use world::{World, asked};

pub(crate) fn submit(submission: v1::Submission) -> Request<v1::SubmitRequest> {
    asked(v1::SubmitRequest {
        submission: Some(submission),
        on_full: v1::OnFull::Refuse.into(),
    })
}

/// The reason in a status' details.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

/// A watch that is in place.
pub(crate) async fn watch(
    world: &World,
    request: v1::WatchRequest,
) -> Streaming<v1::WatchResponse> {
    let mut events = world
        .client()
        .watch(asked(request))
        .await
        .unwrap()
        .into_inner();
    let first = events.message().await.unwrap().unwrap();
    assert!(
        first.events.is_empty(),
        "the first response only says that the watch is in place"
    );
    events
}

/// The events of `id` until it has ended, and the position after each response.
pub(crate) async fn follow(
    events: &mut Streaming<v1::WatchResponse>,
    id: &str,
) -> Vec<(v1::Event, String)> {
    let mut seen = Vec::new();
    while let Some(response) = events.message().await.unwrap() {
        for event in response
            .events
            .into_iter()
            .filter(|event| event.message_id == id)
        {
            let ended = event.state >= 10;
            seen.push((event, response.resume_position.clone()));
            if ended {
                return seen;
            }
        }
    }
    panic!("the watch ended before the message");
}
