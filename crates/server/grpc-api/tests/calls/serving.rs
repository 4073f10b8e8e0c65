//! Who may call, what reflection tells, and the end.

use grpc_api::{ServerOptions, v1};
use tokio_stream::StreamExt as _;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::world::{SWIFT, World, asked, submission};
use crate::{reason, watch};

#[tokio::test]
async fn no_call_is_answered_to_nobody() {
    let world = World::start().await;
    let mut client = world.client();
    let answers = [
        client.submit(v1::SubmitRequest::default()).await.err(),
        client
            .submit_batch(v1::SubmitBatchRequest::default())
            .await
            .err(),
        client.submit_stream(tokio_stream::empty()).await.err(),
        client.get(v1::GetRequest::default()).await.err(),
        client.cancel(v1::CancelRequest::default()).await.err(),
        client.watch(v1::WatchRequest::default()).await.err(),
        client.inbound(v1::InboundRequest::default()).await.err(),
        client
            .acknowledge_inbound(v1::AcknowledgeInboundRequest::default())
            .await
            .err(),
    ];
    for status in answers {
        assert_eq!(status.unwrap().code(), Code::Unauthenticated);
    }
    world.end().await;
}

#[tokio::test]
async fn the_end_is_announced_and_then_every_stream_is_told() {
    let world = World::start().await;
    let mut health = HealthClient::new(world.channel.clone());
    let name = || HealthCheckRequest {
        service: "hikyaku.v1.Dispatch".into(),
    };
    let mut told = health.watch(name()).await.unwrap().into_inner();
    let status = async |told: &mut Streaming<_>| -> i32 {
        let answer: tonic_health::pb::HealthCheckResponse = told.message().await.unwrap().unwrap();
        answer.status
    };
    assert_eq!(status(&mut told).await, i32::from(ServingStatus::Serving));
    world.service.drain();
    assert_eq!(
        status(&mut told).await,
        i32::from(ServingStatus::NotServing)
    );
    drop(told);

    let mut events = watch(&world, v1::WatchRequest::default()).await;
    let (send, requests) = tokio::sync::mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let stream = world.client().submit_stream(asked(requests)).await;
    let mut answers = stream.unwrap().into_inner();
    let running = world.service.running();
    assert_eq!((running.submitters, running.watchers), (1, 1));

    let streams = tokio::spawn(async move {
        let ends = (events.next().await, answers.next().await);
        drop(send);
        (ends.0.unwrap().unwrap_err(), ends.1.unwrap().unwrap_err())
    });
    world.end().await;
    let (watch_end, submit_end) = streams.await.unwrap();
    assert_eq!(watch_end.code(), Code::Unavailable);
    assert_eq!(
        (submit_end.code(), &*reason(&submit_end)),
        (Code::Unavailable, "DRAINING")
    );
}

#[tokio::test]
async fn the_contract_is_told_to_whoever_asks() {
    let world = World::start().await;
    let mut client = ServerReflectionClient::new(world.channel.clone());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = client
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = answer else {
        panic!("no list: {answer:?}");
    };
    let names: Vec<_> = services
        .service
        .iter()
        .map(|service| &*service.name)
        .collect();
    assert!(names.contains(&"hikyaku.v1.Dispatch"), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    drop(answers);
    world.end().await;
}

/// An authority, and the certificates it signs.
struct Authority {
    pem: Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = Certificate::from_pem(params.self_signed(&key).unwrap().pem());
        let issuer = rcgen::Issuer::new(params, key);
        Self { pem, issuer }
    }

    fn identity(&self, name: &str) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }
}

#[tokio::test]
async fn a_certificate_is_a_caller_or_nobody_and_a_key_still_counts() {
    let authority = Authority::new();
    let request = || v1::SubmitRequest {
        submission: Some(submission(SWIFT, 1)),
        on_full: 0,
    };
    for (name, known) in [("ledger.example.com", true), ("other.example.com", false)] {
        let options = ServerOptions {
            tls: Some(
                ServerTlsConfig::new()
                    .identity(authority.identity("localhost"))
                    .client_ca_root(authority.pem.clone())
                    .client_auth_optional(true),
            ),
            ..ServerOptions::default()
        };
        let tls = ClientTlsConfig::new()
            .ca_certificate(authority.pem.clone())
            .identity(authority.identity(name));
        let world = World::start_with(options, tls).await;
        let answer = world.client().submit(request()).await;
        assert_eq!(answer.is_ok(), known, "{name}: {answer:?}");
        assert!(
            world.client().submit(asked(request())).await.is_ok(),
            "{name}"
        );
        world.end().await;
    }
}
