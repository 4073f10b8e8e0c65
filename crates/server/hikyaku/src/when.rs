//! Times as operators write and read them, in UTC: a moment, or so long ago.

use std::time::SystemTime;

const DAY_MS: u64 = 86_400_000;

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads `90s`, `15m`, `2h`, `3d` (so long before `now_ms`), or `2026-11-22`, `2026-11-22T05:30`, `2026-11-22T05:30:00Z` (UTC).
pub(crate) fn parse(text: &str, now_ms: u64) -> Result<u64, String> {
    ago(text)
        .map(|span_ms| now_ms.saturating_sub(span_ms))
        .or_else(|| moment(text))
        .ok_or_else(|| {
            format!("`{text}` is no time: so long ago as 90s, 15m, 2h or 3d, or a moment in UTC as 2026-11-22 or 2026-11-22T05:30:00Z")
        })
}

fn ago(text: &str) -> Option<u64> {
    let (count, unit_ms) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (count, "s") => (count, 1_000),
        (count, "m") => (count, 60_000),
        (count, "h") => (count, 3_600_000),
        (count, "d") => (count, DAY_MS),
        _ => return None,
    };
    let digits = count.bytes().all(|octet| octet.is_ascii_digit());
    let count: u64 = digits.then(|| count.parse().ok()).flatten()?;
    count.checked_mul(unit_ms)
}

fn moment(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers::<3>(date, '-')?;
    let [hour, minute, second] = match time {
        None => [0, 0, 0],
        Some(time) if time.matches(':').count() == 1 => {
            let [hour, minute] = numbers::<2>(time, ':')?;
            [hour, minute, 0]
        }
        Some(time) => numbers::<3>(time, ':')?,
    };
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let days = in_range.then(|| days_of(year, month, day))?;
    // The 31st of a short month is no day.
    if date_of(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for number in &mut found {
        let part = parts.next()?;
        let digits = !part.is_empty() && part.len() <= 4;
        *number = (digits && part.bytes().all(|octet| octet.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01, by the Gregorian calendar: years begin in March here, so that the leap day is the last of its year.
fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + day_of_year - DAYS_TO_EPOCH
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: u64 = 719_468;

/// Year, month and day of a day since 1970-01-01.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// `2026-11-22 05:30:00.123Z`.
pub(crate) fn full(at_ms: u64) -> String {
    format!("{} {}", date(at_ms), clock(at_ms))
}

/// `2026-11-22`.
pub(crate) fn date(at_ms: u64) -> String {
    let (year, month, day) = date_of(at_ms / DAY_MS);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `05:30:00.123Z`.
pub(crate) fn clock(at_ms: u64) -> String {
    let in_day = at_ms % DAY_MS;
    format!(
        "{:02}:{:02}:{:02}.{:03}Z",
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60,
        in_day % 1_000
    )
}

/// A span as one would say it: `4 ms`, `1.2 s`, `3 min 5 s`, `2 h 1 min`, `3 d 4 h`.
pub(crate) fn span(ms: u64) -> String {
    let (s, min, h, d) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / DAY_MS);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", s, ms / 100 % 10),
        60_000..3_600_000 => format!("{min} min {} s", s % 60),
        3_600_000..DAY_MS => format!("{h} h {} min", min % 60),
        DAY_MS.. => format!("{d} d {} h", h % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_lead_there_and_back() {
        for days in (0..200_000).step_by(13) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(full(1_795_325_400_123), "2026-11-22 05:30:00.123Z");
    }

    #[test]
    fn a_time_is_a_moment_or_so_long_ago() {
        let now = 1_795_325_400_000;
        for (text, expected) in [
            ("90s", now - 90_000),
            ("2h", now - 7_200_000),
            ("3d", now - 3 * DAY_MS),
            ("2026-11-22", now - now % DAY_MS),
            ("2026-11-22T05:30", now),
            ("2026-11-22 05:30:00Z", now),
            ("2024-02-29", 1_709_164_800_000),
        ] {
            assert_eq!(parse(text, now), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "s",
            "-1h",
            "yesterday",
            "2026-02-30",
            "2026-13-01",
            "2026-11-22T24:00",
            "2026-11-22T1:2:3:4",
            "1w",
            "+5m",
        ] {
            assert!(parse(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_are_said_as_one_would() {
        let said = [4, 1_234, 185_000, 7_260_000, 273_600_000].map(span);
        assert_eq!(said, ["4 ms", "1.2 s", "3 min 5 s", "2 h 1 min", "3 d 4 h"]);
    }
}
