//! Explain, List.

use grpc_api::v1;
use tonic::Code;

use crate::world::{STUCK, SWIFT, World, asked, asked_by, submission};
use crate::{follow, reason, submit, watch};

fn explain(id: &str) -> v1::ExplainRequest {
    v1::ExplainRequest {
        message_id: id.to_owned(),
    }
}

/// Asks until the index has the message.
async fn listed(world: &World, request: &v1::ListRequest) -> v1::ListResponse {
    for _ in 0..5_000 {
        match world.client().list(asked(request.clone())).await {
            Ok(response) if !response.get_ref().messages.is_empty() => {
                return response.into_inner();
            }
            Ok(_) => {}
            Err(status) => assert_eq!(reason(&status), "HISTORY_INDEX_CLOSED"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the index did not learn of the message");
}

#[tokio::test]
async fn a_message_is_explained_to_its_tenant_and_its_number_to_its_caller() {
    let world = World::start().await;
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let admitted = world.client().submit(submit(submission(SWIFT, 1))).await;
    let id = admitted.unwrap().into_inner().message_id;
    follow(&mut events, &id).await;

    let told = world.client().explain(asked(explain(&id))).await;
    let told = told.unwrap().into_inner();
    assert_eq!(told.state(), v1::MessageState::Delivered);
    assert_eq!(told.awaited(), v1::Awaited::Nothing);
    let kinds: Vec<_> = told.records.iter().map(v1::HistoryRecord::kind).collect();
    assert_eq!(kinds.first(), Some(&v1::RecordKind::Admitted));
    assert_eq!(kinds.last(), Some(&v1::RecordKind::Final));
    assert!(told.records.iter().any(|record| record.carrier == "swift"
        && record.outcome() == v1::AttemptOutcome::Submitted
        && record.carrier_message_id == "1"));
    assert!(!told.rules.is_empty() && !told.not_recorded.is_empty());
    assert!(told.missing.is_empty(), "{:?}", told.missing);
    let number = submission(SWIFT, 1).recipient.unwrap().msisdn;
    let submitted = told.submitted.unwrap();
    assert_eq!(submitted.recipient, number);
    assert_eq!(
        (&*submitted.caller, &*submitted.route_group),
        ("login", "to-swift")
    );

    let colleague = world.client().explain(asked_by("shop", explain(&id))).await;
    let masked = colleague.unwrap().into_inner().submitted.unwrap().recipient;
    assert_eq!(masked, format!("…{}", &number[number.len() - 2..]));
    let stranger = world
        .client()
        .explain(asked_by("stranger", explain(&id)))
        .await;
    let refused = stranger.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::NotFound, "MESSAGE_UNKNOWN")
    );
    let nonsense = world.client().explain(asked(explain("7"))).await;
    assert_eq!(nonsense.unwrap_err().code(), Code::InvalidArgument);
    world.end().await;
}

#[tokio::test]
async fn messages_are_listed_to_their_tenant() {
    let world = World::start().await;
    let admitted = world.client().submit(submit(submission(STUCK, 7))).await;
    let id = admitted.unwrap().into_inner().message_id;
    let request = v1::ListRequest {
        recipient: submission(STUCK, 7).recipient.unwrap().msisdn,
        ..v1::ListRequest::default()
    };
    let page = listed(&world, &request).await;
    assert_eq!(page.messages.len(), 1);
    assert_eq!(page.messages[0].message_id, id);
    assert_eq!(page.messages[0].category(), v1::Category::Transactional);
    assert!(page.next_page.is_empty() && page.indexed_until.is_some());

    let theirs = world
        .client()
        .list(asked_by("stranger", request.clone()))
        .await;
    assert!(theirs.unwrap().into_inner().messages.is_empty());
    let wrong = v1::ListRequest {
        page_size: 501,
        ..request
    };
    let refused = world.client().list(asked(wrong)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.end().await;
}
