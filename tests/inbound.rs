//! Messages from handsets, end to end: acknowledged to the carrier only when they are on disk, streamed until a caller acknowledges
//! them, whatever happens to the engine meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine_process::caller::{Caller, connect, connect_as, submission, submit, wait_for_state};
use engine_process::dice::Dice;
use engine_process::{EngineProcess, PATIENCE, Setting, failing_disk};
use fakes::smsc::{FakeSmsc, InboundText, SmscConfig, SmscHandle};
use grpc_api::v1;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

const PLAIN: &str = "STOP at 5 € {now}";
/// Messages that the carrier sends before the first is acknowledged.
const WINDOW: u64 = 10;
const WIDE: &str = "走る🏃 ありがとう";

fn carrier(change: impl FnOnce(&mut SmscConfig)) -> SmscHandle {
    let mut script = SmscConfig::new(([127, 0, 0, 1], 0).into());
    script.receipts.resend_ms = 100;
    change(&mut script);
    FakeSmsc::start(script).unwrap()
}

fn setting(carrier: &SmscHandle, tables: &str) -> Setting {
    let lines = format!(
        "hosts = [\"{}\"]\n[reconnect]\nmin_ms = 50\nmax_ms = 500\ngap_ms = 50\n",
        carrier.local_addr()
    );
    Setting::with(&[("alpha", &lines)], tables)
}

/// Handset number `nth` writes.
fn write(carrier: &SmscHandle, nth: u64, text: &str) {
    let written = InboundText {
        from: format!("+8190{nth:08}"),
        to: "12345".into(),
        text: text.into(),
    };
    carrier.send_inbound(&written).unwrap();
}

/// Waits until the carrier was told that everything written so far is kept.
fn wait_until_kept(engine: &EngineProcess, carrier: &SmscHandle) {
    engine.wait_until("the messages are acknowledged to the carrier", || {
        let counts = carrier.snapshot();
        counts.inbound_acked == counts.inbound_queued
    });
}

async fn open(caller: &mut Caller) -> Streaming<v1::InboundResponse> {
    let answer = caller.inbound(v1::InboundRequest::default()).await.unwrap();
    answer.into_inner()
}

/// The next `count` messages of a stream that has them.
async fn take(
    stream: &mut Streaming<v1::InboundResponse>,
    count: usize,
) -> Vec<v1::InboundMessage> {
    let taken = async {
        let mut messages = Vec::new();
        while messages.len() < count {
            let response = stream.message().await.unwrap();
            messages.extend(response.expect("the stream goes on").messages);
        }
        messages
    };
    let ended = tokio::time::timeout(PATIENCE, taken).await;
    ended.expect("the messages come in time")
}

/// All that the engine streams to a new reader, up to a message that is written now: what is not before it, is not there.
async fn all(
    caller: &mut Caller,
    carrier: &SmscHandle,
    marker: &str,
) -> (Vec<v1::InboundMessage>, v1::InboundMessage) {
    write(carrier, 99_999_999, marker);
    let mut stream = open(caller).await;
    let mut messages = Vec::new();
    loop {
        messages.extend(take(&mut stream, 1).await);
        if let Some(at) = messages.iter().position(|message| message.text == marker) {
            let mark = messages.remove(at);
            assert_eq!(at, messages.len(), "{messages:?}");
            return (messages, mark);
        }
    }
}

/// Acknowledges; returns those that did not wait for it, in order of id.
async fn acknowledge(caller: &mut Caller, messages: &[v1::InboundMessage]) -> Vec<String> {
    let ids = messages.iter().map(|message| message.id.clone()).collect();
    let request = v1::AcknowledgeInboundRequest { ids };
    let answer = caller.acknowledge_inbound(request).await.unwrap();
    let mut unknown = answer.into_inner().unknown_ids;
    unknown.sort_unstable();
    unknown
}

