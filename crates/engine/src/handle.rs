//! The engine as its front doors see it.

use std::sync::Arc;

use message::{CarrierId, MessageId, Submission, TenantId};
use partition::{CancelVerdict, MessageView, ReplaceVerdict, Replacement};
use tokio::sync::oneshot;

use crate::caller::{Caller, Refusal};
use crate::control::Control;
use crate::events::{ResumePosition, WatchRefused, Watcher};
use crate::history::{self, Explanation, HistoryError, HistoryPage, HistoryQuery, Indexed};
use crate::inbound::InboundWatcher;
use crate::reply::ReplyTo;
use crate::shared::{Life, Shared};
use crate::stats::EngineStats;

/// All that the outside sees of the engine. Cheap to clone; every call is safe from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Submits, refusing at once when there is no room. `Ok` means that exactly one answer follows on the sink of `reply`.
    ///
    /// # Errors
    /// The [`Refusal`]; nothing of the submission was kept.
    pub fn try_submit(
        &self,
        caller: &Caller,
        submission: Submission,
        reply: ReplyTo,
    ) -> Result<(), Refusal> {
        let now = (self.shared.config.clock)();
        let refused = |refusal: Refusal| {
            self.shared.metrics.refused(refusal.reason);
            refusal
        };
        let checked = self
            .shared
            .check(caller, submission, now)
            .map_err(refused)?;
        self.shared
            .hand_over(checked, reply, now)
            .map_err(|(reason, _, _)| refused(Refusal::of(reason)))
    }

    /// Submits, waiting while there is no room. `Ok` means that exactly one answer follows on the sink of `reply`.
    ///
    /// # Errors
    /// The [`Refusal`], for anything that waiting cannot help; nothing of the submission was kept.
    pub async fn submit(
        &self,
        caller: &Caller,
        submission: Submission,
        reply: ReplyTo,
    ) -> Result<(), Refusal> {
        let now = (self.shared.config.clock)();
        let submitted = match self.shared.check(caller, submission, now) {
            Ok(checked) => self.shared.hand_over_waiting(checked, reply).await,
            Err(refusal) => Err(refusal),
        };
        submitted.inspect_err(|refusal| self.shared.metrics.refused(refusal.reason))
    }

    /// A message of this tenant, live or lately finished.
    pub async fn find(&self, tenant: TenantId, id: MessageId) -> Option<MessageView> {
        let (view, _) = self.find_due(tenant, id).await?;
        Some(view)
    }

    /// The same, and when something must happen to it next.
    async fn find_due(&self, tenant: TenantId, id: MessageId) -> Option<(MessageView, u64)> {
        self.ask(|answer| Control::Find { tenant, id, answer })
            .await?
    }

    /// A message of this tenant, wherever it is: as the engine holds it, or when it has ended and been forgotten, as its records leave it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn recall(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<MessageView, HistoryError> {
        if let Some(view) = self.find(tenant, id).await {
            return Ok(view);
        }
        self.shared.history.settle().await;
        let shared = Arc::clone(&self.shared);
        self.shared
            .history
            .answer(move || history::recall(&shared, tenant, id))
            .await
    }

    /// Everything that is known of a message of this tenant: where it is, every record of it and the rules that they show.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn explain(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<Explanation, HistoryError> {
        let now = self.find_due(tenant, id).await;
        self.shared.history.settle().await;
        let shared = Arc::clone(&self.shared);
        self.shared
            .history
            .answer(move || history::explain(&shared, tenant, id, now))
            .await
    }

    /// A page of a tenant's messages, newest first, as far as the index reaches.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn list(&self, query: HistoryQuery) -> Result<HistoryPage, HistoryError> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .history
            .answer(move || history::list(&shared, query))
            .await
    }

    /// How far the history index reaches, by what its feeder last said.
    #[must_use]
    pub fn indexed(&self) -> Indexed {
        self.shared.history.indexed()
    }

    /// Cancels a message of this tenant, if nothing of it was written yet.
    pub async fn cancel(&self, tenant: TenantId, id: MessageId) -> CancelVerdict {
        self.ask(|answer| Control::Cancel { tenant, id, answer })
            .await
            .unwrap_or(CancelVerdict::Unknown)
    }

    /// Gives a message of this tenant new content, if nothing of it was written yet. [`Replacement::segments`] is measured here.
    ///
    /// # Errors
    /// The [`Refusal`] of a field; nothing has changed then.
    pub async fn replace(
        &self,
        (tenant, id): (TenantId, MessageId),
        replacement: Replacement,
    ) -> Result<ReplaceVerdict, Refusal> {
        let now = (self.shared.config.clock)();
        let replacement = Box::new(self.shared.check_replacement(replacement, now)?);
        let asked = self.ask(|answer| Control::Replace {
            tenant,
            id,
            replacement,
            answer,
        });
        Ok(asked.await.unwrap_or(ReplaceVerdict::Unknown))
    }

    /// Follows events after a position, or from now on; waits while the engine recovers.
    ///
    /// # Errors
    /// When what follows the position is gone, the position was never given out, or the engine is over before it has recovered.
    pub async fn watch(&self, after: Option<ResumePosition>) -> Result<Watcher, WatchRefused> {
        self.recovered().await?;
        Ok(self.shared.events.watch(after)?)
    }

    /// Waits until the event log knows what happened before.
    async fn recovered(&self) -> Result<(), WatchRefused> {
        loop {
            let opened = self.shared.events.opened();
            let changed = self.shared.life_changed.notified();
            tokio::pin!(opened, changed);
            opened.as_mut().enable();
            changed.as_mut().enable();
            if self.shared.events.is_open() {
                return Ok(());
            }
            if self.shared.life().is_over() {
                return Err(WatchRefused::Over);
            }
            tokio::select! {
                () = opened => {}
                () = changed => {}
            }
        }
    }

    /// Follows inbound messages: first those after the position, or all, that nobody has acknowledged. Waits while the engine recovers.
    ///
    /// # Errors
    /// When the position is of another data directory or was never given out, a message behind it has expired, or the engine is over before it has recovered.
    pub async fn inbound(
        &self,
        after: Option<ResumePosition>,
    ) -> Result<InboundWatcher, WatchRefused> {
        self.recovered().await?;
        let store = Arc::clone(&self.shared.inbound);
        Ok(InboundWatcher::begin(store, self.data_id(), after)?)
    }

    /// Takes an inbound message over; durable when this returns. `false` when it was not waiting (any more).
    pub async fn acknowledge_inbound(&self, id: MessageId) -> bool {
        self.ask(|answer| Control::AcknowledgeInbound { id, answer })
            .await
            .unwrap_or(false)
    }

    /// The identity of the data directory: a position means something in this one only. 0 while the engine recovers.
    #[must_use]
    pub fn data_id(&self) -> u64 {
        self.shared.events.data_id()
    }

    /// A carrier's configured name.
    #[must_use]
    pub fn carrier_name(&self, id: CarrierId) -> Option<&str> {
        self.shared.carrier_name(id)
    }

    /// Where the engine is in its life.
    #[must_use]
    pub fn life(&self) -> Life {
        self.shared.life()
    }

    /// Latencies and counts since the start; `None` once the engine has stopped.
    pub async fn stats(&self) -> Option<EngineStats> {
        self.ask(|answer| Control::Stats { answer }).await
    }

    /// Asks the shard, waiting for a free slot of the control ring if need be; `None` when the engine has stopped.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Control) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let control = request(sender);
        loop {
            if self.shared.life().is_over() {
                return None;
            }
            let space = self.shared.ring_space.notified();
            tokio::pin!(space);
            space.as_mut().enable();
            if let Ok(slot) = self.shared.control.try_reserve() {
                slot.push(control);
                self.shared.note_pushed();
                return receiver.await.ok();
            }
            space.await;
        }
    }
}
