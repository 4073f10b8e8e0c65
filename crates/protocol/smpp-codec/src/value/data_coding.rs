//! `data_coding`: the alphabet of a message body (SMPP 3.4, 5.2.19).

/// Alphabet of a message body, as the octet on the wire: carriers give it meanings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct DataCoding(pub u8);

impl DataCoding {
    /// 0x00: the message center's default alphabet; usually GSM 03.38, but the carrier decides.
    pub const DEFAULT: Self = Self(0x00);
    /// 0x01: IA5 (ASCII).
    pub const ASCII: Self = Self(0x01);
    /// 0x02: octets without meaning.
    pub const OCTETS: Self = Self(0x02);
    /// 0x03: Latin-1.
    pub const LATIN1: Self = Self(0x03);
    /// 0x04: 8-bit binary.
    pub const BINARY: Self = Self(0x04);
    /// 0x05: JIS (X 0208-1990).
    pub const JIS: Self = Self(0x05);
    /// 0x06: Cyrillic (ISO-8859-5).
    pub const CYRILLIC: Self = Self(0x06);
    /// 0x07: Hebrew (ISO-8859-8).
    pub const HEBREW: Self = Self(0x07);
    /// 0x08: UCS-2 on paper, UTF-16 big-endian in practice.
    pub const UCS2: Self = Self(0x08);
    /// 0x0A: ISO-2022-JP.
    pub const ISO_2022_JP: Self = Self(0x0A);
    /// 0x0D: extended Kanji (JIS X 0212-1990).
    pub const EXTENDED_KANJI: Self = Self(0x0D);
    /// 0x0E: KS C 5601.
    pub const KS_C_5601: Self = Self(0x0E);
    /// 0x10: flash message in the default alphabet, GSM coding scheme.
    pub const FLASH_DEFAULT: Self = Self(0x10);
    /// 0x18: flash message in UCS-2, GSM coding scheme.
    pub const FLASH_UCS2: Self = Self(0x18);
}
