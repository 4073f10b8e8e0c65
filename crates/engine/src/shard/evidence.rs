//! Receipts: from what a carrier says to the message it is about.
//!
//! ```text
//! carrier id known ──► the segment that awaits it
//! id of a message that is done with ──► a repeat: kept as an early receipt, in case the carrier uses its ids again, but by id only
//! not known ──► exactly one uncertain attempt fits carrier, sender, recipient, and nothing under way does ──► that attempt, by address
//!          └──► kept as an early receipt until its response comes, an attempt becomes uncertain that alone fits its addresses, or its
//!               time is over
//! awaited on the disk, perhaps ──► looked up first: see [`super::awaited`]
//! no id at all ──► by address, else an orphan: counted and answered, since sending it again would not help
//! ```

use connector::{ConnectorEvent, Receipt, ReceiptHandle, Verdict};
use message::{CarrierId, CarrierMessageId, Now, Payload, SegmentRef};
use partition::{Event, Matched, ReceiptReport};
use receipts::{Expectations, SettledIds, UncertainAttempts, address_hash};

use super::{Shard, ShardFailure};

/// Most awaited receipts that are looked through for one without an id.
const LOOKED_AT_MAX: usize = 4_096;

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

    /// The message is done with, and so is its id unless that names a later one by now, in memory or on the disk.
    pub(super) fn forget(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        segment: SegmentRef,
    ) {
        if self.expectations.forget(carrier, id, segment) {
            self.note_settled(carrier, id);
        }
    }

    /// Awaits it no longer here: the message goes to the disk. `false` when the id belongs to a later message.
    pub(super) fn lift(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
        segment: SegmentRef,
    ) -> bool {
        let owned = self.expectations.forget(carrier, id, segment);
        if owned {
            self.settled.remove(carrier, id);
        }
        owned
    }

    /// Whether the last message that had this id is done with.
    pub(super) fn is_settled(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        self.settled.contains(carrier, id)
    }

    /// Whether a message in memory awaits this receipt.
    pub(super) fn awaits(&self, carrier: CarrierId, id: &CarrierMessageId) -> bool {
        self.expectations.find(carrier, id).is_some()
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
    fn find(&self, carrier: CarrierId, receipt: &Receipt) -> (Option<SegmentRef>, Matched) {
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

    fn awaited_of(&self, carrier: CarrierId) -> impl Iterator<Item = SegmentRef> + '_ {
        self.expectations.of(carrier)
    }

    pub(super) fn awaited(&self) -> usize {
        self.expectations.len()
    }

    pub(super) fn uncertain(&self) -> usize {
        self.uncertain.len()
    }
}

/// A receipt that came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) carrier: CarrierId,
    pub(super) handle: ReceiptHandle,
    pub(super) receipt: Receipt,
    /// Monotonic.
    pub(super) arrived_ns: u64,
}

/// Whether the disk was asked about a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUp {
    ToBeDone,
    Done,
}

impl Shard {
    /// The carriers that an attempt may have gone over: the one that is known, else every one that is configured.
    pub(super) fn possible(&self, carrier: Option<CarrierId>) -> Vec<CarrierId> {
        let all = || self.cell.carriers.iter().map(|known| known.id).collect();
        carrier.map_or_else(all, |known| vec![known])
    }

