//! `message_state`: where a message is at the message center (SMPP 3.4, 5.2.28).

/// State of a message as a carrier reports it, in the message_state TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageStateValue {
    /// 0: scheduled for later (SMPP 5.0).
    Scheduled,
    /// 1: on its way.
    Enroute,
    /// 2: delivered.
    Delivered,
    /// 3: its validity period ended.
    Expired,
    /// 4: deleted.
    Deleted,
    /// 5: cannot be delivered.
    Undeliverable,
    /// 6: accepted, that is read by hand on behalf of the subscriber; some carriers mean "taken".
    Accepted,
    /// 7: in an invalid state.
    Unknown,
    /// 8: rejected.
    Rejected,
    /// 9: skipped (SMPP 5.0).
    Skipped,
    /// Any other value, kept as it came.
    Other(u8),
}

impl MessageStateValue {
    /// The value on the wire.
    #[must_use]
    pub const fn to_u8(self) -> u8 {
        match self {
            Self::Scheduled => 0,
            Self::Enroute => 1,
            Self::Delivered => 2,
            Self::Expired => 3,
            Self::Deleted => 4,
            Self::Undeliverable => 5,
            Self::Accepted => 6,
            Self::Unknown => 7,
            Self::Rejected => 8,
            Self::Skipped => 9,
            Self::Other(value) => value,
        }
    }

    /// Reads the value from the wire.
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Scheduled,
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            7 => Self::Unknown,
            8 => Self::Rejected,
            9 => Self::Skipped,
            other => Self::Other(other),
        }
    }

    /// True when no further receipt is to be expected by the specification. `Accepted` is not final here, although
    /// some carriers send nothing after it; values outside the table are not either.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Delivered
            | Self::Expired
            | Self::Deleted
            | Self::Undeliverable
            | Self::Unknown
            | Self::Rejected
            | Self::Skipped => true,
            Self::Scheduled | Self::Enroute | Self::Accepted | Self::Other(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_and_finality_follows_the_table() {
        for value in 0..=u8::MAX {
            assert_eq!(MessageStateValue::from_u8(value).to_u8(), value);
        }
        let open: Vec<u8> = (0..10)
            .filter(|value| !MessageStateValue::from_u8(*value).is_final())
            .collect();
        assert_eq!(open, [0, 1, 6]);
    }
}
