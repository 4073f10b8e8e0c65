//! Generates the `hikyaku.v1` stubs. The parser is protox, so that no `protoc` has to be installed.

use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

const FILES: [&str; 6] = [
    "hikyaku/v1/dispatch.proto",
    "hikyaku/v1/submission.proto",
    "hikyaku/v1/event.proto",
    "hikyaku/v1/history.proto",
    "hikyaku/v1/inbound.proto",
    "hikyaku/v1/reason.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../../proto");
    println!("cargo::rerun-if-changed={}", root.display());

    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("hikyaku.v1.bin"), descriptors.encode_to_vec())?;

    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .build_server(false)
        .compile_fds(descriptors.clone())?;

    // The server's own way of saying a WatchResponse: with events that are encoded already. On the wire it is the same.
    let server = out.join("server");
    fs::create_dir_all(&server)?;
    tonic_prost_build::configure()
        .build_client(false)
        .out_dir(server)
        .extern_path(".hikyaku.v1", "crate::v1")
        .extern_path(".hikyaku.v1.WatchResponse", "crate::encoded::WatchResponse")
        .compile_fds(descriptors)?;
    Ok(())
}
