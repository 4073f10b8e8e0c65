//! Receipts of segments to the state of their message, in any order.

use message::{MessageState, Reason, ReceiptState};

/// The receipts of all segments, folded into one state: any failure fails the message, all delivered delivers it.
///
/// The fold does not depend on the order in which receipts come and takes a repeated receipt once. Up to 255 segments; a segment is one bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    delivered: [u64; 4],
    failure: Option<ReceiptState>,
}

impl Fold {
    /// Takes the receipt of one segment.
    pub fn add(&mut self, segment: u8, state: ReceiptState) {
        match state {
            ReceiptState::Enroute | ReceiptState::Accepted => {}
            ReceiptState::Delivered => {
                self.delivered[usize::from(segment >> 6)] |= 1 << (segment & 63);
            }
            ReceiptState::Expired
            | ReceiptState::Deleted
            | ReceiptState::Undeliverable
            | ReceiptState::Unknown
            | ReceiptState::Rejected => {
                let worse = self
                    .failure
                    .is_none_or(|old| severity(state) > severity(old));
                if worse {
                    self.failure = Some(state);
                }
            }
        }
    }

    /// What the fold is made of: a bit for each delivered segment, the first segment lowest, and the failure that names the whole.
    #[must_use]
    pub const fn parts(&self) -> ([u64; 4], Option<ReceiptState>) {
        (self.delivered, self.failure)
    }

    /// The fold that has these [`Self::parts`].
    #[must_use]
    pub const fn of_parts(delivered: [u64; 4], failure: Option<ReceiptState>) -> Self {
        Self { delivered, failure }
    }

    /// The message's final state and reason, as soon as the receipts decide it; `segments` is how many an attempt has.
    #[must_use]
    pub fn verdict(&self, segments: u8) -> Option<(MessageState, Reason)> {
        if let Some(failure) = self.failure {
            return failed(failure);
        }
        let delivered: u32 = self.delivered.iter().map(|word| word.count_ones()).sum();
        (delivered >= u32::from(segments.max(1)))
            .then_some((MessageState::Delivered, Reason::ReceiptDelivered))
    }
}

const fn failed(state: ReceiptState) -> Option<(MessageState, Reason)> {
    match state {
        ReceiptState::Enroute | ReceiptState::Accepted | ReceiptState::Delivered => None,
        ReceiptState::Expired => Some((MessageState::Expired, Reason::ExpiredAtCarrier)),
        ReceiptState::Deleted => Some((MessageState::Undeliverable, Reason::ReceiptDeleted)),
        ReceiptState::Undeliverable => {
            Some((MessageState::Undeliverable, Reason::ReceiptUndeliverable))
        }
        ReceiptState::Unknown => Some((MessageState::Unknown, Reason::ReceiptUnknown)),
        ReceiptState::Rejected => Some((MessageState::Undeliverable, Reason::ReceiptRejected)),
    }
}

/// Which of two failures names the whole: a definite no is told before a doubt. Every state has a place of its own, so that the fold does
/// not depend on order.
const fn severity(state: ReceiptState) -> u8 {
    match state {
        ReceiptState::Enroute | ReceiptState::Accepted | ReceiptState::Delivered => 0,
        ReceiptState::Unknown => 1,
        ReceiptState::Expired => 2,
        ReceiptState::Deleted => 3,
        ReceiptState::Rejected => 4,
        ReceiptState::Undeliverable => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_and_repeats_do_not_matter(
            receipts in proptest::collection::vec((0_u8..4, 0_usize..8), 0..20),
        ) {
            let receipts: Vec<_> = receipts
                .into_iter()
                .map(|(segment, state)| (segment, ReceiptState::ALL[state]))
                .collect();
            let mut forwards = Fold::default();
            let mut backwards = Fold::default();
            for (segment, state) in &receipts {
                forwards.add(*segment, *state);
            }
            for (segment, state) in receipts.iter().rev().chain(&receipts) {
                backwards.add(*segment, *state);
            }
            prop_assert_eq!(forwards, backwards);
            prop_assert_eq!(forwards.verdict(4), backwards.verdict(4));
            let (delivered, failure) = forwards.parts();
            prop_assert_eq!(Fold::of_parts(delivered, failure), forwards);
        }
    }

    #[test]
    fn one_segment_delivers_all_and_one_failure_fails_all() {
        let mut fold = Fold::default();
        assert_eq!(fold.verdict(1), None);
        fold.add(0, ReceiptState::Enroute);
        assert_eq!(fold.verdict(1), None);
        fold.add(0, ReceiptState::Delivered);
        assert_eq!(
            fold.verdict(1),
            Some((MessageState::Delivered, Reason::ReceiptDelivered))
        );
        assert_eq!(fold.verdict(2), None);
        fold.add(1, ReceiptState::Expired);
        assert_eq!(
            fold.verdict(2),
            Some((MessageState::Expired, Reason::ExpiredAtCarrier))
        );
    }
}
