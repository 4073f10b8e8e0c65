//! Where the load goes, and as whom.

use std::fmt;

use grpc_api::v1::dispatch_client::DispatchClient;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A connected client of one caller.
pub(crate) type Client = DispatchClient<InterceptedService<Channel, ApiKey>>;

/// An engine, and the callers that submit to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address and its TLS; [`grpc_api::endpoint`] makes one with windows that a load needs.
    pub endpoint: Endpoint,
    /// One key a caller; empty where callers show a certificate or none is asked for.
    pub keys: Vec<ApiKey>,
}

/// Presents a key with every call. Debug shows none of it.
#[derive(Clone)]
pub struct ApiKey(Option<MetadataValue<Ascii>>);

/// The key cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the API key is not one line of printable ASCII")]
pub struct KeyError;

impl ApiKey {
    /// A key as a caller has it.
    ///
    /// # Errors
    /// When metadata cannot carry it.
    pub fn new(key: &str) -> Result<Self, KeyError> {
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {key}").parse().map_err(|_| KeyError)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }

    /// No key: the engine knows the caller otherwise.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "ApiKey(***)"
        } else {
            "ApiKey(none)"
        })
    }
}

impl Interceptor for ApiKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Target {
    /// Its callers' keys, at least one.
    pub(crate) fn callers(&self) -> Vec<ApiKey> {
        if self.keys.is_empty() {
            vec![ApiKey::none()]
        } else {
            self.keys.clone()
        }
    }

    /// A connection of its own: urgent messages, bulk and events do not share one.
    pub(crate) async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        self.endpoint.connect().await
    }
}

pub(crate) fn client(channel: &Channel, key: &ApiKey) -> Client {
    DispatchClient::with_interceptor(channel.clone(), key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown_and_must_fit_metadata() {
        let key = ApiKey::new("open sesame").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(***)");
        assert_eq!(ApiKey::new("two\nlines").unwrap_err(), KeyError);
        let target = Target {
            endpoint: grpc_api::endpoint("http://127.0.0.1:1").unwrap(),
            keys: vec![],
        };
        assert_eq!(target.callers().len(), 1);
    }
}
