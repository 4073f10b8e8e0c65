//! What the index keeps about a message, and about itself.

use message::{
    CATEGORIES, CallerId, CarrierId, Category, MessageId, MessageState, Reason, RouteGroupId,
    TenantId,
};

use crate::fact::{Admission, Change, Fact, Moved, Progress};
use crate::{IndexError, RecipientHash};

/// The layout of keys and rows. An index of another layout is rebuilt.
const FORMAT: u32 = 2;

/// What the index knows of itself.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Meta {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(bytes = "vec", tag = "2")]
    secret_check: Vec<u8>,
    #[prost(uint64, tag = "3")]
    position: u64,
    #[prost(uint64, tag = "4")]
    at_ms: u64,
    #[prost(uint64, tag = "5")]
    last_start: u64,
    #[prost(fixed64, tag = "6")]
    last_check: u64,
}

impl Meta {
    pub(crate) fn new(secret_check: [u8; 16], progress: Progress) -> Self {
        Self {
            format: FORMAT,
            secret_check: secret_check.to_vec(),
            position: progress.position,
            at_ms: progress.at_ms,
            last_start: progress.last_start,
            last_check: progress.last_check,
        }
    }

    /// How far the index reaches; `None` when it was made by another release or with another secret.
    pub(crate) fn progress(&self, secret_check: [u8; 16]) -> Option<Progress> {
        (self.format == FORMAT && self.secret_check == secret_check).then_some(Progress {
            position: self.position,
            at_ms: self.at_ms,
            last_start: self.last_start,
            last_check: self.last_check,
        })
    }
}

/// A message's row.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Row {
    #[prost(fixed32, tag = "1")]
    tenant: u32,
    #[prost(fixed32, tag = "2")]
    caller: u32,
    #[prost(fixed32, tag = "3")]
    group: u32,
    #[prost(fixed32, tag = "4")]
    carrier: u32,
    #[prost(uint32, tag = "5")]
    category: u32,
    #[prost(uint32, tag = "6")]
    state: u32,
    #[prost(uint32, tag = "7")]
    reason: u32,
    /// Empty until a record says what the message is: its admission may be older than the journal that is held.
    #[prost(bytes = "vec", tag = "8")]
    recipient: Vec<u8>,
    #[prost(uint64, tag = "9")]
    admitted_ms: u64,
    #[prost(uint64, tag = "10")]
    changed_ms: u64,
    #[prost(bool, tag = "11")]
    uncertain: bool,
    #[prost(uint32, tag = "12")]
    records: u32,
    #[prost(uint64, tag = "13")]
    pub(crate) last_end: u64,
}

/// What a list shows of a message. Neither number nor text: the index has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// The message.
    pub id: MessageId,
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
    /// Where it was by the last record that is indexed.
    pub state: MessageState,
    /// Why.
    pub reason: Reason,
    /// The carrier of that record or the one before that named one.
    pub carrier: Option<CarrierId>,
    /// When it was admitted, in milliseconds since the epoch.
    pub admitted_ms: u64,
    /// When it last moved, in milliseconds since the epoch.
    pub changed_ms: u64,
    /// Whether any attempt was ever uncertain.
    pub uncertain: bool,
    /// How many records are indexed.
    pub records: u32,
}

impl Row {
    /// Takes note of a record; facts that the row has seen change nothing.
    pub(crate) fn apply(&mut self, fact: &Fact) {
        if fact.end <= self.last_end {
            return;
        }
        self.last_end = fact.end;
        self.records = self.records.saturating_add(1);
        match &fact.change {
            Change::Admitted(admission) => self.admitted(admission, fact.at_ms),
            Change::Moved(moved) => self.moved(moved, fact.at_ms),
            Change::Noted => {}
        }
    }

    fn admitted(&mut self, admission: &Admission, at_ms: u64) {
        self.tenant = admission.tenant.0;
        self.caller = admission.caller.0;
        self.group = admission.group.0;
        self.category = admission.category.index() as u32;
        self.recipient = admission.recipient.0.to_vec();
        self.admitted_ms = admission.admitted_ms;
        self.uncertain |= admission.uncertain;
        if let Some(carrier) = admission.carrier {
            self.carrier = carrier.0;
        }
        self.go(Some(admission.state), Some(admission.reason), at_ms);
    }

    fn moved(&mut self, moved: &Moved, at_ms: u64) {
        self.uncertain |= moved.uncertain;
        if let Some(carrier) = moved.carrier {
            self.carrier = carrier.0;
        }
        self.go(moved.state, moved.reason, at_ms);
    }

    /// What comes after a final state and is no final state itself is late evidence, and moves nothing.
    fn go(&mut self, state: Option<MessageState>, reason: Option<Reason>, at_ms: u64) {
        let ends = state.is_some_and(MessageState::is_final);
        if self.state().is_some_and(MessageState::is_final) && !ends {
            return;
        }
        if let Some(state) = state {
            self.state = u32::from(state.number());
        }
        if let Some(reason) = reason {
            self.reason = u32::from(reason.number());
        }
        self.changed_ms = self.changed_ms.max(at_ms);
    }

    fn state(&self) -> Option<MessageState> {
        u8::try_from(self.state)
            .ok()
            .and_then(MessageState::from_number)
    }

    /// Under which tenant and state it is listed, and for whom; `None` while nobody knows what the message is.
    pub(crate) fn listing(&self) -> Option<(TenantId, MessageState, RecipientHash)> {
        let recipient = <[u8; 16]>::try_from(self.recipient.as_slice()).ok()?;
        Some((
            TenantId(self.tenant),
            self.state()?,
            RecipientHash(recipient),
        ))
    }

    /// The row for people; `None` while nobody knows what the message is.
    pub(crate) fn summary(&self, id: MessageId) -> Result<Option<MessageSummary>, IndexError> {
        let Some((tenant, state, recipient)) = self.listing() else {
            return Ok(None);
        };
        let unreadable = |what: &str| IndexError::Damaged(format!("the row of {id} has no {what}"));
        let category = usize::try_from(self.category)
            .ok()
            .and_then(|at| CATEGORIES.get(at))
            .ok_or_else(|| unreadable("category"))?;
        let reason = u16::try_from(self.reason)
            .ok()
            .and_then(Reason::from_number)
            .ok_or_else(|| unreadable("reason"))?;
        Ok(Some(MessageSummary {
            id,
            tenant,
            caller: CallerId(self.caller),
            group: RouteGroupId(self.group),
            category: *category,
            recipient,
            state,
            reason,
            carrier: (self.carrier != 0).then_some(CarrierId(self.carrier)),
            admitted_ms: self.admitted_ms,
            changed_ms: self.changed_ms,
            uncertain: self.uncertain,
            records: self.records,
        }))
    }
}
