//! Connections to the engine: one for each of the things that a service keeps apart, so that an OTP does not wait in the
//! send buffer of somebody's bulk.

use std::net::SocketAddr;

use grpc_api::v1::dispatch_client::DispatchClient;
use thiserror::Error;
use tonic::metadata::errors::InvalidMetadataValue;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A connected client that presents its key with every call.
pub(super) type Client = DispatchClient<InterceptedService<Channel, Key>>;

/// Puts the API key into the metadata.
#[derive(Clone)]
pub(super) struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    /// The engine that was just started does not answer.
    #[error("cannot connect to the engine: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A defect of ours.
    #[error("the demo's API key cannot be sent: {0}")]
    Key(#[from] InvalidMetadataValue),
}

/// All connections of the demo's client.
pub(super) struct Connections {
    /// Bulk submissions.
    pub(super) bulk: Client,
    /// OTPs.
    pub(super) otp: Client,
    /// Events and look-ups.
    pub(super) watch: Client,
}

impl Connections {
    /// Connects.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub(super) async fn open(address: SocketAddr, api_key: &str) -> Result<Self, ConnectError> {
        Ok(Self {
            bulk: connect(address, api_key).await?,
            otp: connect(address, api_key).await?,
            watch: connect(address, api_key).await?,
        })
    }
}

async fn connect(address: SocketAddr, api_key: &str) -> Result<Client, ConnectError> {
    let mut key: MetadataValue<Ascii> = format!("Bearer {api_key}").parse()?;
    key.set_sensitive(true);
    let channel = grpc_api::endpoint(&format!("http://{address}"))?
        .connect()
        .await?;
    Ok(DispatchClient::with_interceptor(channel, Key(key)))
}
