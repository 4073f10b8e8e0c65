//! A client under load that keeps the account: every number it submitted, the id it got, every end it was told of, and at the end what
//! the engine and the carrier say of each.
//!
//! It submits over a stream with `ON_FULL_WAIT` and idempotency keys. When the engine dies, [`Load::drive`] goes on with the next one: what
//! was not answered is submitted again, what was answered is not.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fakes::smsc::SmscHandle;
use grpc_api::v1;
use grpc_api::v1::streamed_answer::Outcome;
use message::MessageId;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::EngineProcess;
use super::caller::{Caller, connect, submission};

/// Submissions in one request.
const REQUEST: usize = 20;
/// `Get` calls in flight.
const LOOK_UPS: usize = 32;
/// Before what was refused is submitted again, and between two looks at whether anything was.
const AGAIN: Duration = Duration::from_millis(50);

/// What to submit.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) category: v1::Category,
    pub(crate) receipt: v1::ReceiptWanted,
}

/// What the client was told of a message by the watch.
#[derive(Clone, Copy, Default)]
struct Told {
    /// Ends that are not late evidence.
    ends: u32,
    /// The state of the last end.
    state: v1::MessageState,
    uncertain: bool,
}

#[derive(Default)]
struct Account {
    /// By number.
    orders: Vec<Order>,
    /// By number.
    ids: Vec<Option<MessageId>>,
    unanswered: usize,
    told: HashMap<MessageId, Told>,
    /// To be submitted.
    queue: VecDeque<u64>,
    refused: BTreeMap<&'static str, u64>,
    /// The engine was told to end.
    ends: bool,
    /// What must not happen and did.
    broken: Vec<String>,
}

/// What became of everything.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Messages by final state.
    pub(crate) ended: BTreeMap<&'static str, u64>,
    /// Messages that were in doubt at some time.
    pub(crate) uncertain: u64,
    /// Messages with late evidence.
    pub(crate) late: u64,
    /// Messages whose end the watch did not tell.
    pub(crate) untold: u64,
    /// Copies beyond the first, at the carrier.
    pub(crate) copies: u64,
    /// Messages that no carrier ever got; each says why, or that nobody knows.
    pub(crate) unseen: u64,
    /// Refusals, by reason; each was submitted again.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Message by message.
    pub(crate) fates: Fates,
}

/// What became of each message; too many to be printed.
#[derive(Default)]
pub(crate) struct Fates(pub(crate) HashMap<MessageId, Fate>);

/// What became of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// Whether it was in doubt at some time.
    pub(crate) uncertain: bool,
    /// How often carriers got it.
    pub(crate) seen: u32,
}

impl std::fmt::Debug for Fates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} messages", self.0.len())
    }
}

/// The client.
pub(crate) struct Load {
    runtime: Runtime,
    account: Arc<Mutex<Account>>,
    life: Option<JoinHandle<()>>,
}

impl Load {
    /// Will submit `messages` messages of all categories, each to a number of its own, receipts wanted.
    pub(crate) fn new(messages: u64) -> Self {
        let order = |number| Order {
            category: category(number),
            receipt: v1::ReceiptWanted::Always,
        };
        Self::of((0..messages).map(order).collect())
    }

    /// Will submit these, each to a number of its own.
    pub(crate) fn of(orders: Vec<Order>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let account = Account {
            ids: vec![None; orders.len()],
            unanswered: orders.len(),
            orders,
            ..Account::default()
        };
        Self {
            runtime,
            account: Arc::new(Mutex::new(account)),
            life: None,
        }
    }

    /// Goes on with this engine; with the one before it is over.
    pub(crate) fn drive(&mut self, engine: &EngineProcess) {
        self.stop();
        {
            let mut account = lock(&self.account);
            let open = (0..).zip(&account.ids).filter(|(_, id)| id.is_none());
            account.queue = open.map(|(number, _)| number).collect();
            account.ends = false;
        }
        let account = Arc::clone(&self.account);
        let caller = self.runtime.block_on(connect(engine));
        self.life = Some(self.runtime.spawn(async move {
            let ended = tokio::try_join!(
                submit(caller.clone(), &account),
                watch(caller.clone(), &account)
            );
            let status = ended.map_or_else(|status| status, |_| unreachable!("a watch goes on"));
            // What a dead engine's connection says; anything else is a defect.
            if !matches!(
                status.code(),
                Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
            ) {
                lock(&account).broken.push(format!("{status:?}"));
            }
        }));
    }

    /// This engine is about to be told to end: it may refuse from now on.
    pub(crate) fn expect_end(&self) {
        lock(&self.account).ends = true;
    }

