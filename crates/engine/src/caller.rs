//! Who submits, and what is answered.

use message::{CallerId, Category, MessageId, Reason, Slug, TenantId};

/// A configured client of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number.
    pub id: CallerId,
    /// Whose messages it submits.
    pub tenant: TenantId,
    /// Its configured name.
    pub name: Slug,
    /// Which categories it may use, by [`Category::index`].
    pub categories: [bool; 4],
}

impl Caller {
    /// Whether its configuration grants the category.
    #[must_use]
    pub const fn grants(&self, category: Category) -> bool {
        self.categories[category.index()]
    }
}

/// A field of a submission and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the API.
    pub field: &'static str,
    /// What it is and what is allowed.
    pub description: String,
}

/// Why a submission was not admitted. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The named reason.
    pub reason: Reason,
    /// When it is worth trying again, in milliseconds; `None` when trying again cannot help.
    pub retry_after_ms: Option<u64>,
    /// What is wrong with which field.
    pub violations: Vec<Violation>,
    /// The message that stands in the way.
    pub existing: Option<MessageId>,
}

impl Refusal {
    /// A refusal for `reason`, with the delay that fits it.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        Self {
            reason,
            retry_after_ms: retry_after_ms(reason),
            violations: Vec::new(),
            existing: None,
        }
    }

    /// A refusal because of one field.
    #[must_use]
    pub fn field(reason: Reason, field: &'static str, description: String) -> Self {
        Self {
            violations: vec![Violation { field, description }],
            ..Self::of(reason)
        }
    }
}

/// How long to wait before a refused submission is worth another try: short for queues that move within milliseconds, longer for limits
/// that only receipts or time free.
const fn retry_after_ms(reason: Reason) -> Option<u64> {
    match reason {
        Reason::IntakeBusy | Reason::JournalBusy => Some(20),
        Reason::CreditsFull => Some(1_000),
        Reason::OtpLaneFull | Reason::ReceiptsFull | Reason::IdempotencyFull => Some(10_000),
        Reason::Draining | Reason::JournalFailed => Some(5_000),
        // Refused again however often it comes; or no refusal at all.
        Reason::NoRoute
        | Reason::CategoryNotGranted
        | Reason::InvalidArgument
        | Reason::TextTooLong
        | Reason::IdempotencyConflict
        | Reason::AlreadyExpired
        | Reason::Unsupported
        | Reason::None
        | Reason::Admitted
        | Reason::IdempotentRepeat
        | Reason::SendAtPending
        | Reason::Written
        | Reason::TakenByCarrier
        | Reason::NoReceiptDue
        | Reason::CancelledByCaller
        | Reason::Recovered
        | Reason::RetryThrottled
        | Reason::RetryRejected
        | Reason::RetryUnwritten
        | Reason::RetryUncertain
        | Reason::LinkLost
        | Reason::ResponseTimeout
        | Reason::AnswerOverdue
        | Reason::ProcessCrash
        | Reason::PowerCut
        | Reason::LateAnswer
        | Reason::MatchedByAddress
        | Reason::ExpiredHere
        | Reason::ExpiredAtCarrier
        | Reason::AttemptsExhausted
        | Reason::ReceiptDeadline
        | Reason::UncertainDeadline
        | Reason::UncertainFailed
        | Reason::RouteRemoved
        | Reason::ReceiptDelivered
        | Reason::ReceiptUndeliverable
        | Reason::ReceiptDeleted
        | Reason::ReceiptRejected
        | Reason::ReceiptUnknown
        | Reason::ReceiptIntermediate
        | Reason::CarrierInvalidMessage
        | Reason::CarrierInvalidRecipient
        | Reason::CarrierInvalidSender
        | Reason::CarrierSystemError
        | Reason::CarrierQueueFull
        | Reason::CarrierSessionState
        | Reason::CarrierCapability
        | Reason::CarrierVendorStatus
        | Reason::NotEncodable => None,
    }
}

/// A submission that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Its id.
    pub id: MessageId,
    /// Whether it was admitted before, under the same idempotency key.
    pub repeat: bool,
}

/// The answer to a submission.
pub type AdmitReply = Result<Admission, Refusal>;
