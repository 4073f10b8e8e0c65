//! Fifty thousand bulk messages of two tenants behind a slow carrier: they wait in the journal, an otp and a third tenant's few messages do not
//! wait for them, and `kill -9` in the middle loses none.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use engine_process::caller::{Caller, connect_as, look, submission, submit};
use engine_process::{API_KEY, EngineProcess, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig, SmscHandle};
use grpc_api::v1;

/// The first tenant's nine tenths, the second's tenth, the third's few.
const MANY: u64 = 45_000;
const SOME: u64 = 5_000;
const FEW: u64 = 20;
const OTPS: u64 = 20;
/// Messages of a queue that stay in memory.
const HEAD: u64 = 256;
/// Submissions of one request.
const BATCH: u64 = 500;
/// Every so manieth message is looked up at the end.
const LOOKED_UP: usize = 50;
/// Had they waited behind the backlog, all of it would have gone before them.
const GONE_BEFORE_MAX: u64 = (MANY + SOME) / 4;
/// Segments that the sessions may have under way when a kill comes.
const UNDER_WAY_MAX: u64 = 2 * 50;
/// An end that is awaited comes nearer by so much within the patience of one wait.
const PROGRESS: u64 = 1_000;

/// Whose messages, and the first of their numbers: no two of them are for one recipient.
struct Tenant {
    key: String,
    first: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_another_tenants_backlog_and_a_kill_loses_nothing() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let limits = format!("[limits]\nmessages = 5_000\nhead_messages = {HEAD}\n");
    let setting = Setting::with(&[("alpha", &lines(&carrier, 200))], &limits);
    let [many, some, few] = tenants(&setting);

    // Nothing leaves before everything waits.
    carrier.pause().unwrap();
    let engine = EngineProcess::start(&setting);
    let (mut ids, of_some) = tokio::join!(
        submit_bulk(&engine, &many, MANY),
        submit_bulk(&engine, &some, SOME)
    );
    engine.wait_until("what memory should not hold waits in the journal", || {
        engine.metric("hikyaku_backlog_messages") >= (MANY + SOME - 4 * HEAD) as f64
    });
    carrier.resume().unwrap();
    engine.wait_until("the carrier gets something", || {
        carrier.snapshot().taken > 0
    });
    let mut others = overtake(&engine, &carrier, (&few, &many)).await;

    engine.kill();
    let engine = EngineProcess::start(&setting);
    let later = [(&few, FEW), (&many, OTPS)].map(|(tenant, gone)| Tenant {
        key: tenant.key.clone(),
        first: tenant.first + 100_000 + gone,
    });
    others.extend(overtake(&engine, &carrier, (&later[0], &later[1])).await);

    engine.kill();
    setting.write("carriers/alpha.toml", &account(&lines(&carrier, 20_000)));
    let engine = EngineProcess::start(&setting);
    let admitted = (ids.len() + of_some.len() + others.len()) as u64;
    assert_eq!(admitted, MANY + SOME + 2 * (FEW + OTPS));
    let doubted = until_all_ended(&engine, &carrier, admitted);

    let counts = carrier.snapshot();
    assert!(doubted <= 2 * UNDER_WAY_MAX, "{doubted} in doubt");
    assert_eq!(
        counts.unique_messages + doubted,
        admitted,
        "lost: {counts:?}"
    );
    assert_eq!(counts.copies, 0, "sent twice: {counts:?}");
    assert_eq!(engine.metric("hikyaku_backlog_messages"), 0.0);
    ids.extend(of_some);
    let sample = ids.into_iter().step_by(LOOKED_UP).chain(others);
    let mut callers = std::collections::HashMap::new();
    for (key, id) in sample {
        if !callers.contains_key(&key) {
            callers.insert(key.clone(), connect_as(&engine, &key).await);
        }
        let view = look(callers.get_mut(&key).unwrap(), &id).await;
        let is_delivered = view.state() == v1::MessageState::Delivered;
        assert!(is_delivered || (doubted > 0 && view.uncertain), "{view:?}");
    }
}

