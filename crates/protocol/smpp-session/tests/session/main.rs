//! Sessions in virtual time: each arrow of the state diagram, answers of every kind, limits, seeded worlds with latency
//! and loss, random scripts, hostile bytes.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod answers;
mod arrows;
mod hostile;
mod limits;
mod link;
mod requests;
mod scripts;
mod world;
