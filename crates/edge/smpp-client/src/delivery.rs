//! What a carrier delivers: a receipt or a message from a handset, told apart and made canonical.
//!
//! A receipt is known by the message type of its esm_class, whatever other bits are set; by a receipted_message_id; or, since some
//! carriers set neither, by a text that names an id and a known status. Parameters (TLVs) go before text, and a field that is in neither
//! stays empty: a receipt without id is handed on so that it is counted as an orphan, one without status says "on its way", so that
//! only evidence ends a message.

use std::borrow::Cow;

use connector::Receipt;
use message::{InboundMessage, ReceiptState};
use smpp_codec::receipt_text::ReceiptText;
use smpp_codec::{
    Address, COctetString, DataCoding, DataSm, DeliverSm, EsmClass, MessageStateValue, MessageType,
    Tlvs,
};

use crate::{IdRule, text};

/// Most octets of a receipt's error code that are kept.
const ERROR_MAX_BYTES: usize = 16;

/// The parts that deliver_sm and data_sm share.
#[derive(Clone, Copy)]
pub(crate) struct Delivery<'a> {
    source: Address<'a>,
    destination: Address<'a>,
    esm_class: EsmClass,
    data_coding: DataCoding,
    body: &'a [u8],
    tlvs: Tlvs<'a>,
}

/// What a delivery turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Evidence about a message of ours.
    Receipt(Receipt),
    /// A message from a handset.
    Inbound(InboundMessage),
}

impl<'a> From<DeliverSm<'a>> for Delivery<'a> {
    fn from(pdu: DeliverSm<'a>) -> Self {
        Self {
            source: pdu.source,
            destination: pdu.destination,
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            body: pdu.body(),
            tlvs: pdu.tlvs,
        }
    }
}

impl<'a> From<DataSm<'a>> for Delivery<'a> {
    fn from(pdu: DataSm<'a>) -> Self {
        Self {
            source: pdu.source,
            destination: pdu.destination,
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            body: pdu.body(),
            tlvs: pdu.tlvs,
        }
    }
}

impl Delivery<'_> {
    /// Tells the two apart; `rule` is the carrier's for ids in receipts.
    pub(crate) fn read(&self, rule: IdRule) -> Delivered {
        let octets = self.octets_behind_header();
        let text = text_of_receipt(self.data_coding, octets);
        let receipt = ReceiptText::parse(&text);
        let is_receipt = match self.esm_class.message_type() {
            MessageType::DeliveryReceipt | MessageType::IntermediateNotification => true,
            MessageType::Default
            | MessageType::DeliveryAcknowledgement
            | MessageType::ManualAcknowledgement
            | MessageType::ConversationAbort
            | MessageType::Other(_) => {
                self.tlvs.receipted_message_id().is_some() || receipt.looks_like_receipt()
            }
        };
        if is_receipt {
            Delivered::Receipt(self.receipt(&receipt, rule))
        } else {
            Delivered::Inbound(InboundMessage {
                from: lossy(self.source.addr),
                to: lossy(self.destination.addr),
                text: text::decode(self.data_coding, octets).into(),
                octets: bytes::Bytes::copy_from_slice(self.body),
                data_coding: self.data_coding.0,
            })
        }
    }

    fn receipt(&self, text: &ReceiptText<'_>, rule: IdRule) -> Receipt {
        let id = self.tlvs.receipted_message_id().map(COctetString::as_bytes);
        let id = id
            .filter(|id| !id.is_empty())
            .or(text.id)
            .unwrap_or_default();
        let from_tlv = self.tlvs.message_state().and_then(receipt_state);
        let from_text = || {
            text.stat
                .and_then(|stat| receipt_state(stat.message_state()))
        };
        Receipt {
            carrier_message_id: rule.canonical(id),
            state: from_tlv.or_else(from_text).unwrap_or(ReceiptState::Enroute),
            error: self.error(text),
            recipient: digits(self.source.addr),
            sender: lossy(self.destination.addr),
        }
    }

    /// `type-code` of the network's error, else the text's own code.
    fn error(&self, text: &ReceiptText<'_>) -> Box<str> {
        match self.tlvs.network_error_code() {
            Some(error) => format!("{}-{}", error.network_type, error.code).into(),
            None => {
                let code = text.err.unwrap_or_default();
                let code = code.get(..ERROR_MAX_BYTES).unwrap_or(code);
                code.iter()
                    .filter(|octet| octet.is_ascii_graphic())
                    .map(|octet| char::from(*octet))
                    .collect()
            }
        }
    }

    /// The body without its user data header; a header that claims more than there is leaves nothing.
    fn octets_behind_header(&self) -> &[u8] {
        match self.body.first() {
            Some(len) if self.esm_class.udhi() => {
                self.body.get(1 + usize::from(*len)..).unwrap_or(&[])
            }
            _ => self.body,
        }
    }
}

/// A receipt's text as 8-bit text. Only the two-octet alphabet differs; what is not ASCII in it becomes a question mark.
fn text_of_receipt(data_coding: DataCoding, octets: &[u8]) -> Cow<'_, [u8]> {
    if data_coding != DataCoding::UCS2 {
        return Cow::Borrowed(octets);
    }
    let narrowed = octets.chunks_exact(2).map(|unit| {
        if unit[0] == 0 && unit[1] < 0x80 {
            unit[1]
        } else {
            b'?'
        }
    });
    Cow::Owned(narrowed.collect())
}

