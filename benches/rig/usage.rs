//! CPU time and memory of this process, of one of its threads, and of another process.
//!
//! Our own is read from the CPU clocks, to the nanosecond. Another process's comes from `/proc`, in ticks of 10 ms: of a run of a second
//! that is one per cent, less than the runs differ by.

use std::cmp::Reverse;
use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// `USER_HZ`: the unit of `/proc/PID/stat` on every architecture that Linux runs servers on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of this process so far.
pub(crate) fn own_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// The same of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        time.tv_sec.try_into().expect("CPU time is not negative"),
        time.tv_nsec.try_into().expect("it is below a second"),
    )
}

/// User and system time of a process so far; 0 when it has gone.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    ticks(&stat)
}

/// The same for each thread of a process that has a name, threads of one name together, the busiest first.
pub(crate) fn cpu_of_threads(pid: u32) -> Vec<(String, Duration)> {
    let mut threads: Vec<(String, Duration)> = Vec::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return threads;
    };
    for task in tasks.flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some(name) = stat
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'))
        else {
            continue;
        };
        match threads.iter_mut().find(|(known, _)| known == name.0) {
            Some((_, cpu)) => *cpu += ticks(&stat),
            None => threads.push((name.0.to_owned(), ticks(&stat))),
        }
    }
    threads.sort_by_key(|(_, spent)| Reverse(*spent));
    threads
}

/// Fields 14 and 15 of `stat`, counted after the name, which may hold anything (proc(5)).
fn ticks(stat: &str) -> Duration {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u32 = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    TICK * ticks
}

/// Memory of a process that is in RAM, in MiB (`VmRSS`); 0 when it has gone.
pub(crate) fn rss_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1_024.0)
}
