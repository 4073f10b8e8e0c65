//! An engine on a real journal with a connector that follows a script.

#![allow(dead_code, reason = "each test binary uses a part of the rig")]
#![expect(
    clippy::unwrap_used,
    reason = "a rig of tests: failing loudly is its job"
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use connector::{
    Connector, ConnectorEvent, ConnectorStatus, Dispatch, Receipt, ReceiptHandle, SessionNo, Slot,
    Verdict,
};
use engine::{
    AdmitReply, Caller, CarrierConfig, Engine, EngineConfig, Handle, Life, Limits, ReplySink,
    ReplyTo, TenantConfig,
};
use message::{
    CallerId, CarrierMessageId, Category, Now, Outcome, ReceiptState, ReceiptWanted, Submission,
    TenantId,
};

pub(crate) fn now() -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let mono = START.get_or_init(Instant::now).elapsed();
    let wall = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Now {
        mono_ns: 1_000_000_000 + u64::try_from(mono.as_nanos()).unwrap(),
        wall_ms: u64::try_from(wall.as_millis()).unwrap(),
    }
}

/// What the scripted carrier answers to each segment.
#[allow(dead_code, reason = "every test binary uses a part of it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Takes it and delivers it.
    Deliver,
    /// Takes it; its receipt comes when the test sends it.
    Take,
    /// Takes it; its receipt comes before the answer.
    DeliverEarly,
    /// Delivers it and sends the receipt; its answer is lost.
    DeliverUnanswered,
    /// Says nothing about it, and sends the receipt of the very first segment again.
    RepeatFirst,
    /// Says nothing.
    Silence,
    /// Asks to slow down.
    Throttle,
}

/// What the test sees of the carrier from outside.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) seen: Arc<Mutex<Vec<Dispatch>>>,
    pub(crate) answers: Arc<Mutex<VecDeque<Answer>>>,
    pub(crate) acknowledged: Arc<AtomicU64>,
    /// While set, the carrier takes nothing.
    pub(crate) closed: Arc<AtomicBool>,
    /// While set, the carrier takes what it is not told otherwise about and sends no receipt by itself.
    pub(crate) holds_receipts: Arc<AtomicBool>,
    /// Receipts on their way.
    receipts: Arc<Mutex<Vec<ConnectorEvent>>>,
}

impl Script {
    /// Sends the receipt of what came to the carrier as number `number`, from 1.
    pub(crate) fn send_receipt(&self, number: usize) {
        let dispatch = self.seen.lock().unwrap()[number - 1].clone();
        let receipt = receipt_of(number, id_of(number, &dispatch), &dispatch);
        self.receipts.lock().unwrap().push(receipt);
    }
}

fn receipt_of(number: usize, id: CarrierMessageId, dispatch: &Dispatch) -> ConnectorEvent {
    ConnectorEvent::Receipt {
        handle: ReceiptHandle {
            session: dispatch.session,
            sequence: u32::try_from(number).unwrap(),
        },
        receipt: Receipt {
            carrier_message_id: id,
            state: ReceiptState::Delivered,
            error: "".into(),
            recipient: (*dispatch.payload.recipient.digits()).into(),
            sender: dispatch.payload.sender.as_str().into(),
        },
    }
}

struct Scripted {
    script: Script,
    events: Rc<RefCell<Vec<ConnectorEvent>>>,
    wake: Rc<dyn Fn()>,
    drained: bool,
}

