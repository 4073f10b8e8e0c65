//! Building optional parameters in a reusable scratch buffer.

use bytes::{BufMut, BytesMut};

use super::{SegmentInfo, Tlv, TlvTag, Tlvs};
use crate::{
    COctetString, EncodeError, Field, InterfaceVersion, MessageStateValue, NetworkErrorCode, wire,
};

/// Longest receipted_message_id in octets, without its NUL.
const MESSAGE_ID_MAX: usize = 64;

/// Appends optional parameters to a caller's scratch buffer. The bytes in front of it are left alone; clear the buffer
/// between PDUs to reuse it.
///
/// ```
/// # use bytes::BytesMut;
/// # use smpp_codec::{TlvWriter, TlvTag};
/// let mut scratch = BytesMut::with_capacity(64);
/// let mut writer = TlvWriter::new(&mut scratch);
/// writer.user_message_reference(7).push(TlvTag::Vendor(0x3FF0), b"stamp")?;
/// let tlvs = writer.finish();
/// assert_eq!(tlvs.user_message_reference(), Some(7));
/// # Ok::<(), smpp_codec::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct TlvWriter<'b> {
    out: &'b mut BytesMut,
    start: usize,
}

impl<'b> TlvWriter<'b> {
    /// Starts behind whatever `out` holds.
    #[must_use]
    pub fn new(out: &'b mut BytesMut) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// The parameters written so far, borrowed from the buffer, ready for a PDU.
    #[must_use]
    pub fn finish(self) -> Tlvs<'b> {
        let Self { out, start } = self;
        let out: &'b BytesMut = out;
        Tlvs(out.get(start..).unwrap_or(&[]))
    }

    /// Appends a parameter with its raw value.
    ///
    /// # Errors
    /// `value` is longer than 65,535 octets. Nothing is appended.
    pub fn push(&mut self, tag: TlvTag, value: &[u8]) -> Result<&mut Self, EncodeError> {
        let len = u16::try_from(value.len()).map_err(|_| EncodeError::TlvTooLong {
            tag,
            len: value.len(),
        })?;
        self.out.reserve(super::TLV_HEADER_LEN + value.len());
        self.out.put_u16(tag.to_u16());
        self.out.put_u16(len);
        self.out.put_slice(value);
        Ok(self)
    }

    /// Appends a parameter that was read elsewhere.
    ///
    /// # Errors
    /// As [`TlvWriter::push`].
    pub fn push_tlv(&mut self, tlv: Tlv<'_>) -> Result<&mut Self, EncodeError> {
        self.push(tlv.tag, tlv.value)
    }

    /// Appends message_payload. The PDU's short_message must then be empty.
    ///
    /// # Errors
    /// As [`TlvWriter::push`].
    pub fn message_payload(&mut self, body: &[u8]) -> Result<&mut Self, EncodeError> {
        self.push(TlvTag::MessagePayload, body)
    }

    /// Appends receipted_message_id with its NUL.
    ///
    /// # Errors
    /// The id is longer than 64 octets or holds a NUL. Nothing is appended.
    pub fn receipted_message_id(&mut self, id: COctetString<'_>) -> Result<&mut Self, EncodeError> {
        let before = self.out.len();
        self.out.put_u16(TlvTag::ReceiptedMessageId.to_u16());
        // At most 65 is ever kept: longer ids are refused two lines below and rolled back.
        self.out
            .put_u16(u16::try_from(id.len() + 1).unwrap_or(u16::MAX));
        if let Err(error) =
            wire::put_c_octets(self.out, Field::ReceiptedMessageId, id, MESSAGE_ID_MAX)
        {
            self.out.truncate(before);
            return Err(error);
        }
        Ok(self)
    }

    /// Appends message_state.
    pub fn message_state(&mut self, state: MessageStateValue) -> &mut Self {
        self.fixed(TlvTag::MessageState, [state.to_u8()])
    }

    /// Appends network_error_code.
    pub fn network_error_code(&mut self, error: NetworkErrorCode) -> &mut Self {
        let [high, low] = error.code.to_be_bytes();
        self.fixed(TlvTag::NetworkErrorCode, [error.network_type, high, low])
    }

