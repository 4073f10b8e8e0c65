//! Text to octets: choose the alphabet, count, refuse what is too long, write.

use core::fmt;

use crate::gsm::{ESCAPE, Place, place_of};
use crate::{GSM7_MAX_UNITS, UCS2_MAX_UNITS};

/// How a text is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// GSM 7-bit default alphabet with its extension table, one septet per octet. A unit is a septet.
    Gsm7,
    /// UTF-16, big-endian. A unit is two octets.
    Ucs2,
}

impl Alphabet {
    /// Units that fit one segment without a header.
    #[must_use]
    pub const fn max_units(self) -> u32 {
        match self {
            Self::Gsm7 => GSM7_MAX_UNITS,
            Self::Ucs2 => UCS2_MAX_UNITS,
        }
    }

    /// Octets a unit takes in an unpacked short message.
    #[must_use]
    pub const fn octets_per_unit(self) -> u32 {
        match self {
            Self::Gsm7 => 1,
            Self::Ucs2 => 2,
        }
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// The alphabet a text needs and its length in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The smallest alphabet that holds every character.
    pub alphabet: Alphabet,
    /// Septets (an escaped character is two) or UTF-16 units (a surrogate pair is two); `u32::MAX` for anything longer
    /// than that.
    pub units: u32,
}

/// One segment, encoded. `Debug` shows its size, not its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// How the octets are to be read.
    pub alphabet: Alphabet,
    /// The octets, unpacked.
    pub octets: Vec<u8>,
    /// Length in units of the alphabet.
    pub units: u32,
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("alphabet", &self.alphabet)
            .field("octets", &format_args!("<{} octets>", self.octets.len()))
            .field("units", &self.units)
            .finish()
    }
}

/// The text does not fit one segment. The sender is at fault; the same text will never fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text of {units} {alphabet} units: allowed are {max_units} in one segment")]
pub struct TooLong {
    /// The alphabet its characters need.
    pub alphabet: Alphabet,
    /// Its length in that alphabet.
    pub units: u32,
    /// The most that fits.
    pub max_units: u32,
}

/// Encodes a text for one segment.
///
/// # Errors
/// [`TooLong`] above 160 septets or 70 UTF-16 units.
pub fn encode(text: &str) -> Result<Encoded, TooLong> {
    let mut octets = Vec::new();
    let Measure { alphabet, units } = encode_into(text, &mut octets)?;
    Ok(Encoded {
        alphabet,
        octets,
        units,
    })
}

/// Appends a text, encoded for one segment, to a buffer to be reused, and says how to read it.
///
/// # Errors
/// [`TooLong`] above 160 septets or 70 UTF-16 units; the buffer is then untouched.
pub fn encode_into(text: &str, octets: &mut Vec<u8>) -> Result<Measure, TooLong> {
    let measure = measure(text);
    let Measure { alphabet, units } = measure;
    let max_units = alphabet.max_units();
    if units > max_units {
        return Err(TooLong {
            alphabet,
            units,
            max_units,
        });
    }
    match alphabet {
        Alphabet::Gsm7 if text.is_ascii() => push_gsm7(text.bytes().map(char::from), octets),
        Alphabet::Gsm7 => push_gsm7(text.chars(), octets),
        Alphabet::Ucs2 => octets.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
    }
    Ok(measure)
}

/// Counts a text in the alphabet it needs, whatever its length. Allocates nothing.
#[must_use]
pub fn measure(text: &str) -> Measure {
    let septets = if text.is_ascii() {
        // A byte is its character: no UTF-8 to take apart, and most one-time passwords are this.
        gsm7_units(text.bytes().map(char::from))
    } else {
        gsm7_units(text.chars())
    };
    let (alphabet, units) = match septets {
        Some(septets) => (Alphabet::Gsm7, septets),
        None => (Alphabet::Ucs2, text.encode_utf16().count()),
    };
    Measure {
        alphabet,
        units: u32::try_from(units).unwrap_or(u32::MAX),
    }
}

/// Septets of a text, or `None` when a character is outside the alphabet.
fn gsm7_units(text: impl Iterator<Item = char>) -> Option<usize> {
    let mut septets = 0;
    for c in text {
        septets += match place_of(c) {
            Place::Default(_) => 1,
            Place::Extension(_) => 2,
            Place::Absent => return None,
        };
    }
    Some(septets)
}

/// Writes a text that [`gsm7_units`] found to be inside the alphabet.
fn push_gsm7(text: impl Iterator<Item = char>, octets: &mut Vec<u8>) {
    octets.reserve(text.size_hint().0);
    for c in text {
        match place_of(c) {
            Place::Default(septet) => octets.push(septet),
            Place::Extension(septet) => octets.extend_from_slice(&[ESCAPE, septet]),
            Place::Absent => {
                unreachable!("the text was measured as GSM-7, so every character has a place")
            }
        }
    }
}