impl Connector for Scripted {
    fn poll_slot(&mut self, _: Now) -> Option<Slot> {
        (!self.drained && !self.script.closed.load(Ordering::SeqCst)).then_some(Slot {
            session: SessionNo(1),
            free: 64,
            free_otp: 1,
        })
    }

    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now) {
        for dispatch in batch.drain(..) {
            let answer = self.script.answers.lock().unwrap().pop_front();
            let (number, first) = {
                let mut seen = self.script.seen.lock().unwrap();
                seen.push(dispatch.clone());
                (seen.len(), seen[0].clone())
            };
            let id = id_of(number, &dispatch);
            let outcome = |outcome| ConnectorEvent::Outcome {
                segment: dispatch.segment,
                session: dispatch.session,
                outcome,
                status: 0,
                written_ns: now.mono_ns,
                settled_ns: now.mono_ns,
            };
            let taken = outcome(Outcome::Submitted {
                carrier_message_id: id.clone(),
            });
            let receipt = receipt_of(number, id, &dispatch);
            let usual = match self.script.holds_receipts.load(Ordering::SeqCst) {
                true => Answer::Take,
                false => Answer::Deliver,
            };
            let mut events = self.events.borrow_mut();
            match answer.unwrap_or(usual) {
                Answer::Deliver => events.extend([taken, receipt]),
                Answer::Take => events.push(taken),
                Answer::DeliverEarly => events.extend([receipt, taken]),
                Answer::DeliverUnanswered => events.push(receipt),
                Answer::RepeatFirst => events.push(receipt_of(number, id_of(1, &first), &first)),
                Answer::Silence => {}
                Answer::Throttle => events.push(outcome(Outcome::Throttled)),
            }
        }
        (self.wake)();
    }

    fn drain_events(&mut self, events: &mut Vec<ConnectorEvent>) {
        events.append(&mut self.events.borrow_mut());
        events.append(&mut self.script.receipts.lock().unwrap());
    }

    fn in_flight(&self, each: &mut dyn FnMut(message::SegmentRef)) {
        let seen = self.script.seen.lock().unwrap();
        seen.iter().for_each(|dispatch| each(dispatch.segment));
    }

    fn acknowledge(&mut self, _: ReceiptHandle, verdict: Verdict, _: Now) {
        assert_eq!(verdict, Verdict::Taken);
        self.script.acknowledged.fetch_add(1, Ordering::SeqCst);
    }

    fn drain(&mut self, _: Now) {
        self.drained = true;
    }

    fn is_drained(&self) -> bool {
        self.drained
    }

    fn status(&self) -> ConnectorStatus {
        ConnectorStatus {
            sessions_configured: 1,
            sessions_bound: u32::from(!self.drained),
            window: 64,
            ..ConnectorStatus::default()
        }
    }
}

/// What the carrier calls the segment that came to it as number `number`.
fn id_of(number: usize, dispatch: &Dispatch) -> CarrierMessageId {
    CarrierMessageId::new(format!("{number}-{}", dispatch.segment.message).as_bytes())
}

/// A data directory that goes with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn caller() -> Caller {
    Caller {
        id: CallerId::of(&"tests".parse().unwrap()),
        tenant: TenantId::of(&"acme".parse().unwrap()),
        name: "tests".parse().unwrap(),
        categories: [true; 4],
    }
}

pub(crate) fn start(directory: &Directory, script: &Script, limits: Limits) -> Engine {
    start_with(config(directory, limits), script)
}

/// One carrier, one group, one tenant.
pub(crate) fn config(directory: &Directory, limits: Limits) -> EngineConfig {
    let carrier: message::Slug = "carrier-a".parse().unwrap();
    let group: message::Slug = "all".parse().unwrap();
    let tiers = vec![vec![message::CarrierId::of(&carrier)]];
    EngineConfig {
        journal_reserve_bytes: 1 << 20,
        limits,
        carriers: vec![CarrierConfig {
            name: carrier,
            contract: None,
        }],
        tenants: vec![TenantConfig {
            name: "acme".parse().unwrap(),
            weight: 1,
            otp_per_second: None,
        }],
        routes: routing::RouteTable::build(
            [routing::RouteGroup::new(group.clone(), tiers).unwrap()],
            [routing::Route {
                prefix: routing::Prefix::DEFAULT,
                group,
            }],
        )
        .unwrap(),
        ..EngineConfig::new(directory.0.clone(), now)
    }
}

/// Starts an engine and waits until it is open.
pub(crate) fn start_with(config: EngineConfig, script: &Script) -> Engine {
    let script = script.clone();
    let engine = Engine::start(
        config,
        Box::new(move |wake| {
            vec![Box::new(Scripted {
                script,
                events: Rc::default(),
                wake,
                drained: false,
            })]
        }),
    )
    .unwrap();
    let handle = engine.handle();
    wait_for("the engine to open", || {
        assert_ne!(handle.life(), Life::Failed, "the engine failed to open");
        handle.life() == Life::Open
    });
    engine
}

pub(crate) fn submission(number: u64, category: Category) -> Submission {
    Submission {
        recipient: message::Msisdn::from_u64(819_000_000_000 + number).unwrap(),
        recipient_key: None,
        sender: "Hikyaku".parse().unwrap(),
        category,
        text: format!("your code is {number:06}").into(),
        receipt_wanted: ReceiptWanted::Always,
        valid_for_ms: None,
        send_at_ms: None,
        idempotency_key: None,
        batch_id: None,
        context: bytes::Bytes::new(),
        labels: Vec::new(),
    }
}

/// Submits and waits for the answer.
pub(crate) async fn submit(handle: &Handle, submission: Submission) -> AdmitReply {
    let sink = ReplySink::new(1);
    handle.try_submit(
        &caller(),
        submission,
        ReplyTo {
            sink: Arc::clone(&sink),
            tag: 7,
        },
    )?;
    let mut answers = Vec::new();
    sink.recv(&mut answers).await;
    let (tag, reply) = answers.pop().unwrap();
    assert_eq!(tag, 7);
    reply
}

/// Polls until it holds: for conditions that nothing announces. Fails after ten seconds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
