//! What this process holds of the machine, as the kernel says; read when somebody asks for metrics.

use std::fs;

use engine::{Description, Kind};
use metrics::gauge;

const RESIDENT: &str = "hikyaku_process_resident_bytes";
const OPEN_FILES: &str = "hikyaku_process_open_files";
const OPEN_FILES_LIMIT: &str = "hikyaku_process_open_files_limit";

/// The metrics of the process.
pub(crate) const METRICS: &[Description] = &[
    Description {
        name: RESIDENT,
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory that is really there.",
    },
    Description {
        name: OPEN_FILES,
        kind: Kind::Gauge,
        labels: &[],
        help: "Open files and sockets.",
    },
    Description {
        name: OPEN_FILES_LIMIT,
        kind: Kind::Gauge,
        labels: &[],
        help: "Open files and sockets that the kernel allows.",
    },
];

/// Sets the gauges. What the kernel does not say stays as it was.
pub(crate) fn look() {
    let set = |name: &'static str, value: Option<f64>| {
        if let Some(value) = value {
            gauge!(name).set(value);
        }
    };
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    set(RESIDENT, resident_bytes(&read("status")));
    let entries = fs::read_dir("/proc/self/fd").ok();
    set(OPEN_FILES, entries.map(|entries| entries.count() as f64));
    set(OPEN_FILES_LIMIT, open_files_limit(&read("limits")));
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0)
}

/// The soft limit: the one that is enforced.
fn open_files_limit(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "VmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\n";
        assert_eq!(resident_bytes(status), Some(10_240_000.0));
        let limits = "Limit           Soft Limit   Hard Limit   Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files_limit(limits), Some(1_024.0));
        assert_eq!(open_files_limit("Max open files   unlimited"), None);
        assert_eq!(resident_bytes("VmRSS: none"), None);
    }
}
