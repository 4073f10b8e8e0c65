//! `esm_class`: mode, message type and GSM features (SMPP 3.4, 5.2.12).

/// The esm_class octet; accessors read its bit groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct EsmClass(pub u8);

/// Bits 1 and 0, towards the message center: how it should carry the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessagingMode {
    /// 00: whatever the message center does by default, usually store and forward.
    Default,
    /// 01: datagram, no retry by the message center.
    Datagram,
    /// 10: transaction (forward): the response tells the delivery.
    Transaction,
    /// 11: store and forward.
    StoreAndForward,
}

/// Bits 5 to 2: what kind of message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 0x00: an ordinary message.
    Default,
    /// 0x04: a delivery receipt of the message center.
    DeliveryReceipt,
    /// 0x08: a delivery acknowledgement of the receiving entity.
    DeliveryAcknowledgement,
    /// 0x10: a manual (user) acknowledgement.
    ManualAcknowledgement,
    /// 0x18: conversation abort (Korean CDMA).
    ConversationAbort,
    /// 0x20: intermediate delivery notification.
    IntermediateNotification,
    /// Any other combination of the four bits, kept in place (mask 0x3C).
    Other(u8),
}

impl EsmClass {
    /// The mask of the message type: bits 5 to 2.
    const MESSAGE_TYPE_MASK: u8 = 0x3C;
    const UDHI: u8 = 0x40;
    const REPLY_PATH: u8 = 0x80;

    /// Nothing set: default mode, ordinary message.
    pub const DEFAULT: Self = Self(0);
    /// A delivery receipt.
    pub const DELIVERY_RECEIPT: Self = Self(0x04);

    /// The messaging mode; meaningful towards the message center only.
    #[must_use]
    pub const fn messaging_mode(self) -> MessagingMode {
        match self.0 & 0x03 {
            0 => MessagingMode::Default,
            1 => MessagingMode::Datagram,
            2 => MessagingMode::Transaction,
            _ => MessagingMode::StoreAndForward,
        }
    }

    /// The message type. Only bits 5 to 2 are looked at: receipts with UDHI or a mode set are receipts too.
    #[must_use]
    pub const fn message_type(self) -> MessageType {
        match self.0 & Self::MESSAGE_TYPE_MASK {
            0x00 => MessageType::Default,
            0x04 => MessageType::DeliveryReceipt,
            0x08 => MessageType::DeliveryAcknowledgement,
            0x10 => MessageType::ManualAcknowledgement,
            0x18 => MessageType::ConversationAbort,
            0x20 => MessageType::IntermediateNotification,
            other => MessageType::Other(other),
        }
    }

    /// True when the body starts with a user data header.
    #[must_use]
    pub const fn udhi(self) -> bool {
        self.0 & Self::UDHI != 0
    }

    /// True when a reply path is set.
    #[must_use]
    pub const fn reply_path(self) -> bool {
        self.0 & Self::REPLY_PATH != 0
    }

    /// The same with the user data header indicator set.
    #[must_use]
    pub const fn with_udhi(self) -> Self {
        Self(self.0 | Self::UDHI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_bits_do_not_hide_a_receipt() {
        for raw in [0x04, 0x44, 0x07, 0xC4] {
            assert_eq!(EsmClass(raw).message_type(), MessageType::DeliveryReceipt);
        }
        assert!(EsmClass(0x44).udhi());
        assert!(!EsmClass(0x04).udhi());
        assert_eq!(
            EsmClass(0x20).message_type(),
            MessageType::IntermediateNotification
        );
        assert_eq!(EsmClass(0x3C).message_type(), MessageType::Other(0x3C));
        assert_eq!(
            EsmClass(0x03).messaging_mode(),
            MessagingMode::StoreAndForward
        );
        assert_eq!(EsmClass::DEFAULT.with_udhi(), EsmClass(0x40));
    }
}
