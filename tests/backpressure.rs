//! A carrier that takes nothing more, and a client that asks for more than the credits: refused at once, by name and with a time, or
//! waiting where it asked to wait. When the carrier answers again, everything that was admitted ends.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod engine_process;

use std::future::Future;
use std::time::Duration;

use engine_process::caller::{Caller, connect, look, submission};
use engine_process::door::Door;
use engine_process::{EngineProcess, PATIENCE, Setting};
use fakes::smsc::{FakeSmsc, SmscConfig};
use grpc_api::v1;
use grpc_api::v1::streamed_answer::Outcome;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const CREDITS: u64 = 1_000;
/// What the lanes below otp and alert leave to those.
const NORMAL_SHARE: u64 = CREDITS * 95 / 100;
/// Submissions in one request.
const REQUEST: u64 = 100;
/// Submitted with `ON_FULL_WAIT`.
const WAITING: u64 = 300;
/// Round trips after which what waits would have been answered, did it not wait.
const ROUND_TRIPS: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_credits_a_client_is_refused_at_once_or_waits_as_it_asked() {
    let carrier = FakeSmsc::start(SmscConfig::new(([127, 0, 0, 1], 0).into())).unwrap();
    let door = Door::before(carrier.local_addr());
    let lines = format!(
        "hosts = [\"{}\"]\nstamp_tlv = true\ncontract_per_second = 1_000",
        door.address()
    );
    let limits = format!("[limits]\nmessages = {CREDITS}");
    let setting = Setting::with(&[("alpha", &lines)], &limits);
    let engine = EngineProcess::start(&setting);
    let bound = "hikyaku_bound_sessions{carrier=\"alpha\"}";
    engine.wait_until("the carrier is bound", || engine.metric(bound) > 0.0);
    door.keep();
    let mut caller = connect(&engine).await;

    let mut ids = fill(&mut caller).await;
    let full = "hikyaku_credit_messages";
    engine.wait_until("the credits are used up", || {
        engine.metric(full) == CREDITS as f64
    });
    let normal = v1::Category::Transactional;
    for category in [v1::Category::Otp, v1::Category::Alert, normal] {
        let status = submit(&mut caller, category, 0).await.unwrap_err();
        assert_refused(&status);
    }

    // Who asked to wait is not answered, as long as others are refused.
    let one = tokio::spawn(wait_for_room(caller.clone(), CREDITS + REQUEST));
    let from = CREDITS + REQUEST + 1;
    let asked = numbered(from..from + WAITING, normal);
    let many = tokio::spawn(stream(caller.clone(), v1::OnFull::Wait, asked));
    for _ in 0..ROUND_TRIPS {
        assert_refused(&submit(&mut caller, normal, 0).await.unwrap_err());
    }
    assert!(!one.is_finished() && !many.is_finished());
    let refusals = "hikyaku_refused_submissions_total{reason=\"CREDITS_FULL\"}";
    let counted = (CREDITS + REQUEST - NORMAL_SHARE + 3 + ROUND_TRIPS) as f64;
    engine.wait_until("refusals are counted", || {
        engine.metric(refusals) == counted
    });

    door.pass();
    ids.push(in_time(one).await.unwrap().unwrap());
    let (waited, refused) = parted(in_time(many).await.unwrap());
    assert_eq!((waited.len() as u64, refused), (WAITING, Vec::new()));
    ids.extend(waited);
    engine.wait_until("all have ended", || {
        engine.metric("hikyaku_live_messages") == 0.0
    });
    assert_eq!(engine.metric(full), 0.0);
    for id in &ids {
        let view = look(&mut caller, id).await;
        assert_eq!(
            (view.state(), view.uncertain),
            (v1::MessageState::Delivered, false),
            "{view:?}"
        );
    }
    drop(engine);
    let counts = carrier.stop().counts;
    assert_eq!(
        (counts.unique_messages, counts.copies),
        (CREDITS + 1 + WAITING, 0)
    );
}

/// Asks for more than there is room for, until all room is taken; the ids of what was.
async fn fill(caller: &mut Caller) -> Vec<String> {
    // In one stream: as much is taken as there is room, the rest is refused.
    let normal = v1::Category::Transactional;
    let asked = numbered(0..CREDITS + REQUEST, normal);
    let answers = stream(caller.clone(), v1::OnFull::Refuse, asked).await;
    let (mut ids, refused) = parted(answers);
    assert_eq!(ids.len() as u64, NORMAL_SHARE);
    assert_eq!(refused.len() as u64, CREDITS + REQUEST - NORMAL_SHARE);
    for refusal in &refused {
        assert_eq!(refusal.code(), v1::Reason::CreditsFull);
        let retry_after = refusal.retry_after.expect("a time to try again");
        assert!(retry_after.seconds > 0 || retry_after.nanos > 0);
    }
    // A full lane leaves room for what is more urgent, and that room ends too.
    for number in NORMAL_SHARE..CREDITS {
        ids.push(submit(caller, v1::Category::Otp, number).await.unwrap());
    }
    ids
}

fn numbered(numbers: std::ops::Range<u64>, category: v1::Category) -> Vec<v1::StreamedSubmission> {
    numbers
        .map(|number| v1::StreamedSubmission {
            client_ref: number,
            submission: Some(submission(category, number)),
        })
        .collect()
}

/// Submits all of these over one stream and returns every answer.
async fn stream(
    mut caller: Caller,
    on_full: v1::OnFull,
    submissions: Vec<v1::StreamedSubmission>,
) -> Vec<v1::StreamedAnswer> {
    let count = submissions.len();
    let requests: Vec<_> = submissions
        .chunks(REQUEST as usize)
        .map(|chunk| v1::SubmitStreamRequest {
            on_full: on_full.into(),
            submissions: chunk.to_vec(),
        })
        .collect();
    let requests = tokio_stream::iter(requests);
    let mut responses = caller.submit_stream(requests).await.unwrap().into_inner();
    let mut answers = Vec::new();
    while let Some(response) = in_time(responses.next()).await {
        answers.extend(response.unwrap().answers);
    }
    assert_eq!(answers.len(), count);
    answers
}

/// The ids of those admitted, and the refusals.
fn parted(answers: Vec<v1::StreamedAnswer>) -> (Vec<String>, Vec<v1::Refusal>) {
    let (mut ids, mut refusals) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer.outcome.unwrap() {
            Outcome::Admission(admission) => ids.push(admission.message_id),
            Outcome::Refusal(refusal) => refusals.push(refusal),
        }
    }
    (ids, refusals)
}

async fn submit(
    caller: &mut Caller,
    category: v1::Category,
    number: u64,
) -> Result<String, Status> {
    let request = v1::SubmitRequest {
        submission: Some(submission(category, number)),
        on_full: v1::OnFull::Refuse.into(),
    };
    let answer = in_time(caller.submit(request)).await?;
    Ok(answer.into_inner().message_id)
}

async fn wait_for_room(mut caller: Caller, number: u64) -> Result<String, Status> {
    let request = v1::SubmitRequest {
        submission: Some(submission(v1::Category::Transactional, number)),
        on_full: v1::OnFull::Wait.into(),
    };
    let answer = caller.submit(request).await?;
    Ok(answer.into_inner().message_id)
}

fn assert_refused(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("which reason");
    assert_eq!((&*info.reason, &*info.domain), ("CREDITS_FULL", "hikyaku"));
    let retry = details.retry_info().expect("when to try again");
    assert!(
        retry
            .retry_delay
            .is_some_and(|delay| delay > Duration::ZERO)
    );
}

async fn in_time<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.expect("it is answered in time")
}
