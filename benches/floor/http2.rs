//! HTTP/2 alone, as push gateways speak it: the `h2` crate on both sides, a small POST and an empty 200.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::codegen::http::{Method, Request, Response};

use super::{Meter, Sample, far_side, joined};

/// Octets of a request's body, about those of an alert.
const BODY_LEN: usize = 200;

/// `streams` requests in flight on one connection.
pub(crate) fn run(streams: usize, running: Duration) -> Result<Sample, String> {
    let (tell, told) = std::sync::mpsc::channel();
    let server = far_side(move || {
        on_a_runtime(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
            tell.send(listener.local_addr().map_err(text)?)
                .map_err(text)?;
            let (connection, _) = listener.accept().await.map_err(text)?;
            connection.set_nodelay(true).map_err(text)?;
            serve(connection).await
        })
    });
    let address = told.recv().map_err(text)?;
    let meter = on_a_runtime(async {
        let connection = TcpStream::connect(address).await.map_err(text)?;
        connection.set_nodelay(true).map_err(text)?;
        ask(connection, streams, running).await
    })?;
    // The connection went with its runtime, and the server with the connection.
    let far_cpu = joined(server)?;
    Ok(meter.done(far_cpu))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn on_a_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(text)?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

async fn serve(connection: TcpStream) -> Result<(), String> {
    let mut connection = h2::server::Builder::new()
        .max_concurrent_streams(2_000)
        .initial_connection_window_size(8 * 1_024 * 1_024)
        .handshake::<_, Bytes>(connection)
        .await
        .map_err(text)?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::task::spawn_local(async move {
            let mut body = request.into_body();
            while let Some(Ok(part)) = body.data().await {
                let _ = body.flow_control().release_capacity(part.len());
            }
            // A client that is gone needs no answer.
            let _ = respond.send_response(Response::new(()), true);
        });
    }
    Ok(())
}

async fn ask(connection: TcpStream, streams: usize, running: Duration) -> Result<Meter, String> {
    let (requests, connection) = h2::client::handshake(connection).await.map_err(text)?;
    tokio::task::spawn_local(async move {
        // It ends with the runtime.
        let _ = connection.await;
    });
    let mut requests = requests.ready().await.map_err(text)?;
    let body = Bytes::from_static(&[b'x'; BODY_LEN]);
    let mut asked = JoinSet::new();
    let mut meter = Meter::start(running);
    loop {
        while asked.len() < streams && !meter.is_over() {
            let request = Request::builder()
                .method(Method::POST)
                .uri("http://floor/3/device/00112233445566778899aabbccddeeff")
                .header("apns-push-type", "alert")
                .body(())
                .map_err(text)?;
            let since = Instant::now();
            requests = requests.ready().await.map_err(text)?;
            let (response, mut stream) = requests.send_request(request, false).map_err(text)?;
            stream.send_data(body.clone(), true).map_err(text)?;
            asked.spawn_local(async move {
                response.await.map_err(text)?;
                Ok::<_, String>(since)
            });
        }
        let Some(answered) = asked.join_next().await else {
            return Ok(meter);
        };
        meter.answered(1, answered.map_err(text)??);
    }
}
