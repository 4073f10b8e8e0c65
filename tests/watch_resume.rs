//! A watcher that is restarted again and again, and an engine that is killed again and again under load: what the watcher saw, put
//! together, is everything that happened, once, in order.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine_process::caller::{connect, look, try_connect};
use engine_process::dice::Dice;
use engine_process::load::Load;
use engine_process::{EngineProcess, PATIENCE, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

const MESSAGES: u64 = 2_000;
const KILLS: u64 = 6;
/// Responses after which the watcher hangs up, at most.
const HANG_UP: u64 = 25;
/// Before the watcher tries an engine that does not answer again.
const AGAIN: Duration = Duration::from_millis(20);

/// What a watcher keeps over its own restarts: what it has taken, and the position that came with it.
#[derive(Clone, Default)]
struct Kept {
    events: Vec<v1::Event>,
    position: String,
    /// How often it began again.
    segments: u32,
    broken: Option<String>,
}

impl Kept {
    fn take(&mut self, response: v1::WatchResponse) {
        self.events.extend(response.events);
        self.position = response.resume_position;
    }

    /// Sequence and state of a message's last event.
    fn last(&self, id: &str) -> Option<(u32, v1::MessageState)> {
        let mut newest = self.events.iter().rev();
        let last = newest.find(|event| event.message_id == id)?;
        Some((last.sequence, last.state()))
    }

    fn messages(&self) -> usize {
        let ids: HashSet<_> = self.events.iter().map(|event| &event.message_id).collect();
        ids.len()
    }
}

/// One watch, until it ends or has had so many responses.
async fn segment(url: &str, kept: &Mutex<Kept>, responses_max: u64) -> Result<(), Status> {
    let mut caller = try_connect(url).await?;
    let request = v1::WatchRequest {
        resume_position: kept.lock().unwrap().position.clone(),
        ..v1::WatchRequest::default()
    };
    let mut responses = caller.watch(request).await?.into_inner();
    for _ in 0..responses_max {
        let Some(response) = responses.message().await? else {
            break;
        };
        kept.lock().unwrap().take(response);
    }
    Ok(())
}

/// Watches on and on, hanging up at random.
async fn watch_in_segments(url: String, kept: Arc<Mutex<Kept>>) {
    let mut dice = Dice::seeded(7);
    loop {
        let ended = segment(&url, &kept, 1 + dice.below(HANG_UP)).await;
        kept.lock().unwrap().segments += 1;
        let Err(status) = ended else { continue };
        if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument) {
            kept.lock().unwrap().broken = Some(status.to_string());
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn check_order(events: &[v1::Event]) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut ended = HashSet::new();
    for event in events {
        let before = seen.insert(&event.message_id, event.sequence);
        match before {
            None => assert_eq!(event.state(), v1::MessageState::Admitted, "{event:?}"),
            Some(before) => assert!(before < event.sequence, "after {before}: {event:?}"),
        }
        if event.state() >= v1::MessageState::Delivered && !event.late {
            assert!(ended.insert(&*event.message_id), "ended twice: {event:?}");
        }
    }
    assert_eq!(ended.len(), seen.len(), "a message has no end");
}

/// Waits until the watcher's last event of each message is what `Get` says of it. Late receipts may still move a message.
async fn follow_to_the_end(engine: &EngineProcess, kept: &Mutex<Kept>, ids: &[String]) {
    let mut caller = connect(engine).await;
    let deadline = Instant::now() + PATIENCE;
    let mut open: Vec<&String> = ids.iter().collect();
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "{} are behind", open.len());
        let mut behind = Vec::new();
        for id in open {
            let view = look(&mut caller, id).await;
            let last = kept.lock().unwrap().last(id);
            if last.as_ref() != Some(&(view.sequence, view.state())) {
                behind.push(id);
            }
        }
        open = behind;
        tokio::time::sleep(AGAIN).await;
    }
    let known = kept.lock().unwrap().messages();
    assert_eq!(known, ids.len(), "events of messages that nobody submitted");
}

/// Everything since `origin`, watched at one go.
async fn watch_all(engine: &EngineProcess, origin: &str, count: usize) -> Vec<v1::Event> {
    let mut caller = connect(engine).await;
    let request = v1::WatchRequest {
        resume_position: origin.to_owned(),
        ..v1::WatchRequest::default()
    };
    let mut responses = caller.watch(request).await.unwrap().into_inner();
    let mut kept = Kept::default();
    let watched = async {
        while kept.events.len() < count {
            kept.take(responses.message().await.unwrap().unwrap());
        }
    };
    let ended = tokio::time::timeout(PATIENCE, watched).await;
    ended.expect("as many events as the other watcher saw");
    kept.events
}

#[test]
fn over_kills_and_hang_ups_a_watcher_sees_everything_once() {
    let mut dice = Dice::seeded(11);
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.latency_ms = 10;
    script.jitter_ms = 20;
    script.receipts.delay_ms = 100;
    script.receipts.jitter_ms = 1_000;
    script.receipts.resend_ms = 100;
    script.receipts.timeout_ms = 2_000;
    let carrier = FakeSmsc::start(script).unwrap();
    let lines = format!(
        "hosts = [\"{}\"]\nstamp_tlv = true\nsessions = 2\ncontract_per_second = 500\n\
         response_timeout_ms = 3_000\nreceipt_deadline_s = 10\nuncertain_deadline_s = 8\n\
         [uncertain_after_ms]\notp = 1_000\nalert = 1_000\nnormal = 2_000\nbulk = 2_000\n\
         [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr(),
    );
    // So few events stay in memory that a watcher which hangs up finds them on the disk.
    let setting = Setting::with(
        &[("alpha", &lines)],
        "[limits]\nmessages = 400\nevents_kept = 50",
    );
    let mut engine = EngineProcess::start(&setting);
    setting.keep_ports(&engine);

    let runtime = Runtime::new().unwrap();
    let kept = Arc::new(Mutex::new(Kept::default()));
    runtime.block_on(segment(&engine.url(), &kept, 1)).unwrap();
    let origin = kept.lock().unwrap().position.clone();
    assert!(!origin.is_empty());
    let watching = runtime.spawn(watch_in_segments(engine.url(), Arc::clone(&kept)));

    let mut load = Load::new(MESSAGES);
    load.drive(&engine);
    for kill in 0..KILLS {
        let apart = MESSAGES / (KILLS + 1);
        let death = kill * apart + dice.below(apart);
        engine.wait_until("enough is answered", || load.answered() >= death);
        engine.kill();
        engine = EngineProcess::start(&setting);
        load.drive(&engine);
    }
    let audit = load.close(&engine, &[&carrier]);
    println!("{audit:?}");
    let ids: Vec<_> = audit.fates.0.keys().map(ToString::to_string).collect();
    runtime.block_on(follow_to_the_end(&engine, &kept, &ids));
    watching.abort();

    let kept = kept.lock().unwrap().clone();
    println!("{} events in {} segments", kept.events.len(), kept.segments);
    assert_eq!(kept.broken, None);
    assert!(kept.segments > 20);
    check_order(&kept.events);
    let at_one_go = runtime.block_on(watch_all(&engine, &origin, kept.events.len()));
    assert_eq!(at_one_go.len(), kept.events.len());
    for (nth, (one, other)) in at_one_go.iter().zip(&kept.events).enumerate() {
        assert_eq!(one, other, "event {nth} of {}", kept.events.len());
    }
}
