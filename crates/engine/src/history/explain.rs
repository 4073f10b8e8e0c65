//! Everything that is known of one message.

use std::collections::HashMap;

use history_index::{MessageSummary, NameKind};
use journal::Position;
use message::{
    CallerId, CarrierId, Category, LANES, Lane, MessageId, MessageState, Msisdn, Reason,
    ReceiptWanted, RouteGroupId, TenantId,
};
use partition::MessageView;

use super::awaited::Awaited;
use super::found::{Found, admission, unreadable};
use super::record::HistoryRecord;
use super::rules::{Rule, rules};
use super::slot::OpenIndex;
use super::written::{self, Writes};
use super::{HistoryError, Indexed};
use crate::shared::Shared;

/// What was submitted, without its text. `Debug` masks the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who submitted it.
    pub caller: CallerId,
    /// Which carriers may pull it.
    pub group: RouteGroupId,
    /// What that group is called.
    pub group_name: String,
    /// Its category.
    pub category: Category,
    /// Its lane.
    pub lane: Lane,
    /// Whom it is for.
    pub recipient: Msisdn,
    /// Who it says it is from.
    pub sender: String,
    /// Which receipts are wanted.
    pub receipt_wanted: ReceiptWanted,
    /// When it was admitted, in milliseconds since the epoch.
    pub admitted_ms: u64,
    /// Not to be sent before, in milliseconds since the epoch; 0 for at once.
    pub send_at_ms: u64,
    /// Not to be sent after, in milliseconds since the epoch.
    pub expires_ms: u64,
    /// Segments of an attempt.
    pub segments: u32,
    /// The configuration it was admitted under.
    pub config_version: u32,
    /// The batch it belongs to; empty for none.
    pub batch_id: String,
    /// Whether it came with an idempotency key.
    pub has_idempotency_key: bool,
    /// Whether its first attempt was claimed with the admission.
    pub claimed: bool,
}

/// Everything that is known of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The message.
    pub id: MessageId,
    /// As the engine holds it now; `None` when it has ended and been forgotten, and only its history is left.
    pub now: Option<MessageView>,
    /// Where it is: by the engine, else by its records.
    pub state: Option<MessageState>,
    /// Why.
    pub reason: Reason,
    /// What it waits for; `None` when the engine does not hold it and its records do not end.
    pub awaited: Option<Awaited>,
    /// Until when, in milliseconds since the epoch; 0 for no such time.
    pub awaited_until_ms: u64,
    /// What was submitted; `None` when the record of its admission is gone.
    pub submitted: Option<Submitted>,
    /// Its records, in journal order; those of the written log stand before what followed from them.
    pub records: Vec<HistoryRecord>,
    /// The rules that they show, with the figures of the policies that were in force.
    pub rules: Vec<Rule>,
    /// The names of the carriers in them.
    pub carriers: HashMap<CarrierId, String>,
    /// How far the index reached; what lies beyond was read from the journal.
    pub indexed: Indexed,
    /// What is not shown.
    pub missing: Missing,
}

/// What an explanation could not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Records whose journal files are gone.
    pub forgotten: usize,
    /// Records that cannot be read.
    pub unreadable: usize,
    /// Journal that is neither indexed nor was read, in bytes: the index is too far behind or not open, or was so when history let go of it.
    pub unread_bytes: u64,
    /// Whether there are more records than are shown.
    pub more: bool,
    /// Attempts whose writes the written log has let go of; their outcomes name the session.
    pub writes_forgotten: usize,
    /// Written log that was not read, in bytes.
    pub writes_unread_bytes: u64,
    /// Records whose policies nobody knows any more: what opened the journal for them is gone.
    pub policies_unknown: usize,
}

/// Reads a message's history. Blocks. `now` is what the engine holds of it, and when something must happen to it next.
pub(crate) fn explain(
    shared: &Shared,
    tenant: TenantId,
    id: MessageId,
    now: Option<(MessageView, u64)>,
) -> Result<Explanation, HistoryError> {
    let source = shared.history.source()?;
    // After the view was taken, so that the journal read here holds all that the view knows.
    let durable = source.durable();
    let (mut found, indexed, open) = Found::begin(shared, source, id)?;
    found.scan(source, Position(indexed.position), durable)?;
    let summary = match &open {
        Some(open) => open.index.summary(id).map_err(unreadable)?,
        None => None,
    };
    let admitted = found.records.values().find_map(admission);
    let owner = now
        .as_ref()
        .map(|(view, _)| view.tenant)
        .or(admitted.map(|(admitted, _)| TenantId(admitted.tenant)))
        .or(summary.as_ref().map(|summary| summary.tenant));
    if owner != Some(tenant) {
        return Err(HistoryError::Unknown);
    }
    let names = Names {
        shared,
        open: open.as_ref(),
    };
    if let Some(open) = &open {
        let known = found.records.range(..indexed.position);
        let known = known.map(|(position, _)| *position);
        found.policies.look_up(open, known).map_err(unreadable)?;
    }
    let writes = written::read(source, id, found.times_ms(now.is_some()))?;
    Ok(found.tell(&names, (now, summary), (indexed, writes)))
}

