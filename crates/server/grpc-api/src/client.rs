//! How our own tools connect.

use std::time::Duration;

use tonic::transport::Endpoint;

/// Longer than a handshake over any sound link.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// An endpoint with windows that a bulk stream of answers or events needs; hyper's 64 KiB halve it.
///
/// # Errors
/// When `url` is not `http://HOST:PORT` or `https://HOST:PORT`.
pub fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}