    /// Neither submits nor watches any more.
    pub(crate) fn stop(&mut self) {
        if let Some(life) = self.life.take() {
            life.abort();
            let ended = self.runtime.block_on(life);
            assert!(!ended.is_err_and(|error| error.is_panic()));
        }
    }

    /// Submissions that have their id.
    pub(crate) fn answered(&self) -> u64 {
        let account = lock(&self.account);
        (account.ids.len() - account.unanswered) as u64
    }

    /// Waits until everything is answered and has ended, then closes the account. Panics where a promise was broken: an id given twice, a
    /// message without an end or with two, an end that was taken back, a copy of a message that is not reported uncertain, a message at a
    /// carrier that nobody submitted, one that arrived and no carrier ever saw.
    pub(crate) fn close(self, engine: &EngineProcess, carriers: &[&SmscHandle]) -> Audit {
        let seen = |id: MessageId| {
            let by_each = carriers.iter().map(|carrier| carrier.seen(id.to_bytes()));
            Some(by_each.sum())
        };
        let audit = self.settle(engine, seen);
        let known: u64 = audit.fates.0.values().map(|it| u64::from(it.seen)).sum();
        let taken: u64 = carriers.iter().map(|it| it.snapshot().taken).sum();
        assert_eq!(taken, known, "a carrier got what nobody was answered for");
        audit
    }

    /// The same where the carrier cannot be asked.
    pub(crate) fn close_unseen(self, engine: &EngineProcess) -> Audit {
        self.settle(engine, |_| None)
    }

    fn settle(mut self, engine: &EngineProcess, seen: impl Fn(MessageId) -> Option<u32>) -> Audit {
        let messages = lock(&self.account).ids.len() as u64;
        engine.wait_until("all are answered", || {
            let broken = lock(&self.account).broken.clone();
            assert!(broken.is_empty(), "{broken:?}");
            self.answered() == messages
        });
        // Asked one by one: a gauge may still show the moment before the load began.
        engine.wait_until("all have ended", || {
            let views = self.runtime.block_on(look_up_all(engine, &self.account));
            let mut states = views.values().map(|view| view.state());
            states.all(|state| state >= v1::MessageState::Delivered)
        });
        engine.wait_until("none is pending", || {
            engine.metric("hikyaku_live_messages") == 0.0
                && engine.metric("hikyaku_uncertain_attempts") == 0.0
        });
        // Gauges are set one after another: the credits may still show the moment before.
        engine.wait_until("all credits are back", || {
            engine.metric("hikyaku_credit_messages") == 0.0
        });
        let views = self.runtime.block_on(look_up_all(engine, &self.account));
        engine.wait_until("the watch has told what it has to tell", || {
            let account = lock(&self.account);
            views.iter().all(|(id, view)| {
                let told = account.told.get(id);
                told.is_none_or(|told| told.state == view.state())
            })
        });
        self.stop();
        let account = lock(&self.account);
        assert!(account.broken.is_empty(), "{:?}", account.broken);
        assert_eq!(views.len() as u64, messages, "an id was given twice");
        let mut audit = Audit {
            refused: account.refused.clone(),
            ..Audit::default()
        };
        for (id, view) in &views {
            audit.add(view, account.told.get(id).copied(), seen(*id));
        }
        audit
    }
}

impl Audit {
    fn add(&mut self, view: &v1::MessageView, told: Option<Told>, seen: Option<u32>) {
        let state = view.state();
        assert!(state >= v1::MessageState::Delivered, "no end: {view:?}");
        if let Some(seen) = seen {
            let flagged = seen <= 1 || view.uncertain;
            assert!(flagged, "seen {seen} times and not uncertain: {view:?}");
            let came = match state {
                v1::MessageState::Delivered
                | v1::MessageState::Sent
                | v1::MessageState::Undeliverable => true,
                v1::MessageState::Unknown => !view.uncertain,
                _ => false,
            };
            assert!(seen >= 1 || !came, "came and was never seen: {view:?}");
            let (id, uncertain) = (view.message_id.parse().unwrap(), view.uncertain);
            self.copies += u64::from(seen.saturating_sub(1));
            self.unseen += u64::from(seen == 0);
            self.fates.0.insert(id, Fate { uncertain, seen });
        }
        if state == v1::MessageState::Unknown {
            let overdue = view.reason() == v1::Reason::ReceiptDeadline;
            assert!(view.uncertain || overdue, "{view:?}");
        }
        match told {
            None => self.untold += 1,
            Some(told) => {
                assert_eq!(told.ends, 1, "ended {} times: {view:?}", told.ends);
                assert_eq!(told.uncertain, view.uncertain, "{view:?}");
            }
        }
        *self.ended.entry(state.as_str_name()).or_default() += 1;
        self.uncertain += u64::from(view.uncertain);
        self.late += u64::from(view.late);
    }

