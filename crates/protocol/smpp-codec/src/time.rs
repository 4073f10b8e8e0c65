//! SMPP time format (SMPP 3.4, 7.1.1): sixteen characters, `YYMMDDhhmmsstnnp`.
//!
//! With `p` = `+` or `-` it is an absolute time: `t` tenths of a second, `nn` quarter hours that local time is ahead of
//! or behind UTC. With `p` = `R` it is a span counted from when the message center receives it. Two digits of a year
//! mean 1938 to 2037.
//!
//! No clock is read here: instants come and go as milliseconds since 1970.

use crate::COctetString;

/// Two-digit years below this are 20xx, the others 19xx.
const YEAR_PIVOT: u16 = 38;
const MS_PER_SECOND: i64 = 1_000;
const SECONDS_PER_DAY: u64 = 86_400;
const MS_PER_DAY: i64 = 86_400_000;
const MS_PER_QUARTER_HOUR: i64 = 15 * 60 * MS_PER_SECOND;
/// Longest a calendar month and a year can be, in days.
const LONGEST_MONTH_DAYS: u64 = 31;
const LONGEST_YEAR_DAYS: u64 = 366;
/// Longest difference from UTC, in quarter hours.
const MAX_QUARTER_HOURS: u8 = 48;

/// A time in its wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeText([u8; 16]);

impl TimeText {
    /// The sixteen characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The value for schedule_delivery_time or validity_period.
    #[must_use]
    pub const fn as_c_octets(&self) -> COctetString<'_> {
        COctetString::new(&self.0)
    }
}

/// Why sixteen characters are no time. The writer of the text is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not sixteen characters.
    #[error("a time has 16 characters, this has {len}")]
    Length {
        /// Characters given.
        len: usize,
    },
    /// A character that must be a digit is not.
    #[error("character {position} of the time is no digit")]
    NotADigit {
        /// Where, counted from 0.
        position: usize,
    },
    /// The last character is none of `+`, `-` and `R`.
    #[error("a time ends with '+', '-' or 'R', this with octet 0x{octet:02X}")]
    Direction {
        /// The octet found.
        octet: u8,
    },
    /// The digits are no date, no time of day, or no difference from UTC.
    #[error("the digits of the time are no calendar time")]
    OutOfRange,
}

/// A time as schedule_delivery_time and validity_period carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SmppTime {
    /// An instant.
    Absolute(AbsoluteTime),
    /// A span from the moment the message center receives it.
    Relative(RelativeTime),
}

impl SmppTime {
    /// Reads a time field. An empty field means "not given" and is the caller's to tell.
    ///
    /// # Errors
    /// See [`TimeError`].
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        match text.last() {
            Some(b'R') => RelativeTime::parse(text).map(Self::Relative),
            _ => AbsoluteTime::parse(text).map(Self::Absolute),
        }
    }

    /// The instant meant, in milliseconds since 1970, when it was received at `received_unix_ms`.
    #[must_use]
    pub fn to_unix_ms(&self, received_unix_ms: i64) -> i64 {
        match self {
            Self::Absolute(absolute) => absolute.to_unix_ms(),
            Self::Relative(relative) => {
                let span_s = i64::try_from(relative.max_seconds()).unwrap_or(i64::MAX);
                received_unix_ms.saturating_add(span_s.saturating_mul(MS_PER_SECOND))
            }
        }
    }
}

/// A calendar time with its difference from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AbsoluteTime {
    /// Year, 1938 to 2037 on the wire.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
    /// Tenths of a second, 0 to 9.
    pub tenth: u8,
    /// Quarter hours that this local time is ahead of UTC, -48 to 48.
    pub quarter_hours: i8,
}

impl AbsoluteTime {
    /// Reads sixteen characters.
    ///
    /// # Errors
    /// See [`TimeError`]; `R` as the last character is a relative time and refused here.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let (pairs, tenth, quarters, direction) = split(text)?;
        let [year, month, day, hour, minute, second] = pairs;
        let quarters_signed = i8::try_from(quarters).map_err(|_| TimeError::OutOfRange)?;
        let quarter_hours = match direction {
            b'+' => quarters_signed,
            b'-' => -quarters_signed,
            octet => return Err(TimeError::Direction { octet }),
        };
        let year = u16::from(year);
        let year = if year < YEAR_PIVOT {
            2000 + year
        } else {
            1900 + year
        };
        let time = Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            tenth,
            quarter_hours,
        };
        if time.is_valid() {
            Ok(time)
        } else {
            Err(TimeError::OutOfRange)
        }
    }

    /// The UTC calendar time of an instant, tenths rounded down; `None` outside 1938 to 2037.
    #[must_use]
    pub fn from_unix_ms(unix_ms: i64) -> Option<Self> {
        let ms_of_day = unix_ms.rem_euclid(MS_PER_DAY);
        let (year, month, day) = civil_from_days(unix_ms.div_euclid(MS_PER_DAY));
        let part = |ms: i64, modulus: i64| u8::try_from(ms_of_day / ms % modulus).ok();
        Some(Self {
            year: u16::try_from(year)
                .ok()
                .filter(|year| (1938..=2037).contains(year))?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: part(3_600_000, 24)?,
            minute: part(60_000, 60)?,
            second: part(1_000, 60)?,
            tenth: part(100, 10)?,
            quarter_hours: 0,
        })
    }

    /// The instant in milliseconds since 1970.
    #[must_use]
    pub fn to_unix_ms(&self) -> i64 {
        let days = days_from_civil(
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
        );
        let seconds =
            (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        days * MS_PER_DAY + seconds * MS_PER_SECOND + i64::from(self.tenth) * 100
            - i64::from(self.quarter_hours) * MS_PER_QUARTER_HOUR
    }

    /// The wire form.
    #[must_use]
    pub fn to_text(&self) -> TimeText {
        let direction = if self.quarter_hours < 0 { b'-' } else { b'+' };
        let year = u8::try_from(self.year % 100).unwrap_or(0);
        let pairs = [
            year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
        ];
        join(
            pairs,
            self.tenth,
            self.quarter_hours.unsigned_abs(),
            direction,
        )
    }

    pub(crate) fn is_valid(&self) -> bool {
        (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.tenth < 10
            && self.quarter_hours.unsigned_abs() <= MAX_QUARTER_HOURS
    }
}

/// A span of time, counted from when the message center receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RelativeTime {
    /// Years, 0 to 99.
    pub years: u8,
    /// Months, 0 to 99.
    pub months: u8,
    /// Days, 0 to 99.
    pub days: u8,
    /// Hours, 0 to 99.
    pub hours: u8,
    /// Minutes, 0 to 99.
    pub minutes: u8,
    /// Seconds, 0 to 99.
    pub seconds: u8,
}