    /// Appends user_message_reference.
    pub fn user_message_reference(&mut self, reference: u16) -> &mut Self {
        self.fixed(TlvTag::UserMessageReference, reference.to_be_bytes())
    }

    /// Appends the three sar_* parameters.
    pub fn segment_info(&mut self, segment: SegmentInfo) -> &mut Self {
        self.fixed(TlvTag::SarMsgRefNum, segment.reference.to_be_bytes())
            .fixed(TlvTag::SarTotalSegments, [segment.total])
            .fixed(TlvTag::SarSegmentSeqnum, [segment.sequence])
    }

    /// Appends congestion_state, 0 to 100.
    pub fn congestion_state(&mut self, percent: u8) -> &mut Self {
        self.fixed(TlvTag::CongestionState, [percent])
    }

    /// Appends sc_interface_version.
    pub fn sc_interface_version(&mut self, version: InterfaceVersion) -> &mut Self {
        self.fixed(TlvTag::ScInterfaceVersion, [version.0])
    }

    /// Appends more_messages_to_send with the value 1: another part follows.
    pub fn more_messages_to_send(&mut self) -> &mut Self {
        self.fixed(TlvTag::MoreMessagesToSend, [1])
    }

    fn fixed<const N: usize>(&mut self, tag: TlvTag, value: [u8; N]) -> &mut Self {
        const {
            assert!(
                N <= 4,
                "fixed parameters are short, so their length fits the low octet"
            )
        };
        self.out.put_u16(tag.to_u16());
        self.out.put_slice(&[0, N as u8]);
        self.out.put_slice(&value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut scratch = BytesMut::from(&b"kept"[..]);
        let mut writer = TlvWriter::new(&mut scratch);
        let segment = SegmentInfo {
            reference: 0x0102,
            total: 3,
            sequence: 2,
        };
        let network = NetworkErrorCode {
            network_type: 3,
            code: 27,
        };
        writer
            .message_state(MessageStateValue::Expired)
            .network_error_code(network)
            .user_message_reference(9)
            .segment_info(segment)
            .congestion_state(85)
            .sc_interface_version(InterfaceVersion::V3_4)
            .more_messages_to_send()
            .receipted_message_id(b"0042".into())
            .and_then(|writer| writer.message_payload(b"body"))
            .unwrap();
        let tlvs = writer.finish();
        assert_eq!(Tlvs::parse(tlvs.as_bytes()), Ok(tlvs));
        assert_eq!(tlvs.message_state(), Some(MessageStateValue::Expired));
        assert_eq!(tlvs.network_error_code(), Some(network));
        assert_eq!(tlvs.user_message_reference(), Some(9));
        assert_eq!(tlvs.segment_info(), Some(segment));
        assert_eq!(tlvs.congestion_state(), Some(85));
        assert_eq!(tlvs.sc_interface_version(), Some(InterfaceVersion::V3_4));
        assert_eq!(tlvs.more_messages_to_send(), Some(true));
        assert_eq!(tlvs.receipted_message_id(), Some(b"0042".into()));
        assert_eq!(
            tlvs.find(TlvTag::ReceiptedMessageId),
            Some(b"0042\0".as_slice())
        );
        assert_eq!(tlvs.message_payload(), Some(b"body".as_slice()));
        assert_eq!(&scratch[..4], b"kept");
    }

    #[test]
    fn a_refused_parameter_leaves_nothing_behind() {
        let mut scratch = BytesMut::new();
        let mut writer = TlvWriter::new(&mut scratch);
        let tag = TlvTag::MessagePayload;
        assert_eq!(
            writer.message_payload(&[0; 65_536]).unwrap_err(),
            EncodeError::TlvTooLong { tag, len: 65_536 }
        );
        assert!(
            writer
                .receipted_message_id(COctetString::new(&[b'1'; 65]))
                .is_err()
        );
        assert!(writer.receipted_message_id(b"1\x002".into()).is_err());
        assert!(writer.message_payload(&[0; 65_535]).is_ok());
        assert_eq!(writer.finish().iter().count(), 1);
    }
}
