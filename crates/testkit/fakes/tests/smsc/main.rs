//! The fake message centre over loopback, driven by an ESME of the same session crate. Every fault has a test that shows it.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod carrier;
mod connections;
mod esme;
mod faults;
mod inbound;
mod receipts;
