//! Receipts: written as carriers write them, sent until acknowledged.

use bytes::BytesMut;
use message::{MessageId, ReceiptState};
use smpp_codec::{
    Address, COctetString, EsmClass, MessageStateValue, Npi, Pdu, ShortMessage, TlvWriter, Tlvs,
    Ton,
};

use super::handset::handset_of;
use super::script::ReceiptForm;
use super::{Carrier, Due, RECEIPT_TRIES_MAX};

/// A receipt that the carrier has for us.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) message: MessageId,
    pub(crate) attempt: u16,
    pub(super) id: u64,
    pub(crate) state: ReceiptState,
    pub(crate) form: ReceiptForm,
    pub(super) source: Box<[u8]>,
    pub(super) destination: Box<[u8]>,
    pub(crate) tries: u32,
    /// When the engine took it over, in true time.
    pub(crate) acknowledged_ns: Option<u64>,
}

impl Carrier {
    /// Sends what waits as far as windows have room.
    pub(super) fn send_receipts(&mut self, now_ns: u64) {
        while let Some(at) = self.pending.front().copied()
            && let Some(number) = self.delivering()
        {
            self.pending.pop_front();
            let receipt = &mut self.receipts[at];
            if receipt.acknowledged_ns.is_some() {
                continue;
            }
            receipt.tries += 1;
            let id = self.script.ids.receipt(receipt.id);
            let mut tlvs = BytesMut::new();
            let text = text_of(receipt, &id);
            let by_tlv = receipt.form == ReceiptForm::Tlvs;
            let pdu = Pdu::DeliverSm(ShortMessage {
                source: Address::new(Ton::International, Npi::Isdn, &receipt.destination),
                destination: Address::new(Ton::Unknown, Npi::Unknown, &receipt.source),
                esm_class: EsmClass::DELIVERY_RECEIPT,
                short_message: if by_tlv { b"" } else { text.as_bytes() },
                tlvs: if by_tlv {
                    tlvs_of(receipt, &id, &mut tlvs)
                } else {
                    Tlvs::EMPTY
                },
                ..ShortMessage::default()
            });
            let sent = self
                .connections
                .get_mut(&number)
                .map(|connection| connection.session.submit(at as u64, &pdu, now_ns));
            if !matches!(sent, Some(Ok(_))) {
                self.receipt_unanswered(at as u64, now_ns);
                return;
            }
        }
    }

    pub(super) fn receipt_answered(&mut self, key: u64, status: u32, now_ns: u64) {
        if let Some(at) = handset_of(key) {
            return self.handset_answered(at, status, now_ns);
        }
        let Some(receipt) = usize::try_from(key)
            .ok()
            .and_then(|at| self.receipts.get_mut(at))
        else {
            return;
        };
        if status == 0 {
            receipt.acknowledged_ns.get_or_insert(now_ns);
        } else {
            self.receipt_unanswered(key, now_ns);
        }
    }

    pub(super) fn receipt_unanswered(&mut self, key: u64, now_ns: u64) {
        if let Some(at) = handset_of(key) {
            return self.handset_unanswered(at, now_ns);
        }
        let Ok(at) = usize::try_from(key) else {
            return;
        };
        let receipt = &self.receipts[at];
        if receipt.acknowledged_ns.is_none() && receipt.tries < RECEIPT_TRIES_MAX {
            let again_ns = self.retry_at(now_ns);
            self.push_due(again_ns, Due::Receipt(at));
        }
    }
}

const fn stat(state: ReceiptState) -> &'static str {
    match state {
        ReceiptState::Enroute => "ENROUTE",
        ReceiptState::Delivered => "DELIVRD",
        ReceiptState::Expired => "EXPIRED",
        ReceiptState::Deleted => "DELETED",
        ReceiptState::Undeliverable => "UNDELIV",
        ReceiptState::Accepted => "ACCEPTD",
        ReceiptState::Unknown => "UNKNOWN",
        ReceiptState::Rejected => "REJECTD",
    }
}

const fn message_state(state: ReceiptState) -> MessageStateValue {
    match state {
        ReceiptState::Enroute => MessageStateValue::Enroute,
        ReceiptState::Delivered => MessageStateValue::Delivered,
        ReceiptState::Expired => MessageStateValue::Expired,
        ReceiptState::Deleted => MessageStateValue::Deleted,
        ReceiptState::Undeliverable => MessageStateValue::Undeliverable,
        ReceiptState::Accepted => MessageStateValue::Accepted,
        ReceiptState::Unknown => MessageStateValue::Unknown,
        ReceiptState::Rejected => MessageStateValue::Rejected,
    }
}

fn text_of(receipt: &Receipt, id: &str) -> String {
    let named = match receipt.form {
        ReceiptForm::Text | ReceiptForm::Tlvs => format!("id:{id} "),
        ReceiptForm::Anonymous => String::new(),
    };
    let stat = stat(receipt.state);
    format!(
        "{named}sub:001 dlvrd:001 submit date:2611220100 done date:2611220101 stat:{stat} err:000 text:"
    )
}

fn tlvs_of<'b>(receipt: &Receipt, id: &str, out: &'b mut BytesMut) -> Tlvs<'b> {
    let mut writer = TlvWriter::new(out);
    writer.message_state(message_state(receipt.state));
    // An id of ours is short and has no NUL.
    let _ = writer.receipted_message_id(COctetString::new(id.as_bytes()));
    writer.finish()
}

impl Receipt {
    /// Whether it says which message it is about.
    pub(crate) fn names_its_message(&self) -> bool {
        match self.form {
            ReceiptForm::Text | ReceiptForm::Tlvs => true,
            ReceiptForm::Anonymous => false,
        }
    }
}
