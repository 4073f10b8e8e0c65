//! The ends of messages, by a watch of each caller.

use std::sync::Arc;

use grpc_api::v1;
use tonic::Streaming;

use crate::run::{LoadError, Shared};
use crate::submission::nth_of;
use crate::target::{Target, client};

/// Watches of final states, in place before anything is submitted.
pub(crate) async fn open(target: &Target) -> Result<Vec<Streaming<v1::WatchResponse>>, LoadError> {
    let channel = target.connect().await?;
    let mut watches = Vec::new();
    for key in target.callers() {
        let request = v1::WatchRequest {
            mine_only: true,
            state_class: v1::StateClass::Final.into(),
            ..v1::WatchRequest::default()
        };
        let opened = client(&channel, &key).watch(request).await;
        let mut events = opened.map_err(LoadError::call("Watch"))?.into_inner();
        let first = events.message().await.map_err(LoadError::call("Watch"))?;
        first.ok_or(LoadError::Ended("Watch"))?;
        watches.push(events);
    }
    Ok(watches)
}

/// Takes events until the run is over.
pub(crate) async fn take_finals(
    mut events: Streaming<v1::WatchResponse>,
    shared: Arc<Shared>,
) -> Result<(), LoadError> {
    loop {
        let response = events.message().await.map_err(LoadError::call("Watch"))?;
        let response = response.ok_or(LoadError::Ended("Watch"))?;
        let now_ns = shared.now_ns();
        let mut tally = shared.tally();
        for event in response.events.iter().filter(|event| !event.late) {
            // An event without our mark is of another load by the same caller.
            if let Some(nth) = nth_of(shared.run, &event.context) {
                tally.ended(nth, event.state(), now_ns);
            }
        }
        drop(tally);
        shared.moved.notify_one();
    }
}