    /// How many ended so.
    pub(crate) fn ended_as(&self, state: v1::MessageState) -> u64 {
        self.ended.get(state.as_str_name()).copied().unwrap_or(0)
    }
}

impl Account {
    /// The next submissions of a stream, none while everything is under way.
    fn take(&mut self) -> Vec<v1::StreamedSubmission> {
        let count = self.queue.len().min(REQUEST);
        let numbers = self.queue.drain(..count);
        numbers
            .map(|number| {
                let order = self.orders[usize::try_from(number).unwrap()];
                v1::StreamedSubmission {
                    client_ref: number,
                    submission: Some(v1::Submission {
                        idempotency_key: format!("message {number}"),
                        receipt_wanted: order.receipt.into(),
                        ..submission(order.category, number)
                    }),
                }
            })
            .collect()
    }

    fn note(&mut self, answer: v1::StreamedAnswer) {
        let number = answer.client_ref;
        match answer.outcome.unwrap() {
            Outcome::Admission(admission) => {
                let id = admission.message_id.parse().unwrap();
                let place = &mut self.ids[usize::try_from(number).unwrap()];
                if let Some(before) = place.replace(id) {
                    self.broken
                        .push(format!("{number} was answered {before} and {id}"));
                } else {
                    self.unanswered -= 1;
                }
            }
            Outcome::Refusal(refusal) => {
                // Who waits is refused only where no wait helps; an otp does not wait for bulk, nor behind other otps.
                let ends = self.ends && refusal.code() == v1::Reason::Draining;
                if refusal.code() != v1::Reason::OtpLaneFull && !ends {
                    self.broken.push(format!("{number}: {refusal:?}"));
                }
                *self
                    .refused
                    .entry(refusal.code().as_str_name())
                    .or_default() += 1;
                self.queue.push_back(number);
            }
        }
    }

    fn hear(&mut self, event: &v1::Event) {
        let id = event.message_id.parse().unwrap();
        let told = self.told.entry(id).or_default();
        told.ends += u32::from(!event.late);
        told.state = event.state();
        told.uncertain = event.uncertain;
    }
}

fn category(number: u64) -> v1::Category {
    match number % 4 {
        0 => v1::Category::Otp,
        1 => v1::Category::Alert,
        2 => v1::Category::Transactional,
        _ => v1::Category::Promotional,
    }
}

async fn submit(mut caller: Caller, account: &Mutex<Account>) -> Result<(), Status> {
    let (requests, queue) = channel(1);
    let write = write(requests, account);
    let read = async {
        let mut answers = caller
            .submit_stream(ReceiverStream::new(queue))
            .await?
            .into_inner();
        while let Some(response) = answers.message().await? {
            let mut account = lock(account);
            for answer in response.answers {
                account.note(answer);
            }
        }
        Ok(())
    };
    tokio::join!(write, read).1
}

async fn write(requests: Sender<v1::SubmitStreamRequest>, account: &Mutex<Account>) {
    loop {
        let submissions = {
            let mut account = lock(account);
            if account.unanswered == 0 {
                return;
            }
            account.take()
        };
        if submissions.is_empty() {
            // All are under way: any may yet be refused.
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        let request = v1::SubmitStreamRequest {
            on_full: v1::OnFull::Wait.into(),
            submissions,
        };
        if requests.send(request).await.is_err() {
            return;
        }
    }
}

async fn watch(mut caller: Caller, account: &Mutex<Account>) -> Result<(), Status> {
    let request = v1::WatchRequest {
        mine_only: true,
        state_class: v1::StateClass::Final.into(),
        ..v1::WatchRequest::default()
    };
    let mut responses: Streaming<v1::WatchResponse> = caller.watch(request).await?.into_inner();
    while let Some(response) = responses.message().await? {
        let mut account = lock(account);
        for event in &response.events {
            account.hear(event);
        }
    }
    Err(Status::unavailable("the engine ended the watch"))
}

async fn look_up_all(
    engine: &EngineProcess,
    account: &Mutex<Account>,
) -> HashMap<MessageId, v1::MessageView> {
    let mut ids: VecDeque<MessageId> = lock(account).ids.iter().copied().flatten().collect();
    let caller = connect(engine).await;
    let mut views = HashMap::new();
    let mut calls = JoinSet::new();
    loop {
        while calls.len() < LOOK_UPS
            && let Some(id) = ids.pop_front()
        {
            let mut caller = caller.clone();
            calls.spawn(
                async move { (id, super::caller::look(&mut caller, &id.to_string()).await) },
            );
        }
        let Some(found) = calls.join_next().await else {
            return views;
        };
        let (id, view) = found.unwrap();
        views.insert(id, view);
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap()
}
