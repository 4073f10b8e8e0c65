//! `registered_delivery`: which receipts the sender wants (SMPP 3.4, 5.2.17).

/// The registered_delivery octet; accessors read its bit groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RegisteredDelivery(pub u8);

/// Bits 1 and 0: the message center's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptRequest {
    /// 00: no receipt.
    None,
    /// 01: a receipt for the final outcome, good or bad.
    Always,
    /// 10: a receipt only when delivery failed.
    OnFailure,
    /// 11: reserved in 3.4, "only on success" in 5.0.
    OnSuccess,
}

impl RegisteredDelivery {
    /// Bit 4. The text of 3.4 says "bit 5", but its own bit pattern shows bit 4.
    const INTERMEDIATE: u8 = 0x10;

    /// No receipt of any kind.
    pub const NONE: Self = Self(0);
    /// A receipt for the final outcome.
    pub const FINAL: Self = Self(1);
    /// A receipt only when delivery failed.
    pub const ON_FAILURE: Self = Self(2);

    /// Which receipt of the message center is wanted.
    #[must_use]
    pub const fn receipt(self) -> ReceiptRequest {
        match self.0 & 0x03 {
            0 => ReceiptRequest::None,
            1 => ReceiptRequest::Always,
            2 => ReceiptRequest::OnFailure,
            _ => ReceiptRequest::OnSuccess,
        }
    }

    /// True when intermediate notifications are wanted too.
    #[must_use]
    pub const fn intermediate(self) -> bool {
        self.0 & Self::INTERMEDIATE != 0
    }

    /// The same with intermediate notifications asked for.
    #[must_use]
    pub const fn with_intermediate(self) -> Self {
        Self(self.0 | Self::INTERMEDIATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_groups_are_read_apart() {
        let raw = [0x00, 0x01, 0x02, 0x03].map(|value| RegisteredDelivery(value | 0x0C).receipt());
        let expected = [
            ReceiptRequest::None,
            ReceiptRequest::Always,
            ReceiptRequest::OnFailure,
            ReceiptRequest::OnSuccess,
        ];
        assert_eq!(raw, expected);
        assert!(RegisteredDelivery(0x10).intermediate());
        assert!(!RegisteredDelivery(0x20).intermediate());
        assert_eq!(
            RegisteredDelivery::FINAL.with_intermediate(),
            RegisteredDelivery(0x11)
        );
    }
}
