//! Watch, Get, Cancel, Inbound.

use grpc_api::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::world::{STUCK, SWIFT, World, asked, asked_by, submission};
use crate::{follow, reason, submit, watch};

#[tokio::test]
async fn a_message_is_submitted_watched_and_looked_up() {
    let world = World::start().await;
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let wanted = v1::Submission {
        batch_id: "monday".into(),
        context: bytes::Bytes::from_static(b"\x01\x02"),
        ..submission(SWIFT, 1)
    };
    let answer = world
        .client()
        .submit(submit(wanted))
        .await
        .unwrap()
        .into_inner();
    assert!(!answer.repeat);

    let seen = follow(&mut events, &answer.message_id).await;
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].0.sequence < pair[1].0.sequence)
    );
    let (last, _) = seen.last().unwrap();
    assert_eq!(last.state(), v1::MessageState::Delivered);
    assert_eq!(last.reason(), v1::Reason::ReceiptDelivered);
    assert_eq!((&*last.batch_id, &*last.context), ("monday", &[1, 2][..]));
    assert!(seen.iter().any(|(event, _)| event.carrier == "swift"));

    let request = v1::GetRequest {
        message_id: answer.message_id.clone(),
    };
    let view = world
        .client()
        .get(asked(request))
        .await
        .unwrap()
        .into_inner()
        .message
        .unwrap();
    assert_eq!(view.state(), v1::MessageState::Delivered);
    assert_eq!(view.sequence, last.sequence);
    assert_eq!((&*view.carrier, &*view.carrier_message_id), ("swift", "1"));
    world.end().await;
}

#[tokio::test]
async fn a_watch_goes_on_after_its_position() {
    let world = World::start().await;
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let first = world
        .client()
        .submit(submit(submission(SWIFT, 1)))
        .await
        .unwrap()
        .into_inner();
    let seen = follow(&mut events, &first.message_id).await;
    let position = seen.last().unwrap().1.clone();
    drop(events);

    let second = world
        .client()
        .submit(submit(submission(SWIFT, 2)))
        .await
        .unwrap()
        .into_inner();
    let resumed = v1::WatchRequest {
        resume_position: position,
        ..v1::WatchRequest::default()
    };
    let mut events = watch(&world, resumed).await;
    let response = events.message().await.unwrap().unwrap();
    assert!(!response.events.is_empty());
    assert!(
        response
            .events
            .iter()
            .all(|event| event.message_id == second.message_id)
    );

    let refused = async |position: String| {
        let request = v1::WatchRequest {
            resume_position: position,
            ..v1::WatchRequest::default()
        };
        world.client().watch(asked(request)).await.unwrap_err()
    };
    let of_other_data = format!("01{}", "0".repeat(40));
    let lost = refused(of_other_data).await;
    assert_eq!(
        (lost.code(), &*reason(&lost)),
        (Code::OutOfRange, "POSITION_LOST")
    );
    let details = lost.get_error_details();
    let oldest = &details.error_info().unwrap().metadata["oldest_position"];
    let from_the_oldest = v1::WatchRequest {
        resume_position: oldest.clone(),
        ..v1::WatchRequest::default()
    };
    let mut events = watch(&world, from_the_oldest).await;
    let response = events.message().await.unwrap().unwrap();
    assert_eq!(response.events[0].message_id, first.message_id);

    let nonsense = refused("latest".into()).await;
    assert_eq!(nonsense.code(), Code::InvalidArgument);
    let details = nonsense.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "resume_position");
    world.end().await;
}

#[tokio::test]
async fn a_replacement_has_a_definite_answer() {
    let world = World::start().await;
    let mut client = world.client();
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let mut submitted = async |number| {
        let answer = client.submit(submit(submission(number, 1))).await.unwrap();
        answer.into_inner().message_id
    };
    let (stuck, swift) = (submitted(STUCK).await, submitted(SWIFT).await);
    follow(&mut events, &swift).await;

    let request = |id: &str, text: &str| v1::ReplaceRequest {
        message_id: id.to_owned(),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text: text.to_owned(),
                sender: "Shop".into(),
            }),
        }),
        ..v1::ReplaceRequest::default()
    };
    let mut verdict_on = async |caller: &str, id: &str| {
        let asked = asked_by(caller, request(id, "Another text"));
        let answer = client.replace(asked).await.unwrap().into_inner();
        (answer.verdict(), answer.state())
    };
    let none = v1::MessageState::Unspecified;
    assert_eq!(
        verdict_on("stranger", &stuck).await,
        (v1::ReplaceVerdict::Unknown, none)
    );
    assert_eq!(
        verdict_on("login", &stuck).await,
        (v1::ReplaceVerdict::Replaced, none)
    );
    assert_eq!(
        verdict_on("login", &swift).await,
        (v1::ReplaceVerdict::TooLate, v1::MessageState::Delivered)
    );
    for text in ["", &"x".repeat(161)] {
        let refused = client.replace(asked_by("login", request(&stuck, text)));
        let status = refused.await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let field = &details.bad_request().unwrap().field_violations[0].field;
        assert_eq!(field, "content.sms.text");
    }
    world.end().await;
}

