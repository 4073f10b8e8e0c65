//! The calls of the contract, each a few lines: who asks, parse, ask the engine, answer.

use std::sync::Arc;

use engine::{
    CancelVerdict, Handle, HistoryError, Life, Refusal, ReplaceVerdict, ReplySink, ReplyTo,
};
use message::{MessageId, MessageState, Reason, Submission, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::auth::{CallerDirectory, CallerEntry, InboundAccess};
use crate::limits::SUBMISSIONS_PER_REQUEST_MAX;
use crate::phase::{Phase, PhaseTeller};
use crate::stubs::dispatch_server::Dispatch;
use crate::{answer, encoded, history, inbound, list, parse, progress, submit_stream, v1, watch};

/// The service: the engine, who may use it, and its long calls.
#[derive(Clone)]
pub struct Service {
    engine: Handle,
    callers: CallerDirectory,
    phases: PhaseTeller,
    submitters: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
    limits: StreamLimits,
}

/// Most long calls at a time, over all callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Of `SubmitStream`.
    pub submitters: usize,
    /// Of `Watch` and `Inbound` together.
    pub watchers: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            submitters: 1_000,
            watchers: 1_000,
        }
    }
}

/// A long call's responses.
pub(crate) type Responses<T> = ReceiverStream<Result<T, Status>>;

/// What a long call needs of the service.
pub(crate) struct LongCall {
    pub(crate) engine: Handle,
    pub(crate) caller: Arc<CallerEntry>,
    pub(crate) phases: PhaseTeller,
    /// The call's place among [`StreamLimits`], given back when it ends.
    pub(crate) _place: OwnedSemaphorePermit,
}

/// What to do with a submission that the engine has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFull {
    Refuse,
    Wait,
}

impl Service {
    /// A service over `engine` for `callers`.
    #[must_use]
    pub fn new(engine: Handle, callers: CallerDirectory, limits: StreamLimits) -> Self {
        Self {
            engine,
            callers,
            phases: PhaseTeller::new(),
            submitters: Arc::new(Semaphore::new(limits.submitters)),
            watchers: Arc::new(Semaphore::new(limits.watchers)),
            limits,
        }
    }

    /// Lets health say NOT_SERVING, so that clients go elsewhere; calls are still answered. Call it when the engine begins to drain.
    pub fn drain(&self) {
        self.phases.advance(Phase::Draining);
    }

    /// How many long calls are running: at most the limits.
    #[must_use]
    pub fn running(&self) -> StreamLimits {
        StreamLimits {
            submitters: self.limits.submitters - self.submitters.available_permits(),
            watchers: self.limits.watchers - self.watchers.available_permits(),
        }
    }

    pub(crate) fn phases(&self) -> &PhaseTeller {
        &self.phases
    }

    fn long_call(
        &self,
        caller: Arc<CallerEntry>,
        places: &Arc<Semaphore>,
    ) -> Result<LongCall, Status> {
        let place = places.clone().try_acquire_owned().map_err(|_| {
            answer::failure(
                Code::ResourceExhausted,
                "STREAMS_FULL",
                "as many streams of this kind are running as the configuration allows: close one, or try later",
            )
        })?;
        Ok(LongCall {
            engine: self.engine.clone(),
            caller,
            phases: self.phases.clone(),
            _place: place,
        })
    }

    /// A "no" of an engine that is not at work means nothing: whoever hears "unknown" then might forget a message that is alive.
    fn check_alive(&self) -> Result<(), Status> {
        let reason = match self.engine.life() {
            Life::Open | Life::Draining => return Ok(()),
            Life::Starting | Life::Stopped => Reason::Draining,
            Life::Failed => Reason::JournalFailed,
        };
        Err(answer::status(&Refusal::of(reason)))
    }

    /// Why a question about a message is not answered. One that nobody knows may be known to an engine that is not there.
    fn not_told(&self, error: &HistoryError) -> Status {
        let alive = match error {
            HistoryError::Unknown => self.check_alive(),
            HistoryError::Busy(_)
            | HistoryError::Closed
            | HistoryError::NoIndex(_)
            | HistoryError::Unreadable(_) => Ok(()),
        };
        alive.err().unwrap_or_else(|| history::failure(error))
    }

    /// How a message ended that the engine does not hold; `None` when nobody knows of it.
    async fn ended(&self, tenant: TenantId, id: MessageId) -> Result<Option<MessageState>, Status> {
        self.check_alive()?;
        match self.engine.recall(tenant, id).await {
            Ok(view) => Ok(Some(view.state)),
            Err(HistoryError::Unknown) => Ok(None),
            Err(error) => Err(history::failure(&error)),
        }
    }

