//! The floors: the least that a part of the engine's work can cost on this machine, each a program of its own with nothing else in it.

pub(crate) mod disk;
pub(crate) mod grpc;
pub(crate) mod http2;
pub(crate) mod smpp;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::rig::{histogram_ns, usage};

/// What one run came to.
pub(crate) struct Sample {
    /// Messages, requests or records.
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
    /// The side that asks; the only one where there is one.
    pub(crate) near_cpu: Duration,
    /// The side that answers.
    pub(crate) far_cpu: Duration,
    /// From asking to the answer.
    pub(crate) latency: Histogram<u64>,
    /// Octets written to a file.
    pub(crate) file_bytes: u64,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn near_cpu_s_per_million(&self) -> f64 {
        self.near_cpu.as_secs_f64() * 1e6 / self.count as f64
    }

    pub(crate) fn far_cpu_s_per_million(&self) -> f64 {
        self.far_cpu.as_secs_f64() * 1e6 / self.count as f64
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// Counts on the near side's thread, from its making to [`Meter::done`].
pub(crate) struct Meter {
    began: Instant,
    ends: Instant,
    cpu: Duration,
    pub(crate) latency: Histogram<u64>,
    pub(crate) count: u64,
}

impl Meter {
    pub(crate) fn start(running: Duration) -> Self {
        let began = Instant::now();
        Self {
            began,
            ends: began + running,
            cpu: usage::thread_cpu(),
            latency: histogram_ns(),
            count: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// `count` were answered that were asked for at `asked`.
    pub(crate) fn answered(&mut self, count: u64, asked: Instant) {
        let spent = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // Beyond the histogram's end nothing is told apart any more.
        self.latency.saturating_record_n(spent, count);
        self.count += count;
    }

    pub(crate) fn done(self, far_cpu: Duration) -> Sample {
        Sample {
            count: self.count,
            elapsed: self.began.elapsed(),
            near_cpu: usage::thread_cpu() - self.cpu,
            far_cpu,
            latency: self.latency,
            file_bytes: 0,
        }
    }
}

/// Runs the answering side on a thread of its own; `serve` returns when its connection is closed. Gives the thread's processor time.
pub(crate) fn far_side(
    serve: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> std::thread::JoinHandle<Result<Duration, String>> {
    std::thread::spawn(move || {
        let before = usage::thread_cpu();
        serve()?;
        Ok(usage::thread_cpu() - before)
    })
}

/// Waits for the answering side.
pub(crate) fn joined(
    side: std::thread::JoinHandle<Result<Duration, String>>,
) -> Result<Duration, String> {
    side.join()
        .map_err(|_| "the answering side panicked".to_owned())?
}
