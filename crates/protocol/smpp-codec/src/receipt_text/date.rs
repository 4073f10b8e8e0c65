//! Dates in a receipt's text: YYMMDDhhmm on paper; with seconds, four-digit years, or epoch seconds in reality.

use crate::time::{AbsoluteTime, digits_to_u64};

/// Ten digits are epoch seconds only within five years of now: further off they are a broken calendar date.
const MAX_EPOCH_DISTANCE_S: u64 = 5 * 366 * 86_400;

/// Writes `unix_ms` (UTC) in the form of Appendix B, YYMMDDhhmm; `None` outside the years 1938 to 2037, which two
/// digits cannot say.
#[must_use]
pub fn receipt_date(unix_ms: i64) -> Option<[u8; 10]> {
    let text = AbsoluteTime::from_unix_ms(unix_ms)?.to_text();
    text.as_bytes().first_chunk().copied()
}

/// Reads a receipt's date as seconds since 1970.
///
/// Forms: YYMMDDhhmm, YYMMDDhhmmss, YYYYMMDDhhmm, YYYYMMDDhhmmss, epoch seconds. The carrier's time zone is unknown, so
/// calendar forms are read as UTC; the caller subtracts the carrier's configured offset. Some digits fit two forms
/// (ten digits may be epoch seconds or a calendar time): the reading nearer to `near_unix_s`, usually now, wins. `None`
/// for anything else; a receipt is as good without its dates.
#[must_use]
pub fn parse_receipt_date(text: &[u8], near_unix_s: i64) -> Option<i64> {
    let readings = match text.len() {
        10 => [epoch(text, near_unix_s), short_year(text)],
        12 => [short_year(text), long_year(text)],
        14 => [long_year(text), None],
        _ => [None, None],
    };
    readings
        .into_iter()
        .flatten()
        .min_by_key(|unix_s| unix_s.abs_diff(near_unix_s))
}

fn epoch(text: &[u8], near_unix_s: i64) -> Option<i64> {
    let unix_s = i64::try_from(digits_to_u64(text)?).ok()?;
    (unix_s.abs_diff(near_unix_s) <= MAX_EPOCH_DISTANCE_S).then_some(unix_s)
}

/// YYMMDDhhmm or YYMMDDhhmmss.
fn short_year(text: &[u8]) -> Option<i64> {
    let mut padded = *b"000000000000000+";
    padded.get_mut(..text.len())?.copy_from_slice(text);
    let absolute = AbsoluteTime::parse(&padded).ok()?;
    Some(absolute.to_unix_ms().div_euclid(1000))
}

/// YYYYMMDDhhmm or YYYYMMDDhhmmss.
fn long_year(text: &[u8]) -> Option<i64> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = u16::try_from(digits_to_u64(year)?)
        .ok()
        .filter(|year| (1970..=2100).contains(year))?;
    // Any two-digit leap year lets 29 February through; the real year then decides.
    let mut padded = *b"000000000000000+";
    padded.get_mut(2..2 + rest.len())?.copy_from_slice(rest);
    let parsed = AbsoluteTime::parse(&padded).ok()?;
    let dated = AbsoluteTime { year, ..parsed };
    dated
        .is_valid()
        .then(|| dated.to_unix_ms().div_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-04-05 19:34:00 UTC.
    const NOW: i64 = 1_712_345_640;

    #[test]
    fn every_form_reads_the_same_instant() {
        for text in [
            "2404051934",
            "240405193400",
            "202404051934",
            "20240405193400",
            "1712345640",
        ] {
            assert_eq!(
                parse_receipt_date(text.as_bytes(), NOW),
                Some(NOW),
                "{text}"
            );
        }
        assert_eq!(receipt_date(NOW * 1000), Some(*b"2404051934"));
    }

    #[test]
    fn an_ambiguous_date_is_read_near_now() {
        // Epoch seconds of 2024-04-04, and also 12 December 2017, 12:12.
        let text = b"1712121212";
        assert_eq!(parse_receipt_date(text, NOW), Some(1_712_121_212));
        assert_eq!(parse_receipt_date(text, 1_513_000_000), Some(1_513_080_720));
        // Twelve digits: 20 August 2020, 23:59:59 with two digits of the year; month 20 is no month, so one reading.
        assert_eq!(
            parse_receipt_date(b"200820235959", NOW),
            Some(1_597_967_999)
        );
    }

    #[test]
    fn nonsense_is_no_date() {
        for text in [
            "",
            "0000000000000",
            "2413051934",
            "2402301200",
            "20230229120000",
            "24040519x4",
            "999999999999999",
        ] {
            assert_eq!(parse_receipt_date(text.as_bytes(), NOW), None, "{text}");
        }
        assert_eq!(
            parse_receipt_date(b"20240229120000", NOW),
            Some(1_709_208_000)
        );
    }
}
