//! `Debug` of the records that hold numbers and texts, without them: a record may end up in a log or in a failed test's output.

use std::fmt;

use crate::record::{Admitted, Carried, Inbound, Replaced, joined};

impl fmt::Debug for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaced")
            .field("segment", &self.segment)
            .field("text_bytes", &self.text.len())
            .field("expires_ms", &self.expires_ms)
            .field("send_at_ms", &self.send_at_ms)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("id", &joined(self.id_high, self.id_low))
            .field("group", &self.group)
            .field("lane", &self.lane)
            .field("text_bytes", &self.text.len())
            .field("admitted_ms", &self.admitted_ms)
            .field("expires_ms", &self.expires_ms)
            .field("send_at_ms", &self.send_at_ms)
            .field("claimed", &self.claimed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried")
            .field("message", &self.message)
            .field("state", &self.state)
            .field("sequence", &self.sequence)
            .field("attempt", &self.attempt)
            .field("due_ms", &self.due_ms)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("id", &joined(self.id_high, self.id_low))
            .field("carrier", &self.carrier)
            .field("octets", &self.octets.len())
            .field("data_coding", &self.data_coding)
            .field("at_ms", &self.at_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Admitted, Inbound, Record};

    #[test]
    fn neither_numbers_nor_texts_are_shown() {
        let admitted = Record::Admitted(Box::new(Admitted {
            recipient: 819_012_345_678,
            text: "Your code is 1234".into(),
            ..Admitted::default()
        }));
        let inbound = Record::Inbound(Box::new(Inbound {
            from: "819012345678".into(),
            text: "STOP".into(),
            ..Inbound::default()
        }));
        for shown in [format!("{admitted:?}"), format!("{inbound:?}")] {
            assert!(
                !shown.contains("819012345678")
                    && !shown.contains("code")
                    && !shown.contains("STOP"),
                "{shown}"
            );
        }
    }
}