    fn inbound_reader<T>(&self, request: &Request<T>) -> Result<Arc<CallerEntry>, Status> {
        let caller = self.callers.authenticate(request)?;
        match caller.inbound {
            InboundAccess::Granted => Ok(caller),
            InboundAccess::Denied => Err(answer::failure(
                Code::PermissionDenied,
                "INBOUND_NOT_GRANTED",
                "this caller may not read messages from people: its configuration must grant it",
            )),
        }
    }
}

/// Hands a submission to the engine.
pub(crate) async fn admit(
    engine: &Handle,
    caller: &CallerEntry,
    submission: Submission,
    on_full: OnFull,
    reply: ReplyTo,
) -> Result<(), Refusal> {
    match on_full {
        OnFull::Refuse => engine.try_submit(&caller.caller, submission, reply),
        OnFull::Wait => engine.submit(&caller.caller, submission, reply).await,
    }
}

/// What a request says about a full engine.
pub(crate) fn on_full(number: i32) -> Result<OnFull, Status> {
    match v1::OnFull::try_from(number) {
        Ok(v1::OnFull::Unspecified | v1::OnFull::Refuse) => Ok(OnFull::Refuse),
        Ok(v1::OnFull::Wait) => Ok(OnFull::Wait),
        Err(_) => Err(answer::invalid(
            "on_full",
            format!("{number} is not known: one of ON_FULL_REFUSE (1), ON_FULL_WAIT (2)"),
        )),
    }
}

/// Refuses a request of too many submissions.
pub(crate) fn check_count(submissions: usize) -> Result<(), Status> {
    if submissions <= SUBMISSIONS_PER_REQUEST_MAX {
        return Ok(());
    }
    Err(answer::invalid(
        "submissions",
        format!("has {submissions}: at most {SUBMISSIONS_PER_REQUEST_MAX} in one request"),
    ))
}

