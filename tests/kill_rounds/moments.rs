//! Moments of a running engine, seen from outside: its threads' system calls, its files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a moment is waited for: a load that has ended brings none about any more.
const WAIT: Duration = Duration::from_millis(400);

/// fsync and fdatasync, as the kernel numbers them where this runs.
#[cfg(target_arch = "x86_64")]
const SYNC_CALLS: [&str; 2] = ["74", "75"];
#[cfg(not(target_arch = "x86_64"))]
const SYNC_CALLS: [&str; 2] = ["82", "83"];

/// Waits until the journal's thread is inside a sync; whether it was seen there.
pub(crate) fn wait_for_sync(pid: u32) -> bool {
    let Some(thread) = thread_named(pid, "journal") else {
        return false;
    };
    let call = thread.join("syscall");
    until(|| {
        let text = fs::read_to_string(&call).unwrap_or_default();
        let number = text.split(' ').next().unwrap_or_default();
        SYNC_CALLS.contains(&number)
    })
}

/// Waits until a file in the folder appears or disappears; whether one did.
pub(crate) fn wait_for_file_change(folder: &Path) -> bool {
    let before = names(folder);
    until(|| names(folder) != before)
}

fn until(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + WAIT;
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        // A pause would miss it, and a busy loop on two cores would prevent it.
        std::thread::yield_now();
    }
    false
}

fn thread_named(pid: u32, name: &str) -> Option<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|thread| {
            fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim() == name)
        })
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect()
}
