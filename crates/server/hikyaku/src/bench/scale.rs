//! Axes: from values to places, and the values worth a mark.

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// By powers of ten; what is not above 0 has no place.
    Log,
    /// Percentiles, each further nine as wide as the one before; 100 has no place but the end.
    Percentile,
}

/// An axis with its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    scale: Scale,
    low: f64,
    high: f64,
}

/// Percentiles beyond this stand at the end of their axis.
const PERCENTILE_MAX: f64 = 99.99;
/// Marks of a linear axis, about.
const MARKS: f64 = 5.0;

impl Range {
    /// An axis that holds all values, with round ends.
    pub(super) fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let values = values.filter(|value| value.is_finite());
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| scale != Scale::Log || *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        match scale {
            Scale::Linear => {
                let step = step(high.max(f64::MIN_POSITIVE));
                let high = (high / step).ceil().max(1.0) * step;
                Self {
                    scale,
                    low: 0.0,
                    high,
                }
            }
            Scale::Log => {
                let low = 10_f64.powf(low.log10().floor());
                let high = 10_f64.powf(high.log10().ceil()).max(low * 10.0);
                Self { scale, low, high }
            }
            Scale::Percentile => Self {
                scale,
                low: 0.0,
                high: PERCENTILE_MAX,
            },
        }
    }

    /// Where a value lies, from 0 to 1; none where it has no place.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            Scale::Percentile => -(1.0 - value.clamp(0.0, PERCENTILE_MAX) / 100.0).log10(),
        };
        let (low, high) = (along(self.low), along(self.high));
        let place = (along(value) - low) / (high - low);
        place.is_finite().then(|| place.clamp(0.0, 1.0))
    }

    /// The values to mark, each with its text.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.high);
                let count = (self.high / step).round() as u32;
                let values = (0..=count).map(|nth| f64::from(nth) * step);
                values.map(|value| (value, short(value))).collect()
            }
            Scale::Log => {
                let decades = (self.high / self.low).log10().round() as i32;
                let values = (0..=decades).map(|nth| self.low * 10_f64.powi(nth));
                values.map(|value| (value, short(value))).collect()
            }
            Scale::Percentile => [0.0, 50.0, 90.0, 99.0, 99.9, 99.99]
                .map(|value| (value, format!("{value}")))
                .to_vec(),
        }
    }
}

/// A step of 1, 2 or 5 times a power of ten that gives about [`MARKS`] marks up to `high`.
fn step(high: f64) -> f64 {
    let rough = high / MARKS;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * power >= rough * 0.999);
    times.unwrap_or(10.0) * power
}

/// Few digits, thousands and millions as letters.
pub(super) fn short(value: f64) -> String {
    let (value, letter) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = if value.abs() >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        // Three significant digits, no zeros behind them.
        let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 6);
        let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    format!("{text}{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (1.0, "1"),
            (2.5, "2.5"),
            (150.0, "150"),
            (1_000.0, "1k"),
            (12_340.0, "12.3k"),
            (2_000_000.0, "2M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_linear_axis_begins_at_0_and_ends_round() {
        let range = Range::of(Scale::Linear, [3.0, 87.0].into_iter());
        let marks: Vec<f64> = range.marks().iter().map(|mark| mark.0).collect();
        assert_eq!(marks, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(range.place(50.0), Some(0.5));
        // Nothing at all still is an axis.
        let empty = Range::of(Scale::Linear, std::iter::empty());
        assert!(empty.marks().len() > 1);
        assert!(Range::of(Scale::Linear, [0.0].into_iter()).place(0.0) == Some(0.0));
    }

    #[test]
    fn a_log_axis_marks_powers_of_ten() {
        let range = Range::of(Scale::Log, [0.3, 42.0, 0.0].into_iter());
        let marks: Vec<String> = range.marks().into_iter().map(|mark| mark.1).collect();
        assert_eq!(marks, ["0.1", "1", "10", "100"]);
        assert!((range.place(1.0).unwrap() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(range.place(0.0), None);
    }

    #[test]
    fn every_nine_of_a_percentile_is_as_wide() {
        let range = Range::of(Scale::Percentile, std::iter::empty());
        let place = |percent| range.place(percent).unwrap();
        assert!((place(90.0) - 0.25).abs() < 1e-9 && (place(99.0) - 0.5).abs() < 1e-9);
        assert_eq!((place(0.0), place(100.0)), (0.0, 1.0));
    }
}
