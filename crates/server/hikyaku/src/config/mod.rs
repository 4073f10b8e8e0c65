//! Configuration in two steps.
//!
//! [`mod@file`] and [`carrier_file`] are what people write: TOML tables in which every unknown key is refused. [`effective`]
//! is what the program means: defaults filled in, units unified to milliseconds, names resolved, secrets read, every
//! range checked. Nothing behind this module reads a file of the configuration or applies a default.
//!
//! One main file, and one file per carrier in the directory that `carriers` names. A path in a file is relative to that
//! file's folder, so that a configuration can be moved and started from anywhere.
//!
//! All problems of all files are reported at once, each with file, line, column, key, value and what is allowed
//! ([`Problem`]). Secrets are given by reference (file or environment variable); their values never appear in an error.
//!
//! Limits: a file of 1 MiB, 1,000 carriers, and the ranges in [`effective`].

mod carrier_check;
mod carrier_file;
mod check;
mod checker;
pub(crate) mod effective;
mod engine_check;
mod file;
mod parties_check;
mod secret;
mod source;

#[cfg(test)]
mod tests;

pub(crate) use check::load;
pub(crate) use effective::Config;
pub(crate) use secret::Secret;
pub(crate) use source::{Problem, Problems};
