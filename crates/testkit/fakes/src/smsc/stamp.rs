//! Vendor TLV 0x3FF0, with which our tools stamp a submit: which message, which attempt, when admitted, when written.

/// Tag of the stamp, in the range that SMPP 3.4 section 5.3.2 leaves to vendors.
pub const STAMP_TAG: u16 = 0x3FF0;
/// Octets of its value.
pub const STAMP_LEN: usize = 34;

/// The value of TLV 0x3FF0. On the wire: id (16), attempt (2), admitted (8), written (8), big endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Message id of the sender.
    pub message_id: [u8; 16],
    /// Which attempt of the message this is.
    pub attempt: u16,
    /// `CLOCK_MONOTONIC` at admission, in nanoseconds; 0 when not known.
    pub admitted_ns: u64,
    /// `CLOCK_MONOTONIC` at the write, in nanoseconds; 0 when not known.
    pub written_ns: u64,
}

impl Stamp {
    /// Reads a value; `None` when it has not [`STAMP_LEN`] octets.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (message_id, rest) = value.split_first_chunk::<16>()?;
        let (attempt, rest) = rest.split_first_chunk::<2>()?;
        let (admitted, rest) = rest.split_first_chunk::<8>()?;
        let written = <[u8; 8]>::try_from(rest).ok()?;
        Some(Self {
            message_id: *message_id,
            attempt: u16::from_be_bytes(*attempt),
            admitted_ns: u64::from_be_bytes(*admitted),
            written_ns: u64::from_be_bytes(written),
        })
    }

    /// The value.
    #[must_use]
    pub fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut out = [0; STAMP_LEN];
        out[..16].copy_from_slice(&self.message_id);
        out[16..18].copy_from_slice(&self.attempt.to_be_bytes());
        out[18..26].copy_from_slice(&self.admitted_ns.to_be_bytes());
        out[26..].copy_from_slice(&self.written_ns.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let stamp = Stamp {
            message_id: *b"0123456789abcdef",
            attempt: 0x0102,
            admitted_ns: 3,
            written_ns: u64::MAX - 1,
        };
        let bytes = stamp.to_bytes();
        assert_eq!(bytes[16..18], [1, 2]);
        assert_eq!(Stamp::parse(&bytes), Some(stamp));
        assert_eq!(Stamp::parse(&bytes[1..]), None);
        assert_eq!(Stamp::parse(&[&bytes[..], &[0]].concat()), None);
    }
}
