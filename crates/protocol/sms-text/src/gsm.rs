//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038 clauses 6.2.1 and 6.2.1.1).
//!
//! The two tables below, septet to character, are the only source; the way back is computed from them at compile time.

/// The septet that says: look up the next one in the extension table.
pub(crate) const ESCAPE: u8 = 0x1B;

/// Septet to character. The escape has no character; its place holds U+001B, which the way back skips.
#[rustfmt::skip]
pub(crate) const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// Septet after the escape, and its character. 0x0D (reserved for a control) and 0x1B (reserved for a further table)
/// are left out: they have no character.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// A character's place in the GSM alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One septet.
    Default(u8),
    /// The escape and this septet.
    Extension(u8),
    /// Nowhere.
    Absent,
}

/// Where a character is in the alphabet.
#[inline]
pub(crate) const fn place_of(c: char) -> Place {
    let code = c as u32;
    if code < LATIN_CODES as u32 {
        LATIN[code as usize]
    } else if code >= GREEK_FIRST && code < GREEK_FIRST + GREEK_CODES as u32 {
        GREEK[(code - GREEK_FIRST) as usize]
    } else {
        // The only character of either table outside the two blocks; a test walks all of Unicode to say so.
        match c {
            '€' => Place::Extension(0x65),
            _ => Place::Absent,
        }
    }
}

/// The character of an extension septet.
pub(crate) fn extension_character(septet: u8) -> Option<char> {
    EXTENSION
        .iter()
        .find(|(place, _)| *place == septet)
        .map(|&(_, c)| c)
}

const LATIN_CODES: usize = 0x100;
const GREEK_FIRST: u32 = 0x0393;
const GREEK_CODES: usize = 0x17;

static LATIN: [Place; LATIN_CODES] = block::<LATIN_CODES>(0);
static GREEK: [Place; GREEK_CODES] = block::<GREEK_CODES>(GREEK_FIRST);

/// The way back for the `N` code points from `first`.
const fn block<const N: usize>(first: u32) -> [Place; N] {
    let mut places = [Place::Absent; N];
    let mut septet = 0u8;
    while septet < 128 {
        if septet != ESCAPE {
            let code = DEFAULT[septet as usize] as u32;
            if code >= first && code < first + N as u32 {
                places[(code - first) as usize] = Place::Default(septet);
            }
        }
        septet += 1;
    }
    let mut i = 0;
    while i < EXTENSION.len() {
        let (septet, c) = EXTENSION[i];
        let code = c as u32;
        if code >= first && code < first + N as u32 {
            places[(code - first) as usize] = Place::Extension(septet);
        }
        i += 1;
    }
    places
}
