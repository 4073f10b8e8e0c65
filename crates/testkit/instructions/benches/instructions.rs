//! Instructions of what a message takes on its way: codec, session, queue, throttle, journal. See the library.
//!
//! ```text
//! cargo bench --package instructions                     every case, beside the committed figures
//! cargo bench --package instructions -- --only session   some
//! cargo bench --package instructions -- --at-most 1.05   fails when a case takes more than 1.05 times its committed figure
//! cargo bench --package instructions -- --bless          the counts become the committed figures
//! ```

mod cases;

use std::path::Path;
use std::process::ExitCode;

/// Where the committed figures are.
const FIGURES: &str = "../../../docs/benchmarks/instructions.json";

fn main() -> ExitCode {
    let figures = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIGURES);
    instructions::bench(cases::CASES, &figures)
}
