//! The hikyaku binary.

mod config;

fn main() {}