#[tokio::test]
async fn a_cancel_has_a_definite_answer() {
    let world = World::start().await;
    let mut client = world.client();
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let stuck = client
        .submit(submit(submission(STUCK, 1)))
        .await
        .unwrap()
        .into_inner()
        .message_id;
    let swift = client
        .submit(submit(submission(SWIFT, 1)))
        .await
        .unwrap()
        .into_inner()
        .message_id;
    follow(&mut events, &swift).await;

    let mut verdict_on = async |caller: &str, id: &str| {
        let request = v1::CancelRequest {
            message_id: id.to_owned(),
        };
        let answer = client
            .cancel(asked_by(caller, request))
            .await
            .unwrap()
            .into_inner();
        (answer.verdict(), answer.state())
    };
    let unknown = (v1::CancelVerdict::Unknown, v1::MessageState::Unspecified);
    assert_eq!(verdict_on("stranger", &stuck).await, unknown);
    assert_eq!(
        verdict_on("login", &stuck).await,
        (v1::CancelVerdict::Cancelled, v1::MessageState::Cancelled)
    );
    assert_eq!(
        verdict_on("login", &swift).await,
        (v1::CancelVerdict::TooLate, v1::MessageState::Delivered)
    );
    let never_was = format!(
        "{}{}",
        &swift[..35],
        if swift.ends_with('0') { '1' } else { '0' }
    );
    assert_eq!(verdict_on("login", &never_was).await, unknown);
    world.end().await;
}

#[tokio::test]
async fn what_the_engine_has_forgotten_is_answered_from_its_history() {
    let world = World::start().await;
    let mut client = world.client();
    let mut events = watch(&world, v1::WatchRequest::default()).await;
    for nth in 0..20 {
        let admitted = client.submit(submit(submission(SWIFT, nth))).await;
        let message_id = admitted.unwrap().into_inner().message_id;
        let (last, _) = follow(&mut events, &message_id).await.pop().unwrap();
        // The next to end takes its place.
        let next = client.submit(submit(submission(SWIFT, nth))).await;
        follow(&mut events, &next.unwrap().into_inner().message_id).await;

        let get = v1::GetRequest {
            message_id: message_id.clone(),
        };
        let known = client.get(asked(get.clone())).await.unwrap().into_inner();
        let known = known.message.unwrap();
        assert_eq!(known.state(), v1::MessageState::Delivered);
        assert_eq!((known.sequence, known.attempt), (last.sequence, 1));
        assert_eq!((&*known.carrier, known.segments), ("swift", 1));
        let theirs = client.get(asked_by("stranger", get)).await.unwrap_err();
        assert_eq!(reason(&theirs), "MESSAGE_UNKNOWN");
        let cancel = v1::CancelRequest {
            message_id: message_id.clone(),
        };
        let cancelled = client.cancel(asked(cancel)).await.unwrap().into_inner();
        assert_eq!(cancelled.verdict(), v1::CancelVerdict::TooLate);
        assert_eq!(cancelled.state(), v1::MessageState::Delivered);
        let replace = v1::ReplaceRequest {
            message_id,
            content: submission(SWIFT, nth).content,
            ..v1::ReplaceRequest::default()
        };
        let replaced = client.replace(asked(replace)).await.unwrap().into_inner();
        assert_eq!(replaced.verdict(), v1::ReplaceVerdict::TooLate);
        assert_eq!(replaced.state(), v1::MessageState::Delivered);
    }
    world.end().await;
}

#[tokio::test]
async fn a_tenant_sees_and_uses_its_own_only() {
    let world = World::start().await;
    let mut client = world.client();
    let id = client
        .submit(submit(submission(STUCK, 1)))
        .await
        .unwrap()
        .into_inner()
        .message_id;
    let get = || v1::GetRequest {
        message_id: id.clone(),
    };
    assert!(client.get(asked_by("shop", get())).await.is_ok());
    let status = client.get(asked_by("stranger", get())).await.unwrap_err();
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::NotFound, "MESSAGE_UNKNOWN")
    );

    let otp = v1::SubmitRequest {
        submission: Some(v1::Submission {
            category: v1::Category::Otp.into(),
            ..submission(SWIFT, 1)
        }),
        on_full: 0,
    };
    let status = client.submit(asked_by("shop", otp)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(reason(&status), "CATEGORY_NOT_GRANTED");
    world.end().await;
}

#[tokio::test]
async fn a_message_from_a_person_comes_until_it_is_acknowledged() {
    let world = World::start().await;
    let mut client = world.client();
    let first_of = async |world: &World| {
        let request = asked(v1::InboundRequest::default());
        let mut messages = world.client().inbound(request).await.unwrap().into_inner();
        messages
            .message()
            .await
            .unwrap()
            .unwrap()
            .messages
            .remove(0)
    };
    let first = first_of(&world).await;
    assert_eq!(
        (&*first.text, &*first.carrier, &*first.octets),
        ("STOP", "swift", &b"STOP"[..])
    );
    assert_eq!(first_of(&world).await.id, first.id);

    let request = asked(v1::InboundRequest::default());
    let mut messages = client.inbound(request).await.unwrap().into_inner();
    let position = messages.message().await.unwrap().unwrap().resume_position;
    let (data_directory, _) = position.split_at(18);
    let never_given_out = v1::InboundRequest {
        resume_position: format!("{data_directory}{}", "7".repeat(24)),
    };
    let lost = client.inbound(asked(never_given_out)).await.unwrap_err();
    assert_eq!(
        (lost.code(), &*reason(&lost)),
        (Code::OutOfRange, "POSITION_LOST")
    );

    let ids = || v1::AcknowledgeInboundRequest {
        ids: vec![first.id.clone()],
    };
    let answer = client
        .acknowledge_inbound(asked(ids()))
        .await
        .unwrap()
        .into_inner();
    assert!(answer.unknown_ids.is_empty());
    let answer = client
        .acknowledge_inbound(asked(ids()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.unknown_ids, std::slice::from_ref(&first.id));

    let status = client
        .inbound(asked_by("shop", v1::InboundRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = client
        .acknowledge_inbound(asked_by("shop", ids()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    world.end().await;
}