/// A message that the engine holds no more has ended: its last Final record says how.
fn last_state(records: &[HistoryRecord]) -> Option<(MessageState, Reason)> {
    records
        .iter()
        .rev()
        .find_map(|record| Some((record.state?, record.reason)))
}

impl Found {
    /// When segments may have been written, in milliseconds since the epoch: from the admission to the last record, or on and on.
    fn times_ms(&self, held: bool) -> (u64, u64) {
        let admitted = self.records.values().find_map(admission);
        let from_ms = admitted.map_or(0, |(admitted, _)| admitted.admitted_ms);
        let shown = self.records.iter();
        let shown = shown.filter_map(|(position, record)| HistoryRecord::of(*position, record));
        let last_ms = shown.map(|record| record.at_ms).max();
        match last_ms {
            Some(last_ms) if !held => (from_ms, last_ms),
            Some(_) | None => (from_ms, u64::MAX),
        }
    }

    /// Puts what was found, what the engine holds and what the index says together.
    fn tell(
        mut self,
        names: &Names<'_>,
        (now, summary): (Option<(MessageView, u64)>, Option<MessageSummary>),
        (indexed, writes): (Indexed, Writes),
    ) -> Explanation {
        let submitted = self.records.values().find_map(admission);
        let submitted = submitted.and_then(|(admitted, keyed)| names.submitted(admitted, keyed));
        let mut records: Vec<_> = self
            .records
            .iter()
            .filter_map(|(position, record)| HistoryRecord::of(*position, record))
            .collect();
        let rules = rules(submitted.as_ref(), &records, &self.policies);
        let unknown = records
            .iter()
            .filter(|record| self.policies.at(record.position).is_none());
        self.missing.policies_unknown = unknown.count();
        self.missing.writes_unread_bytes = writes.unread_bytes;
        let forgotten = writes.merge_into(&mut records);
        self.missing.writes_forgotten = match self.missing.writes_unread_bytes {
            0 => forgotten,
            _ => 0,
        };
        let (now, due_ms) = now.map_or((None, 0), |(view, due_ms)| (Some(view), due_ms));
        let present = now
            .as_ref()
            .map(|view| (view.state, view.reason))
            .or(last_state(&records))
            .or(summary.map(|summary| (summary.state, summary.reason)));
        let of_records = records.iter().filter_map(|record| record.carrier);
        let of_view = now.as_ref().and_then(|view| view.carrier);
        Explanation {
            id: self.id,
            state: present.map(|(state, _)| state),
            reason: present.map_or(Reason::None, |(_, reason)| reason),
            awaited: match (&now, present) {
                (Some(view), _) => Some(Awaited::of(view, due_ms)),
                (None, Some((state, _))) if state.is_final() => Some(Awaited::Nothing),
                (None, _) => None,
            },
            awaited_until_ms: due_ms,
            rules,
            carriers: of_records
                .chain(of_view)
                .map(|id| (id, names.carrier(id)))
                .collect(),
            now,
            submitted,
            records,
            indexed,
            missing: self.missing,
        }
    }
}

/// What numbers are called: by the configuration, else by the journal that gave them, else by their number.
pub(crate) struct Names<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) open: Option<&'a OpenIndex>,
}

impl Names<'_> {
    pub(crate) fn carrier(&self, id: CarrierId) -> String {
        match self.shared.carrier_name(id) {
            Some(name) => name.to_owned(),
            None => self.recorded(NameKind::Carrier, id.0),
        }
    }

    fn group(&self, id: RouteGroupId) -> String {
        let groups = self.shared.config.routes.groups();
        match groups.iter().find(|group| group.id() == id) {
            Some(group) => group.name().as_str().to_owned(),
            None => self.recorded(NameKind::Group, id.0),
        }
    }

    fn recorded(&self, kind: NameKind, number: u32) -> String {
        let recorded = self
            .open
            .and_then(|open| open.index.name(kind, number).ok());
        recorded
            .flatten()
            .unwrap_or_else(|| format!("number-{number:08x}"))
    }

    fn submitted(&self, record: &partition::record::Admitted, keyed: bool) -> Option<Submitted> {
        let lane = usize::try_from(record.lane).ok()?;
        Some(Submitted {
            tenant: TenantId(record.tenant),
            caller: CallerId(record.caller),
            group: RouteGroupId(record.group),
            group_name: self.group(RouteGroupId(record.group)),
            category: partition::category_of(record.category).ok()?,
            lane: *LANES.get(lane)?,
            recipient: Msisdn::from_u64(record.recipient).ok()?,
            sender: record.sender.clone(),
            receipt_wanted: partition::receipt_wanted_of(record.receipt_wanted).ok()?,
            admitted_ms: record.admitted_ms,
            send_at_ms: record.send_at_ms,
            expires_ms: record.expires_ms,
            segments: record.segments,
            config_version: record.config_version,
            batch_id: record.batch_id.clone(),
            has_idempotency_key: keyed,
            claimed: record.claimed,
        })
    }
}
