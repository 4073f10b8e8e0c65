//! The listening side: HTTP/2 settings, TLS, health, reflection, and an orderly end.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tonic::transport::{Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder as Reflection;

use crate::phase::{Phase, PhaseTeller};
use crate::service::Service;
use crate::stubs::dispatch_server::DispatchServer;
use crate::{FILE_DESCRIPTOR_SET, connection};

/// How long a client may be silent before it is asked whether it is still there, and how long it has to answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Most octets of a request's headers; a key and some tracing need a tenth of it.
const HEADERS_MAX_BYTES: u32 = 16 * 1024;

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Certificate, key and, for client certificates, the authority; none only where configuration allows a loopback without TLS.
    pub tls: Option<ServerTlsConfig>,
    /// Most connections at a time; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// Most calls at a time on one connection.
    pub calls_per_connection_max: u32,
    /// What a client may send on one call before it is read, in octets.
    pub stream_window_bytes: u32,
    /// What a client may send on one connection before it is read, in octets.
    pub connection_window_bytes: u32,
    /// Most octets of one request message.
    pub request_max_bytes: usize,
    /// How long running calls may take after the end was ordered.
    pub grace: Duration,
}

impl Default for ServerOptions {
    /// Windows are fixed and large: hyper's 64 KiB halves a bulk stream, and its adaptive mode would override them.
    fn default() -> Self {
        Self {
            tls: None,
            connections_max: 1_024,
            calls_per_connection_max: 1_024,
            stream_window_bytes: 2 * 1024 * 1024,
            connection_window_bytes: 8 * 1024 * 1024,
            request_max_bytes: 4 * 1024 * 1024,
            grace: Duration::from_secs(5),
        }
    }
}

/// Why serving ended before it was told to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Certificate or key cannot be used. The operator's to mend.
    #[error("the TLS settings of the gRPC listener cannot be used: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The listener failed.
    #[error("the gRPC listener failed: {0}")]
    Listener(#[source] tonic::transport::Error),
    /// The contract built into the program cannot be reflected.
    #[error("the built-in contract cannot be reflected: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves `service` on `listener` until `shutdown` completes; then ends the long calls, lets the others finish for at most
/// [`ServerOptions::grace`], and returns.
///
/// # Errors
/// When TLS cannot be set up or the listener fails.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let phases = service.phases().clone();
    let (reporter, health) = health_reporter();
    reporter.set_serving::<DispatchServer<Service>>().await;

    let dispatch =
        DispatchServer::new(service).max_decoding_message_size(options.request_max_bytes);
    let router = server(&options)?
        .add_service(dispatch)
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);

    let told = tokio::spawn(tell_health(reporter, phases.clone()));
    let ordered = phases.clone();
    let end = async move {
        shutdown.await;
        ordered.advance(Phase::Closing);
    };
    let connections = connection::accept(listener, options.connections_max);
    let overdue = async {
        phases.reached(Phase::Closing).await;
        tokio::time::sleep(options.grace).await;
    };
    let ended = tokio::select! {
        ended = router.serve_with_incoming_shutdown(connections, end) => ended,
        () = overdue => {
            tracing::warn!(grace = ?options.grace, "calls were still running at the end of the grace time");
            Ok(())
        }
    };
    told.abort();
    ended.map_err(ServeError::Listener)
}

fn server(options: &ServerOptions) -> Result<Server, ServeError> {
    let server = Server::builder()
        .initial_stream_window_size(options.stream_window_bytes)
        .initial_connection_window_size(options.connection_window_bytes)
        .max_concurrent_streams(options.calls_per_connection_max)
        .http2_max_header_list_size(HEADERS_MAX_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    match &options.tls {
        Some(tls) => server.tls_config(tls.clone()).map_err(ServeError::Tls),
        None => Ok(server),
    }
}

fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn tell_health(reporter: HealthReporter, phases: PhaseTeller) {
    phases.reached(Phase::Draining).await;
    reporter.set_not_serving::<DispatchServer<Service>>().await;
    // The empty name stands for the whole server.
    reporter
        .set_service_status("", ServingStatus::NotServing)
        .await;
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_descriptor_has_every_call_and_its_comments() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let file = set
            .file
            .iter()
            .find(|file| file.name() == "hikyaku/v1/dispatch.proto")
            .unwrap();
        assert_eq!(file.package(), "hikyaku.v1");
        let calls: Vec<_> = file.service[0]
            .method
            .iter()
            .map(|call| {
                (
                    call.name(),
                    call.client_streaming(),
                    call.server_streaming(),
                )
            })
            .collect();
        assert_eq!(
            calls,
            [
                ("Submit", false, false),
                ("SubmitBatch", false, false),
                ("SubmitStream", true, true),
                ("Get", false, false),
                ("Explain", false, false),
                ("List", false, false),
                ("Cancel", false, false),
                ("Replace", false, false),
                ("Watch", false, true),
                ("Inbound", false, true),
                ("AcknowledgeInbound", false, false),
            ]
        );
        let commented = file.source_code_info.as_ref().unwrap().location.iter();
        assert!(
            commented
                .filter(|place| place.leading_comments.is_some())
                .count()
                > 50
        );
    }

    #[test]
    fn every_element_of_the_contract_is_documented() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        for file in set
            .file
            .iter()
            .filter(|file| file.package() == "hikyaku.v1")
        {
            let places = &file.source_code_info.as_ref().unwrap().location;
            let elements = places.iter().filter(|place| is_element(&place.path));
            for element in elements {
                assert!(
                    element.leading_comments.is_some(),
                    "{} {:?} has no comment",
                    file.name(),
                    element.path
                );
            }
        }
    }

    /// Paths in descriptor.proto: 4 message, 5 enum, 6 service; inside them 2 field, enum value or method, 8 oneof.
    fn is_element(path: &[i32]) -> bool {
        matches!(path, [4..=6, _] | [4..=6, _, 2, _] | [4, _, 8, _])
    }

    #[test]
    fn enums_begin_with_unspecified() {
        let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let files = set
            .file
            .iter()
            .filter(|file| file.package() == "hikyaku.v1");
        for kind in files.flat_map(|file| &file.enum_type) {
            let zero = &kind.value[0];
            assert_eq!(zero.number(), 0);
            assert!(zero.name().ends_with("_UNSPECIFIED"), "{}", zero.name());
        }
    }
}
