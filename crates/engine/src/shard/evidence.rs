//! Receipts: from what a carrier says to the message it is about.
//!
//! ```text
//! carrier id known ──► the segment that awaits it
//! id of a message that is done with ──► a repeat: kept as an early receipt, in case the carrier uses its ids again, but by id only
//! not known ──► exactly one uncertain attempt fits carrier, sender, recipient ──► that attempt, by address
//!          └──► kept as an early receipt until its response comes, an attempt becomes uncertain that alone fits its addresses, or its
//!               time is over
//! no id at all ──► by address, else an orphan: counted and answered, since sending it again would not help
//! ```

use connector::{Receipt, ReceiptHandle, Verdict};
use message::{CarrierId, CarrierMessageId, Now, Payload, SegmentRef};
use partition::{Event, Matched, ReceiptReport};
use receipts::{Expectations, SettledIds, UncertainAttempts, address_hash};

use super::{Shard, ShardFailure};

/// Where evidence leads: derived from records, rebuilt on replay.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    expectations: Expectations,
    uncertain: UncertainAttempts,
    settled: SettledIds,
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
        self.note_settled(carrier, id);
    }

    /// The id named a message that is done with: what comes under it is about no other.
    pub(super) fn note_settled(&mut self, carrier: CarrierId, id: &CarrierMessageId) {
        if !id.as_bytes().is_empty() {
            self.settled.add(carrier, id);
        }
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

    /// The segment that a receipt is about, and how that is known.
    fn find(&mut self, carrier: CarrierId, receipt: &Receipt) -> (Option<SegmentRef>, Matched) {
        let id = &receipt.carrier_message_id;
        if let Some(segment) = self.expectations.find(carrier, id) {
            return (Some(segment), Matched::ById);
        }
        let may_settle = !self.uncertain.is_empty() && receipt.state.is_final();
        if !may_settle || self.settled.contains(carrier, id) {
            return (None, Matched::ByAddress);
        }
        let (recipient, sender) = (&receipt.recipient, &receipt.sender);
        let found = self.uncertain.only_match(carrier, recipient, sender);
        if found.is_some() {
            self.note_settled(carrier, id);
        }
        (found, Matched::ByAddress)
    }

    /// Whom an early receipt is about, 0 when it does not say or must not be found by it.
    fn address_of(&self, carrier: CarrierId, receipt: &Receipt) -> u64 {
        match (&*receipt.recipient, &*receipt.sender) {
            ("", _) | (_, "") => 0,
            _ if self.settled.contains(carrier, &receipt.carrier_message_id) => 0,
            (recipient, sender) => address_hash(carrier, recipient, sender),
        }
    }

    pub(super) fn awaited(&self) -> usize {
        self.expectations.len()
    }

    pub(super) fn uncertain(&self) -> usize {
        self.uncertain.len()
    }
}

impl Shard {
    /// Hands the early receipts of an id over to the message they belong to, as later decisions of this turn.
    pub(super) fn hand_over(
        &mut self,
        (keeper, carrier, id): (usize, CarrierId, CarrierMessageId),
        segment: SegmentRef,
        matched: Matched,
    ) {
        let owner = usize::from(segment.message.partition());
        for early in self.partitions[keeper].take_early(carrier, &id) {
            let report = ReceiptReport {
                segment,
                carrier,
                carrier_message_id: id.clone(),
                state: early.state,
                error: early.error,
                matched,
            };
            self.followups.push_back((owner, Event::Receipt(report)));
        }
        let leaves = Event::EarlyReceiptLeaves { carrier, id };
        self.followups.push_back((keeper, leaves));
    }

    /// An attempt has become uncertain. Its receipt may have come long before, while it was merely unanswered; as one that comes now it
    /// counts if it can be about nothing else: no other uncertain message and no other early receipt has these addresses.
    pub(super) fn seek_early(
        &mut self,
        carrier: CarrierId,
        segment: SegmentRef,
        payload: &Payload,
    ) {
        let digits = payload.recipient.digits();
        let sender = payload.sender.as_str();
        let uncertain = &self.evidence.uncertain;
        if uncertain.only_match(carrier, &digits, sender).is_none() {
            return;
        }
        let address = address_hash(carrier, &digits, sender);
        let since_ms = segment.message.made_at_ms();
        let mut fitting = Vec::new();
        for (keeper, partition) in self.partitions.iter().enumerate() {
            let ids = partition.early_at(address, since_ms).take(2);
            fitting.extend(ids.map(|(carrier, id)| (keeper, *carrier, id.clone())));
        }
        if let (Some(found), true) = (fitting.pop(), fitting.is_empty()) {
            if let Some(metrics) = self.shared.metrics.carrier(carrier) {
                metrics.by_address.increment(1);
            }
            self.evidence.note_settled(found.1, &found.2);
            self.hand_over(found, segment, Matched::ByAddress);
        }
    }

    pub(super) fn take_receipt(
        &mut self,
        carrier: CarrierId,
        handle: ReceiptHandle,
        receipt: Receipt,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let metrics = self.shared.metrics.carrier(carrier);
        let named = !receipt.carrier_message_id.as_bytes().is_empty();
        let (segment, matched) = self.evidence.find(carrier, &receipt);
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
                let address = self.evidence.address_of(carrier, &receipt);
                let early = Event::EarlyReceipt {
                    carrier,
                    id: receipt.carrier_message_id,
                    state: receipt.state,
                    error: receipt.error,
                    address,
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
