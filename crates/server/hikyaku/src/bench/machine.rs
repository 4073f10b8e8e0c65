//! What the bench runs on, as the kernel says.

use std::fs;
use std::path::Path;

use super::report::Machine;

/// This machine; `folder` is where the journals are.
pub(super) fn this(folder: &Path) -> Machine {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Machine {
        cpu: field(&text("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        memory_mib: field(&text("/proc/meminfo"), "MemTotal")
            .and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib / 1_024),
        kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        file_system: file_system(&text("/proc/self/mounts"), &folder).unwrap_or_default(),
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(':')?;
    Some(value.trim().to_owned())
}

/// The type of the mount that holds a folder: of those whose place is a prefix, the longest, and of these the last.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    mounts
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_read() {
        let machine = this(Path::new("/"));
        assert!(machine.cores > 0 && machine.memory_mib > 0 && !machine.kernel.is_empty());
    }

    #[test]
    fn a_folder_is_on_the_mount_nearest_to_it() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nnone /tmp/x xfs rw 0 0\n";
        let on = |folder| file_system(mounts, Path::new(folder)).unwrap();
        assert_eq!(on("/home/me"), "ext4");
        assert_eq!(on("/tmp/y"), "tmpfs");
        assert_eq!(on("/tmp/x/y"), "xfs");
        assert_eq!(on("/tmpfile"), "ext4");
    }
}
