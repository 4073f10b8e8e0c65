//! A disk that takes little more and then fails every write.

use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{EngineProcess, Setting};

/// The signal that comes with a write beyond the limit of a file's size is ignored, so that the write fails, as on a bad disk.
const FAIL_LARGE_WRITES: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";
/// That limit, in bytes: some hundred records.
const WRITABLE_BYTES: u64 = 32_768;

/// Starts an engine, and when it is ready lets every write beyond the first bytes of a file fail. Its journal has reserved its space by
/// then: the limit is on writing into it.
pub(crate) fn start(setting: &Setting) -> EngineProcess {
    let whole = setting.command("serve");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", FAIL_LARGE_WRITES])
        .arg(whole.get_program());
    limited.args(whole.get_args());
    let engine = EngineProcess::start_as(limited);
    engine.wait_until("the engine is ready", || engine.get("/readyz").0 == 200);
    let pid = i32::try_from(engine.pid()).ok().and_then(Pid::from_raw);
    let limit = Rlimit {
        current: Some(WRITABLE_BYTES),
        maximum: Some(WRITABLE_BYTES),
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
    engine
}