/// The first is the caller that every setting has.
fn tenants(setting: &Setting) -> [Tenant; 3] {
    let key = |name: &str| setting.add_tenant(name);
    [
        (API_KEY.to_owned(), 0),
        (key("second"), 1_000_000),
        (key("third"), 2_000_000),
    ]
    .map(|(key, first)| Tenant { key, first })
}

fn lines(carrier: &SmscHandle, contract: u32) -> String {
    format!(
        "hosts = [\"{}\"]\nsessions = 2\nwindow = 50\ncontract_per_second = {contract}\nstamp_tlv = true\n\
         [reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr(),
    )
}

/// As [`Setting::with`] writes it.
fn account(lines: &str) -> String {
    format!("name = \"alpha\"\nsystem_id = \"alpha\"\npassword = \"secret08\"\n{lines}\n")
}

type Ids = Vec<(String, String)>;

/// Submits bulk; gives the key to look with and the id of each message.
async fn submit_bulk(engine: &EngineProcess, tenant: &Tenant, count: u64) -> Ids {
    let mut caller = connect_as(engine, &tenant.key).await;
    let mut ids = Vec::new();
    while (ids.len() as u64) < count {
        let first = tenant.first + ids.len() as u64;
        let batch = BATCH.min(count - ids.len() as u64);
        let request = v1::SubmitBatchRequest {
            submissions: (first..first + batch)
                .map(|nth| submission(v1::Category::Promotional, nth))
                .collect(),
            on_full: v1::OnFull::Wait.into(),
        };
        let answers = caller.submit_batch(request).await.unwrap().into_inner();
        for answer in answers.answers {
            match answer.outcome.unwrap() {
                v1::answer::Outcome::Admission(admission) => {
                    ids.push((tenant.key.clone(), admission.message_id));
                }
                v1::answer::Outcome::Refusal(refusal) => panic!("refused: {refusal:?}"),
            }
        }
    }
    ids
}

/// A few bulk messages of one tenant, and otp of another, are delivered while the backlog goes on waiting.
async fn overtake(
    engine: &EngineProcess,
    carrier: &SmscHandle,
    (few, otp): (&Tenant, &Tenant),
) -> Ids {
    let taken = carrier.snapshot().taken;
    let mut ids = submit_bulk(engine, few, FEW).await;
    let mut caller = connect_as(engine, &few.key).await;
    for (_, id) in &ids {
        until_delivered(&mut caller, id).await;
    }
    let mut caller = connect_as(engine, &otp.key).await;
    for nth in 0..OTPS {
        let nth = otp.first + MANY + nth;
        let id = submit(&mut caller, submission(v1::Category::Otp, nth)).await;
        until_delivered(&mut caller, &id).await;
        ids.push((otp.key.clone(), id));
    }
    let gone = carrier.snapshot().taken - taken;
    assert!(
        gone < GONE_BEFORE_MAX,
        "{gone} went before {} of others",
        FEW + OTPS
    );
    ids
}

async fn until_delivered(caller: &mut Caller, id: &str) {
    let delivered = v1::MessageState::Delivered;
    engine_process::caller::wait_for_state(caller, id, delivered).await;
}

/// Waits until all have ended but those that a kill caught between the written log and the socket; gives how many. No carrier will ever say
/// anything of them, and they stay in doubt for an hour.
fn until_all_ended(engine: &EngineProcess, carrier: &SmscHandle, admitted: u64) -> u64 {
    let live = || engine.metric("hikyaku_live_messages") as u64;
    let is_over = |live: u64| {
        let doubted = engine.metric("hikyaku_uncertain_attempts") as u64;
        live == doubted && carrier.snapshot().unique_messages + doubted == admitted
    };
    let mut left = live();
    while !is_over(left) {
        let next = left.saturating_sub(PROGRESS);
        engine.wait_until("messages come to their end", || {
            let now = live();
            now <= next || is_over(now)
        });
        left = live();
    }
    left
}
