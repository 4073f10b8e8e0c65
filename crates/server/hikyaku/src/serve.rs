//! `hikyaku serve`: the engine itself, until it is told to end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use engine::Life;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{self, Config};
use crate::logging::LogArgs;
use crate::wiring::{self, Running};

const EXAMPLES: &str = "\
Examples:
  hikyaku serve --config config/hikyaku.toml
  HIKYAKU_LOG=debug hikyaku serve --config /etc/hikyaku/hikyaku.toml --log json

SIGTERM or SIGINT ends it in order: nothing more is admitted, what is in flight is
answered, sessions unbind. What still waits stays in the journal and goes on after the
next start. A second signal ends it at once.

Ends with 0 after a signal, 2 when the configuration is wrong, 1 when something failed.";

/// How often the engine is looked at until its journal has been replayed.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Run the engine
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The main file of the configuration
    #[arg(long, value_name = "FILE", default_value = "config/hikyaku.toml")]
    config: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ServeArgs) -> ExitCode {
    if let Err(error) = args.log.start() {
        eprintln!("hikyaku: {error}");
        return ExitCode::from(2);
    }
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("front")
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(until_told(config)),
        Err(error) => Err(format!("no runtime could be started: {error}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            tracing::error!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until a signal comes or something fails; the text says what.
async fn until_told(config: Config) -> Result<(), String> {
    let drain = Duration::from_millis(config.server.drain_ms);
    let mut signals = Signals::listen().map_err(|error| format!("no signal handler: {error}"))?;
    tell_carriers(&config);
    let running = wiring::start(config)
        .await
        .map_err(|error| error.to_string())?;
    tracing::info!(grpc = %running.grpc_addr, admin = %running.admin_addr, "listening");
    tokio::select! {
        () = signals.next() => tracing::info!(?drain, "told to end: draining"),
        () = running.failed() => tracing::error!("a part has ended by itself: ending the rest"),
        () = tell_life(&running) => {}
    }
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!(
            "told again: ending at once; what is in flight counts as uncertain after the next start"
        );
        std::process::exit(1);
    });
    running
        .stop(drain)
        .await
        .map_err(|error| error.to_string())?;
    tracing::info!("ended");
    Ok(())
}

fn tell_carriers(config: &Config) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config_version = format!("{:016x}", config.version),
        data = %config.journal.dir.display(),
        "starting"
    );
    for carrier in &config.carriers {
        tracing::info!(
            carrier = carrier.name.as_str(),
            hosts = ?carrier.hosts,
            sessions = carrier.sessions,
            window = carrier.window,
            contract_per_second = carrier.contract_per_second,
            "carrier"
        );
    }
}

/// Says when the engine has opened; never returns.
async fn tell_life(running: &Running) {
    while running.handle.life() == Life::Starting {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    if running.handle.life() == Life::Open {
        tracing::info!("the journal is replayed and intake is open");
    }
    std::future::pending().await
}

/// The two signals that mean the same: an init system's and a keyboard's.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
