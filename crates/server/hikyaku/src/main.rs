//! The hikyaku binary.

fn main() {}
