//! Promise 1: what was answered ends, once, as the evidence says; and what clients were told is kept.

use message::{MessageId, MessageState, Reason, ReceiptState};

use super::told;
use crate::carrier::{Receipt, Verdict};
use crate::clock::SECOND;
use crate::plan::Profile;
use crate::world::World;

/// An id that was given out is known.
pub(super) fn answered_is_known(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for (id, log) in &ledger.messages {
        if log.answered_ns.is_some() && log.view.is_none() && !log.forgotten {
            findings.push(told(world, *id, "was answered and is unknown"));
        }
    }
    if ledger.positions_lost > 0 {
        findings.push("a watcher that never waited fell behind".into());
    }
}

/// A message is done with once; what comes after is late.
pub(super) fn ends_once(world: &World, findings: &mut Vec<String>) {
    for (id, log) in &world.ledger.borrow().messages {
        if log.ends > 1 {
            findings.push(told(world, *id, &format!("ended {} times", log.ends)));
        }
    }
}

/// A state that claims something of the carrier is true there.
pub(super) fn ends_are_true(world: &World, findings: &mut Vec<String>) {
    for (id, log) in &world.ledger.borrow().messages {
        let Some(view) = &log.view else { continue };
        let taken = || {
            let carriers = world.carriers.iter();
            let received = carriers.flat_map(|carrier| &carrier.received);
            received
                .filter(|it| it.message == *id)
                .any(|it| it.verdict == Verdict::Taken)
        };
        // By address a receipt is weaker evidence, and is called that: it may be about a copy or a message that is done with.
        let by_address = view.reason == Reason::MatchedByAddress;
        let says = |fits: fn(&Receipt) -> bool| {
            let carriers = world.carriers.iter();
            let mut receipts = carriers.flat_map(|carrier| &carrier.receipts);
            receipts.any(|receipt| (receipt.message == *id || by_address) && fits(receipt))
        };
        let is_true = match view.state {
            MessageState::Delivered => says(|receipt| receipt.state == ReceiptState::Delivered),
            MessageState::Undeliverable => says(|receipt| {
                matches!(
                    receipt.state,
                    ReceiptState::Undeliverable | ReceiptState::Deleted | ReceiptState::Rejected
                )
            }),
            MessageState::Sent | MessageState::Submitted => taken(),
            MessageState::Cancelled => log.loose || !taken(),
            MessageState::Admitted
            | MessageState::Scheduled
            | MessageState::Queued
            | MessageState::Attempting
            | MessageState::Rejected
            | MessageState::Expired
            | MessageState::Failed
            | MessageState::Unknown => true,
        };
        if !is_true {
            findings.push(told(
                world,
                *id,
                &format!("is {}, which is not what the carriers say", view.state),
            ));
        }
        evidence_counts(world, *id, findings);
    }
}

/// Where nothing goes wrong nothing is in doubt, and nothing ends otherwise than well.
pub(super) fn calm_runs_end_well(world: &World, findings: &mut Vec<String>) {
    if world.plan.profile == Profile::Rough {
        return;
    }
    for (id, log) in &world.ledger.borrow().messages {
        let Some(view) = &log.view else { continue };
        let well = match view.state {
            MessageState::Delivered | MessageState::Sent | MessageState::Cancelled => true,
            // A receipt was wanted on failure only.
            MessageState::Unknown => view.reason == Reason::ReceiptDeadline,
            // More was asked for than the contract carries in time.
            MessageState::Expired => view.reason == Reason::ExpiredHere,
            MessageState::Admitted
            | MessageState::Scheduled
            | MessageState::Queued
            | MessageState::Attempting
            | MessageState::Submitted
            | MessageState::Undeliverable
            | MessageState::Rejected
            | MessageState::Failed => false,
        };
        if !well || view.uncertain {
            let text = format!(
                "is {}, {:?}, although nothing went wrong",
                view.state, view.reason
            );
            findings.push(told(world, *id, &text));
        }
    }
}

