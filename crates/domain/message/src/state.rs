//! The life of a message.

use std::fmt;

/// Where a message is.
///
/// ```text
/// Admitted ─┬─────────────► Queued ──► Attempting ─┬─► Submitted ─┬─► Delivered | Undeliverable | Expired | Unknown
///           └─► Scheduled ──► ▲            │       │              │
///                  ▲          └── retry ───┤       └─► Sent, Rejected, Failed, Unknown
///                  └────── delayed retry ──┘
/// Cancelled and Expired are reached from every live state before the first segment is written.
/// ```
///
/// States merge by [`MessageState::rank`] and never go backwards; evidence that comes after a final state is recorded and flagged late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Durable, not yet in a lane.
    Admitted,
    /// Waits for its time: `send_at`, or the delay before a retry.
    Scheduled,
    /// In a lane.
    Queued,
    /// Handed to a carrier, no answer yet.
    Attempting,
    /// Taken by the carrier, receipt awaited.
    Submitted,
    /// The receipt says it arrived.
    Delivered,
    /// Taken by the carrier, and no receipt is due.
    Sent,
    /// The receipt says it will not arrive.
    Undeliverable,
    /// The carrier refused it for good.
    Rejected,
    /// `valid_for` ended, here or at the carrier.
    Expired,
    /// Withdrawn by the client before its first segment was written.
    Cancelled,
    /// No route, or no attempts left.
    Failed,
    /// No evidence by the deadline.
    Unknown,
}

impl MessageState {
    /// Every state, live ones first.
    pub const ALL: [Self; 13] = [
        Self::Admitted,
        Self::Scheduled,
        Self::Queued,
        Self::Attempting,
        Self::Submitted,
        Self::Delivered,
        Self::Sent,
        Self::Undeliverable,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
        Self::Unknown,
    ];

    /// Whether the message is done with.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Admitted
            | Self::Scheduled
            | Self::Queued
            | Self::Attempting
            | Self::Submitted => false,
            Self::Delivered
            | Self::Sent
            | Self::Undeliverable
            | Self::Rejected
            | Self::Expired
            | Self::Cancelled
            | Self::Failed
            | Self::Unknown => true,
        }
    }

    /// The strength of the evidence behind a state: a merge keeps the higher rank. `Delivered` is above all, since a handset had it.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Admitted | Self::Scheduled | Self::Queued | Self::Attempting => 0,
            Self::Submitted => 1,
            Self::Unknown => 2,
            Self::Sent | Self::Expired | Self::Cancelled | Self::Failed | Self::Rejected => 3,
            Self::Undeliverable => 4,
            Self::Delivered => 5,
        }
    }

    /// The number that records and the API carry; never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Admitted => 1,
            Self::Scheduled => 2,
            Self::Queued => 3,
            Self::Attempting => 4,
            Self::Submitted => 5,
            Self::Delivered => 10,
            Self::Sent => 11,
            Self::Undeliverable => 12,
            Self::Rejected => 13,
            Self::Expired => 14,
            Self::Cancelled => 15,
            Self::Failed => 16,
            Self::Unknown => 17,
        }
    }

    /// The state of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The word used in metrics, reports and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Attempting => "attempting",
            Self::Submitted => "submitted",
            Self::Delivered => "delivered",
            Self::Sent => "sent",
            Self::Undeliverable => "undeliverable",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_and_final_states_outrank_live_ones() {
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_number(state.number()), Some(state));
            assert_eq!(state.is_final(), state.rank() >= 2, "{state}");
        }
        assert_eq!(MessageState::from_number(0), None);
    }
}
