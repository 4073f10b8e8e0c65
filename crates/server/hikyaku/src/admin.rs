//! The operator's door: metrics and health in plain HTTP.
//!
//! `/metrics` is the text format of Prometheus; `/healthz` says that the process answers; `/readyz` says whether the journal has been
//! replayed and intake is open. Neither depends on carriers: an engine whose carriers are all away still admits, and restarting it would
//! not bring them back.
//!
//! Limits: [`CONNECTIONS_MAX`] connections at a time, one request each, [`CONNECTION_TIME_MAX`] long; further ones wait in the kernel's
//! backlog. There is nothing secret behind this door and nothing that can be changed; who may reach it is the network's affair.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::{Handle, Life};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::recorder::Recorder;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may last, its answer included.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Watched {
    recorder: Recorder,
    engine: Handle,
}

/// Serves until `end` completes.
///
/// # Errors
/// When the listener fails for good.
pub(crate) async fn serve(
    listener: TcpListener,
    recorder: Recorder,
    engine: Handle,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(map_response(close_after))
        .with_state(Watched { recorder, engine });
    let bounded = Bounded {
        listener,
        places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
    };
    axum::serve(bounded, pages)
        .with_graceful_shutdown(end)
        .await
}

/// One request a connection: a scrape comes every few seconds, and an idle connection would hold a place for nothing.
async fn close_after(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn metrics(State(watched): State<Watched>) -> impl IntoResponse {
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, format)], watched.recorder.render())
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(watched): State<Watched>) -> impl IntoResponse {
    readiness(watched.engine.life())
}

fn readiness(life: Life) -> (StatusCode, &'static str) {
    let away = StatusCode::SERVICE_UNAVAILABLE;
    match life {
        Life::Open => (StatusCode::OK, "ready\n"),
        Life::Starting => (away, "starting: the journal is being replayed\n"),
        Life::Draining => (away, "draining: nothing more is admitted\n"),
        Life::Stopped => (away, "stopped\n"),
        Life::Failed => (
            away,
            "failed: nothing is admitted or sent until a restart; the log says why\n",
        ),
    }
}

/// A listener that accepts only while there is a place.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl axum::serve::Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("nobody closes the semaphore: it is this listener's own");
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            overdue: Box::pin(tokio::time::sleep(CONNECTION_TIME_MAX)),
            _place: place,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends in time and gives its place back.
struct Connection {
    stream: TcpStream,
    overdue: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.overdue.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_engine_is_ready_and_every_other_says_why() {
        assert_eq!(readiness(Life::Open).0, StatusCode::OK);
        for life in [Life::Starting, Life::Draining, Life::Stopped, Life::Failed] {
            let (status, text) = readiness(life);
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(!text.trim().is_empty());
        }
    }
}
