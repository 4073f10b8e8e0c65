//! Puts a running engine together: recorder, listeners, engine, gRPC, admin; and takes it apart in the right order.
//!
//! ```text
//! admin ──► Handle ◄── gRPC          threads of this runtime
//!             │
//!           engine ──► connectors    one thread of its own (the shard), with a runtime of its own
//! ```
//!
//! `serve` and `demo` both start from here; ports may be 0, the actual addresses are in [`Running`].

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use engine::{Engine, EngineFailure, Handle};
use grpc_api::{ServeError, ServerOptions, Service};
use metrics_exporter_prometheus::BuildError;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::admin;
use crate::config::Config;
use crate::plan::{Plan, PlanError};
use crate::recorder::Recorder;

/// How often the ends of threads and tasks are looked for: nobody waits for these but an operator.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What of the time to stop is kept for ending calls after the engine has ended: at most this, and at most a quarter.
const CALLS_TIME_MAX: Duration = Duration::from_secs(2);

/// Completes when a listener is told to end.
type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An engine with everything around it.
pub(crate) struct Running {
    /// The engine as its front doors see it.
    pub(crate) handle: Handle,
    /// Where callers connect.
    pub(crate) grpc_addr: SocketAddr,
    /// Where metrics and health are.
    pub(crate) admin_addr: SocketAddr,
    engine: Engine,
    service: Service,
    grpc: Task<Result<(), ServeError>>,
    admin: Task<io::Result<()>>,
    upkeep: JoinHandle<()>,
}

/// A listener's task and how it is told to end.
struct Task<T> {
    task: JoinHandle<T>,
    end: oneshot::Sender<()>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration cannot be started.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An address cannot be listened on.
    #[error("{door} cannot listen on {address}: {source}")]
    Listen {
        /// The key of the configuration.
        door: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The engine.
    #[error("the engine cannot start: {0}")]
    Engine(#[from] engine::StartError),
    /// The recorder.
    #[error("metrics cannot be kept: {0}")]
    Recorder(#[from] BuildError),
}

/// What went wrong while it ran. What was admitted is in the journal; a restart goes on with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    /// The engine ended by itself.
    #[error("the engine failed: {0}")]
    Engine(#[from] EngineFailure),
    /// gRPC ended by itself.
    #[error(transparent)]
    Grpc(#[from] ServeError),
    /// The admin listener ended by itself.
    #[error("the admin listener failed: {0}")]
    Admin(#[source] io::Error),
    /// The engine's thread did not end.
    #[error("the engine did not end in time; it is cut off, which its journal survives")]
    Stuck,
}

/// Starts everything and returns as soon as the listeners are bound: the journal may still be in replay ([`Handle::life`]).
///
/// Must run inside a multi-threaded runtime, which then serves gRPC and admin.
///
/// # Errors
/// The first thing that cannot be started; nothing is left running then.
pub(crate) async fn start(config: Config) -> Result<Running, StartError> {
    let recorder = Recorder::install()?;
    let plan = Plan::new(&config)?;
    let (grpc_door, grpc_addr) = listen("server.listen", config.server.listen).await?;
    let (admin_door, admin_addr) = listen("admin.listen", config.admin_listen).await?;
    let engine = Engine::start(plan.engine, plan.connectors)?;
    let handle = engine.handle();
    let service = Service::new(handle.clone(), plan.callers, plan.streams);
    let options = ServerOptions {
        grace: calls_time(Duration::from_millis(config.server.drain_ms)) / 2,
        ..plan.server
    };
    let grpc = spawn(|end| grpc_api::serve(grpc_door, service.clone(), options, end));
    let admin = spawn(|end| admin::serve(admin_door, recorder.clone(), handle.clone(), end));
    Ok(Running {
        handle,
        grpc_addr,
        admin_addr,
        engine,
        service,
        grpc,
        admin,
        upkeep: tokio::spawn(recorder.keep_drained()),
    })
}

impl Running {
    /// Returns when a part has ended that nobody told to end; [`Self::stop`] then says why.
    pub(crate) async fn failed(&self) {
        while !self.engine.is_finished()
            && !self.grpc.task.is_finished()
            && !self.admin.task.is_finished()
        {
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Ends everything within `drain`: nothing more is admitted, what is in flight is answered, sessions unbind, calls end. What could
    /// not be finished in time stays in the journal.
    ///
    /// # Errors
    /// Why a part had ended before, or could not be ended.
    pub(crate) async fn stop(self, drain: Duration) -> Result<(), StopError> {
        let deadline = Instant::now() + drain;
        let calls_time = calls_time(drain);
        self.service.drain();
        let engine = stop_engine(self.engine, deadline - 2 * calls_time, calls_time / 2).await;
        let grpc = self.grpc.end(calls_time).await;
        let admin = self.admin.end(calls_time / 2).await;
        self.upkeep.abort();
        engine?;
        grpc.unwrap_or(Ok(()))?;
        admin.unwrap_or(Ok(())).map_err(StopError::Admin)
    }
}

fn calls_time(drain: Duration) -> Duration {
    CALLS_TIME_MAX.min(drain / 4)
}

/// Drains the engine until `deadline`, then ends it at once and gives it `last` for that.
async fn stop_engine(engine: Engine, deadline: Instant, last: Duration) -> Result<(), StopError> {
    if !engine.is_finished() {
        engine.drain();
    }
    wait_for_end(&engine, deadline).await;
    if !engine.is_finished() {
        tracing::warn!(
            "the time to drain is over: what is in flight counts as uncertain after the next start"
        );
        engine.stop();
        wait_for_end(&engine, Instant::now() + last).await;
    }
    if engine.is_finished() {
        // Its thread is over, so that this does not block.
        Ok(engine.join()?)
    } else {
        Err(StopError::Stuck)
    }
}

impl<T> Task<T> {
    /// Tells it to end and waits for `time` at most; nothing when it had to be cut off.
    async fn end(self, time: Duration) -> Option<T> {
        let _ = self.end.send(());
        let mut task = self.task;
        match timeout(time, &mut task).await {
            Ok(ended) => ended.ok(),
            Err(_) => {
                task.abort();
                None
            }
        }
    }
}

async fn wait_for_end(engine: &Engine, deadline: Instant) {
    while !engine.is_finished() && Instant::now() < deadline {
        sleep(LOOK_INTERVAL).await;
    }
}

fn spawn<F>(serve: impl FnOnce(End) -> F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (end, ended) = oneshot::channel();
    let ended = async move {
        // A dropped sender means the same.
        let _ = ended.await;
    };
    let task = tokio::spawn(serve(Box::pin(ended)));
    Task { task, end }
}

async fn listen(
    door: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address).await;
    let known = bound.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    known.map_err(|source| StartError::Listen {
        door,
        address,
        source,
    })
}
