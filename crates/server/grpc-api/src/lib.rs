//! The public face: the `hikyaku.v1` contract, its server over [`engine::Handle`], and its client stubs.
//!
//! This crate parses and translates; it decides nothing about messages. A request's way: [`CallerDirectory`] says who asks, `parse` makes
//! an [`message::Submission`] of the wire form or lists every field that is wrong, the engine answers through a [`engine::ReplySink`], and
//! `answer` puts that on the wire: as an item where answers come per item, as a rich `google.rpc.Status` where the call itself is refused.
//!
//! Limits are in [`limits`]; each is refused by name.

mod answer;
mod auth;
mod client;
mod connection;
mod encoded;
mod history;
mod inbound;
mod list;
mod outlet;
mod parse;
mod phase;
mod position;
mod progress;
mod serve;
mod service;
mod submit_stream;
mod watch;

#[cfg(test)]
mod reasons_proto;

pub mod limits;

pub use auth::{CallerDirectory, CallerDirectoryError, CallerEntry, InboundAccess};
pub use client::endpoint;
pub use serve::{ServeError, ServerOptions, serve};
pub use service::{Service, StreamLimits};

/// The contract as generated from `proto/hikyaku/v1`: messages and [`v1::dispatch_client`].
pub mod v1 {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]

    tonic::include_proto!("hikyaku.v1");
}

/// The server's side of the contract as generated; a watch's responses are [`encoded::WatchResponse`] here.
mod stubs {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines)]

    include!(concat!(env!("OUT_DIR"), "/server/hikyaku.v1.rs"));
}

/// The contract as an encoded `FileDescriptorSet`, comments included: what reflection answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("hikyaku.v1");
