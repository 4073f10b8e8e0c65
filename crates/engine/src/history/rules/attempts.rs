//! What followed from the outcomes of attempts, with the figures that decided.

use message::{OutcomeClass, Reason};
use partition::{OnUncertain, Policy};

use super::{RuleKind, Weighing, span};
use crate::history::policies::Policies;
use crate::history::record::HistoryRecord;

impl Weighing<'_> {
    pub(super) fn outcome(&mut self, record: &HistoryRecord, in_force: Option<&Policies>) {
        let Some(class) = record.outcome else {
            return;
        };
        let policy = in_force.map(|policies| policies.of(record.carrier));
        let (kind, decision) = match class {
            OutcomeClass::Submitted => (RuleKind::Receipt, taken(record)),
            OutcomeClass::Throttled => (RuleKind::Retry, again(record, "throttled")),
            OutcomeClass::Unwritten => (RuleKind::Retry, again(record, "nothing had left")),
            OutcomeClass::RejectedRetry => {
                self.refusals = self.refusals.saturating_add(1);
                (RuleKind::Retry, self.refused(record, policy))
            }
            OutcomeClass::RejectedFinal => {
                self.refusals = self.refusals.saturating_add(1);
                (RuleKind::Retry, "refused for good: no other attempt".into())
            }
            OutcomeClass::Uncertain => {
                let decision = self.uncertain(record, policy);
                self.resent |= record.next_attempt != 0;
                (RuleKind::Uncertain, decision)
            }
        };
        self.add(kind, record, decision);
    }

    fn refused(&self, record: &HistoryRecord, policy: Option<&Policy>) -> String {
        let refused = "refused for a passing fault";
        let later = span(record.next_at_ms.saturating_sub(record.at_ms));
        let next = record.next_attempt;
        let Some(policy) = policy else {
            return match next {
                0 => format!(
                    "{refused}, and no other attempt: none is left, or it would be too late"
                ),
                next => format!("{refused}: attempt {next} after {later}"),
            };
        };
        let (refusals, most) = (self.refusals, policy.retry.attempts_max);
        // The records before may be gone, so that more were counted at the time than are seen here.
        let counted = match self.submitted {
            Some(_) => format!("refusal {refusals} of at most {most}"),
            None => format!("at most {most} refusals are borne"),
        };
        let delays = format!(
            "delays double from {} up to {}",
            span(policy.retry.delay_ms),
            span(policy.retry.delay_max_ms)
        );
        let at_ms = record.at_ms.saturating_add(policy.retry_delay_ms(refusals));
        match next {
            0 if self.submitted.is_some() && refusals < most && at_ms >= self.expires_ms => {
                format!(
                    "{refused}, {counted}: no other attempt, since after {} it would no longer be worth sending",
                    span(policy.retry_delay_ms(refusals))
                )
            }
            0 => format!("{refused}, {counted}: no other attempt"),
            next => format!("{refused}, {counted}: attempt {next} after {later}, since {delays}"),
        }
    }

    fn uncertain(&self, record: &HistoryRecord, policy: Option<&Policy>) -> String {
        let sequel = match (record.next_attempt, record.deadline_ms) {
            (0, 0) => "the message is given up".to_owned(),
            (0, _) => format!(
                "nothing is sent again, and evidence is awaited for {} (uncertain_deadline)",
                span(awaited_ms(record))
            ),
            (next, _) => format!("attempt {next} is sent, so there may be a copy"),
        };
        let Some((policy, lane)) = policy.zip(self.submitted.map(|submitted| submitted.lane))
        else {
            return format!("it may have been taken; {sequel}");
        };
        let cause = if record.reason == Reason::AnswerOverdue {
            let after = span(policy.uncertain_after_ms[lane.index()]);
            format!("no answer within {after} (uncertain_after)")
        } else {
            "it may have been taken".into()
        };
        let order = match (policy.on_uncertain(lane), record.next_attempt) {
            (OnUncertain::ResendOnce, 0) if self.resent => "resend once, which has been done",
            (OnUncertain::ResendOnce, 0) => "resend once, but it is no longer worth sending",
            (OnUncertain::ResendOnce, _) => "resend once, which has not been done yet",
            (OnUncertain::AwaitReceipt, _) => "await the receipt",
            (OnUncertain::Fail, _) => "fail",
        };
        format!(
            "{cause}; the policy of lane {} is to {order}: {sequel}",
            lane.name()
        )
    }
}

fn taken(record: &HistoryRecord) -> String {
    if record.deadline_ms == 0 {
        "taken; nothing is awaited, or it was over already".into()
    } else {
        format!(
            "taken; the receipt is awaited for {} (receipt_deadline)",
            span(awaited_ms(record))
        )
    }
}

/// After an attempt that costs no retry.
fn again(record: &HistoryRecord, what: &str) -> String {
    match record.next_attempt {
        0 => format!("{what}, and no other attempt: it would be too late, or nothing may send it"),
        next => format!("{what}: attempt {next} goes first in its lane and costs no retry"),
    }
}

fn awaited_ms(record: &HistoryRecord) -> u64 {
    record.deadline_ms.saturating_sub(record.at_ms)
}

