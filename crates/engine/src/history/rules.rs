//! Which rules decided about a message, as far as its records say so.

use message::{Lane, MessageState, OutcomeClass, Reason, ReceiptWanted};

use super::explain::Submitted;
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
pub const NOT_RECORDED: [&str; 4] = [
    "which prefix of the route table led to the group, and which prefixes were longer or shorter",
    "which carriers of the group were looked at and passed over at the pull, and their permits and windows at that moment",
    "the policy's figures (retry delays, attempts_max, uncertain_after) themselves: only what followed from them; see the configuration of that version",
    "the write of each segment to its socket as a record of its own: it is in the written log, which is kept for minutes; the outcome names the session",
];

/// The rules that the records show, in their order.
pub(crate) fn rules(submitted: Option<&Submitted>, records: &[HistoryRecord]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for record in records {
        match record.kind {
            RecordKind::Admitted => {
                if let Some(submitted) = submitted {
                    of_admission(&mut rules, submitted, record.position);
                }
            }
            RecordKind::Outcome => of_outcome(&mut rules, record),
            RecordKind::Receipt => of_receipt(&mut rules, record),
            RecordKind::Final => of_end(&mut rules, record),
            RecordKind::Claimed
            | RecordKind::Written
            | RecordKind::KeyKept
            | RecordKind::Replaced => {}
        }
    }
    rules
}

fn of_admission(rules: &mut Vec<Rule>, submitted: &Submitted, position: u64) {
    let mut add = |kind, decision| {
        rules.push(Rule {
            kind,
            decision,
            position,
        });
    };
    let version = submitted.config_version;
    add(
        RuleKind::Route,
        format!(
            "route group `{}`, by the recipient's prefix, under configuration {version}",
            submitted.group_name
        ),
    );
    let category = submitted.category.name();
    add(
        RuleKind::Lane,
        format!(
            "lane {}, since the category is {category}",
            submitted.lane.name()
        ),
    );
    let valid_s = submitted
        .expires_ms
        .saturating_sub(submitted.admitted_ms.max(submitted.send_at_ms))
        / 1_000;
    add(
        RuleKind::Validity,
        format!("worth sending for {valid_s} s; never sent after that"),
    );
    if submitted.send_at_ms > submitted.admitted_ms {
        let wait_s = (submitted.send_at_ms - submitted.admitted_ms) / 1_000;
        add(
            RuleKind::Schedule,
            format!("not before send_at, {wait_s} s after its admission"),
        );
    }
    let receipt = match submitted.receipt_wanted {
        ReceiptWanted::Always => "a receipt is asked for and awaited",
        ReceiptWanted::OnFailure => {
            "a receipt is asked for on failure only: silence until the deadline ends as unknown"
        }
        ReceiptWanted::Never => "no receipt is asked for: taken by the carrier is the end",
    };
    add(RuleKind::Receipt, receipt.into());
    let claim = match (submitted.claimed, submitted.lane) {
        (true, _) => "the first attempt was claimed with the admission, since the lane was short",
        (false, Lane::Otp | Lane::Alert) => {
            "the first attempt was claimed by a record of its own, since the lane was long or it was scheduled"
        }
        (false, Lane::Normal | Lane::Bulk) => {
            "the first attempt was claimed by a record of its own, one group commit ahead"
        }
    };
    add(RuleKind::Claim, claim.into());
}

fn of_outcome(rules: &mut Vec<Rule>, record: &HistoryRecord) {
    let Some(class) = record.outcome else {
        return;
    };
    let next = record.next_attempt;
    let later_ms = record.next_at_ms.saturating_sub(record.at_ms);
    let (kind, decision) = match (class, next) {
        (OutcomeClass::Submitted, _) if record.deadline_ms != 0 => (
            RuleKind::Receipt,
            format!("taken; the receipt is awaited for {} s", seconds(record)),
        ),
        (OutcomeClass::Submitted, _) => (
            RuleKind::Receipt,
            "taken; nothing is awaited, or it was over already".into(),
        ),
        (OutcomeClass::Throttled, next) if next != 0 => (
            RuleKind::Retry,
            format!("throttled: attempt {next} goes first in its lane and costs no retry"),
        ),
        (OutcomeClass::Unwritten, next) if next != 0 => (
            RuleKind::Retry,
            format!("nothing had left: attempt {next} goes first in its lane and costs no retry"),
        ),
        (OutcomeClass::RejectedRetry, next) if next != 0 => (
            RuleKind::Retry,
            format!("refused for a passing fault: attempt {next} after {later_ms} ms"),
        ),
        (OutcomeClass::RejectedFinal, _) => {
            (RuleKind::Retry, "refused for good: no other attempt".into())
        }
        (OutcomeClass::Throttled | OutcomeClass::RejectedRetry | OutcomeClass::Unwritten, _) => (
            RuleKind::Retry,
            "no other attempt: none is left, or it would be too late".into(),
        ),
        (OutcomeClass::Uncertain, next) if next != 0 => (
            RuleKind::Uncertain,
            format!(
                "it may have been taken; the lane's policy is resend once: attempt {next}, so there may be a copy"
            ),
        ),
        (OutcomeClass::Uncertain, _) if record.deadline_ms != 0 => (
            RuleKind::Uncertain,
            format!(
                "it may have been taken; nothing is sent again, and evidence is awaited for {} s",
                seconds(record)
            ),
        ),
        (OutcomeClass::Uncertain, _) => (
            RuleKind::Uncertain,
            "it may have been taken; the lane's policy is to give up".into(),
        ),
    };
    rules.push(Rule {
        kind,
        decision,
        position: record.position,
    });
}

fn seconds(record: &HistoryRecord) -> u64 {
    record.deadline_ms.saturating_sub(record.at_ms) / 1_000
}

fn of_receipt(rules: &mut Vec<Rule>, record: &HistoryRecord) {
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
    rules.push(Rule {
        kind: RuleKind::Evidence,
        decision: format!("the receipt counts here, since {how}{late}"),
        position: record.position,
    });
}

fn of_end(rules: &mut Vec<Rule>, record: &HistoryRecord) {
    let state = record.state.map_or("unknown", MessageState::name);
    let reason = match record.reason {
        Reason::None => "the ordinary course".into(),
        reason => reason.explanation().to_owned(),
    };
    rules.push(Rule {
        kind: RuleKind::End,
        decision: format!("ended as {state}: {reason}"),
        position: record.position,
    });
}
