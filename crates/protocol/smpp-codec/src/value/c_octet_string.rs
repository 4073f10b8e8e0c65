//! C-octet strings: text that ends with a NUL on the wire.

/// A C-octet string without its NUL, borrowed from the PDU.
///
/// The specification says ASCII; peers send Latin-1 and worse, so the octets are kept as they came. Construction
/// judges nothing: encoding refuses a value that is too long for its field or holds a NUL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct COctetString<'a>(&'a [u8]);

impl<'a> COctetString<'a> {
    /// The empty string, a lone NUL on the wire.
    pub const EMPTY: Self = Self(&[]);

    /// Wraps octets that do not include the NUL.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets, without the NUL.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, when it is UTF-8 (which all ASCII is).
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    /// True for the empty string.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Octets without the NUL.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

impl<'a> From<&'a [u8]> for COctetString<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for COctetString<'a> {
    fn from(octets: &'a [u8; N]) -> Self {
        Self(octets)
    }
}

impl<'a> From<&'a str> for COctetString<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl AsRef<[u8]> for COctetString<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl std::fmt::Debug for COctetString<'_> {
    /// Shows the text with escapes. Types whose strings identify a person or are secret write their own Debug.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Every character but the last two as a star; all of them when there are no more than two.
pub(crate) fn masked_digits(octets: &[u8]) -> String {
    let shown = if octets.len() > 2 { 2 } else { 0 };
    let (hidden, tail) = octets.split_at(octets.len() - shown);
    format!("{}{}", "*".repeat(hidden.len()), tail.escape_ascii())
}