/// A final receipt that the engine took over, of a message that it knew to be taken before, decides.
fn evidence_counts(world: &World, id: MessageId, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    // An attempt that was made a second time under its number has two receipts.
    let Some(log) = ledger.messages.get(&id).filter(|log| !log.loose) else {
        return;
    };
    let Some(view) = log.view.as_ref().filter(|_| !log.forgotten) else {
        return;
    };
    let carriers = world.carriers.iter();
    let receipts = carriers.flat_map(|carrier| &carrier.receipts);
    let decisive = receipts
        .filter(|receipt| receipt.message == id && receipt.state == ReceiptState::Delivered)
        .filter(|receipt| receipt.names_its_message());
    for receipt in decisive {
        let Some(acknowledged_ns) = receipt.acknowledged_ns else {
            continue;
        };
        let known_before = log.taken.iter().any(|(at_ns, attempt)| {
            *attempt == receipt.attempt && at_ns + SECOND < acknowledged_ns
        });
        let may_be_forgotten = view.state.rank() >= MessageState::Undeliverable.rank()
            || matches!(
                view.state,
                MessageState::Sent | MessageState::Rejected | MessageState::Cancelled
            );
        if known_before && view.state != MessageState::Delivered && !may_be_forgotten {
            findings.push(told(
                world,
                id,
                &format!("is {} although its receipt was taken over", view.state),
            ));
        }
    }
}

/// Idempotent repeats were answered with the first id, other bodies with a conflict that names it.
pub(super) fn repeats_and_conflicts(world: &World, findings: &mut Vec<String>) {
    for (at, log) in world.ledger.borrow().wishes.iter().enumerate() {
        for wrong in &log.wrong {
            let wish = &world.plan.wishes[at];
            findings.push(format!("wish {at} ({:?}): {wrong}", wish.follow));
        }
    }
}

/// After `Cancelled` was answered, nothing of the message is written.
pub(super) fn cancelled_is_not_sent(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for sent in &ledger.dispatched {
        let cancelled_ns = ledger
            .messages
            .get(&sent.message)
            .and_then(|log| log.cancelled_ns);
        if cancelled_ns.is_some_and(|at_ns| at_ns < sent.at_ns) {
            findings.push(told(
                world,
                sent.message,
                "was sent after it was answered as cancelled",
            ));
        }
    }
}

/// Nothing is written when its validity is over, by the wall clock of that moment; and the carrier is given no longer than that.
pub(super) fn expired_is_not_sent(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for sent in &ledger.dispatched {
        let log = ledger.messages.get(&sent.message);
        // New content may have another validity: then what the engine was told last is all there is.
        let log = log.filter(|log| log.replacements.is_empty());
        let wish = log.and_then(|log| log.wish);
        let expires_ms = wish.and_then(|wish| {
            let plan = &world.plan.wishes[wish];
            let valid_ms = plan.submission.valid_for_ms?;
            let asked_ms = ledger.wishes[wish].asked_ms.iter().max()?;
            let begins_ms = ledger.wishes[wish].send_at_ms.unwrap_or(0);
            Some(begins_ms.max(*asked_ms) + valid_ms)
        });
        let latest_ms = expires_ms.unwrap_or(u64::MAX).min(sent.expires_ms);
        if sent.wall_ms >= latest_ms {
            findings.push(told(
                world,
                sent.message,
                &format!("was sent at {} and expired at {latest_ms}", sent.wall_ms),
            ));
        }
    }
    drop(ledger);
    carriers_get_no_longer(world, findings);
}

fn carriers_get_no_longer(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for carrier in &world.carriers {
        for received in &carrier.received {
            let made = ledger.dispatched.iter();
            let sent = made
                .take_while(|sent| sent.at_ns <= received.at_ns)
                .filter(|sent| sent.message == received.message && sent.attempt == received.attempt)
                .last();
            let (Some(sent), Some(validity_s)) = (sent, received.validity_s) else {
                continue;
            };
            if sent.wall_ms + validity_s * 1_000 > sent.expires_ms {
                findings.push(told(
                    world,
                    received.message,
                    &format!(
                        "may live for {validity_s} s at the carrier and expires in {} ms",
                        sent.expires_ms.saturating_sub(sent.wall_ms)
                    ),
                ));
            }
        }
    }
}

/// Nothing is written before its `send_at`.
pub(super) fn not_before_its_time(world: &World, findings: &mut Vec<String>) {
    if world.clocks.stepped_back() {
        // Released by a clock that was set back afterwards.
        return;
    }
    let ledger = world.ledger.borrow();
    for sent in &ledger.dispatched {
        let log = ledger.messages.get(&sent.message);
        let log = log.filter(|log| log.replacements.is_empty());
        let Some(wish) = log.and_then(|log| log.wish) else {
            continue;
        };
        let send_at_ms = ledger.wishes[wish].send_at_ms;
        if send_at_ms.is_some_and(|send_at_ms| sent.wall_ms < send_at_ms) {
            findings.push(told(world, sent.message, "was sent before its time"));
        }
    }
}