#[tokio::test]
async fn a_message_outlives_the_engine_until_it_is_acknowledged() {
    let carrier = carrier(|_| {});
    let setting = setting(&carrier, "");
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let mut stream = open(&mut caller).await;
    write(&carrier, 1, PLAIN);
    let mut seen = take(&mut stream, 1).await;
    write(&carrier, 2, WIDE);
    seen.extend(take(&mut stream, 1).await);
    let wide: Vec<u8> = WIDE.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (message, from, text, data_coding) in [
        (&seen[0], "819000000001", PLAIN, 0),
        (&seen[1], "819000000002", WIDE, 8),
    ] {
        assert_eq!((&*message.from, &*message.to), (from, "12345"));
        assert_eq!((&*message.text, message.data_coding), (text, data_coding));
        assert_eq!(message.carrier, "alpha");
        assert!(message.received_at.is_some());
    }
    // In the GSM alphabet the euro sign and each brace are two septets.
    assert_eq!(&seen[0].octets[..], b"STOP at 5 \x1be \x1b(now\x1b)");
    assert_eq!(seen[1].octets, wide);
    wait_until_kept(&engine, &carrier);
    let taken_over = "hikyaku_inbound_messages_total{carrier=\"alpha\"}";
    assert_eq!(engine.metric(taken_over), 2.0);
    engine.kill();

    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let (again, first_mark) = all(&mut caller, &carrier, "mark 1").await;
    assert_eq!(again, seen);
    assert_eq!(acknowledge(&mut caller, &again).await, Vec::<String>::new());
    let mut ids: Vec<_> = again.iter().map(|message| message.id.clone()).collect();
    ids.sort_unstable();
    assert_eq!(acknowledge(&mut caller, &again).await, ids);
    wait_until_kept(&engine, &carrier);
    engine.kill();

    let mut engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let (left, second_mark) = all(&mut caller, &carrier, "mark 2").await;
    assert_eq!(left, std::slice::from_ref(&first_mark));
    let marks = [first_mark, second_mark];
    assert!(acknowledge(&mut caller, &marks).await.is_empty());
    wait_until_kept(&engine, &carrier);
    engine.terminate();
    assert!(engine.wait().0.success(), "{}", engine.log());

    let engine = EngineProcess::start(&setting);
    let (left, _) = all(&mut connect(&engine).await, &carrier, "mark 3").await;
    assert!(left.is_empty(), "{left:?}");
    wait_until_kept(&engine, &carrier);
    let counts = carrier.stop().counts;
    assert_eq!((counts.inbound_sent, counts.inbound_resent), (5, 0));
}

#[tokio::test]
async fn only_a_caller_with_the_grant_reads_and_acknowledges() {
    let carrier = carrier(|_| {});
    let setting = setting(
        &carrier,
        "[[caller]]\nname = \"sender\"\ntenant = \"tenant\"\nkey_file = \"sender-key\"\ncategories = [\"otp\"]",
    );
    setting.write("sender-key", "a-key-without-the-grant");
    let engine = EngineProcess::start(&setting);
    write(&carrier, 1, PLAIN);
    wait_until_kept(&engine, &carrier);
    let mut sender = connect_as(&engine, "a-key-without-the-grant").await;
    let refused = sender
        .inbound(v1::InboundRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let mut caller = connect(&engine).await;
    let (messages, _) = all(&mut caller, &carrier, "mark").await;
    let request = v1::AcknowledgeInboundRequest {
        ids: vec![messages[0].id.clone()],
    };
    let refused = sender.acknowledge_inbound(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Nor did the attempt change anything.
    assert!(acknowledge(&mut caller, &messages).await.is_empty());
}

#[tokio::test]
async fn a_receiver_beside_a_transmitter_delivers_too() {
    let carrier = carrier(|_| {});
    let lines = format!(
        "hosts = [\"{}\"]\nbind = \"transmitter+receiver\"\nstamp_tlv = true",
        carrier.local_addr()
    );
    // Queued before anybody is bound.
    write(&carrier, 1, WIDE);
    let setting = Setting::new(&[("alpha", &lines)]);
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let messages = take(&mut open(&mut caller).await, 1).await;
    assert_eq!(messages[0].text, WIDE);
    // Receipts come over the same session.
    let id = submit(&mut caller, submission(v1::Category::Otp, 7)).await;
    wait_for_state(&mut caller, &id, v1::MessageState::Delivered).await;
    let (messages, _) = all(&mut caller, &carrier, PLAIN).await;
    assert_eq!(messages.len(), 1);
    wait_until_kept(&engine, &carrier);
    let counts = carrier.stop().counts;
    assert_eq!((counts.binds, counts.inbound_acked), (2, 2));
}

#[tokio::test]
async fn kills_lose_nothing_that_the_carrier_forgot() {
    const KILLS: u64 = 5;
    const BETWEEN: u64 = 200;
    let mut dice = Dice::seeded(3);
    let carrier = carrier(|script| script.receipts.window = WINDOW as u32);
    let setting = setting(&carrier, "");
    let mut engine = EngineProcess::start(&setting);
    for kill in 0..KILLS {
        let death = carrier.snapshot().inbound_acked + dice.below(BETWEEN - WINDOW);
        for nth in kill * BETWEEN..(kill + 1) * BETWEEN {
            write(&carrier, nth, &format!("text {nth}"));
        }
        // Without a pause, so that the kill finds a window full of messages that are taken and not answered.
        let began = Instant::now();
        while carrier.snapshot().inbound_acked < death {
            assert!(began.elapsed() < PATIENCE, "{}", engine.log());
            std::thread::yield_now();
        }
        engine.kill();
        engine = EngineProcess::start(&setting);
    }
    wait_until_kept(&engine, &carrier);
    let resent = carrier.snapshot().inbound_resent;
    assert!(resent > 0, "no kill hit anything");
    let (messages, _) = all(&mut connect(&engine).await, &carrier, "mark").await;
    assert_everything_is_there(&messages, KILLS * BETWEEN, resent);
    // In the order in which they came, over all partitions and after every start.
    let times: Vec<_> = messages.iter().map(|message| message.received_at).collect();
    let order = |at: &Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos));
    let late = times
        .windows(2)
        .find(|pair| order(&pair[0]) > order(&pair[1]));
    assert!(late.is_none(), "{late:?}");
}