    /// An attempt is in doubt, at each carrier that it may have gone over: a receipt of any of them may be about it.
    pub(super) fn doubt(
        &mut self,
        carrier: Option<CarrierId>,
        segment: SegmentRef,
        payload: &Payload,
    ) {
        for carrier in self.possible(carrier) {
            self.evidence.doubt(carrier, segment, payload);
        }
    }

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
        if self.may_be_about_another(carrier, (&*digits, sender), segment) {
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

    /// The segment that a receipt is about, and how that is known. By address it is about a doubted attempt only if nothing else can have
    /// caused it: see [`Self::may_be_about_another`].
    fn segment_of(
        &mut self,
        carrier: CarrierId,
        receipt: &Receipt,
    ) -> (Option<SegmentRef>, Matched) {
        let (found, matched) = self.evidence.find(carrier, receipt);
        let Some(segment) = found.filter(|_| matched == Matched::ByAddress) else {
            return (found, matched);
        };
        let address = (&*receipt.recipient, &*receipt.sender);
        let named = !receipt.carrier_message_id.as_bytes().is_empty();
        if self.may_be_about_another(carrier, address, segment)
            || (!named && self.another_awaits(carrier, address, segment))
        {
            return (None, Matched::ByAddress);
        }
        self.evidence
            .note_settled(carrier, &receipt.carrier_message_id);
        (Some(segment), Matched::ByAddress)
    }

    /// Whether another message with these addresses is under way at the carrier: its answer, which would name the id of its receipt, may be
    /// on the way or wait behind the receipt. Looked up only when a receipt is about to be matched by address, so that sending
    /// pays nothing for it; windows bound how many there are.
    fn may_be_about_another(
        &self,
        carrier: CarrierId,
        (recipient, sender): (&str, &str),
        than: SegmentRef,
    ) -> bool {
        let fits = |segment: SegmentRef| {
            let at = usize::from(segment.message.partition());
            segment.message != than.message
                && self.partitions[at].is_under_way(segment, recipient, sender)
        };
        let mut found = self.inbox.iter().any(|(from, event)| {
            matches!(event, ConnectorEvent::Outcome { segment, .. } if *from == carrier && fits(*segment))
        });
        self.cell
            .in_flight(carrier, &mut |segment| found = found || fits(segment));
        found
    }

    /// Whether another message with these addresses awaits its receipt at the carrier: one without an id may be about either. Where too
    /// many await one to look at each, it counts as about another.
    fn another_awaits(
        &self,
        carrier: CarrierId,
        (recipient, sender): (&str, &str),
        than: SegmentRef,
    ) -> bool {
        let fits = |segment: SegmentRef| {
            let at = usize::from(segment.message.partition());
            segment.message != than.message
                && self.partitions[at].went_between(segment.message, recipient, sender)
        };
        self.receipts_on_disk() > 0
            || self.evidence.awaited() > LOOKED_AT_MAX
            || self.evidence.awaited_of(carrier).any(fits)
    }

    pub(super) fn take_receipt(
        &mut self,
        carrier: CarrierId,
        handle: ReceiptHandle,
        receipt: Receipt,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let arrived = Arrived {
            carrier,
            handle,
            receipt,
            arrived_ns: now.mono_ns,
        };
        self.match_receipt(arrived, LookUp::ToBeDone, now)
    }

    /// Finds what a receipt is about and decides it, unless the disk must be asked first.
    pub(super) fn match_receipt(
        &mut self,
        arrived: Arrived,
        look_up: LookUp,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let (carrier, receipt) = (arrived.carrier, &arrived.receipt);
        if look_up == LookUp::ToBeDone && self.may_lie_on_disk(carrier, receipt) {
            self.look_up(arrived, now);
            return Ok(());
        }
        let Arrived {
            carrier,
            handle,
            receipt,
            arrived_ns,
        } = arrived;
        let named = !receipt.carrier_message_id.as_bytes().is_empty();
        let (segment, matched) = self.segment_of(carrier, &receipt);
        if let Some(metrics) = self.shared.metrics.carrier(carrier) {
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
        self.deferred
            .acknowledge((position, look_up), (carrier, handle), arrived_ns);
        Ok(())
    }

    /// Drops the expectations of finished messages that a partition has forgotten.
    pub(super) fn forget_orphaned(&mut self, at: usize) {
        let evidence = &mut self.evidence;
        self.partitions[at]
            .drain_orphaned(|carrier, id, segment| evidence.forget(carrier, id, segment));
    }
}
