//! `Watch`: a task per watcher takes the engine's events in batches, keeps what passes the filter, and hands it on with a position.
//!
//! A watcher that does not read holds its task at the bounded response channel; the engine overtakes it in its own time and the watch ends
//! with the oldest position that is left. Nothing waits for a watcher.

use std::collections::HashSet;
use std::sync::Arc;

use engine::{Event, PositionLost, Watcher};
use message::{CallerId, IdBuildHasher, MessageId, TenantId};
use tokio::sync::mpsc;
use tonic::{Code, Status};

use crate::limits::{
    EVENTS_PER_RESPONSE_MAX, EVENTS_SKIPPED_MAX, RESPONSES_WAITING_MAX, WATCH_IDS_MAX,
};
use crate::phase::Phase;
use crate::service::{LongCall, Responses};
use crate::{answer, parse, progress, v1};

type Out = mpsc::Sender<Result<v1::WatchResponse, Status>>;

/// Starts a watch. The engine is listened to from here on, so that nothing is missed after the first response.
///
/// # Errors
/// INVALID_ARGUMENT for a filter that is wrong, OUT_OF_RANGE for a position that is gone.
pub(crate) fn start(
    call: LongCall,
    request: v1::WatchRequest,
) -> Result<Responses<v1::WatchResponse>, Status> {
    let run_id = call.engine.run_id();
    let from = progress::parse_position(run_id, &request.resume_position)?;
    let resume_position = request.resume_position.clone();
    let filter = Filter::new(request, call.caller.caller.tenant, call.caller.caller.id)?;
    let watcher = call
        .engine
        .watch(from)
        .map_err(|PositionLost { oldest }| progress::position_lost(run_id, oldest))?;

    let (out, responses) = mpsc::channel(RESPONSES_WAITING_MAX);
    let in_place = v1::WatchResponse {
        events: Vec::new(),
        resume_position,
    };
    out.try_send(Ok(in_place))
        .expect("the channel is new and holds more than one");
    let watch = Watch {
        run_id,
        call,
        filter,
        out,
        skipped: 0,
    };
    tokio::spawn(watch.run(watcher));
    Ok(Responses::new(responses))
}

struct Watch {
    run_id: u64,
    call: LongCall,
    filter: Filter,
    out: Out,
    skipped: usize,
}

impl Watch {
    async fn run(mut self, mut watcher: Watcher) {
        let mut events = Vec::new();
        let phases = self.call.phases.clone();
        let closing = phases.reached(Phase::Closing);
        tokio::pin!(closing);
        let last = loop {
            tokio::select! {
                // Events first: on the way down, what has happened is still told.
                biased;
                next = watcher.next(&mut events) => match next {
                    Ok(()) => if self.forward(&mut events).await.is_err() {
                        return;
                    },
                    Err(PositionLost { oldest }) => break progress::position_lost(self.run_id, oldest),
                },
                () = self.out.closed() => return,
                () = &mut closing => break answer::failure(
                    Code::Unavailable,
                    "DRAINING",
                    "the engine is shutting down: watch again when it is back",
                ),
            }
        };
        let _ = self.out.send(Err(last)).await;
    }

    /// Sends what passes, in responses of bounded size, and a position at least every [`EVENTS_SKIPPED_MAX`] events.
    async fn forward(
        &mut self,
        events: &mut Vec<Arc<Event>>,
    ) -> Result<(), mpsc::error::SendError<Result<v1::WatchResponse, Status>>> {
        for chunk in events.chunks(EVENTS_PER_RESPONSE_MAX) {
            let passed: Vec<_> = chunk
                .iter()
                .filter(|event| self.filter.passes(event))
                .map(|event| progress::event(event, &self.call.engine))
                .collect();
            self.skipped += chunk.len();
            let Some(last) = chunk.last() else { continue };
            if passed.is_empty() && self.skipped < EVENTS_SKIPPED_MAX {
                continue;
            }
            self.skipped = 0;
            let response = v1::WatchResponse {
                events: passed,
                // The engine resumes at a position, so this is the one after.
                resume_position: progress::position_text(self.run_id, last.position + 1),
            };
            self.out.send(Ok(response)).await?;
        }
        events.clear();
        Ok(())
    }
}

/// What a watcher wants to see.
struct Filter {
    tenant: TenantId,
    caller: Option<CallerId>,
    messages: Option<HashSet<MessageId, IdBuildHasher>>,
    batch_id: Option<String>,
    class: v1::StateClass,
}