impl RelativeTime {
    /// Reads sixteen characters that end in `R`. Pairs above their usual range (90 minutes) are read as they stand.
    ///
    /// # Errors
    /// See [`TimeError`].
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        let (pairs, _, _, direction) = split(text)?;
        if direction != b'R' {
            return Err(TimeError::Direction { octet: direction });
        }
        let [years, months, days, hours, minutes, seconds] = pairs;
        Ok(Self {
            years,
            months,
            days,
            hours,
            minutes,
            seconds,
        })
    }

    /// A span that never lasts longer than `seconds`, whatever months and years it falls in, and at least one second.
    ///
    /// Exact up to 30 days. Above, a month counts as 31 days and a year as 366, the longest they can be: an expired
    /// message delivered late is worse than one given up some hours early. Ends at 99 years.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        let seconds = seconds.max(1);
        let days = seconds / SECONDS_PER_DAY;
        let years = days / LONGEST_YEAR_DAYS;
        let Ok(years @ 0..=99) = u8::try_from(years) else {
            return Self {
                years: 99,
                ..Self::default()
            };
        };
        let days = days % LONGEST_YEAR_DAYS;
        // Every value is below 100 by its modulus or divisor, so the fallback is never taken.
        let pair = |value: u64| u8::try_from(value).unwrap_or(0);
        Self {
            years,
            months: pair(days / LONGEST_MONTH_DAYS),
            days: pair(days % LONGEST_MONTH_DAYS),
            hours: pair(seconds % SECONDS_PER_DAY / 3600),
            minutes: pair(seconds % 3600 / 60),
            seconds: pair(seconds % 60),
        }
    }

    /// The longest this span can last, in seconds.
    #[must_use]
    pub fn max_seconds(&self) -> u64 {
        let days = u64::from(self.years) * LONGEST_YEAR_DAYS
            + u64::from(self.months) * LONGEST_MONTH_DAYS
            + u64::from(self.days);
        days * SECONDS_PER_DAY
            + (u64::from(self.hours) * 60 + u64::from(self.minutes)) * 60
            + u64::from(self.seconds)
    }

    /// The wire form.
    #[must_use]
    pub fn to_text(&self) -> TimeText {
        join(
            [
                self.years,
                self.months,
                self.days,
                self.hours,
                self.minutes,
                self.seconds,
            ],
            0,
            0,
            b'R',
        )
    }
}

/// The digits of `text` as a number; `None` when there is none or another character, or it does not fit.
pub(crate) fn digits_to_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Six pairs of digits, the tenth, the quarter hours, the last character.
type Parts = ([u8; 6], u8, u8, u8);

fn split(text: &[u8]) -> Result<Parts, TimeError> {
    let octets: &[u8; 16] = text
        .try_into()
        .map_err(|_| TimeError::Length { len: text.len() })?;
    if let Some(position) = octets[..15]
        .iter()
        .position(|octet| !octet.is_ascii_digit())
    {
        return Err(TimeError::NotADigit { position });
    }
    let digit = |at: usize| octets[at] - b'0';
    let pair = |at: usize| digit(at) * 10 + digit(at + 1);
    Ok((
        [pair(0), pair(2), pair(4), pair(6), pair(8), pair(10)],
        digit(12),
        pair(13),
        octets[15],
    ))
}

fn join(pairs: [u8; 6], tenth: u8, quarters: u8, direction: u8) -> TimeText {
    let mut text = [b'0'; 16];
    let mut put = |at: usize, value: u8| {
        text[at] = b'0' + value / 10 % 10;
        text[at + 1] = b'0' + value % 10;
    };
    for (index, value) in pairs.into_iter().enumerate() {
        put(index * 2, value);
    }
    put(13, quarters);
    text[12] = b'0' + tenth % 10;
    text[15] = direction;
    TimeText(text)
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year, in eras of 400 years (146,097 days).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    march_year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day counted from 1970-01-01; the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month, day)
}
