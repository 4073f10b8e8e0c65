//! What a process uses, as `/proc` says: processor time, memory, reads and writes, wake-ups.
//!
//! The scheduler's own count (`schedstat`, nanoseconds) is taken thread by thread; where a kernel has none, `stat` (ticks of 10 ms). A
//! thread that ends between two looks takes its time with it: the engine's and the simulator's threads live as long as they do.
//! `read` and `write` calls are those on files, pipes and sockets by `read(2)` and `write(2)` and their vectored forms; `send(2)`,
//! `recv(2)`, `epoll_wait(2)` and `futex(2)` are in neither; [`CallCount`](super::calls::CallCount) counts all calls.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The unit of `/proc/PID/stat` on every architecture that Linux runs servers on.
const TICK_MS: u64 = 10;

/// Counts of one process since its start. Those the kernel does not give are 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Processor time by thread name, threads of one name together.
    pub(super) cpu_by_thread: BTreeMap<String, Duration>,
    /// The most memory it has had in RAM, in MiB.
    pub(super) peak_rss_mib: f64,
    /// Memory it has in RAM now, in MiB.
    pub(super) rss_mib: f64,
    /// Calls of `read` and its forms.
    pub(super) read_calls: u64,
    /// Calls of `write` and its forms.
    pub(super) write_calls: u64,
    /// Octets that went to the storage layer.
    pub(super) storage_bytes: u64,
    /// How often a thread went to sleep and was woken.
    pub(super) sleeps: u64,
}

impl Usage {
    /// Of a process; all 0 when it has gone.
    pub(super) fn of(pid: u32) -> Self {
        Self::read(Path::new(&format!("/proc/{pid}")))
    }

    fn read(process: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        let (status, io) = (text("status"), text("io"));
        let mib = |name| figure(&status, name).unwrap_or(0) as f64 / 1_024.0;
        let mut usage = Self {
            peak_rss_mib: mib("VmHWM:"),
            rss_mib: mib("VmRSS:"),
            read_calls: figure(&io, "syscr:").unwrap_or(0),
            write_calls: figure(&io, "syscw:").unwrap_or(0),
            storage_bytes: figure(&io, "write_bytes:").unwrap_or(0),
            ..Self::default()
        };
        let tasks = fs::read_dir(process.join("task"));
        for task in tasks.into_iter().flatten().flatten() {
            usage.add_thread(&task.path());
        }
        usage
    }

    fn add_thread(&mut self, task: &Path) {
        let text = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
        let stat = text("stat");
        // The name may hold anything, parentheses too (proc(5)).
        let Some((_, rest)) = stat.split_once('(') else {
            return;
        };
        let Some((name, fields)) = rest.rsplit_once(')') else {
            return;
        };
        let spent = scheduled(&text("schedstat")).unwrap_or_else(|| ticked(fields));
        *self.cpu_by_thread.entry(name.to_owned()).or_default() += spent;
        self.sleeps += figure(&text("status"), "voluntary_ctxt_switches:").unwrap_or(0);
    }

    /// Processor time of all threads.
    pub(super) fn cpu(&self) -> Duration {
        self.cpu_by_thread.values().sum()
    }

    /// What was added since `before`; memory as it is now.
    pub(super) fn since(&self, before: &Self) -> Self {
        let cpu_by_thread = self.cpu_by_thread.iter().map(|(name, spent)| {
            let earlier = before.cpu_by_thread.get(name).copied().unwrap_or_default();
            (name.clone(), spent.saturating_sub(earlier))
        });
        Self {
            cpu_by_thread: cpu_by_thread.collect(),
            peak_rss_mib: self.peak_rss_mib,
            rss_mib: self.rss_mib,
            read_calls: self.read_calls.saturating_sub(before.read_calls),
            write_calls: self.write_calls.saturating_sub(before.write_calls),
            storage_bytes: self.storage_bytes.saturating_sub(before.storage_bytes),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }
}

/// Processor time of the whole machine since its start that was not idle, in all modes.
pub(super) fn machine_busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    busy(&stat)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
fn busy(stat: &str) -> Duration {
    let fields = stat.lines().next().unwrap_or_default();
    let counted = |nth: usize| {
        let field = fields.split_ascii_whitespace().nth(nth + 1);
        field.and_then(|field| field.parse().ok()).unwrap_or(0)
    };
    ticks([0, 1, 2, 5, 6].map(counted))
}

/// 64 bits: 64 busy processors count more than 32 bits hold in eight days.
fn ticks(counted: impl IntoIterator<Item = u64>) -> Duration {
    let sum = counted.into_iter().fold(0, u64::saturating_add);
    Duration::from_millis(sum.saturating_mul(TICK_MS))
}

fn figure(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The first field of `schedstat`.
fn scheduled(schedstat: &str) -> Option<Duration> {
    let spent = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(spent))
}

/// Fields 14 and 15 of `stat`, counted after the name.
fn ticked(fields: &str) -> Duration {
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    ticks(times.filter_map(|field| field.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let before = Usage::of(std::process::id());
        assert!(before.peak_rss_mib >= before.rss_mib && before.rss_mib > 0.1);
        assert!(before.read_calls > 0);
        // Only work moves the counts.
        let spent = loop {
            let now = Usage::of(std::process::id());
            let spent = now.since(&before);
            if spent.cpu() > Duration::from_millis(1) && spent.read_calls > 0 {
                break spent;
            }
        };
        assert!(!spent.cpu_by_thread.is_empty());
        assert!(machine_busy() > Duration::ZERO);
    }

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(
            busy("cpu  1 2 3 400 500 6 7 800 9 10\ncpu0 1 2 3 4"),
            Duration::from_millis(190)
        );
        let long_up = "cpu  4294967296 4294967295 1 0 0 0 0 0 0 0";
        assert_eq!(busy(long_up), Duration::from_millis(85_899_345_920));
        assert_eq!(scheduled("1234 5 6\n"), Some(Duration::from_nanos(1_234)));
        assert_eq!(scheduled(""), None);
        let fields = " S 1 2 3 4 5 6 7 8 9 10 30 12 0";
        assert_eq!(ticked(fields), Duration::from_millis(420));
        assert_eq!(figure("a: 1\nVmRSS:\t 77 kB\n", "VmRSS:"), Some(77));
    }

    #[test]
    fn a_process_that_has_gone_used_nothing() {
        assert_eq!(Usage::read(Path::new("/nonexistent")), Usage::default());
    }
}
