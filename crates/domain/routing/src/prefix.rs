//! The leading digits of an E.164 number.

use core::fmt;
use core::str::FromStr;

use message::Msisdn;
use thiserror::Error;

/// Digits an E.164 number may have.
const MAX_DIGITS: usize = 15;

/// The leading digits of an E.164 number, 0 to 15 of them; empty matches every number.
///
/// Kept as a plain number: no E.164 number begins with 0, so the number alone says how many digits it has (the empty
/// prefix being 0), and cutting a prefix off a recipient is one division. Binary-coded digits were refused because
/// [`Msisdn`] is a plain number too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(u64);

impl Prefix {
    /// The prefix of every number.
    pub const DEFAULT: Self = Self(0);

    /// How many digits, 0 to 15.
    #[must_use]
    pub const fn len(self) -> usize {
        digits_in(self.0)
    }

    /// Whether it is the default.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the number begins with it.
    #[must_use]
    pub const fn matches(self, number: Msisdn) -> bool {
        match Self::of(number, self.len()) {
            Some(prefix) => prefix.0 == self.0,
            None => false,
        }
    }

    /// The first `len` digits of a number, if it has as many.
    #[must_use]
    pub const fn of(number: Msisdn, len: usize) -> Option<Self> {
        let digits = number.to_u64();
        match digits_in(digits).checked_sub(len) {
            Some(rest) => Some(Self(digits / POWERS_OF_TEN[rest])),
            None => None,
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let sound = digits.len() <= MAX_DIGITS
            && digits.bytes().all(|octet| octet.is_ascii_digit())
            && !digits.starts_with('0')
            && (text.is_empty() || !digits.is_empty());
        if !sound {
            return Err(PrefixError(text.chars().take(2 * MAX_DIGITS).collect()));
        }
        Ok(Self(digits.bytes().fold(0, |number, octet| {
            number * 10 + u64::from(octet - b'0')
        })))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            Ok(())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Why some text is not a [`Prefix`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a destination prefix: an optional + and 1 to 15 digits, the first not 0, or nothing for the default"
)]
pub struct PrefixError(pub String);

/// 10⁰ to 10¹⁵.
const POWERS_OF_TEN: [u64; MAX_DIGITS + 1] = {
    let mut powers = [1; MAX_DIGITS + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Decimal digits of a number; none in 0. At most 15 for every [`Msisdn`] and [`Prefix`].
const fn digits_in(number: u64) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 0,
    }
}
