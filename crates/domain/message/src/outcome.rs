//! What a carrier says: about an attempt, and later about a message.

use std::fmt;

use crate::Reason;

/// The carrier's name for what it took: the `message_id` of a submit_sm_resp, made canonical by the carrier's id rule.
///
/// Up to 64 octets of anything (SMPP 3.4, 5.2.23); most are short, so they live in one boxed slice.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CarrierMessageId(Box<[u8]>);

impl CarrierMessageId {
    /// The id of these octets.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CarrierMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Display for CarrierMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether a refused attempt may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The fault may pass: try again after a delay.
    Retry,
    /// It will be refused every time.
    Final,
}

/// What became of one attempt. The connector judges its own answers; the engine obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier took it and calls it this.
    Submitted {
        /// The carrier's id, canonical; empty when the carrier gave none.
        carrier_message_id: CarrierMessageId,
    },
    /// The carrier asks us to slow down; the attempt costs no retry.
    Throttled,
    /// The carrier refused it.
    Rejected {
        /// May it be tried again?
        rejection: Rejection,
        /// Why, in our numbers.
        reason: Reason,
    },
    /// Bytes may have left and there is no answer.
    Uncertain {
        /// What we were waiting for when it went wrong.
        reason: Reason,
    },
    /// No byte reached the kernel, or the peer guarantees that it was not processed: free to try again.
    Unwritten,
}

/// An [`Outcome`] without its particulars: what records and metrics carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeClass {
    /// [`Outcome::Submitted`].
    Submitted,
    /// [`Outcome::Throttled`].
    Throttled,
    /// [`Outcome::Rejected`] with [`Rejection::Retry`].
    RejectedRetry,
    /// [`Outcome::Rejected`] with [`Rejection::Final`].
    RejectedFinal,
    /// [`Outcome::Uncertain`].
    Uncertain,
    /// [`Outcome::Unwritten`].
    Unwritten,
}

impl Outcome {
    /// Its class.
    #[must_use]
    pub const fn class(&self) -> OutcomeClass {
        match self {
            Self::Submitted { .. } => OutcomeClass::Submitted,
            Self::Throttled => OutcomeClass::Throttled,
            Self::Rejected {
                rejection: Rejection::Retry,
                ..
            } => OutcomeClass::RejectedRetry,
            Self::Rejected {
                rejection: Rejection::Final,
                ..
            } => OutcomeClass::RejectedFinal,
            Self::Uncertain { .. } => OutcomeClass::Uncertain,
            Self::Unwritten => OutcomeClass::Unwritten,
        }
    }
}

impl OutcomeClass {
    /// Every class; a class's place here is [`Self::index`].
    pub const ALL: [Self; 6] = [
        Self::Submitted,
        Self::Throttled,
        Self::RejectedRetry,
        Self::RejectedFinal,
        Self::Uncertain,
        Self::Unwritten,
    ];

    /// The class's place in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Submitted => 0,
            Self::Throttled => 1,
            Self::RejectedRetry => 2,
            Self::RejectedFinal => 3,
            Self::Uncertain => 4,
            Self::Unwritten => 5,
        }
    }

    /// The number that records carry; never reused.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Submitted => 1,
            Self::Throttled => 2,
            Self::RejectedRetry => 3,
            Self::RejectedFinal => 4,
            Self::Uncertain => 5,
            Self::Unwritten => 6,
        }
    }

    /// The class of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.number() == number)
    }

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Throttled => "throttled",
            Self::RejectedRetry => "rejected_retry",
            Self::RejectedFinal => "rejected_final",
            Self::Uncertain => "uncertain",
            Self::Unwritten => "unwritten",
        }
    }
}

/// What a receipt says (SMPP 3.4, 5.2.28 and appendix B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptState {
    /// On its way; more will follow.
    Enroute,
    /// Arrived.
    Delivered,
    /// The validity period ended at the carrier.
    Expired,
    /// Deleted at the carrier.
    Deleted,
    /// Cannot be delivered.
    Undeliverable,
    /// Taken over by somebody further on; more may follow.
    Accepted,
    /// The carrier does not know.
    Unknown,
    /// Refused further on.
    Rejected,
}

impl ReceiptState {
    /// Every state a receipt may carry.
    pub const ALL: [Self; 8] = [
        Self::Enroute,
        Self::Delivered,
        Self::Expired,
        Self::Deleted,
        Self::Undeliverable,
        Self::Accepted,
        Self::Unknown,
        Self::Rejected,
    ];

    /// The number of SMPP 3.4, 5.2.28, which records carry too.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Enroute => 1,
            Self::Delivered => 2,
            Self::Expired => 3,
            Self::Deleted => 4,
            Self::Undeliverable => 5,
            Self::Accepted => 6,
            Self::Unknown => 7,
            Self::Rejected => 8,
        }
    }

    /// The state of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Whether the carrier will say nothing more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Enroute | Self::Accepted => false,
            Self::Delivered
            | Self::Expired
            | Self::Deleted
            | Self::Undeliverable
            | Self::Unknown
            | Self::Rejected => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_lead_back() {
        for (at, class) in OutcomeClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), at);
            assert_eq!(OutcomeClass::from_number(class.number()), Some(class));
        }
        assert_eq!(OutcomeClass::from_number(0), None);
        for state in ReceiptState::ALL {
            assert_eq!(ReceiptState::from_number(state.number()), Some(state));
        }
    }
}
