//! Octets to text, for messages that come in. Never fails: what has no meaning is replaced and counted.

use core::fmt;

use crate::gsm::{DEFAULT, ESCAPE, extension_character};

/// Text read from octets. `Debug` shows its size, not its content.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// Characters that stand for octets without a meaning of their own; 0 when the text is exact.
    pub replaced: u32,
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("text", &format_args!("<{} octets>", self.text.len()))
            .field("replaced", &self.replaced)
            .finish()
    }
}

impl Decoded {
    fn with_capacity(octets: usize) -> Self {
        Self {
            text: String::with_capacity(octets),
            replaced: 0,
        }
    }

    fn replace_with(&mut self, c: char) {
        self.text.push(c);
        self.replaced = self.replaced.saturating_add(1);
    }
}

/// Reads unpacked GSM 7-bit septets.
///
/// An unknown extension septet shows the default table's character, and an escape before an escape or before the end a
/// space, both as TS 23.038 clause 6.2.1.1 has a handset do, and both counted as replaced. An octet above 0x7F is no septet: U+FFFD.
#[must_use]
pub fn decode_gsm7(octets: &[u8]) -> Decoded {
    let mut decoded = Decoded::with_capacity(octets.len());
    let mut rest = octets.iter().copied();
    while let Some(octet) = rest.next() {
        if octet == ESCAPE {
            match rest.next() {
                Some(ESCAPE) | None => decoded.replace_with(' '),
                Some(next) => match (extension_character(next), DEFAULT.get(usize::from(next))) {
                    (Some(c), _) => decoded.text.push(c),
                    (None, Some(&c)) => decoded.replace_with(c),
                    (None, None) => decoded.replace_with(char::REPLACEMENT_CHARACTER),
                },
            }
        } else {
            match DEFAULT.get(usize::from(octet)) {
                Some(&c) => decoded.text.push(c),
                None => decoded.replace_with(char::REPLACEMENT_CHARACTER),
            }
        }
    }
    decoded
}

/// Reads UTF-16BE. A surrogate without its other half, and an odd octet at the end, become U+FFFD. A byte order mark is
/// kept as the character it is: the alphabet is big-endian by definition.
#[must_use]
pub fn decode_ucs2(octets: &[u8]) -> Decoded {
    let mut decoded = Decoded::with_capacity(octets.len());
    let (pairs, odd) = octets.as_chunks::<2>();
    for unit in char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair))) {
        match unit {
            Ok(c) => decoded.text.push(c),
            Err(_lone_surrogate) => decoded.replace_with(char::REPLACEMENT_CHARACTER),
        }
    }
    if !odd.is_empty() {
        decoded.replace_with(char::REPLACEMENT_CHARACTER);
    }
    decoded
}

/// Reads ISO 8859-1, in which every octet is the code point of its value; nothing is ever replaced.
#[must_use]
pub fn decode_latin1(octets: &[u8]) -> Decoded {
    Decoded {
        text: octets.iter().copied().map(char::from).collect(),
        replaced: 0,
    }
}

/// Reads ASCII (IA5). An octet above 0x7F becomes U+FFFD: which 8-bit alphabet was meant is unknown.
#[must_use]
pub fn decode_ascii(octets: &[u8]) -> Decoded {
    let mut decoded = Decoded::with_capacity(octets.len());
    for &octet in octets {
        if octet.is_ascii() {
            decoded.text.push(char::from(octet));
        } else {
            decoded.replace_with(char::REPLACEMENT_CHARACTER);
        }
    }
    decoded
}
