//! What a message centre counted.

use serde::Serialize;
use smpp_codec::MessageStateValue;

/// Counts so far. Except for those that say `open`, `bound` or `outstanding`, they only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections closed at once as `connections_max` were open.
    pub connections_refused: u64,
    /// Connections closed by the script.
    pub connections_dropped: u64,
    /// Connections that the script let hang half-open.
    pub connections_hung: u64,
    /// Connections closed since the peer broke the protocol or read nothing.
    pub protocol_errors: u64,
    /// Binds accepted.
    pub binds: u64,
    /// Binds refused.
    pub binds_refused: u64,
    /// Sessions bound now.
    pub sessions_bound: u64,
    /// `submit_sm` seen, whatever the answer.
    pub submits: u64,
    /// Of these, taken.
    pub taken: u64,
    /// Of those taken, messages seen for the first time.
    pub unique_messages: u64,
    /// Of those taken, copies of one taken before.
    pub copies: u64,
    /// Of those taken, seen with the table of messages full: first or copy, nobody knows.
    pub untracked: u64,
    /// Answered `ESME_RTHROTTLED`.
    pub throttled: u64,
    /// Refused at random by the script.
    pub rejected: u64,
    /// Answered `ESME_RMSGQFUL` as a limit of the simulator was reached.
    pub refused_full: u64,
    /// Requests other than `submit_sm`, refused.
    pub refused_other: u64,
    /// Answers that the script withheld.
    pub answers_lost: u64,
    /// Receipts that submits asked for.
    pub receipts_planned: u64,
    /// Receipts sent for the first time.
    pub receipts_sent: u64,
    /// Receipts sent again.
    pub receipts_resent: u64,
    /// Receipts acknowledged.
    pub receipts_acked: u64,
    /// Receipts given up after `attempts_max`.
    pub receipts_given_up: u64,
    /// Receipts neither acknowledged nor given up.
    pub receipts_outstanding: u64,
    /// Receipts planned as `DELIVRD`.
    pub planned_delivered: u64,
    /// Receipts planned as `UNDELIV`.
    pub planned_undeliverable: u64,
    /// Receipts planned as `EXPIRED`.
    pub planned_expired: u64,
    /// Receipts planned as `REJECTD`.
    pub planned_rejected: u64,
    /// Receipts planned as `UNKNOWN`.
    pub planned_unknown: u64,
    /// Messages from handsets queued.
    pub inbound_queued: u64,
    /// Of these, sent for the first time.
    pub inbound_sent: u64,
    /// Sent again.
    pub inbound_resent: u64,
    /// Acknowledged.
    pub inbound_acked: u64,
    /// Given up after `attempts_max`.
    pub inbound_given_up: u64,
    /// Neither acknowledged nor given up.
    pub inbound_outstanding: u64,
    /// Not queued: they fit no `deliver_sm`, or too many waited.
    pub inbound_refused: u64,
    /// The most submits that any second [t, t + 1 s) has held, by the time they were received.
    pub max_in_any_second: u64,
}

/// Everything counted, as it stands in the JSON report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// From the start to now, in seconds.
    pub seconds: f64,
    /// The counts.
    #[serde(flatten)]
    pub counts: Snapshot,
    /// From the write stamped in TLV 0x3FF0 to our read; absent when no submit had one.
    pub write_to_receive: Option<DelayReport>,
    /// Stamps from the future: the sender's clock is not ours. They are in no delay.
    pub stamps_ahead: u64,
    /// Messages taken more than once, at most 100,000 of them.
    pub copies_of: Vec<CopiesOf>,
    /// Copies of further messages.
    pub copies_unlisted: u64,
}

/// A message taken more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiesOf {
    /// Its id in hexadecimal, or `content:` and a hash when it was not stamped.
    pub message: String,
    /// Copies beyond the first.
    pub copies: u32,
}

/// Delays in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DelayReport {
    /// How many were measured.
    pub count: u64,
    /// The shortest, exact.
    pub min_ns: u64,
    /// Half are not above this, to three digits.
    pub p50_ns: u64,
    /// 99 of 100 are not above this, to three digits.
    pub p99_ns: u64,
    /// The longest, exact.
    pub max_ns: u64,
    /// `max_ns` - `min_ns`: by so much the carrier may see a burst closer than it was written.
    pub spread_ns: u64,
}

impl Snapshot {
    /// The count of receipts planned with this state; states that the script cannot choose count as unknown.
    pub(crate) fn planned(&mut self, state: MessageStateValue) -> &mut u64 {
        match state {
            MessageStateValue::Delivered => &mut self.planned_delivered,
            MessageStateValue::Undeliverable => &mut self.planned_undeliverable,
            MessageStateValue::Expired => &mut self.planned_expired,
            MessageStateValue::Rejected => &mut self.planned_rejected,
            MessageStateValue::Unknown
            | MessageStateValue::Scheduled
            | MessageStateValue::Enroute
            | MessageStateValue::Deleted
            | MessageStateValue::Accepted
            | MessageStateValue::Skipped
            | MessageStateValue::Other(_) => &mut self.planned_unknown,
        }
    }
}
