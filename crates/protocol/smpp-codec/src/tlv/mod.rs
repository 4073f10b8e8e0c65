//! Optional parameters (TLVs): tag, length, value (SMPP 3.4, 5.3).
//!
//! One representation for both directions: [`Tlvs`] is a slice of raw TLV bytes whose structure was checked once, so
//! that iterating cannot fail and decoding allocates nothing. To send some, fill a [`TlvWriter`] over a scratch buffer
//! and take the `Tlvs` it hands back.
//!
//! Order is free, unknown tags are skipped, a repeated tag is read at its first place by the typed accessors. A typed
//! parameter whose value has the wrong length reads as absent: the peer's mistake in an optional field must not cost
//! the message.

mod fields;
mod tag;
mod writer;

pub use fields::SegmentInfo;
pub use tag::TlvTag;
pub use writer::TlvWriter;

use crate::DecodeError;

/// Octets of a tag and a length.
const TLV_HEADER_LEN: usize = 4;

/// One optional parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is.
    pub tag: TlvTag,
    /// Its value as it came.
    pub value: &'a [u8],
}

impl std::fmt::Debug for Tlv<'_> {
    /// A value may be a message body, so only its length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tlv")
            .field("tag", &self.tag)
            .field("value_len", &self.value.len())
            .finish()
    }
}

/// All optional parameters of a PDU, as raw bytes of checked structure.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// No optional parameter.
    pub const EMPTY: Self = Self(&[]);

    /// Checks that `octets` is a sequence of whole TLVs.
    ///
    /// # Errors
    /// 1 to 3 octets are left over, or a length reaches beyond the end. A request is answered with `ESME_RINVPARLEN`.
    pub fn parse(octets: &'a [u8]) -> Result<Self, DecodeError> {
        match first_fault(octets) {
            None => Ok(Self(octets)),
            Some((_, error)) => Err(error),
        }
    }

    /// Takes the whole TLVs at the start of `octets` and ignores the rest.
    ///
    /// For responses: the status has been decided, nobody can be asked to send the response again, and a broken tail
    /// must not make a taken message look unanswered.
    #[must_use]
    pub fn parse_prefix(octets: &'a [u8]) -> Self {
        match first_fault(octets) {
            None => Self(octets),
            Some((whole, _)) => Self(octets.get(..whole).unwrap_or(&[])),
        }
    }

    /// The raw bytes, tags and lengths included.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The parameters in their order on the wire.
    #[must_use]
    pub const fn iter(self) -> TlvIter<'a> {
        TlvIter { rest: self.0 }
    }

    /// Value of the first parameter with this tag. Costs one walk over the parameters.
    #[must_use]
    pub fn find(self, tag: TlvTag) -> Option<&'a [u8]> {
        let wanted = tag.to_u16();
        self.iter()
            .find(|tlv| tlv.tag.to_u16() == wanted)
            .map(|tlv| tlv.value)
    }
}

impl<'a> IntoIterator for Tlvs<'a> {
    type Item = Tlv<'a>;
    type IntoIter = TlvIter<'a>;

    fn into_iter(self) -> TlvIter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Tlvs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over [`Tlvs`].
#[derive(Clone)]
pub struct TlvIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TlvIter<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        // `None` before the end cannot happen: the structure was checked when the `Tlvs` was made.
        let (tlv, rest) = split_tlv(self.rest).ok().flatten()?;
        self.rest = rest;
        Some(tlv)
    }
}

impl std::iter::FusedIterator for TlvIter<'_> {}

/// The first TLV and what follows; `None` at the end of the octets.
fn split_tlv(octets: &[u8]) -> Result<Option<(Tlv<'_>, &[u8])>, DecodeError> {
    let Some((&[t0, t1, l0, l1], rest)) = octets.split_first_chunk::<TLV_HEADER_LEN>() else {
        return match octets.len() {
            0 => Ok(None),
            left => Err(DecodeError::TlvHeaderTruncated { octets: left }),
        };
    };
    let tag = u16::from_be_bytes([t0, t1]);
    let announced = u16::from_be_bytes([l0, l1]);
    let available = rest.len();
    let (value, rest) =
        rest.split_at_checked(usize::from(announced))
            .ok_or(DecodeError::TlvTruncated {
                tag,
                announced,
                available,
            })?;
    Ok(Some((
        Tlv {
            tag: TlvTag::from_u16(tag),
            value,
        },
        rest,
    )))
}

/// Where the first TLV that is not whole starts, and what is wrong with it.
fn first_fault(octets: &[u8]) -> Option<(usize, DecodeError)> {
    let mut rest = octets;
    loop {
        match split_tlv(rest) {
            Ok(None) => return None,
            Ok(Some((_, after))) => rest = after,
            Err(error) => return Some((octets.len() - rest.len(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandStatus;

    #[test]
    fn parameters_come_in_any_order_and_may_repeat() {
        let octets = [
            0x3F, 0xF0, 0, 2, 9, 9, 0x04, 0x27, 0, 1, 2, 0x04, 0x27, 0, 1, 5, 0x99, 0x99, 0, 0,
        ];
        let tlvs = Tlvs::parse(&octets).unwrap();
        let tags: Vec<u16> = tlvs.iter().map(|tlv| tlv.tag.to_u16()).collect();
        assert_eq!(tags, [0x3FF0, 0x0427, 0x0427, 0x9999]);
        assert_eq!(tlvs.find(TlvTag::Vendor(0x3FF0)), Some([9, 9].as_slice()));
        assert_eq!(tlvs.find(TlvTag::MessageState), Some([2].as_slice()));
        assert_eq!(tlvs.find(TlvTag::Other(0x9999)), Some([].as_slice()));
        assert_eq!(tlvs.find(TlvTag::SourcePort), None);
    }

    #[test]
    fn a_broken_tail_is_refused_or_cut_off() {
        for (tail, error) in [
            (
                &[0x04, 0x24, 0][..],
                DecodeError::TlvHeaderTruncated { octets: 3 },
            ),
            (&[0][..], DecodeError::TlvHeaderTruncated { octets: 1 }),
            (
                &[0x04, 0x24, 0, 3, 1, 2][..],
                DecodeError::TlvTruncated {
                    tag: 0x0424,
                    announced: 3,
                    available: 2,
                },
            ),
            (
                &[0x04, 0x24, 0xFF, 0xFF][..],
                DecodeError::TlvTruncated {
                    tag: 0x0424,
                    announced: 0xFFFF,
                    available: 0,
                },
            ),
        ] {
            let mut octets = vec![0x04, 0x27, 0, 1, 2];
            octets.extend(tail);
            assert_eq!(Tlvs::parse(&octets), Err(error));
            assert_eq!(
                error.command_status(),
                CommandStatus::InvalidOptionalParameterLength
            );
            assert_eq!(Tlvs::parse_prefix(&octets).as_bytes(), &octets[..5]);
        }
    }
}
