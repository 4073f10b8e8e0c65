//! Recipients and senders: parsed once, masked in `Debug`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const DIGITS_MAX: usize = 15;
const DIGITS_MIN: usize = 3;
const ALPHANUMERIC_MAX: usize = 11;
const SHORT_CODE_MAX: usize = 8;

/// Why some text is not an address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// A recipient must be an E.164 number.
    #[error("a recipient is an E.164 number: an optional +, then 3 to 15 digits, the first not 0")]
    Msisdn,
    /// A sender is text or a number.
    #[error(
        "a sender is 1 to 11 letters, digits, spaces or -_.&+ with at least one letter, or 3 to 15 digits with an optional +"
    )]
    Sender,
}

/// A recipient's number: E.164 digits without the `+`.
///
/// The digits are kept as a number (15 digits fit 50 bits), so that a million waiting messages hold no string for it. `Debug` shows the
/// last two digits only; whoever must have all of them says so with [`Msisdn::digits`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Msisdn(u64);

impl Msisdn {
    /// The digits, into a buffer on the stack.
    #[must_use]
    pub fn digits(self) -> Digits {
        let mut octets = [0; DIGITS_MAX];
        let mut rest = self.0;
        let mut start = DIGITS_MAX;
        while rest > 0 {
            start -= 1;
            octets[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Digits { octets, start }
    }

    /// The digits as a number, as records carry them.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The number that [`Self::to_u64`] gave.
    ///
    /// # Errors
    /// When it has fewer than 3 or more than 15 digits.
    pub const fn from_u64(digits: u64) -> Result<Self, AddressError> {
        if digits >= 100 && digits < 1_000_000_000_000_000 {
            Ok(Self(digits))
        } else {
            Err(AddressError::Msisdn)
        }
    }
}

/// The digits of a [`Msisdn`] as ASCII; dereferences to `str`.
#[derive(Clone, Copy)]
pub struct Digits {
    octets: [u8; DIGITS_MAX],
    start: usize,
}

impl std::ops::Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.octets[self.start..]).expect("only ASCII digits were written")
    }
}

impl FromStr for Msisdn {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let sound = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|octet| octet.is_ascii_digit())
            && !digits.starts_with('0');
        if !sound {
            return Err(AddressError::Msisdn);
        }
        digits.parse().map(Self).map_err(|_| AddressError::Msisdn)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{:02}", self.0 % 100)
    }
}

/// Who a message says it is from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SenderId {
    /// Up to 11 characters with at least one letter; cannot be answered.
    Alphanumeric(Box<str>),
    /// Up to 8 digits without `+`, leased from the operators.
    ShortCode(Box<str>),
    /// A subscriber number.
    LongNumber(Box<str>),
}

impl SenderId {
    /// The text as submitted, without `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Alphanumeric(text) | Self::ShortCode(text) | Self::LongNumber(text) => text,
        }
    }
}

impl FromStr for SenderId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.bytes().all(|octet| octet.is_ascii_digit()) {
            if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
                return Err(AddressError::Sender);
            }
            let short = digits.len() <= SHORT_CODE_MAX && !text.starts_with('+');
            return Ok(if short {
                Self::ShortCode(digits.into())
            } else {
                Self::LongNumber(digits.into())
            });
        }
        let sound = text.len() <= ALPHANUMERIC_MAX
            && text.bytes().any(|octet| octet.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b" -_.&+".contains(&octet));
        if sound {
            Ok(Self::Alphanumeric(text.into()))
        } else {
            Err(AddressError::Sender)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_both_forms(text in "[1-9][0-9]{2,14}") {
            let number: Msisdn = format!("+{text}").parse().unwrap();
            prop_assert_eq!(&*number.digits(), text.as_str());
            prop_assert_eq!(Msisdn::from_u64(number.to_u64()), Ok(number));
        }
    }

    #[test]
    fn recipients_that_are_not_e164_are_refused() {
        for bad in [
            "",
            "+",
            "12",
            "0901234567",
            "+81 90",
            "1234567890123456",
            "abc",
            "+0123",
        ] {
            assert_eq!(bad.parse::<Msisdn>(), Err(AddressError::Msisdn), "{bad}");
        }
    }

    #[test]
    fn senders_are_sorted_by_kind() {
        assert_eq!(
            "Hikyaku".parse(),
            Ok(SenderId::Alphanumeric("Hikyaku".into()))
        );
        assert_eq!("12345".parse(), Ok(SenderId::ShortCode("12345".into())));
        assert_eq!(
            "+819012345678".parse(),
            Ok(SenderId::LongNumber("819012345678".into()))
        );
        for bad in ["", "12", "TwelveLetter", "@home", "---", "é"] {
            assert_eq!(bad.parse::<SenderId>(), Err(AddressError::Sender), "{bad}");
        }
    }

    #[test]
    fn a_number_in_a_log_is_masked() {
        let number: Msisdn = "819012345678".parse().unwrap();
        assert_eq!(format!("{number:?}"), "…78");
    }
}
