//! Addresses: type of number, numbering plan and digits (SMPP 3.4, 5.2.5 to 5.2.9).

use crate::{COctetString, value::masked_digits};

/// Type of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Ton {
    /// 0: unknown.
    #[default]
    Unknown,
    /// 1: international, E.164 without a plus sign.
    International,
    /// 2: national.
    National,
    /// 3: network specific; used by many carriers for short codes.
    NetworkSpecific,
    /// 4: subscriber number.
    SubscriberNumber,
    /// 5: alphanumeric sender.
    Alphanumeric,
    /// 6: abbreviated; used by some carriers for short codes.
    Abbreviated,
    /// Any other value, kept as it came.
    Other(u8),
}

impl Ton {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::International => 1,
            Self::National => 2,
            Self::NetworkSpecific => 3,
            Self::SubscriberNumber => 4,
            Self::Alphanumeric => 5,
            Self::Abbreviated => 6,
            Self::Other(value) => value,
        }
    }

    /// Reads the value from the wire.
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Unknown,
            1 => Self::International,
            2 => Self::National,
            3 => Self::NetworkSpecific,
            4 => Self::SubscriberNumber,
            5 => Self::Alphanumeric,
            6 => Self::Abbreviated,
            other => Self::Other(other),
        }
    }
}

/// Numbering plan indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Npi {
    /// 0: unknown.
    #[default]
    Unknown,
    /// 1: ISDN, E.163 and E.164: telephone numbers.
    Isdn,
    /// 3: data, X.121.
    Data,
    /// 4: telex, F.69.
    Telex,
    /// 6: land mobile, E.212.
    LandMobile,
    /// 8: national.
    National,
    /// 9: private.
    Private,
    /// 10: ERMES.
    Ermes,
    /// 14: internet, IP.
    Internet,
    /// 18: WAP client id.
    WapClientId,
    /// Any other value, kept as it came.
    Other(u8),
}

impl Npi {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Isdn => 1,
            Self::Data => 3,
            Self::Telex => 4,
            Self::LandMobile => 6,
            Self::National => 8,
            Self::Private => 9,
            Self::Ermes => 10,
            Self::Internet => 14,
            Self::WapClientId => 18,
            Self::Other(value) => value,
        }
    }

    /// Reads the value from the wire.
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Unknown,
            1 => Self::Isdn,
            3 => Self::Data,
            4 => Self::Telex,
            6 => Self::LandMobile,
            8 => Self::National,
            9 => Self::Private,
            10 => Self::Ermes,
            14 => Self::Internet,
            18 => Self::WapClientId,
            other => Self::Other(other),
        }
    }
}

/// A source or destination address, or the range of addresses a receiver serves.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Address<'a> {
    /// Type of number.
    pub ton: Ton,
    /// Numbering plan.
    pub npi: Npi,
    /// The digits or characters; up to 20 octets in messages, 40 in a bind's range.
    pub addr: COctetString<'a>,
}

impl<'a> Address<'a> {
    /// An address of these parts.
    #[must_use]
    pub const fn new(ton: Ton, npi: Npi, addr: &'a [u8]) -> Self {
        Self {
            ton,
            npi,
            addr: COctetString::new(addr),
        }
    }
}

impl std::fmt::Debug for Address<'_> {
    /// A number identifies a person, so only its last two characters are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("ton", &self.ton)
            .field("npi", &self.npi)
            .field("addr", &masked_digits(self.addr.as_bytes()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_the_round_trip() {
        for value in 0..=u8::MAX {
            assert_eq!(Ton::from_u8(value).to_u8(), value);
            assert_eq!(Npi::from_u8(value).to_u8(), value);
        }
    }

    #[test]
    fn debug_shows_two_digits_only() {
        let address = Address::new(Ton::International, Npi::Isdn, b"819012345678");
        let shown = format!("{address:?}");
        assert!(shown.contains("**********78"), "{shown}");
        assert!(!shown.contains("5678"), "{shown}");
        let short = format!("{:?}", Address::new(Ton::Unknown, Npi::Unknown, b"12"));
        assert!(short.contains("\"**\""), "{short}");
    }
}
