//! What this process uses, as the kernel says.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const KIB_PER_MB: f64 = 1_000.0 / 1.024;

/// Processor time of all threads so far, in user and kernel mode.
pub(super) fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Resident memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident_mb: f64,
    /// The most since the start.
    pub(super) peak_mb: f64,
}

/// Resident memory of this process; zero where the kernel does not say.
pub(super) fn memory() -> Memory {
    fs::read_to_string("/proc/self/status").map_or_else(|_| Memory::default(), |text| parse(&text))
}

fn parse(status: &str) -> Memory {
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / KIB_PER_MB
    };
    Memory {
        resident_mb: megabytes("VmRSS:"),
        peak_mb: megabytes("VmHWM:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let memory = parse("Name:\tx\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\n");
        assert_eq!((memory.resident_mb, memory.peak_mb), (10.24, 20.48));
        assert_eq!(parse("VmRSS: none"), Memory::default());
    }

    #[test]
    fn this_process_uses_something() {
        assert!(memory().resident_mb > 0.1 && memory().peak_mb >= memory().resident_mb / 2.0);
        let before = cpu_time();
        // The clock counts work, so some has to be done.
        while cpu_time() == before {}
        assert!(cpu_time() > before);
    }
}
