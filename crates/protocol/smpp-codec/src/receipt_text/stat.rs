//! The status word of a receipt.

use crate::MessageStateValue;

/// Final (or passing) status in a receipt's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStat {
    /// `DELIVRD`.
    Delivered,
    /// `EXPIRED`.
    Expired,
    /// `DELETED`.
    Deleted,
    /// `UNDELIV`.
    Undeliverable,
    /// `ACCEPTD`: read by hand for the subscriber on paper; some carriers mean "taken".
    Accepted,
    /// `UNKNOWN`.
    Unknown,
    /// `REJECTD`.
    Rejected,
    /// `ENROUTE`: not final.
    Enroute,
    /// `BUFFRED`, `BUFFERD`: waiting at the carrier, not final.
    Buffered,
    /// `ACKED`: taken by the next hop, not final.
    Acked,
    /// `FAILED`.
    Failed,
    /// `NACK`: refused by the next hop.
    Nack,
    /// `SKIPPED` (SMPP 5.0).
    Skipped,
    /// `SCHEDULED` (SMPP 5.0): not final.
    Scheduled,
}

/// Shortest spellings that are told apart, in upper case. Carriers cut and vary the tail.
const PREFIXES: [(&[u8], ReceiptStat); 16] = [
    (b"DELIV", ReceiptStat::Delivered),
    (b"EXPIR", ReceiptStat::Expired),
    (b"DELET", ReceiptStat::Deleted),
    (b"UNDEL", ReceiptStat::Undeliverable),
    (b"ACCEP", ReceiptStat::Accepted),
    (b"ACCPT", ReceiptStat::Accepted),
    (b"UNKNO", ReceiptStat::Unknown),
    (b"REJEC", ReceiptStat::Rejected),
    (b"REJCT", ReceiptStat::Rejected),
    (b"ENROU", ReceiptStat::Enroute),
    (b"BUFF", ReceiptStat::Buffered),
    (b"ACKED", ReceiptStat::Acked),
    (b"FAILED", ReceiptStat::Failed),
    (b"NACK", ReceiptStat::Nack),
    (b"SKIPP", ReceiptStat::Skipped),
    (b"SCHED", ReceiptStat::Scheduled),
];

impl ReceiptStat {
    /// Reads a word by its start, in any case; `None` for a word that is none of the known ones.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        PREFIXES
            .iter()
            .find(|(prefix, _)| {
                word.get(..prefix.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            })
            .map(|(_, stat)| *stat)
    }

    /// The seven-letter word of Appendix B, or the usual one where Appendix B has none.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
            Self::Enroute => "ENROUTE",
            Self::Buffered => "BUFFRED",
            Self::Acked => "ACKED",
            Self::Failed => "FAILED",
            Self::Nack => "NACK",
            Self::Skipped => "SKIPPED",
            Self::Scheduled => "SCHEDULED",
        }
    }

    /// The message_state that says the same, so that text and TLV meet in one type.
    #[must_use]
    pub const fn message_state(self) -> MessageStateValue {
        match self {
            Self::Delivered => MessageStateValue::Delivered,
            Self::Expired => MessageStateValue::Expired,
            Self::Deleted => MessageStateValue::Deleted,
            Self::Undeliverable | Self::Failed => MessageStateValue::Undeliverable,
            Self::Accepted => MessageStateValue::Accepted,
            Self::Unknown => MessageStateValue::Unknown,
            Self::Rejected | Self::Nack => MessageStateValue::Rejected,
            Self::Enroute | Self::Buffered | Self::Acked => MessageStateValue::Enroute,
            Self::Skipped => MessageStateValue::Skipped,
            Self::Scheduled => MessageStateValue::Scheduled,
        }
    }

    /// The status that says the same as a message_state; values outside the table are `Unknown`.
    #[must_use]
    pub const fn from_message_state(state: MessageStateValue) -> Self {
        match state {
            MessageStateValue::Scheduled => Self::Scheduled,
            MessageStateValue::Enroute => Self::Enroute,
            MessageStateValue::Delivered => Self::Delivered,
            MessageStateValue::Expired => Self::Expired,
            MessageStateValue::Deleted => Self::Deleted,
            MessageStateValue::Undeliverable => Self::Undeliverable,
            MessageStateValue::Accepted => Self::Accepted,
            MessageStateValue::Unknown | MessageStateValue::Other(_) => Self::Unknown,
            MessageStateValue::Rejected => Self::Rejected,
            MessageStateValue::Skipped => Self::Skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_match_by_their_start_in_any_case() {
        for (word, stat) in [
            ("DELIVRD", ReceiptStat::Delivered),
            ("delivered", ReceiptStat::Delivered),
            ("BUFFERD", ReceiptStat::Buffered),
            ("BUFFRED", ReceiptStat::Buffered),
            ("ACCPTD", ReceiptStat::Accepted),
            ("Undeliverable", ReceiptStat::Undeliverable),
            ("NACK/404", ReceiptStat::Nack),
            ("REJECTED", ReceiptStat::Rejected),
        ] {
            assert_eq!(
                ReceiptStat::from_word(word.as_bytes()),
                Some(stat),
                "{word}"
            );
        }
        for word in ["", "DEL", "OK", "XDELIVRD"] {
            assert_eq!(ReceiptStat::from_word(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn the_written_word_reads_back() {
        for value in 0..10 {
            let stat = ReceiptStat::from_message_state(MessageStateValue::from_u8(value));
            assert_eq!(ReceiptStat::from_word(stat.as_str().as_bytes()), Some(stat));
            assert_eq!(stat.message_state().to_u8(), value);
        }
    }
}
