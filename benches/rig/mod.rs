//! What the benches share: what a process used, and how figures are summed up.

#![allow(
    dead_code,
    reason = "every bench compiles this module and uses a part of it"
)]

pub(crate) mod usage;
pub(crate) mod waits;

use hdrhistogram::Histogram;

/// What a bench's client runs on: one thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| error.to_string())
}

/// Times in nanoseconds up to ten minutes, three digits of each.
pub(crate) fn histogram_ns() -> Histogram<u64> {
    const TEN_MINUTES_NS: u64 = 600_000_000_000;
    Histogram::new_with_bounds(1, TEN_MINUTES_NS, 3).expect("bounds that are in order")
}

/// The middle one; the lower of the two for an even count. `NaN` for none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

/// With digit groups, so that a column of rates can be read.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