#[cfg(test)]
mod tests {
    use message::{
        AttemptNo, CallerId, Category, Lane, Now, ReceiptWanted, RouteGroupId, TenantId,
    };

    use super::*;
    use crate::config::EngineConfig;
    use crate::history::Submitted;
    use crate::history::policies::PolicyBook;
    use crate::history::record::RecordKind;
    use crate::history::rules::{Rule, rules};

    const ADMITTED_MS: u64 = 1_000_000;

    fn submitted(lane: Lane) -> Submitted {
        Submitted {
            tenant: TenantId(1),
            caller: CallerId(1),
            group: RouteGroupId(1),
            group_name: "all".into(),
            category: Category::Otp,
            lane,
            recipient: "819012345678".parse().unwrap(),
            sender: "Hikyaku".into(),
            receipt_wanted: ReceiptWanted::Always,
            admitted_ms: ADMITTED_MS,
            send_at_ms: 0,
            expires_ms: ADMITTED_MS + 10_000,
            segments: 1,
            config_version: 1,
            batch_id: String::new(),
            has_idempotency_key: false,
            claimed: true,
        }
    }

    fn outcome(class: OutcomeClass, next_attempt: AttemptNo, after_ms: u64) -> HistoryRecord {
        HistoryRecord {
            outcome: Some(class),
            next_attempt,
            next_at_ms: ADMITTED_MS + after_ms,
            ..HistoryRecord::new(7, RecordKind::Outcome, ADMITTED_MS, None)
        }
    }

    /// What is said of the last of these records.
    fn last(lane: Lane, records: &[HistoryRecord], policy: Policy) -> String {
        let clock = || Now {
            mono_ns: 0,
            wall_ms: 0,
        };
        let mut config = EngineConfig::new("unused".into(), clock);
        config.limits.partition.policy = policy;
        let book = PolicyBook::new(&config, 0);
        let weighed: Vec<Rule> = rules(Some(&submitted(lane)), records, &book);
        weighed.last().unwrap().decision.clone()
    }

    #[test]
    fn refusals_are_counted_against_the_most_that_are_borne() {
        let refusal = |next, after_ms| outcome(OutcomeClass::RejectedRetry, next, after_ms);
        let policy = Policy::default();
        let first = [refusal(2, 1_000)];
        assert_eq!(
            last(Lane::Otp, &first, policy),
            "refused for a passing fault, refusal 1 of at most 5: attempt 2 after 1 s, since delays double from 1 s up to 60 s"
        );
        let [two, three, four] = [2, 3, 4].map(|next| refusal(next, 1_000));
        let late = [two, three, four, refusal(0, 0)];
        assert_eq!(
            last(Lane::Otp, &late, policy),
            "refused for a passing fault, refusal 4 of at most 5: no other attempt"
        );
        let patient = Policy {
            retry: partition::RetryPolicy {
                delay_ms: 60_000,
                ..policy.retry
            },
            ..policy
        };
        assert_eq!(
            last(Lane::Otp, &[refusal(0, 0)], patient),
            "refused for a passing fault, refusal 1 of at most 5: no other attempt, since after 60 s it would no longer be worth sending"
        );
    }

    #[test]
    fn an_uncertain_attempt_names_the_policy_of_its_lane_and_whether_it_was_used() {
        let overdue = HistoryRecord {
            reason: Reason::AnswerOverdue,
            ..outcome(OutcomeClass::Uncertain, 2, 0)
        };
        let policy = Policy::default();
        assert_eq!(
            last(Lane::Otp, std::slice::from_ref(&overdue), policy),
            "no answer within 5 s (uncertain_after); the policy of lane otp is to resend once, which has not been done yet: attempt 2 is sent, so there may be a copy"
        );
        let waits = HistoryRecord {
            deadline_ms: ADMITTED_MS + 3_600_000,
            ..outcome(OutcomeClass::Uncertain, 0, 0)
        };
        assert_eq!(
            last(Lane::Otp, &[overdue, waits.clone()], policy),
            "it may have been taken; the policy of lane otp is to resend once, which has been done: nothing is sent again, and evidence is awaited for 3600 s (uncertain_deadline)"
        );
        assert!(last(Lane::Bulk, &[waits], policy).contains("lane bulk is to await the receipt"));
    }

    #[test]
    fn new_content_says_what_became_of_the_old_attempt_and_of_the_times() {
        let replaced = HistoryRecord {
            attempt: 2,
            expires_ms: ADMITTED_MS + 30_000,
            ..HistoryRecord::new(8, RecordKind::Replaced, ADMITTED_MS, None)
        };
        assert_eq!(
            last(
                Lane::Bulk,
                std::slice::from_ref(&replaced),
                Policy::default()
            ),
            "new content, since nothing of the old was sent: attempt 1 is void and attempt 2 takes its place, at once, behind the others of its sender; worth sending for 30 s"
        );
        // The new validity counts from here on: a delay of one second is within it.
        let late = outcome(OutcomeClass::RejectedRetry, 0, 0);
        let told = last(Lane::Bulk, &[replaced, late], Policy::default());
        assert!(!told.contains("worth sending"), "{told}");
    }
}
