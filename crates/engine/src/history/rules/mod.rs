//! Which rules decided about a message, as far as its records and the policies then in force say so.

mod attempts;

use message::{Lane, MessageState, Reason, ReceiptWanted};

use super::explain::Submitted;
use super::policies::{Policies, PolicyBook};
use super::record::{HistoryRecord, RecordKind};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// Which carriers may pull the message.
    Route,
    /// How urgent it is.
    Lane,
    /// How long it is worth sending.
    Validity,
    /// When it may be sent at the earliest.
    Schedule,
    /// Whether a receipt is awaited.
    Receipt,
    /// When the first attempt was claimed.
    Claim,
    /// Whether new content may still take the place of the old.
    Replace,
    /// What follows an attempt that was not taken.
    Retry,
    /// What follows an attempt that may have been taken.
    Uncertain,
    /// What counts as evidence.
    Evidence,
    /// Why it ended.
    End,
}

/// A rule that was weighed, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is about.
    pub kind: RuleKind,
    /// What was decided, as a sentence for people.
    pub decision: String,
    /// Where the record that shows it begins in the journal.
    pub position: u64,
}

/// What records do not hold, said so that nobody takes silence for a fact.
pub const NOT_RECORDED: [&str; 2] = [
    "which prefix of the route table led to the group, and which prefixes were longer or shorter",
    "which carriers of the group were looked at and passed over at the pull, and their permits and windows at that moment",
];

/// The rules that the records show, in their order.
pub(super) fn rules(
    submitted: Option<&Submitted>,
    records: &[HistoryRecord],
    policies: &PolicyBook,
) -> Vec<Rule> {
    let mut weighing = Weighing::new(submitted);
    for record in records {
        let in_force = policies.at(record.position);
        match record.kind {
            RecordKind::Admitted => weighing.admission(record, in_force),
            RecordKind::Replaced => weighing.replacement(record),
            RecordKind::Outcome => weighing.outcome(record, in_force),
            RecordKind::Receipt => weighing.receipt(record),
            RecordKind::Final => weighing.end(record),
            RecordKind::Claimed
            | RecordKind::Written
            | RecordKind::KeyKept
            | RecordKind::Carried => {}
        }
    }
    weighing.rules
}

/// The rules so far, and what those that follow depend on.
struct Weighing<'a> {
    submitted: Option<&'a Submitted>,
    rules: Vec<Rule>,
    /// Refusals that count, so far.
    refusals: u16,
    /// Whether the one resend of an uncertain attempt was used.
    resent: bool,
    /// When it may no longer be sent; 0 while nobody knows.
    expires_ms: u64,
}

impl<'a> Weighing<'a> {
    fn new(submitted: Option<&'a Submitted>) -> Self {
        Self {
            submitted,
            rules: Vec::new(),
            refusals: 0,
            resent: false,
            expires_ms: submitted.map_or(0, |submitted| submitted.expires_ms),
        }
    }

    fn add(&mut self, kind: RuleKind, record: &HistoryRecord, decision: String) {
        self.rules.push(Rule {
            kind,
            decision,
            position: record.position,
        });
    }

    fn admission(&mut self, record: &HistoryRecord, in_force: Option<&Policies>) {
        let Some(submitted) = self.submitted else {
            return;
        };
        let (group, version) = (&submitted.group_name, submitted.config_version);
        let route = format!(
            "route group `{group}`, by the recipient's prefix, under configuration {version}"
        );
        self.add(RuleKind::Route, record, route);
        let (category, lane) = (submitted.category.name(), submitted.lane.name());
        let urgency = format!("lane {lane}, since the category is {category}");
        self.add(RuleKind::Lane, record, urgency);
        self.add(RuleKind::Validity, record, validity(submitted, in_force));
        if submitted.send_at_ms > submitted.admitted_ms {
            let wait = span(submitted.send_at_ms - submitted.admitted_ms);
            let scheduled = format!("not before send_at, {wait} after its admission");
            self.add(RuleKind::Schedule, record, scheduled);
        }
        let receipt = match submitted.receipt_wanted {
            ReceiptWanted::Always => "a receipt is asked for and awaited",
            ReceiptWanted::OnFailure => {
                "a receipt is asked for on failure only: silence until the deadline ends as unknown"
            }
            ReceiptWanted::Never => "no receipt is asked for: taken by the carrier is the end",
        };
        self.add(RuleKind::Receipt, record, receipt.into());
        self.add(RuleKind::Claim, record, claim(submitted).into());
    }

    fn replacement(&mut self, record: &HistoryRecord) {
        self.expires_ms = record.expires_ms;
        let void = match record.attempt {
            0 | 1 => String::new(),
            attempt => format!(
                "attempt {} is void and attempt {attempt} takes its place, ",
                attempt - 1
            ),
        };
        let begins_ms = record.next_at_ms.max(record.at_ms);
        let when = match record.next_at_ms.saturating_sub(record.at_ms) {
            0 => "at once, behind the others of its sender".to_owned(),
            wait_ms => format!("not before send_at, {} later", span(wait_ms)),
        };
        let valid = span(record.expires_ms.saturating_sub(begins_ms));
        let decision = format!(
            "new content, since nothing of the old was sent: {void}{when}; worth sending for {valid}"
        );
        self.add(RuleKind::Replace, record, decision);
    }

    fn receipt(&mut self, record: &HistoryRecord) {
        let how = if record.by_address {
            "carrier, sender and recipient fit no other uncertain message"
        } else {
            "the carrier's id is that of this message"
        };
        let late = if record.late {
            "; it came after the end and counts only if it outranks it"
        } else {
            ""
        };
        let decision = format!("the receipt counts here, since {how}{late}");
        self.add(RuleKind::Evidence, record, decision);
    }

    fn end(&mut self, record: &HistoryRecord) {
        let state = record.state.map_or("unknown", MessageState::name);
        let reason = match record.reason {
            Reason::None => "the ordinary course".into(),
            reason => reason.explanation().to_owned(),
        };
        let decision = format!("ended as {state}: {reason}");
        self.add(RuleKind::End, record, decision);
    }
}

fn validity(submitted: &Submitted, in_force: Option<&Policies>) -> String {
    let begins_ms = submitted.admitted_ms.max(submitted.send_at_ms);
    // Validity counts from the submission, a moment before the admission.
    let valid_s = submitted
        .expires_ms
        .saturating_sub(begins_ms)
        .div_ceil(1_000);
    let category = submitted.category.name();
    let default_s =
        in_force.map(|policies| policies.valid_for_ms(submitted.category).div_ceil(1_000));
    let why = match default_s {
        None => String::new(),
        Some(default_s) if default_s == valid_s => {
            format!(", the default of category {category}")
        }
        Some(default_s) => {
            format!(", as the caller asked; the default of category {category} is {default_s} s")
        }
    };
    format!("worth sending for {valid_s} s{why}; never sent after that")
}

const fn claim(submitted: &Submitted) -> &'static str {
    match (submitted.claimed, submitted.lane) {
        (true, _) => "the first attempt was claimed with the admission, since the lane was short",
        (false, Lane::Otp | Lane::Alert) => {
            "the first attempt was claimed by a record of its own, since the lane was long or it was scheduled"
        }
        (false, Lane::Normal | Lane::Bulk) => {
            "the first attempt was claimed by a record of its own, one group commit ahead"
        }
    }
}

/// A length of time, in seconds where that is exact.
fn span(ms: u64) -> String {
    if ms.is_multiple_of(1_000) {
        format!("{} s", ms / 1_000)
    } else {
        format!("{ms} ms")
    }
}
