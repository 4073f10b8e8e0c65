//! A client of the engine, as any program would be one.

use std::time::Duration;

use grpc_api::v1;
use grpc_api::v1::dispatch_client::DispatchClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{API_KEY, EngineProcess, PATIENCE};

/// A connected client.
pub(crate) type Caller = DispatchClient<InterceptedService<Channel, Key>>;

/// Presents an API key.
#[derive(Clone)]
pub(crate) struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connects to the engine.
pub(crate) async fn connect(engine: &EngineProcess) -> Caller {
    connect_as(engine, API_KEY).await
}

/// Connects to the engine as whoever has this key.
pub(crate) async fn connect_as(engine: &EngineProcess, key: &str) -> Caller {
    let endpoint = grpc_api::endpoint(&engine.url()).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let key = Key(format!("Bearer {key}").parse().unwrap());
    DispatchClient::with_interceptor(channel, key)
}

/// Connects to an engine that may not be there, as the caller of [`super::Setting`].
pub(crate) async fn try_connect(url: &str) -> Result<Caller, Status> {
    let endpoint = grpc_api::endpoint(url).unwrap();
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let key = Key(format!("Bearer {API_KEY}").parse().unwrap());
    Ok(DispatchClient::with_interceptor(channel, key))
}

/// A text with a receipt, to the `nth` of many numbers.
pub(crate) fn submission(category: v1::Category, nth: u64) -> v1::Submission {
    v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: format!("+8190{:08}", nth % 100_000_000),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text: format!("Your code is {nth}"),
                sender: "Hikyaku".into(),
            }),
        }),
        category: category.into(),
        receipt_wanted: v1::ReceiptWanted::Always.into(),
        ..v1::Submission::default()
    }
}

/// Submits one message and returns its id.
pub(crate) async fn submit(caller: &mut Caller, submission: v1::Submission) -> String {
    let request = v1::SubmitRequest {
        submission: Some(submission),
        on_full: v1::OnFull::Refuse.into(),
    };
    let answer = caller.submit(request).await.unwrap();
    answer.into_inner().message_id
}

/// Where a message is now.
pub(crate) async fn look(caller: &mut Caller, message_id: &str) -> v1::MessageView {
    let request = v1::GetRequest {
        message_id: message_id.to_owned(),
    };
    let answer = caller.get(request).await.unwrap();
    answer.into_inner().message.unwrap()
}

/// Follows a message to its final state; returns every event on the way, the first of them where it was to begin with.
pub(crate) async fn follow(caller: &mut Caller, message_id: &str) -> Vec<v1::Event> {
    let request = v1::WatchRequest {
        message_ids: vec![message_id.to_owned()],
        ..v1::WatchRequest::default()
    };
    let mut responses = caller.watch(request).await.unwrap().into_inner();
    let followed = async {
        let mut events: Vec<v1::Event> = Vec::new();
        let is_final = |event: &v1::Event| event.state() >= v1::MessageState::Delivered;
        while events.last().is_none_or(|event| !is_final(event)) {
            let response = responses.message().await.unwrap();
            events.extend(response.expect("the watch goes on").events);
        }
        events
    };
    let ended = tokio::time::timeout(PATIENCE, followed).await;
    ended.expect("the message ends in time")
}

/// Waits until a message is in a state.
pub(crate) async fn wait_for_state(
    caller: &mut Caller,
    message_id: &str,
    state: v1::MessageState,
) -> v1::MessageView {
    let looked = async {
        loop {
            let view = look(caller, message_id).await;
            if view.state() == state {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, looked).await;
    seen.expect("the message comes to the state in time")
}