#[tokio::test]
async fn what_a_full_disk_takes_not_is_not_acknowledged() {
    const MESSAGES: u64 = 400;
    let carrier = carrier(|script| script.receipts.window = WINDOW as u32);
    let setting = setting(&carrier, "");
    let mut engine = failing_disk::start(&setting);
    for nth in 0..MESSAGES {
        write(&carrier, nth, &format!("text {nth}"));
    }
    let (status, _) = engine.wait();
    let log = engine.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the journal failed: writing a batch"), "{log}");
    let kept = carrier.snapshot().inbound_acked;
    assert!(kept > 0 && kept < MESSAGES, "{kept}");

    let engine = EngineProcess::start(&setting);
    wait_until_kept(&engine, &carrier);
    let resent = carrier.snapshot().inbound_resent;
    let (messages, _) = all(&mut connect(&engine).await, &carrier, "mark").await;
    assert_everything_is_there(&messages, MESSAGES, resent);
}

/// Each of `texts` texts at least once, and more of them only where the carrier sent again.
fn assert_everything_is_there(messages: &[v1::InboundMessage], texts: u64, resent: u64) {
    let mut copies = BTreeMap::new();
    for message in messages {
        let nth: u64 = message.text.strip_prefix("text ").unwrap().parse().unwrap();
        assert_eq!(message.from, format!("8190{nth:08}"));
        *copies.entry(nth).or_insert(0_u64) += 1;
    }
    let missing: Vec<_> = (0..texts).filter(|nth| !copies.contains_key(nth)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let extra = messages.len() as u64 - texts;
    assert!(extra <= resent, "{extra} copies, sent again {resent}");
    let mut ids: Vec<_> = messages.iter().map(|message| &message.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), messages.len());
}

#[tokio::test]
async fn what_nobody_acknowledges_goes_with_its_history() {
    const KEPT: Duration = Duration::from_secs(3);
    let carrier = carrier(|_| {});
    let tables = format!("[retention]\ninbound_s = {}", KEPT.as_secs());
    let setting = setting(&carrier, &tables);
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    write(&carrier, 0, PLAIN);
    let first = open(&mut caller).await.message().await.unwrap().unwrap();
    assert!(acknowledge(&mut caller, &first.messages).await.is_empty());
    write(&carrier, 1, PLAIN);
    let old = take(&mut open(&mut caller).await, 1).await.remove(0);
    let gone = async {
        for look in 0_u64.. {
            let (left, _) = all(&mut caller, &carrier, &format!("mark {look}")).await;
            if left.iter().all(|message| message.id != old.id) {
                return;
            }
            tokio::time::sleep(KEPT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    let mut caller = connect(&engine).await;
    let unknown = acknowledge(&mut caller, std::slice::from_ref(&old)).await;
    assert_eq!(unknown, std::slice::from_ref(&old.id));
    // A client that had not come to it is told, with where to go on, also by an engine that only knows it from the journal.
    let oldest = lost_since(&mut caller, &first.resume_position).await;
    wait_until_kept(&engine, &carrier);
    engine.kill();
    let engine = EngineProcess::start(&setting);
    let mut caller = connect(&engine).await;
    let oldest_again = lost_since(&mut caller, &first.resume_position).await;
    assert!(oldest_again >= oldest);
    let request = v1::InboundRequest {
        resume_position: oldest_again,
    };
    assert!(caller.inbound(request).await.is_ok());
    let (left, _) = all(&mut connect(&engine).await, &carrier, "mark").await;
    assert!(left.iter().all(|message| message.id != old.id), "{left:?}");
}

/// Resumes from a position behind which something expired; returns the position to go on from.
async fn lost_since(caller: &mut Caller, position: &str) -> String {
    let request = v1::InboundRequest {
        resume_position: position.to_owned(),
    };
    let refused = caller.inbound(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "POSITION_LOST");
    info.metadata["oldest_position"].clone()
}
