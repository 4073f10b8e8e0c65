//! `Watch`: a task per watcher takes the engine's events in chunks, keeps what passes the filter, and hands it on with a position.
//!
//! A watcher that reads slowly holds its task at the bounded response channel, and the engine goes on: what has left memory is read from
//! the event log. One that does not read at all is ended with the position to go on from, and so is one that history has overtaken.
//! Nothing waits for a watcher.

use std::collections::HashSet;

use engine::{Event, EventChunk, PositionLost, WatchRefused, Watcher};
use message::{CallerId, IdBuildHasher, MessageId, TenantId};
use tonic::{Code, Status};

use crate::encoded::{self, WatchResponse};
use crate::limits::{EVENTS_PER_RESPONSE_MAX, EVENTS_SKIPPED_MAX, WATCH_IDS_MAX};
use crate::outlet::{Outlet, Stuck};
use crate::phase::Phase;
use crate::service::{LongCall, Responses};
use crate::{answer, parse, position, v1};

/// Starts a watch. The engine is listened to from here on, so that nothing is missed after the first response.
///
/// # Errors
/// INVALID_ARGUMENT for a filter or a position that is wrong, OUT_OF_RANGE for a position that is gone, UNAVAILABLE when the engine ends
/// before it is ready.
pub(crate) async fn start(
    call: LongCall,
    request: v1::WatchRequest,
) -> Result<Responses<WatchResponse>, Status> {
    let from = position::parse(&request.resume_position)?;
    let filter = Filter::new(request, call.caller.caller.tenant, call.caller.caller.id)?;
    let watcher = call.engine.watch(from).await.map_err(refused)?;

    let (outlet, responses) = Outlet::new();
    let resume = position::text(watcher.position());
    let in_place = WatchResponse {
        events: Vec::new(),
        resume_position: resume.clone(),
    };
    let watch = Watch {
        call,
        filter,
        outlet,
        skipped: 0,
        resume,
    };
    tokio::spawn(watch.run(watcher, in_place));
    Ok(responses)
}

/// Why the engine lets nobody watch, on the wire.
pub(crate) fn refused(refused: WatchRefused) -> Status {
    match refused {
        WatchRefused::Position(lost) => position::lost(lost),
        WatchRefused::Over => draining(),
    }
}

/// The engine is on its way down.
pub(crate) fn draining() -> Status {
    answer::failure(
        Code::Unavailable,
        "DRAINING",
        "the engine is shutting down: go on from the last position when it is back",
    )
}

struct Watch {
    call: LongCall,
    filter: Filter,
    outlet: Outlet<WatchResponse>,
    skipped: usize,
    /// The position of the last response.
    resume: String,
}

impl Watch {
    async fn run(mut self, mut watcher: Watcher, in_place: WatchResponse) {
        let phases = self.call.phases.clone();
        let closing = phases.reached(Phase::Closing);
        tokio::pin!(closing);
        let mut sent = self.outlet.send(in_place).await;
        let last = loop {
            match sent {
                Ok(()) => {}
                Err(Stuck::Gone) => return,
                Err(Stuck::Unread) => break position::too_slow(&self.resume),
            }
            sent = tokio::select! {
                // Events first: on the way down, what has happened is still told.
                biased;
                next = watcher.next() => match next {
                    Ok(chunk) => self.forward(&chunk).await,
                    Err(lost @ PositionLost { .. }) => break position::lost(lost),
                },
                () = self.outlet.closed() => Err(Stuck::Gone),
                () = &mut closing => break draining(),
            };
        };
        self.outlet.end(last);
    }

    /// Sends what passes, in responses of bounded size, and a position at least every [`EVENTS_SKIPPED_MAX`] events.
    async fn forward(&mut self, chunk: &EventChunk) -> Result<(), Stuck> {
        let events = chunk.events();
        for part in events.chunks(EVENTS_PER_RESPONSE_MAX) {
            let passed: Vec<_> = part
                .iter()
                .filter(|event| self.filter.passes(event))
                .map(|event| encoded::event(event, &self.call.engine))
                .collect();
            self.skipped += part.len();
            let Some(last) = part.last() else { continue };
            if passed.is_empty() && self.skipped < EVENTS_SKIPPED_MAX {
                continue;
            }
            self.skipped = 0;
            let resume = position::text(chunk.position_of(last));
            let response = WatchResponse {
                events: passed,
                resume_position: resume.clone(),
            };
            self.outlet.send(response).await?;
            self.resume = resume;
        }
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
        let messages: HashSet<_, _> = parse::message_ids("message_ids", &request.message_ids)?;
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
            key: engine::EventKey::new(random, 0),
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
            encoded: engine::Encoded::default(),
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
        assert!(text.starts_with("message_ids[0] `nonsense` "), "{text}");
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
