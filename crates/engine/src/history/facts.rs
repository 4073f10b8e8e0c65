//! From records to what the index is told.

use history_index::{Admission, Change, Fact, Moved, RecipientSecret};
use message::{CallerId, MessageState, Msisdn, OutcomeClass, Reason, RouteGroupId, TenantId};
use partition::Record;
use partition::record::{Admitted, Carried, Outcome};

use super::record::{
    admitted_state, carrier_of, class_of, message_of, reason_of, replaced_state, state_of,
};

/// What a record says about its message; `None` when it is about none.
pub(crate) fn fact(
    secret: &RecipientSecret,
    (start, end): (u64, u64),
    record: &Record,
) -> Option<Fact> {
    let id = message_of(record)?;
    let (at_ms, change) = match record {
        Record::Admitted(record) => {
            let admission = admission(secret, record, admitted_state(record));
            (
                record.admitted_ms,
                admission.map_or(Change::Noted, Change::Admitted),
            )
        }
        Record::Claimed(_) => (0, moved(Some(MessageState::Queued))),
        Record::Written(record) => (record.at_ms, moved(Some(MessageState::Attempting))),
        Record::Outcome(record) => (record.at_ms, outcome(record)),
        Record::Receipt(record) => (record.at_ms, moved(None)),
        Record::Final(record) => {
            let ended = Moved {
                state: state_of(record.state),
                reason: Some(reason_of(record.reason)),
                carrier: None,
                uncertain: false,
            };
            (record.at_ms, Change::Moved(ended))
        }
        Record::Replaced(record) => {
            let (state, reason) = replaced_state(record);
            let replaced = Moved {
                state: Some(state),
                reason: Some(reason),
                carrier: None,
                uncertain: false,
            };
            (record.at_ms, Change::Moved(replaced))
        }
        // Nothing happened to the message, so that the time of its last change stays.
        Record::Carried(record) => (record.changed_ms, carried(secret, record)),
        Record::KeyKept(_) => (0, Change::Noted),
        Record::EarlyReceipt(_) | Record::Inbound(_) | Record::InboundDone(_) => return None,
    };
    Some(Fact {
        id,
        start,
        end,
        at_ms,
        change,
    })
}

fn moved(state: Option<MessageState>) -> Change {
    Change::Moved(Moved {
        state,
        reason: None,
        carrier: None,
        uncertain: false,
    })
}

/// What an admission says; `None` when its number or category makes no sense: such a record still has its place in the history of its message,
/// and is listed nowhere.
fn admission(
    secret: &RecipientSecret,
    record: &Admitted,
    (state, reason): (MessageState, Reason),
) -> Option<Admission> {
    let number = Msisdn::from_u64(record.recipient).ok()?;
    let tenant = TenantId(record.tenant);
    Some(Admission {
        tenant,
        caller: CallerId(record.caller),
        group: RouteGroupId(record.group),
        category: partition::category_of(record.category).ok()?,
        recipient: secret.hash(tenant, number),
        admitted_ms: record.admitted_ms,
        state,
        reason,
        carrier: None,
        uncertain: false,
    })
}

fn carried(secret: &RecipientSecret, record: &Carried) -> Change {
    let state = state_of(record.state);
    let admission = state.and_then(|state| {
        let reason = reason_of(record.reason);
        Some(Admission {
            carrier: carrier_of(record.carrier),
            uncertain: record.ever_uncertain,
            ..admission(secret, &record.message, (state, reason))?
        })
    });
    admission.map_or(Change::Noted, Change::Admitted)
}

/// Where an outcome leaves its message. One that orders nothing may be about an earlier attempt than the present one, which then stays
/// where it is; if the message ends, its Final record follows.
fn outcome(record: &Outcome) -> Change {
    let class = class_of(record.outcome);
    let state = match (class, record.next_attempt) {
        (Some(OutcomeClass::Submitted), _) => Some(MessageState::Submitted),
        (_, next) if next != 0 && record.next_at_ms > record.at_ms => Some(MessageState::Scheduled),
        (_, next) if next != 0 => Some(MessageState::Queued),
        (Some(OutcomeClass::Uncertain), _) => Some(MessageState::Attempting),
        (
            Some(
                OutcomeClass::Throttled
                | OutcomeClass::RejectedRetry
                | OutcomeClass::RejectedFinal
                | OutcomeClass::Unwritten,
            )
            | None,
            _,
        ) => None,
    };
    Change::Moved(Moved {
        state,
        reason: Some(reason_of(record.reason)),
        carrier: carrier_of(record.carrier),
        uncertain: class == Some(OutcomeClass::Uncertain),
    })
}
