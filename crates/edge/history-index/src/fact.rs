//! What the index is told.

use message::{
    CallerId, CarrierId, Category, MessageId, MessageState, Reason, RouteGroupId, TenantId,
};

use crate::RecipientHash;

/// One record of a message, as the index sees it. Facts come in journal order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The message.
    pub id: MessageId,
    /// Where the record begins in the journal.
    pub start: u64,
    /// Where it ends; rises from fact to fact.
    pub end: u64,
    /// When it was made, in milliseconds since the epoch; 0 when the record does not say.
    pub at_ms: u64,
    /// What it says about the message.
    pub change: Change,
}

/// What a record says about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What it is: from its admission, or from a later record that repeats it.
    Admitted(Admission),
    /// Where it went.
    Moved(Moved),
    /// Nothing that a summary shows.
    Noted,
}

/// What a message is, and where it was at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// Which carriers may pull it.
    pub group: RouteGroupId,
    /// Its category.
    pub category: Category,
    /// Whom it is for.
    pub recipient: RecipientHash,
    /// When it was admitted, in milliseconds since the epoch.
    pub admitted_ms: u64,
    /// Where it is.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// The carrier of its last attempt; `None` before any.
    pub carrier: Option<CarrierId>,
    /// Whether any attempt was ever uncertain.
    pub uncertain: bool,
}

/// Where a message went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The state after it; `None` when it stays. A final state is left for another final one only.
    pub state: Option<MessageState>,
    /// Why; `None` when that stays.
    pub reason: Option<Reason>,
    /// The carrier it is about; `None` when it is about none.
    pub carrier: Option<CarrierId>,
    /// Whether it is an attempt that may have been taken without an answer.
    pub uncertain: bool,
}

/// How far the index reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every record that ends at or before this journal position is in the index.
    pub position: u64,
    /// The time of the latest of them, in milliseconds since the epoch; 0 when there is none.
    pub at_ms: u64,
    /// Where the last of them begins.
    pub last_start: u64,
    /// A hash of the last of them. Where the journal lost its end to a power cut, another record may lie there by now, and then the
    /// index describes what is no more.
    pub last_check: u64,
}

/// Of what sort a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A carrier's.
    Carrier,
    /// A route group's.
    Group,
    /// A tenant's.
    Tenant,
}

impl NameKind {
    pub(crate) const fn octet(self) -> u8 {
        match self {
            Self::Carrier => b'c',
            Self::Group => b'g',
            Self::Tenant => b't',
        }
    }
}

/// What a number in the records is called. Kept so that records can be read when the configuration names the thing no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Of what sort.
    pub kind: NameKind,
    /// The number.
    pub number: u32,
    /// What it is called.
    pub slug: String,
}

/// What whoever opened the journal noted of itself: in force for the records behind it, up to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Where the note begins in the journal.
    pub start: u64,
    /// The note, as its writer encoded it.
    pub note: Vec<u8>,
}

/// A part of the journal, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// What its records say about messages, in journal order.
    pub facts: Vec<Fact>,
    /// The names it gives; what was kept of a number before gives way.
    pub names: Vec<Name>,
    /// The notes of openings in it.
    pub openings: Vec<Opening>,
    /// How far the index reaches with it.
    pub progress: Progress,
}
