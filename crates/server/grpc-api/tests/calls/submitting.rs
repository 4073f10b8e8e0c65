//! Submit, SubmitBatch, SubmitStream.

use std::collections::{HashMap, HashSet};

use grpc_api::limits::SUBMISSIONS_PER_REQUEST_MAX;
use grpc_api::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::submit;
use crate::world::{STUCK, SWIFT, World, asked, submission};

#[tokio::test]
async fn a_batch_is_answered_item_by_item() {
    use v1::answer::Outcome;
    let world = World::start().await;
    let submissions = vec![
        submission(SWIFT, 1),
        v1::Submission::default(),
        submission("+3312", 1),
        submission(STUCK, 1),
    ];
    let request = v1::SubmitBatchRequest {
        submissions,
        on_full: 0,
    };
    let answers = world
        .client()
        .submit_batch(asked(request))
        .await
        .unwrap()
        .into_inner()
        .answers;
    let refused_for = |at: usize| match answers[at].outcome.clone() {
        Some(Outcome::Refusal(refusal)) => Some((refusal.code(), refusal.violations.len())),
        Some(Outcome::Admission(_)) => None,
        None => panic!("no answer"),
    };
    assert_eq!(refused_for(0), None);
    assert_eq!(refused_for(1), Some((v1::Reason::InvalidArgument, 3)));
    assert_eq!(refused_for(2), Some((v1::Reason::NoRoute, 1)));
    assert_eq!(refused_for(3), None);

    let too_many = v1::SubmitBatchRequest {
        submissions: vec![v1::Submission::default(); SUBMISSIONS_PER_REQUEST_MAX + 1],
        on_full: 0,
    };
    let refused = world
        .client()
        .submit_batch(asked(too_many))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.end().await;
}

fn streamed(refs: std::ops::Range<u32>, prefix: &'static str) -> v1::SubmitStreamRequest {
    v1::SubmitStreamRequest {
        on_full: v1::OnFull::Wait.into(),
        submissions: refs
            .map(|number| v1::StreamedSubmission {
                client_ref: u64::from(number),
                submission: Some(match number % 100 {
                    99 => v1::Submission::default(),
                    _ => submission(prefix, number),
                }),
            })
            .collect(),
    }
}

#[tokio::test]
async fn every_submission_of_a_stream_is_answered_once_and_then_the_stream_ends() {
    use v1::streamed_answer::Outcome;
    const COUNT: u32 = 10_000;
    let world = World::start().await;
    let requests = (0..COUNT / 500).map(|at| streamed(at * 500..(at + 1) * 500, SWIFT));
    let requests = tokio_stream::iter(requests.collect::<Vec<_>>());
    let mut responses = world
        .client()
        .submit_stream(asked(requests))
        .await
        .unwrap()
        .into_inner();
    let mut ids = HashMap::new();
    let mut refused = 0;
    while let Some(response) = responses.message().await.unwrap() {
        for answer in response.answers {
            match answer.outcome.unwrap() {
                Outcome::Admission(admission) => {
                    let before = ids.insert(answer.client_ref, admission.message_id);
                    assert_eq!(
                        before, None,
                        "client_ref {} answered twice",
                        answer.client_ref
                    );
                }
                Outcome::Refusal(refusal) => {
                    assert_eq!(answer.client_ref % 100, 99);
                    assert_eq!(refusal.code(), v1::Reason::InvalidArgument);
                    refused += 1;
                }
            }
        }
    }
    assert_eq!((ids.len(), refused), (9_900, 100));
    let distinct: HashSet<_> = ids.values().collect();
    assert_eq!(distinct.len(), ids.len());
    world.end().await;
}

#[tokio::test]
async fn a_full_engine_refuses_or_lets_wait_as_asked() {
    use v1::streamed_answer::Outcome;
    let world = World::start().await;
    let mut client = world.client();
    let mut last_id = String::new();
    let refused = loop {
        let submissions = (0..1_000).map(|number| submission(STUCK, number)).collect();
        let request = v1::SubmitBatchRequest {
            submissions,
            on_full: v1::OnFull::Refuse.into(),
        };
        let answers = client
            .submit_batch(asked(request))
            .await
            .unwrap()
            .into_inner()
            .answers;
        let mut refused = None;
        for answer in answers {
            match answer.outcome.unwrap() {
                v1::answer::Outcome::Admission(admission) => last_id = admission.message_id,
                v1::answer::Outcome::Refusal(refusal) => refused = Some(refusal),
            }
        }
        if let Some(refusal) = refused {
            break refusal;
        }
    };
    assert_eq!(refused.code(), v1::Reason::CreditsFull);
    assert!(refused.retry_after.is_some());
    let status = client
        .submit(submit(submission(STUCK, 7)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_error_details().retry_info().is_some());

    let (send, requests) = tokio::sync::mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut responses = client
        .submit_stream(asked(requests))
        .await
        .unwrap()
        .into_inner();
    send.send(streamed(0..1, STUCK)).await.unwrap();
    let cancel = v1::CancelRequest {
        message_id: last_id,
    };
    let cancelled = client.cancel(asked(cancel)).await.unwrap().into_inner();
    assert_eq!(cancelled.verdict(), v1::CancelVerdict::Cancelled);
    let answer = responses
        .message()
        .await
        .unwrap()
        .unwrap()
        .answers
        .remove(0);
    assert!(
        matches!(answer.outcome, Some(Outcome::Admission(_))),
        "{answer:?}"
    );
    drop(send);
    assert!(responses.message().await.unwrap().is_none());
    world.end().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_a_repeat_harmless() {
    let world = World::start().await;
    let mut client = world.client();
    let keyed = || v1::Submission {
        idempotency_key: "order-7".into(),
        ..submission(SWIFT, 1)
    };
    let first = client.submit(submit(keyed())).await.unwrap().into_inner();
    let again = client.submit(submit(keyed())).await.unwrap().into_inner();
    assert_eq!(
        (&again.message_id, again.repeat, again.reason()),
        (&first.message_id, true, v1::Reason::IdempotentRepeat)
    );
    assert_eq!(first.reason(), v1::Reason::Admitted);

    let mut other = keyed();
    other.content.as_mut().unwrap().sms.as_mut().unwrap().text = "Something else".into();
    let status = client.submit(submit(other)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.metadata["existing_message_id"], first.message_id);
    world.end().await;
}
