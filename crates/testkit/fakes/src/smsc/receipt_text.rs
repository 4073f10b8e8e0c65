//! A receipt as `deliver_sm`, and ids as text.

use bytes::BytesMut;
use smpp_codec::receipt_text::{ReceiptStat, ReceiptText, receipt_date};
use smpp_codec::{COctetString, EsmClass, MessageStateValue, Pdu, ShortMessage, TlvWriter, Tlvs};

use super::config::{IdFormat, ReceiptContent};
use super::receipts::Receipt;

/// Most digits of an id: 2^64 - 1 in decimal.
const ID_MAX_DIGITS: usize = 20;

/// An id as text, without a heap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdText {
    digits: [u8; ID_MAX_DIGITS],
    start: usize,
}

impl IdText {
    pub(crate) fn new(id: u64, format: IdFormat) -> Self {
        let base = match format {
            IdFormat::Decimal => 10,
            IdFormat::Hex => 16,
        };
        let mut digits = [b'0'; ID_MAX_DIGITS];
        let mut start = ID_MAX_DIGITS;
        let mut rest = id;
        loop {
            start -= 1;
            let digit = usize::try_from(rest % base).unwrap_or(0);
            digits[start] = b"0123456789abcdef"[digit];
            rest /= base;
            if rest == 0 {
                return Self { digits, start };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Builds receipts in buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct ReceiptWriter {
    text: BytesMut,
    tlvs: BytesMut,
}

/// How receipts look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiptLook {
    pub(crate) content: ReceiptContent,
    pub(crate) id_format: IdFormat,
}

impl ReceiptWriter {
    /// The `deliver_sm` of a receipt, done at `done_ms` UTC.
    pub(crate) fn write<'a>(
        &'a mut self,
        receipt: &'a Receipt,
        look: ReceiptLook,
        done_ms: i64,
    ) -> Pdu<'a> {
        let id = IdText::new(receipt.message, look.id_format);
        self.text.clear();
        self.tlvs.clear();
        let (with_text, with_tlvs) = match look.content {
            ReceiptContent::TextAndTlvs => (true, true),
            ReceiptContent::Text => (true, false),
            ReceiptContent::Tlvs => (false, true),
        };
        if with_text {
            let submitted = receipt_date(receipt.submitted_ms);
            let done = receipt_date(done_ms);
            let text = ReceiptText {
                id: Some(id.as_bytes()),
                submit_date: submitted.as_ref().map(<[u8; 10]>::as_slice),
                done_date: done.as_ref().map(<[u8; 10]>::as_slice),
                stat: Some(ReceiptStat::from_message_state(receipt.state)),
                err: Some(error_code(receipt.state)),
                ..ReceiptText::default()
            };
            text.write(&mut self.text);
        }
        let tlvs = if with_tlvs {
            self.write_tlvs(receipt, &id);
            Tlvs::parse_prefix(&self.tlvs)
        } else {
            Tlvs::EMPTY
        };
        Pdu::DeliverSm(ShortMessage {
            source: receipt.destination.borrow(),
            destination: receipt.source.borrow(),
            esm_class: EsmClass::DELIVERY_RECEIPT,
            short_message: &self.text,
            tlvs,
            ..ShortMessage::default()
        })
    }

    fn write_tlvs(&mut self, receipt: &Receipt, id: &IdText) {
        let mut writer = TlvWriter::new(&mut self.tlvs);
        writer.message_state(receipt.state);
        if let Some(reference) = receipt.reference {
            writer.user_message_reference(reference);
        }
        let written = writer.receipted_message_id(COctetString::new(id.as_bytes()));
        debug_assert!(written.is_ok(), "an id has at most 20 octets and no NUL");
    }
}

/// The three digits of `err:`; 000 says that there was none.
fn error_code(state: MessageStateValue) -> &'static [u8] {
    if state == MessageStateValue::Delivered {
        b"000"
    } else {
        b"001"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::receipts::OwnedAddress;
    use smpp_codec::{Address, Npi, Ton};

    fn written(look: ReceiptLook, check: impl Fn(ShortMessage<'_>)) {
        let source = Address::new(Ton::Alphanumeric, Npi::Unknown, b"ACME");
        let destination = Address::new(Ton::International, Npi::Isdn, b"819012345678");
        let receipt = Receipt {
            account: 0,
            message: 0x00AB_CDEF,
            state: MessageStateValue::Expired,
            source: OwnedAddress::new(source),
            destination: OwnedAddress::new(destination),
            reference: Some(7),
            submitted_ms: 1_712_345_640_000,
            attempts: 0,
            held: None,
        };
        let mut writer = ReceiptWriter::default();
        let Pdu::DeliverSm(message) = writer.write(&receipt, look, 1_712_345_700_000) else {
            panic!("a receipt is a deliver_sm");
        };
        assert_eq!((message.source, message.destination), (destination, source));
        assert_eq!(message.esm_class, EsmClass::DELIVERY_RECEIPT);
        check(message);
    }

    #[test]
    fn text_and_tlvs_say_the_same() {
        let look = ReceiptLook {
            content: ReceiptContent::TextAndTlvs,
            id_format: IdFormat::Hex,
        };
        written(look, |message| {
            let text = ReceiptText::parse(message.short_message);
            assert_eq!(text.id, Some(b"abcdef".as_slice()));
            assert_eq!(text.stat, Some(ReceiptStat::Expired));
            assert_eq!(text.submit_date, Some(b"2404051934".as_slice()));
            assert_eq!(text.done_date, Some(b"2404051935".as_slice()));
            assert_eq!(text.err, Some(b"001".as_slice()));
            let id = message.tlvs.receipted_message_id().unwrap();
            assert_eq!(id.as_bytes(), b"abcdef");
            assert_eq!(
                message.tlvs.message_state(),
                Some(MessageStateValue::Expired)
            );
            assert_eq!(message.tlvs.user_message_reference(), Some(7));
        });
    }

    #[test]
    fn either_alone() {
        let mut look = ReceiptLook {
            content: ReceiptContent::Text,
            id_format: IdFormat::Decimal,
        };
        written(look, |message| {
            assert!(message.tlvs.is_empty());
            let id = ReceiptText::parse(message.short_message).id;
            assert_eq!(id, Some(b"11259375".as_slice()));
        });
        look.content = ReceiptContent::Tlvs;
        written(look, |message| {
            assert!(message.short_message.is_empty());
            assert!(message.tlvs.receipted_message_id().is_some());
        });
    }

    #[test]
    fn ids_of_every_length() {
        for id in [0, 9, 10, 255, u64::MAX] {
            let decimal = IdText::new(id, IdFormat::Decimal);
            assert_eq!(decimal.as_bytes(), id.to_string().as_bytes());
            let hex = IdText::new(id, IdFormat::Hex);
            assert_eq!(hex.as_bytes(), format!("{id:x}").as_bytes());
        }
    }
}