impl Filter {
    fn new(request: v1::WatchRequest, tenant: TenantId, caller: CallerId) -> Result<Self, Status> {
        let count = request.message_ids.len();
        if count > WATCH_IDS_MAX {
            return Err(answer::invalid(
                "message_ids",
                format!("has {count}: at most {WATCH_IDS_MAX}; watch a batch instead"),
            ));
        }
        let messages = request
            .message_ids
            .iter()
            .map(|id| parse::message_id("message_ids", id))
            .collect::<Result<HashSet<_, _>, _>>()?;
        let class = v1::StateClass::try_from(request.state_class).map_err(|_| {
            answer::invalid(
                "state_class",
                format!(
                    "{} is not known: one of STATE_CLASS_LIVE (1), STATE_CLASS_FINAL (2)",
                    request.state_class
                ),
            )
        })?;
        Ok(Self {
            tenant,
            caller: request.mine_only.then_some(caller),
            messages: (count > 0).then_some(messages),
            batch_id: (!request.batch_id.is_empty()).then_some(request.batch_id),
            class,
        })
    }

    fn passes(&self, event: &Event) -> bool {
        self.tenant == event.tenant
            && self.caller.is_none_or(|caller| caller == event.caller)
            && self.class_passes(event)
            && self
                .messages
                .as_ref()
                .is_none_or(|ids| ids.contains(&event.message))
            && self
                .batch_id
                .as_deref()
                .is_none_or(|batch| event.batch_id.as_deref() == Some(batch))
    }

    fn class_passes(&self, event: &Event) -> bool {
        match self.class {
            v1::StateClass::Unspecified => true,
            v1::StateClass::Live => !event.state.is_final(),
            v1::StateClass::Final => event.state.is_final(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use message::{IdSource, MessageState, Reason};

    use super::*;

    fn event(random: u64) -> Event {
        Event {
            position: random,
            message: IdSource::new(1).peek(1_000, random),
            tenant: TenantId(1),
            caller: CallerId(10),
            batch_id: Some("monday".into()),
            sequence: 3,
            leg: 0,
            attempt: 1,
            segment: 0,
            segments: 1,
            state: MessageState::Delivered,
            reason: Reason::ReceiptDelivered,
            status: 0,
            uncertain: false,
            late: false,
            at_ms: 1_000,
            config_version: 1,
            carrier: None,
            context: Bytes::new(),
        }
    }

    fn passes(request: v1::WatchRequest, event: &Event) -> bool {
        Filter::new(request, TenantId(1), CallerId(10))
            .unwrap()
            .passes(event)
    }

    #[test]
    fn without_filters_the_tenant_sees_all_of_its_own_and_nothing_else() {
        let everything = v1::WatchRequest::default;
        assert!(passes(everything(), &event(1)));
        let colleague = Event {
            caller: CallerId(11),
            ..event(1)
        };
        assert!(passes(everything(), &colleague));
        let stranger = Event {
            tenant: TenantId(2),
            ..event(1)
        };
        assert!(!passes(everything(), &stranger));
    }

    #[test]
    fn each_filter_keeps_out_what_it_names() {
        let id = event(1).message.to_string();
        let by_id = || v1::WatchRequest {
            message_ids: vec![id.clone()],
            ..v1::WatchRequest::default()
        };
        assert!(passes(by_id(), &event(1)) && !passes(by_id(), &event(2)));

        let by_batch = |batch: &str| v1::WatchRequest {
            batch_id: batch.into(),
            ..v1::WatchRequest::default()
        };
        assert!(passes(by_batch("monday"), &event(1)));
        assert!(!passes(by_batch("tuesday"), &event(1)));
        let alone = Event {
            batch_id: None,
            ..event(1)
        };
        assert!(!passes(by_batch("monday"), &alone));

        let mine = || v1::WatchRequest {
            mine_only: true,
            ..v1::WatchRequest::default()
        };
        let colleague = Event {
            caller: CallerId(11),
            ..event(1)
        };
        assert!(passes(mine(), &event(1)) && !passes(mine(), &colleague));

        let of_class = |class: v1::StateClass| v1::WatchRequest {
            state_class: class.into(),
            ..v1::WatchRequest::default()
        };
        let queued = Event {
            state: MessageState::Queued,
            ..event(1)
        };
        assert!(passes(of_class(v1::StateClass::Final), &event(1)));
        assert!(!passes(of_class(v1::StateClass::Final), &queued));
        assert!(passes(of_class(v1::StateClass::Live), &queued));
        assert!(!passes(of_class(v1::StateClass::Live), &event(1)));
    }

    #[test]
    fn filters_that_are_wrong_are_refused() {
        let refused = |request| match Filter::new(request, TenantId(1), CallerId(10)) {
            Ok(_) => panic!("not refused"),
            Err(status) => status.message().to_owned(),
        };
        let text = refused(v1::WatchRequest {
            message_ids: vec!["nonsense".into()],
            ..v1::WatchRequest::default()
        });
        assert!(text.contains("message_ids"), "{text}");
        let text = refused(v1::WatchRequest {
            message_ids: vec![String::new(); WATCH_IDS_MAX + 1],
            ..v1::WatchRequest::default()
        });
        assert!(text.contains("at most 10000"), "{text}");
        let text = refused(v1::WatchRequest {
            state_class: 7,
            ..v1::WatchRequest::default()
        });
        assert!(text.contains("state_class"), "{text}");
    }
}
