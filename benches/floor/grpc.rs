//! gRPC alone: tonic on both sides, the engine's own request and response messages, and a server that answers without looking. What is
//! left is HTTP/2, framing and protobuf.

use std::convert::Infallible;
use std::future::Ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use grpc_api::v1;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::Service;
use tonic::codegen::http;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::{Grpc as Server, NamedService};
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::{Meter, Sample, far_side, joined};

type Asked = v1::SubmitStreamRequest;
type Answered = v1::SubmitStreamResponse;

const UNARY: &str = "/floor.Echo/Unary";
const STREAM: &str = "/floor.Echo/Stream";
/// Requests in flight on a stream, and unary calls in flight.
const STREAM_IN_FLIGHT: usize = 16;
const CALLS_IN_FLIGHT: usize = 64;

/// Which call is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One submission a call, 64 calls in flight.
    Unary,
    /// So many submissions a request, 16 requests in flight on one stream.
    Stream(u64),
}

/// Runs one shape.
pub(crate) fn run(shape: Shape, running: Duration) -> Result<Sample, String> {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = far_side(move || {
        on_a_runtime(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
            tell.send(listener.local_addr().map_err(text)?)
                .map_err(text)?;
            tonic::transport::Server::builder()
                .initial_stream_window_size(2 * 1_024 * 1_024)
                .initial_connection_window_size(8 * 1_024 * 1_024)
                .add_service(Echo)
                .serve_with_incoming_shutdown(
                    TcpIncoming::from(listener).with_nodelay(Some(true)),
                    async {
                        let _ = stopped.await;
                    },
                )
                .await
                .map_err(text)
        })
    });
    let address = told.recv().map_err(text)?;
    let meter = on_a_runtime(async {
        let endpoint = grpc_api::endpoint(&format!("http://{address}")).map_err(text)?;
        let client = Client::new(endpoint.connect().await.map_err(text)?);
        match shape {
            Shape::Unary => call(client, running).await,
            Shape::Stream(batch) => stream(client, batch, running).await,
        }
    })?;
    let _ = stop.send(());
    let far_cpu = joined(server)?;
    Ok(meter.done(far_cpu))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Each side has a thread and a runtime of its own, so that its processor time is known.
fn on_a_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(text)?;
    runtime.block_on(work)
}

async fn stream(
    mut client: Client<Channel>,
    batch: u64,
    running: Duration,
) -> Result<Meter, String> {
    let (requests, received) = mpsc::channel(STREAM_IN_FLIGHT);
    client.ready().await.map_err(text)?;
    let answers = client.streaming(
        Request::new(ReceiverStream::new(received)),
        PathAndQuery::from_static(STREAM),
        ProstCodec::<Asked, Answered>::default(),
    );
    let mut answers = answers.await.map_err(text)?.into_inner();
    let request = asked(batch);
    let mut sent = std::collections::VecDeque::new();
    let mut meter = Meter::start(running);
    while !meter.is_over() {
        while sent.len() < STREAM_IN_FLIGHT {
            sent.push_back(Instant::now());
            requests.send(request.clone()).await.map_err(text)?;
        }
        let answer: Answered = answers
            .message()
            .await
            .map_err(text)?
            .ok_or("ended early")?;
        let since = sent.pop_front().ok_or("an answer to nothing")?;
        meter.answered(answer.answers.len() as u64, since);
    }
    drop(requests);
    while answers.message().await.map_err(text)?.is_some() {}
    Ok(meter)
}

async fn call(client: Client<Channel>, running: Duration) -> Result<Meter, String> {
    let mut calls = tokio::task::JoinSet::new();
    let mut meter = Meter::start(running);
    loop {
        while calls.len() < CALLS_IN_FLIGHT && !meter.is_over() {
            let mut client = client.clone();
            calls.spawn(async move {
                let since = Instant::now();
                client.ready().await.map_err(text)?;
                let codec = ProstCodec::<Asked, Answered>::default();
                let path = PathAndQuery::from_static(UNARY);
                let answer = client.unary(Request::new(asked(1)), path, codec).await;
                let answers = answer.map_err(text)?.into_inner().answers;
                Ok::<_, String>((answers.len() as u64, since))
            });
        }
        let Some(ended) = calls.join_next().await else {
            return Ok(meter);
        };
        let (count, since) = ended.map_err(text)??;
        meter.answered(count, since);
    }
}

fn asked(batch: u64) -> Asked {
    let submission = |nth: u64| v1::StreamedSubmission {
        client_ref: nth,
        submission: Some(v1::Submission {
            recipient: Some(v1::Recipient {
                key: String::new(),
                msisdn: format!("999{nth:012}"),
            }),
            content: Some(v1::Content {
                sms: Some(v1::SmsContent {
                    text: "x".repeat(100),
                    sender: "Hikyaku".into(),
                }),
            }),
            category: v1::Category::Promotional.into(),
            context: vec![1; 16].into(),
            ..v1::Submission::default()
        }),
    };
    Asked {
        on_full: v1::OnFull::Wait.into(),
        submissions: (0..batch).map(submission).collect(),
    }
}

/// As many answers as submissions, each with an id as long as a real one.
fn answered(request: &Asked) -> Answered {
    let answer = |submission: &v1::StreamedSubmission| v1::StreamedAnswer {
        client_ref: submission.client_ref,
        outcome: Some(v1::streamed_answer::Outcome::Admission(v1::Admission {
            message_id: "01980000-0000-7000-8000-000000000000".to_owned(),
            ..v1::Admission::default()
        })),
    };
    Answered {
        answers: request.submissions.iter().map(answer).collect(),
    }
}

#[derive(Clone, Copy)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "floor.Echo";
}

/// The handler of one request.
#[derive(Clone, Copy)]
struct Unary;

impl Service<Request<Asked>> for Unary {
    type Response = Response<Answered>;
    type Error = Status;
    type Future = Ready<Result<Response<Answered>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        std::future::ready(Ok(Response::new(answered(request.get_ref()))))
    }
}

/// The handler of a stream of requests.
#[derive(Clone, Copy)]
struct Streamed;

type Answers = Pin<Box<dyn tokio_stream::Stream<Item = Result<Answered, Status>> + Send>>;

impl Service<Request<Streaming<Asked>>> for Streamed {
    type Response = Response<Answers>;
    type Error = Status;
    type Future = Ready<Result<Response<Answers>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, requests: Request<Streaming<Asked>>) -> Self::Future {
        let requests = requests.into_inner();
        let answers: Answers = Box::pin(requests.map(|asked| asked.map(|asked| answered(&asked))));
        std::future::ready(Ok(Response::new(answers)))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut server = Server::new(ProstCodec::<Answered, Asked>::default());
            Ok(if request.uri().path() == UNARY {
                server.unary(Unary, request).await
            } else {
                server.streaming(Streamed, request).await
            })
        })
    }
}
