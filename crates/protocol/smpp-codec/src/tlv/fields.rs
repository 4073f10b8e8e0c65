//! Typed reading of the parameters that messages, receipts and pacing need.

use super::{TlvTag, Tlvs};
use crate::{COctetString, InterfaceVersion, MessageStateValue, NetworkErrorCode};

/// The three sar_* parameters: which part of a long message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentInfo {
    /// Reference shared by all parts of one message (sar_msg_ref_num).
    pub reference: u16,
    /// Number of parts (sar_total_segments); 1 to 255 by the specification, not checked.
    pub total: u8,
    /// Number of this part, from 1 (sar_segment_seqnum); not checked.
    pub sequence: u8,
}

impl<'a> Tlvs<'a> {
    /// receipted_message_id (0x001E): the id of the message that a receipt is about. Peers forget its NUL, so the end
    /// of the value ends it too.
    #[must_use]
    pub fn receipted_message_id(self) -> Option<COctetString<'a>> {
        self.find(TlvTag::ReceiptedMessageId).map(until_nul)
    }

    /// message_state (0x0427).
    #[must_use]
    pub fn message_state(self) -> Option<MessageStateValue> {
        self.octet(TlvTag::MessageState)
            .map(MessageStateValue::from_u8)
    }

    /// network_error_code (0x0423).
    #[must_use]
    pub fn network_error_code(self) -> Option<NetworkErrorCode> {
        let &[network_type, high, low] = self.chunk(TlvTag::NetworkErrorCode)?;
        Some(NetworkErrorCode {
            network_type,
            code: u16::from_be_bytes([high, low]),
        })
    }

    /// message_payload (0x0424): the body, in place of short_message.
    #[must_use]
    pub fn message_payload(self) -> Option<&'a [u8]> {
        self.find(TlvTag::MessagePayload)
    }

    /// user_message_reference (0x0204): set by the sender, echoed in receipts by some carriers.
    #[must_use]
    pub fn user_message_reference(self) -> Option<u16> {
        self.two_octets(TlvTag::UserMessageReference)
    }

    /// source_port (0x020A).
    #[must_use]
    pub fn source_port(self) -> Option<u16> {
        self.two_octets(TlvTag::SourcePort)
    }

    /// destination_port (0x020B).
    #[must_use]
    pub fn destination_port(self) -> Option<u16> {
        self.two_octets(TlvTag::DestinationPort)
    }

    /// sar_msg_ref_num (0x020C).
    #[must_use]
    pub fn sar_msg_ref_num(self) -> Option<u16> {
        self.two_octets(TlvTag::SarMsgRefNum)
    }

    /// sar_total_segments (0x020E).
    #[must_use]
    pub fn sar_total_segments(self) -> Option<u8> {
        self.octet(TlvTag::SarTotalSegments)
    }

    /// sar_segment_seqnum (0x020F).
    #[must_use]
    pub fn sar_segment_seqnum(self) -> Option<u8> {
        self.octet(TlvTag::SarSegmentSeqnum)
    }

    /// The three sar_* parameters together; `None` unless all three are there.
    #[must_use]
    pub fn segment_info(self) -> Option<SegmentInfo> {
        Some(SegmentInfo {
            reference: self.sar_msg_ref_num()?,
            total: self.sar_total_segments()?,
            sequence: self.sar_segment_seqnum()?,
        })
    }

    /// congestion_state (0x0428): 0 idle to 100 congested; any response may carry it.
    #[must_use]
    pub fn congestion_state(self) -> Option<u8> {
        self.octet(TlvTag::CongestionState)
    }

    /// sc_interface_version (0x0210) of a bind response. Its absence formally means that the message center takes no
    /// optional parameters; many do all the same.
    #[must_use]
    pub fn sc_interface_version(self) -> Option<InterfaceVersion> {
        self.octet(TlvTag::ScInterfaceVersion).map(InterfaceVersion)
    }

    /// more_messages_to_send (0x0426): false for 0, true for anything else.
    #[must_use]
    pub fn more_messages_to_send(self) -> Option<bool> {
        self.octet(TlvTag::MoreMessagesToSend)
            .map(|octet| octet != 0)
    }

    /// additional_status_info_text (0x001D): an explanation for people, with or without its NUL.
    #[must_use]
    pub fn additional_status_info_text(self) -> Option<COctetString<'a>> {
        self.find(TlvTag::AdditionalStatusInfoText).map(until_nul)
    }

    /// delivery_failure_reason (0x0425): 0 unreachable, 1 invalid address, 2 permanent, 3 temporary network error.
    #[must_use]
    pub fn delivery_failure_reason(self) -> Option<u8> {
        self.octet(TlvTag::DeliveryFailureReason)
    }

    /// dpf_result (0x0420): true when the delivery-pending flag was set.
    #[must_use]
    pub fn dpf_result(self) -> Option<bool> {
        self.octet(TlvTag::DpfResult).map(|octet| octet != 0)
    }

    /// language_indicator (0x020D).
    #[must_use]
    pub fn language_indicator(self) -> Option<u8> {
        self.octet(TlvTag::LanguageIndicator)
    }

    /// payload_type (0x0019): 0 default, 1 WCMP.
    #[must_use]
    pub fn payload_type(self) -> Option<u8> {
        self.octet(TlvTag::PayloadType)
    }

    /// qos_time_to_live (0x0017), in seconds.
    #[must_use]
    pub fn qos_time_to_live_s(self) -> Option<u32> {
        self.chunk(TlvTag::QosTimeToLive)
            .map(|octets| u32::from_be_bytes(*octets))
    }

    /// The value of a carrier's own parameter, by its raw tag (0x1400 to 0x3FFF; other tags are found too).
    #[must_use]
    pub fn vendor(self, tag: u16) -> Option<&'a [u8]> {
        self.find(TlvTag::from_u16(tag))
    }

    fn chunk<const N: usize>(self, tag: TlvTag) -> Option<&'a [u8; N]> {
        self.find(tag)
            .and_then(|value| <&[u8; N]>::try_from(value).ok())
    }

    fn octet(self, tag: TlvTag) -> Option<u8> {
        self.chunk::<1>(tag).map(|octets| octets[0])
    }

    fn two_octets(self, tag: TlvTag) -> Option<u16> {
        self.chunk(tag).map(|octets| u16::from_be_bytes(*octets))
    }
}