#[tonic::async_trait]
impl Dispatch for Service {
    type SubmitStreamStream = Responses<v1::SubmitStreamResponse>;
    type WatchStream = Responses<encoded::WatchResponse>;
    type InboundStream = Responses<v1::InboundResponse>;

    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let request = request.into_inner();
        let on_full = on_full(request.on_full)?;
        let sink = ReplySink::new(1);
        let reply = ReplyTo {
            sink: sink.clone(),
            tag: 0,
        };
        let refused = |refusal: Refusal| answer::status(&refusal);
        let submission = parse::submission(request.submission).map_err(refused)?;
        admit(&self.engine, &caller, submission, on_full, reply)
            .await
            .map_err(refused)?;
        let mut replies = Vec::with_capacity(1);
        sink.recv(&mut replies).await;
        match replies.pop() {
            Some((_, Ok(admission))) => Ok(Response::new(v1::SubmitResponse {
                message_id: answer::id_text(admission.id),
                repeat: admission.repeat,
                reason: i32::from(admission.reason().number()),
            })),
            Some((_, Err(refusal))) => Err(answer::status(&refusal)),
            None => Err(Status::internal("the engine gave no answer")),
        }
    }

    async fn submit_batch(
        &self,
        request: Request<v1::SubmitBatchRequest>,
    ) -> Result<Response<v1::SubmitBatchResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let request = request.into_inner();
        let on_full = on_full(request.on_full)?;
        check_count(request.submissions.len())?;

        let mut answers = vec![v1::Answer::default(); request.submissions.len()];
        let sink = ReplySink::new(answers.len());
        let mut outstanding = 0;
        for (at, wire) in request.submissions.into_iter().enumerate() {
            let reply = ReplyTo {
                sink: sink.clone(),
                tag: at as u64,
            };
            let taken = match parse::submission(Some(wire)) {
                Ok(parsed) => admit(&self.engine, &caller, parsed, on_full, reply).await,
                Err(refusal) => Err(refusal),
            };
            match taken {
                Ok(()) => outstanding += 1,
                Err(refusal) => answers[at] = answer::item(Err(refusal)),
            }
        }
        let mut replies = Vec::with_capacity(outstanding);
        while outstanding > 0 {
            sink.recv(&mut replies).await;
            outstanding = outstanding.saturating_sub(replies.len());
            for (tag, reply) in replies.drain(..) {
                let at = usize::try_from(tag).expect("the tag was an index");
                answers[at] = answer::item(reply);
            }
        }
        Ok(Response::new(v1::SubmitBatchResponse { answers }))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::SubmitStreamRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let call = self.long_call(caller, &self.submitters)?;
        Ok(Response::new(submit_stream::start(
            call,
            request.into_inner(),
        )))
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let id = parse::message_id("message_id", &request.get_ref().message_id)?;
        let view = self.engine.recall(caller.caller.tenant, id).await;
        let view = view.map_err(|error| self.not_told(&error))?;
        Ok(Response::new(v1::GetResponse {
            message: Some(progress::view(view, &self.engine)),
        }))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let id = parse::message_id("message_id", &request.get_ref().message_id)?;
        let told = self.engine.explain(caller.caller.tenant, id).await;
        let told = told.map_err(|error| self.not_told(&error))?;
        let response = history::explanation(&told, &caller.caller, &self.callers);
        Ok(Response::new(response))
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let request = request.into_inner();
        let (query, filters) = list::query(&request, caller.caller.tenant)?;
        let page = self.engine.list(query).await;
        let page = page.map_err(|error| history::failure(&error))?;
        Ok(Response::new(list::page(&page, filters)))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let id = parse::message_id("message_id", &request.get_ref().message_id)?;
        let (verdict, state) = match self.engine.cancel(caller.caller.tenant, id).await {
            CancelVerdict::Cancelled => (
                v1::CancelVerdict::Cancelled,
                progress::state_number(MessageState::Cancelled),
            ),
            CancelVerdict::TooLate { state } => {
                (v1::CancelVerdict::TooLate, progress::state_number(state))
            }
            CancelVerdict::Unknown => match self.ended(caller.caller.tenant, id).await? {
                Some(state) => (v1::CancelVerdict::TooLate, progress::state_number(state)),
                None => (
                    v1::CancelVerdict::Unknown,
                    v1::MessageState::Unspecified.into(),
                ),
            },
        };
        Ok(Response::new(v1::CancelResponse {
            verdict: verdict.into(),
            state,
        }))
    }

    async fn replace(
        &self,
        request: Request<v1::ReplaceRequest>,
    ) -> Result<Response<v1::ReplaceResponse>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let request = request.into_inner();
        let id = parse::message_id("message_id", &request.message_id)?;
        let refused = |refusal: Refusal| answer::status(&refusal);
        let replacement = parse::replacement(request).map_err(refused)?;
        let message = (caller.caller.tenant, id);
        let verdict = self.engine.replace(message, replacement).await;
        let (verdict, state) = match verdict.map_err(refused)? {
            ReplaceVerdict::Replaced => (
                v1::ReplaceVerdict::Replaced,
                v1::MessageState::Unspecified.into(),
            ),
            ReplaceVerdict::TooLate { state } => {
                (v1::ReplaceVerdict::TooLate, progress::state_number(state))
            }
            ReplaceVerdict::Unknown => match self.ended(caller.caller.tenant, id).await? {
                Some(state) => (v1::ReplaceVerdict::TooLate, progress::state_number(state)),
                None => (
                    v1::ReplaceVerdict::Unknown,
                    v1::MessageState::Unspecified.into(),
                ),
            },
        };
        Ok(Response::new(v1::ReplaceResponse {
            verdict: verdict.into(),
            state,
        }))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = self.callers.authenticate(&request)?;
        let call = self.long_call(caller, &self.watchers)?;
        Ok(Response::new(
            watch::start(call, request.into_inner()).await?,
        ))
    }

    async fn inbound(
        &self,
        request: Request<v1::InboundRequest>,
    ) -> Result<Response<Self::InboundStream>, Status> {
        let caller = self.inbound_reader(&request)?;
        let call = self.long_call(caller, &self.watchers)?;
        Ok(Response::new(
            inbound::start(call, &request.into_inner()).await?,
        ))
    }

    async fn acknowledge_inbound(
        &self,
        request: Request<v1::AcknowledgeInboundRequest>,
    ) -> Result<Response<v1::AcknowledgeInboundResponse>, Status> {
        self.inbound_reader(&request)?;
        let unknown_ids = inbound::acknowledge(&self.engine, request.into_inner().ids).await?;
        if !unknown_ids.is_empty() {
            self.check_alive()?;
        }
        Ok(Response::new(v1::AcknowledgeInboundResponse {
            unknown_ids,
        }))
    }
}
