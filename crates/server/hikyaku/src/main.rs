//! The hikyaku binary: the engine and the tools around it.

mod admin;
mod check;
mod cli;
mod client;
mod config;
mod demo;
mod logging;
mod plan;
mod print;
mod recorder;
mod reference;
mod send;
mod serve;
mod server_tls;
mod sim;
mod watch;
mod wiring;

fn main() -> std::process::ExitCode {
    cli::run()
}