fn until_nul(value: &[u8]) -> COctetString<'_> {
    COctetString::new(value.split(|octet| *octet == 0).next().unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipted_message_id_needs_no_nul() {
        let with = [0, 0x1E, 0, 4, b'a', b'b', b'c', 0];
        let without = [0, 0x1E, 0, 3, b'a', b'b', b'c'];
        for octets in [&with[..], &without[..]] {
            let id = Tlvs::parse(octets).unwrap().receipted_message_id();
            assert_eq!(id, Some(COctetString::new(b"abc")));
        }
        let empty = Tlvs::parse(&[0, 0x1E, 0, 0])
            .unwrap()
            .receipted_message_id();
        assert_eq!(empty, Some(COctetString::EMPTY));
    }

    #[test]
    fn a_wrong_length_reads_as_absent() {
        let octets = [
            0x04, 0x27, 0, 2, 2, 2, 0x04, 0x23, 0, 2, 3, 0, 0x02, 0x0C, 0, 1, 1, 0x04, 0x28, 0, 1,
            90,
        ];
        let tlvs = Tlvs::parse(&octets).unwrap();
        assert_eq!(tlvs.message_state(), None);
        assert_eq!(tlvs.network_error_code(), None);
        assert_eq!(tlvs.sar_msg_ref_num(), None);
        assert_eq!(tlvs.congestion_state(), Some(90));
    }

    #[test]
    fn a_carriers_own_parameter_is_raw() {
        let tlvs = Tlvs::parse(&[0x14, 0x01, 0, 2, 0xDE, 0xAD]).unwrap();
        assert_eq!(tlvs.vendor(0x1401), Some([0xDE, 0xAD].as_slice()));
        assert_eq!(tlvs.vendor(0x1402), None);
    }

    #[test]
    fn typed_values_are_big_endian() {
        let octets = [
            0x04, 0x23, 0, 3, 3, 0x01, 0x02, 0x02, 0x04, 0, 2, 0xAB, 0xCD, 0x00, 0x17, 0, 4, 0, 0,
            1, 0, 0x02, 0x0C, 0, 2, 0, 7, 0x02, 0x0E, 0, 1, 3, 0x02, 0x0F, 0, 1, 2, 0x04, 0x26, 0,
            1, 1,
        ];
        let tlvs = Tlvs::parse(&octets).unwrap();
        assert_eq!(
            tlvs.network_error_code(),
            Some(NetworkErrorCode {
                network_type: 3,
                code: 0x0102
            })
        );
        assert_eq!(tlvs.user_message_reference(), Some(0xABCD));
        assert_eq!(tlvs.qos_time_to_live_s(), Some(256));
        assert_eq!(
            tlvs.segment_info(),
            Some(SegmentInfo {
                reference: 7,
                total: 3,
                sequence: 2
            })
        );
        assert_eq!(tlvs.more_messages_to_send(), Some(true));
    }
}