/// `None` for a value that says nothing about the message.
const fn receipt_state(state: MessageStateValue) -> Option<ReceiptState> {
    match state {
        MessageStateValue::Scheduled | MessageStateValue::Enroute => Some(ReceiptState::Enroute),
        MessageStateValue::Delivered => Some(ReceiptState::Delivered),
        MessageStateValue::Expired => Some(ReceiptState::Expired),
        MessageStateValue::Deleted => Some(ReceiptState::Deleted),
        MessageStateValue::Undeliverable | MessageStateValue::Skipped => {
            Some(ReceiptState::Undeliverable)
        }
        MessageStateValue::Accepted => Some(ReceiptState::Accepted),
        MessageStateValue::Unknown => Some(ReceiptState::Unknown),
        MessageStateValue::Rejected => Some(ReceiptState::Rejected),
        MessageStateValue::Other(_) => None,
    }
}

fn digits(address: COctetString<'_>) -> Box<str> {
    let octets = address.as_bytes().iter();
    octets
        .filter(|octet| octet.is_ascii_digit())
        .map(|octet| char::from(*octet))
        .collect()
}

fn lossy(address: COctetString<'_>) -> Box<str> {
    String::from_utf8_lossy(address.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;
    use smpp_codec::{NetworkErrorCode, Npi, TlvWriter, Ton};

    use super::*;

    const TEXT: &[u8] = b"id:0A1f sub:001 dlvrd:001 submit date:2611220100 done date:2611220101 stat:DELIVRD err:012 text:hi";

    fn deliver_sm(esm_class: u8, body: &[u8]) -> DeliverSm<'_> {
        DeliverSm {
            source: Address::new(Ton::International, Npi::Isdn, b"+819012345678"),
            destination: Address::new(Ton::Alphanumeric, Npi::Unknown, b"Hikyaku"),
            esm_class: EsmClass(esm_class),
            short_message: body,
            ..DeliverSm::default()
        }
    }

    fn receipt(pdu: DeliverSm<'_>, rule: IdRule) -> Receipt {
        match Delivery::from(pdu).read(rule) {
            Delivered::Receipt(receipt) => receipt,
            Delivered::Inbound(inbound) => panic!("an inbound message: {inbound:?}"),
        }
    }

    #[test]
    fn a_text_receipt_is_read_with_and_without_its_bit() {
        for esm_class in [0x04, 0x44 & !0x40, 0x07, 0x00, 0x20] {
            let receipt = receipt(deliver_sm(esm_class, TEXT), IdRule::Hex);
            assert_eq!(receipt.carrier_message_id.as_bytes(), b"2591");
            assert_eq!(receipt.state, ReceiptState::Delivered);
            assert_eq!(
                (&*receipt.error, &*receipt.recipient, &*receipt.sender),
                ("012", "819012345678", "Hikyaku")
            );
        }
    }

    #[test]
    fn parameters_go_before_text() {
        let mut scratch = BytesMut::new();
        let mut writer = TlvWriter::new(&mut scratch);
        writer.receipted_message_id(b"77".into()).unwrap();
        writer.message_state(MessageStateValue::Undeliverable);
        writer.network_error_code(NetworkErrorCode {
            network_type: 3,
            code: 27,
        });
        let tlvs = writer.finish();
        let receipt = receipt(
            DeliverSm {
                tlvs,
                ..deliver_sm(0x00, TEXT)
            },
            IdRule::Dec,
        );
        assert_eq!(receipt.carrier_message_id.as_bytes(), b"77");
        assert_eq!(
            (receipt.state, &*receipt.error),
            (ReceiptState::Undeliverable, "3-27")
        );
    }

    #[test]
    fn a_receipt_without_id_or_status_is_an_orphan_on_its_way() {
        let receipt = receipt(deliver_sm(0x04, b"nothing we know"), IdRule::AsIs);
        assert_eq!(receipt.carrier_message_id.as_bytes(), b"");
        assert_eq!(
            (receipt.state, &*receipt.error),
            (ReceiptState::Enroute, "")
        );
    }

    #[test]
    fn a_two_octet_receipt_and_one_behind_a_header_are_read() {
        let wide: Vec<u8> = TEXT.iter().flat_map(|octet| [0, *octet]).collect();
        let pdu = DeliverSm {
            data_coding: DataCoding::UCS2,
            ..deliver_sm(0x04, &wide)
        };
        assert_eq!(
            receipt(pdu, IdRule::AsIs).carrier_message_id.as_bytes(),
            b"0a1f"
        );
        let mut headed = vec![5, 0, 3, 1, 1, 1];
        headed.extend_from_slice(TEXT);
        assert_eq!(
            receipt(deliver_sm(0x44, &headed), IdRule::AsIs).state,
            ReceiptState::Delivered
        );
    }

    #[test]
    fn a_handset_s_message_is_inbound() {
        let Delivered::Inbound(inbound) =
            Delivery::from(deliver_sm(0, b"STOP id:1")).read(IdRule::AsIs)
        else {
            panic!("a receipt");
        };
        assert_eq!(
            (&*inbound.from, &*inbound.to, &*inbound.text),
            ("+819012345678", "Hikyaku", "STOP id:1")
        );
        assert_eq!(
            (&inbound.octets[..], inbound.data_coding),
            (&b"STOP id:1"[..], 0)
        );
    }

    proptest! {
        #[test]
        fn anything_is_read_as_something(esm_class: u8, data_coding: u8, body in proptest::collection::vec(any::<u8>(), 0..160)) {
            let pdu = DeliverSm { data_coding: DataCoding(data_coding), ..deliver_sm(esm_class, &body) };
            match Delivery::from(pdu).read(IdRule::Hex) {
                Delivered::Receipt(receipt) => prop_assert!(receipt.error.len() <= ERROR_MAX_BYTES),
                Delivered::Inbound(inbound) => prop_assert_eq!(&inbound.octets[..], &body[..]),
            }
        }
    }
}
