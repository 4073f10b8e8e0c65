//! Planted defects: each breaks a promise on purpose, and the checks must notice. A check that notices none of them proves nothing.

use connector::{ConnectorEvent, Dispatch};
use message::{CarrierMessageId, Outcome};

/// A defect, outside the production code: in the disk, in what the connector reports or sends, in the carrier's receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The disk says that it has synced and has not.
    SyncLies,
    /// After a power cut the machine says that it is the same boot.
    BootLies,
    /// The connector calls what may have left never written.
    UncertainCalledUnwritten,
    /// The connector says of what was refused that it was taken.
    RefusedCalledTaken,
    /// The connector loses a third of all outcomes.
    OutcomesLost,
    /// The connector sends every tenth segment twice.
    SentTwice,
    /// The carrier sends receipts under the ids of other messages.
    ReceiptsSwapped,
}

impl Mutant {
    /// Every defect.
    pub const ALL: [Self; 7] = [
        Self::SyncLies,
        Self::BootLies,
        Self::UncertainCalledUnwritten,
        Self::RefusedCalledTaken,
        Self::OutcomesLost,
        Self::SentTwice,
        Self::ReceiptsSwapped,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncLies => "sync-lies",
            Self::BootLies => "boot-lies",
            Self::UncertainCalledUnwritten => "uncertain-called-unwritten",
            Self::RefusedCalledTaken => "refused-called-taken",
            Self::OutcomesLost => "outcomes-lost",
            Self::SentTwice => "sent-twice",
            Self::ReceiptsSwapped => "receipts-swapped",
        }
    }

    pub(crate) fn spoil_events(self, events: &mut Vec<ConnectorEvent>, from: usize) {
        if self == Self::OutcomesLost {
            let mut at = 0;
            events.retain(|event| {
                at += 1;
                let lost = matches!(event, ConnectorEvent::Outcome { segment, .. }
                    if segment.message.made_at_ms() % 3 == 0);
                at <= from || !lost
            });
            return;
        }
        for event in &mut events[from..] {
            let ConnectorEvent::Outcome { outcome, .. } = event else {
                continue;
            };
            match (self, &*outcome) {
                (Self::UncertainCalledUnwritten, Outcome::Uncertain { .. }) => {
                    *outcome = Outcome::Unwritten;
                }
                (Self::RefusedCalledTaken, Outcome::Rejected { .. }) => {
                    *outcome = Outcome::Submitted {
                        carrier_message_id: CarrierMessageId::new(b"made-up"),
                    };
                }
                (_, _) => {}
            }
        }
    }

    pub(crate) fn spoil_batch(self, batch: &mut Vec<Dispatch>) {
        if self == Self::SentTwice
            && let Some(last) = batch.last()
            && last.segment.message.made_at_ms() % 10 == 0
        {
            batch.push(last.clone());
        }
    }
}
