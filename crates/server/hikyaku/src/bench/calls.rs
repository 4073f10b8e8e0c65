//! System calls of a process, all of them, whatever thread makes them: counted by the kernel at its tracepoint `raw_syscalls:sys_enter`, for
//! whom `perf stat` asks. Nothing is sampled or traced: `strace` stops a process at each call, which is what is to be measured here.
//!
//! `perf` is a tool of its own (Debian's package `linux-perf`) and needs to be allowed to look (root, CAP_PERFMON, or
//! `kernel.perf_event_paranoid` of -1). Where that cannot be had, the bench says so once and goes on without the figure. While somebody counts,
//! every call on the machine takes a fraction of a microsecond longer.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const EVENT: &str = "raw_syscalls:sys_enter";
/// How long `perf` may take to begin.
const BEGIN_MAX: Duration = Duration::from_secs(5);
/// Between two looks at whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A count that goes on; dropping it ends `perf`.
pub(super) struct CallCount {
    perf: Child,
}

impl CallCount {
    /// Begins to count the calls of a process and of threads that it starts later. `None` where that cannot be had, said once on standard
    /// error.
    pub(super) fn begin(pid: u32) -> Option<Self> {
        static TOLD: Once = Once::new();
        match Self::try_begin(pid) {
            Ok(count) => Some(count),
            Err(why) => {
                TOLD.call_once(|| {
                    eprintln!(
                        "hikyaku: system calls are not counted: {why}; it takes `perf` (Debian: linux-perf) and the right to use it"
                    );
                });
                None
            }
        }
    }

    fn try_begin(pid: u32) -> Result<Self, String> {
        let threads = entries(format!("/proc/{pid}/task").into()).len();
        let perf = Command::new("perf")
            .args(["stat", "-x", ";", "-e", EVENT, "-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`perf` cannot be run: {error}"))?;
        let mut count = Self { perf };
        let deadline = Instant::now() + BEGIN_MAX;
        // It has begun when it holds a counter for every thread.
        while count.counters() < threads {
            if count.perf.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(format!("`perf` said: {}", count.said().trim()));
            }
            if Instant::now() >= deadline {
                return Err(format!("`perf` did not begin in {BEGIN_MAX:?}"));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(count)
    }

    fn counters(&self) -> usize {
        let held = entries(format!("/proc/{}/fd", self.perf.id()).into());
        let counters = held.iter().filter_map(|path| fs::read_link(path).ok());
        counters
            .filter(|to| to.to_string_lossy().contains("perf_event"))
            .count()
    }

    /// The calls since the beginning; `None` when `perf` did not tell.
    pub(super) fn end(mut self) -> Option<u64> {
        let pid = i32::try_from(self.perf.id()).ok().and_then(Pid::from_raw)?;
        // Interrupted it tells what it has.
        kill_process(pid, Signal::INT).ok()?;
        counted(&self.said())
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        if let Some(stderr) = &mut self.perf.stderr {
            // Cut short it is no count.
            let _ = stderr.read_to_string(&mut said);
        }
        said
    }
}

impl Drop for CallCount {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill, and waiting takes its row from the kernel's table.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

fn entries(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// The first field of the line about our event.
fn counted(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(EVENT))?;
    line.split(';').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_perf_is_read() {
        let line = "1234;;raw_syscalls:sys_enter;5678;100.00;;\n";
        assert_eq!(counted(line), Some(1_234));
        assert_eq!(
            counted("<not counted>;;raw_syscalls:sys_enter;0;0.00;;"),
            None
        );
        assert_eq!(counted("perf: no access"), None);
    }

    #[test]
    fn calls_are_counted_where_that_is_allowed() {
        let Some(count) = CallCount::begin(std::process::id()) else {
            eprintln!("!!! SKIPPED: system calls cannot be counted here");
            return;
        };
        for _ in 0..1_000 {
            let _ = fs::metadata("/proc/self");
        }
        assert!(count.end().unwrap() >= 1_000);
    }
}
