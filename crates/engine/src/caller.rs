//! Who submits, and what is answered.

use message::{CallerId, Category, MessageId, Reason, RefusalClass, Slug, TenantId};

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

/// How long to wait before a refused submission is worth another try.
const fn retry_after_ms(reason: Reason) -> Option<u64> {
    match reason.refusal_class() {
        Some(RefusalClass::BusyNow) => Some(20),
        Some(RefusalClass::QueueFull) => Some(1_000),
        Some(RefusalClass::Away) => Some(5_000),
        Some(RefusalClass::TableFull) => Some(10_000),
        Some(
            RefusalClass::Malformed
            | RefusalClass::Forbidden
            | RefusalClass::Unroutable
            | RefusalClass::Conflict
            | RefusalClass::Unsupported,
        )
        | None => None,
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

impl Admission {
    /// The named reason of the answer.
    #[must_use]
    pub const fn reason(self) -> Reason {
        if self.repeat {
            Reason::IdempotentRepeat
        } else {
            Reason::Admitted
        }
    }
}

/// The answer to a submission.
pub type AdmitReply = Result<Admission, Refusal>;
