//! The hikyaku binary: the engine and the tools around it.

mod admin;
mod bench;
mod cancel;
mod check;
mod cli;
mod client;
mod config;
mod dashboard;
mod demo;
mod explain;
mod folder;
mod journal_files;
mod list;
mod logging;
mod plan;
mod print;
mod process;
mod recorder;
mod reference;
mod replace;
mod send;
mod serve;
mod server_tls;
mod sim;
mod verdict;
mod watch;
mod when;
mod wiring;

/// The shard frees on one thread what the front doors allocated on others, for every message. The system's allocator spent a third of the
/// shard's time on that; this one is measured in docs/benchmarks.md. Only the binary may choose, never a library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
