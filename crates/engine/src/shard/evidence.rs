//! Receipts: from what a carrier says to the message it is about.
//!
//! ```text
//! carrier id known ──► the segment that awaits it
//! not known ──► exactly one uncertain attempt fits carrier, sender, recipient ──► that attempt, by address
//!          └──► kept as an early receipt until its response comes or its time is over
//! no id at all ──► by address, else an orphan: counted and answered, since sending it again would not help
//! ```

use connector::{Receipt, ReceiptHandle, Verdict};
use message::{CarrierId, CarrierMessageId, Now, Payload, SegmentRef};
use partition::{Event, Matched, ReceiptReport};
use receipts::{EarlyReceipt, Expectations, UncertainAttempts};

use super::{Shard, ShardFailure};

/// Where evidence leads: derived from records, rebuilt on replay.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    expectations: Expectations,
    uncertain: UncertainAttempts,
}

impl Evidence {
    pub(super) fn expect(&mut self, carrier: CarrierId, id: CarrierMessageId, segment: SegmentRef) {
        self.expectations.expect(carrier, id, segment);
    }

    pub(super) fn forget(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        segment: SegmentRef,
    ) {
        self.expectations.forget(carrier, id, segment);
    }

    pub(super) fn doubt(&mut self, carrier: CarrierId, segment: SegmentRef, payload: &Payload) {
        let digits = payload.recipient.digits();
        self.uncertain
            .add(carrier, &digits, payload.sender.as_str(), segment);
    }

    pub(super) fn settle(&mut self, carrier: CarrierId, segment: SegmentRef, payload: &Payload) {
        let digits = payload.recipient.digits();
        self.uncertain
            .remove(carrier, &digits, payload.sender.as_str(), segment);
    }

    pub(super) fn awaited(&self) -> usize {
        self.expectations.len()
    }

    pub(super) fn uncertain(&self) -> usize {
        self.uncertain.len()
    }
}

/// The events that hand early receipts over to the message they belong to.
pub(super) fn hand_over(
    carrier: CarrierId,
    id: &CarrierMessageId,
    segment: SegmentRef,
    receipts: Vec<EarlyReceipt>,
    keeper: usize,
) -> Vec<(usize, Event)> {
    let owner = usize::from(segment.message.partition());
    let mut events: Vec<_> = receipts
        .into_iter()
        .map(|early| {
            let report = ReceiptReport {
                segment,
                carrier,
                carrier_message_id: id.clone(),
                state: early.state,
                error: early.error,
                matched: Matched::ById,
            };
            (owner, Event::Receipt(report))
        })
        .collect();
    let id = id.clone();
    events.push((keeper, Event::EarlyReceiptLeaves { carrier, id }));
    events
}

impl Shard {
    pub(super) fn take_receipt(
        &mut self,
        carrier: CarrierId,
        handle: ReceiptHandle,
        receipt: Receipt,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let metrics = self.shared.metrics.carrier(carrier);
        let named = !receipt.carrier_message_id.as_bytes().is_empty();
        let by_id = named
            .then(|| {
                self.evidence
                    .expectations
                    .find(carrier, &receipt.carrier_message_id)
            })
            .flatten();
        let by_address = || {
            let uncertain = &self.evidence.uncertain;
            (!uncertain.is_empty() && receipt.state.is_final())
                .then(|| uncertain.only_match(carrier, &receipt.recipient, &receipt.sender))
                .flatten()
        };
        let (segment, matched) = match by_id {
            Some(segment) => (Some(segment), Matched::ById),
            None => (by_address(), Matched::ByAddress),
        };
        if let Some(metrics) = metrics {
            match (segment, matched, named) {
                (Some(_), Matched::ById, _) => metrics.matched.increment(1),
                (Some(_), Matched::ByAddress, _) => metrics.by_address.increment(1),
                (None, _, true) => metrics.early.increment(1),
                (None, _, false) => metrics.orphan.increment(1),
            }
        }
        let (at, event) = match segment {
            Some(segment) => {
                let report = ReceiptReport {
                    segment,
                    carrier,
                    carrier_message_id: receipt.carrier_message_id,
                    state: receipt.state,
                    error: receipt.error,
                    matched,
                };
                (
                    usize::from(segment.message.partition()),
                    Event::Receipt(report),
                )
            }
            None if named => {
                let at = self.partition_of_receipt(carrier, &receipt.carrier_message_id);
                let early = Event::EarlyReceipt {
                    carrier,
                    id: receipt.carrier_message_id,
                    state: receipt.state,
                    error: receipt.error,
                };
                (at, early)
            }
            None => {
                self.cell.acknowledge(carrier, handle, Verdict::Taken, now);
                return Ok(());
            }
        };
        let (_, position) = self.decide(at, event, now)?;
        self.deferred.acknowledge(position, carrier, handle, now);
        Ok(())
    }

    /// Drops the expectations of finished messages that a partition has forgotten.
    pub(super) fn forget_orphaned(&mut self, at: usize) {
        let evidence = &mut self.evidence;
        self.partitions[at]
            .drain_orphaned(|carrier, id, segment| evidence.forget(carrier, id, segment));
    }
}
