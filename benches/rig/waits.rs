//! How long messages waited, from a histogram of `/metrics`, between two looks at it.

/// The buckets of one histogram, all series with a label together.
#[derive(Clone, Default)]
pub(crate) struct Waits {
    /// Upper bound in seconds, and how many samples are not above it.
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

impl Waits {
    /// Reads `metric` out of a page, summed over the series that have `label`, as in `lane="otp"`.
    pub(crate) fn read(page: &str, metric: &str, label: &str) -> Self {
        let mut waits = Self::default();
        for line in page.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Some(rest) = series.strip_prefix(metric) else {
                continue;
            };
            let value: f64 = value.parse().unwrap_or(0.0);
            if !rest.contains(label) {
                continue;
            }
            if rest.starts_with("_sum") {
                waits.sum += value;
            } else if let Some(bound) = bound_of(rest) {
                waits.add(bound, value);
            }
        }
        waits.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        waits
    }

    fn add(&mut self, bound: f64, value: f64) {
        match self.buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, count)) => *count += value,
            None => self.buckets.push((bound, value)),
        }
    }

    /// What came since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| {
            let found = earlier.buckets.iter().find(|(known, _)| *known == bound);
            found.map_or(0.0, |(_, count)| *count)
        };
        let grown = self.buckets.iter();
        Self {
            buckets: grown
                .map(|(bound, count)| (*bound, count - before(*bound)))
                .collect(),
            sum: self.sum - earlier.sum,
        }
    }

    pub(crate) fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    pub(crate) fn mean_ms(&self) -> f64 {
        self.sum / self.count() * 1e3
    }

    /// The quantile, taken to lie evenly within its bucket, as Prometheus does.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let rank = quantile * self.count();
        let (mut bound_below, mut count_below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank && count > &count_below {
                if bound.is_infinite() {
                    return f64::INFINITY;
                }
                let share = (rank - count_below) / (count - count_below);
                return (bound_below + (bound - bound_below) * share) * 1e3;
            }
            (bound_below, count_below) = (*bound, *count);
        }
        f64::NAN
    }
}

fn bound_of(rest: &str) -> Option<f64> {
    let (_, bound) = rest.strip_prefix("_bucket")?.split_once("le=\"")?;
    let (bound, _) = bound.split_once('"')?;
    match bound {
        "+Inf" => Some(f64::INFINITY),
        finite => finite.parse().ok(),
    }
}
