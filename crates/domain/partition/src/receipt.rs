//! What follows from a receipt that found its segment.

use message::{MessageState, Reason};

use crate::decide::{forget_all, state_may_rise};
use crate::effect::{Decision, Effect};
use crate::event::{Matched, ReceiptReport};
use crate::record::{self, Record};
use crate::state::Partition;

impl Partition {
    pub(crate) fn decide_receipt(&self, report: &ReceiptReport, decision: &mut Decision) {
        let id = report.segment.message;
        if let Some(entry) = self.live.get(&id) {
            record_receipt(report, Late::No, decision);
            let mut fold = entry.fold;
            fold.add(report.segment.segment, report.state);
            // Without a verdict nothing changes. A receipt by address settles a doubt only with the message: settling it alone would leave
            // an attempt that looks unanswered and would be sent again.
            if let Some((state, reason)) = fold.verdict(entry.payload.segments) {
                // The weaker evidence is what a caller should see; what it says is in the state.
                let reason = match report.matched {
                    Matched::ById => reason,
                    Matched::ByAddress => Reason::MatchedByAddress,
                };
                if entry.state == MessageState::Queued {
                    decision.effects.push(Effect::Withdraw(id));
                }
                self.finish(id, entry, (state, reason), decision);
            }
            return;
        }
        let Some(finished) = self.finished.find(id) else {
            return;
        };
        record_receipt(report, Late::Yes, decision);
        let mut fold = receipts::Fold::default();
        fold.add(report.segment.segment, report.state);
        if let Some((state, reason)) = fold.verdict(finished.view.segments)
            && state.rank() > finished.view.state.rank()
            && state_may_rise(finished.view.state)
        {
            decision.records.push(Record::Final(record::Final {
                segment: report.segment.into(),
                state: u32::from(state.number()),
                reason: u32::from(reason.number()),
                at_ms: decision.now.wall_ms,
            }));
            if !state_may_rise(state) {
                forget_all(&finished.taken, decision);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    Yes,
    No,
}

fn record_receipt(report: &ReceiptReport, late: Late, decision: &mut Decision) {
    decision.records.push(Record::Receipt(record::Receipt {
        segment: report.segment.into(),
        carrier: report.carrier.0,
        carrier_message_id: record::carrier_id_octets(&report.carrier_message_id),
        state: u32::from(report.state.number()),
        error: report.error.to_string(),
        at_ms: decision.now.wall_ms,
        by_address: report.matched == Matched::ByAddress,
        late: late == Late::Yes,
    }));
}

/// The reason that an event about a receipt shows.
#[must_use]
pub const fn receipt_reason(state: message::ReceiptState, by_address: bool) -> Reason {
    match state {
        _ if by_address => Reason::MatchedByAddress,
        message::ReceiptState::Enroute | message::ReceiptState::Accepted => {
            Reason::ReceiptIntermediate
        }
        message::ReceiptState::Delivered => Reason::ReceiptDelivered,
        message::ReceiptState::Expired => Reason::ExpiredAtCarrier,
        message::ReceiptState::Deleted => Reason::ReceiptDeleted,
        message::ReceiptState::Undeliverable => Reason::ReceiptUndeliverable,
        message::ReceiptState::Unknown => Reason::ReceiptUnknown,
        message::ReceiptState::Rejected => Reason::ReceiptRejected,
    }
}
