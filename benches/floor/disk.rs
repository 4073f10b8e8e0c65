//! The bare disk: one thread appends a batch to a file and makes it durable, again and again. No frames, no checksums, no hand-over.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Meter, Sample};

/// How a batch becomes durable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// `write`, then `fdatasync`.
    Synced,
    /// `write` only: the page cache.
    Written,
}

/// A batch of `records`, `bytes` in all; the file lies in `folder` and is removed.
pub(crate) fn run(
    folder: &Path,
    (records, bytes): (u64, usize),
    durability: Durability,
    running: Duration,
) -> Result<Sample, String> {
    let path = folder.join(format!("floor-{}", std::process::id()));
    let written = write(&path, (records, bytes), durability, running);
    let removed = std::fs::remove_file(&path);
    let sample = written.map_err(|error| format!("{}: {error}", path.display()))?;
    removed.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(sample)
}

fn write(
    path: &Path,
    (records, bytes): (u64, usize),
    durability: Durability,
    running: Duration,
) -> std::io::Result<Sample> {
    let mut file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)?;
    // Octets that no file system can leave out as a hole.
    let batch: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8 + 1).collect();
    let mut file_bytes = 0;
    let mut meter = Meter::start(running);
    while !meter.is_over() {
        let asked = Instant::now();
        file.write_all(&batch)?;
        if durability == Durability::Synced {
            file.sync_data()?;
        }
        file_bytes += batch.len() as u64;
        meter.answered(records, asked);
    }
    Ok(Sample {
        file_bytes,
        ..meter.done(Duration::ZERO)
    })
}
