//! Figures since the start, for reports; what a running engine is watched by are the metrics.

use hdrhistogram::Histogram;
use message::CarrierId;

/// The shape of a latency distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// How many samples.
    pub count: u64,
    /// Half were at most this.
    pub p50: f64,
    /// All but one in a hundred were at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Of a histogram of microseconds.
    #[must_use]
    pub fn of_us(histogram: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        Self {
            count: histogram.len(),
            p50: ms(histogram.value_at_quantile(0.50)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        }
    }
}

/// How long the messages of a lane waited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneStats {
    /// From when nobody of the lane was before it until it was written.
    pub head_of_line: Percentiles,
    /// From entering the lane, which follows the durable admission, until it was written.
    pub admit_to_write: Percentiles,
    /// From its arrival at intake until its admission was durable and answered.
    pub submit_to_admit: Percentiles,
}

/// What a carrier was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarrierStats {
    /// Which.
    pub carrier: CarrierId,
    /// Segments written.
    pub written: u64,
    /// The most write stamps in any second.
    pub max_in_any_second: u64,
    /// Seconds in which work waited, a slot was free and only a permit was missing.
    pub limited_seconds: f64,
    /// Segments written in that time over contract times that time; 0 without a contract.
    pub utilisation: f64,
}

/// Latencies and counts since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineStats {
    /// By lane, most urgent first.
    pub lanes: [LaneStats; 4],
    /// By carrier, as configured.
    pub carriers: Vec<CarrierStats>,
    /// Messages that are not final.
    pub live: u64,
    /// Receipts awaited.
    pub receipts_awaited: u64,
    /// Messages that await one and lie on the disk; part of the above.
    pub receipts_on_disk: u64,
    /// Live messages that wait in the journal alone.
    pub backlog: u64,
}
