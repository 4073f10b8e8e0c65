//! Promise 2: nothing is sent twice without saying so.

use std::collections::BTreeMap;

use message::{AttemptNo, MessageId};

use super::told;
use crate::carrier::Verdict;
use crate::world::World;

/// An attempt is one request: a carrier never sees it twice.
pub(super) fn received_once_an_attempt(world: &World, findings: &mut Vec<String>) {
    let mut seen: BTreeMap<(MessageId, AttemptNo), u32> = BTreeMap::new();
    for carrier in &world.carriers {
        for received in &carrier.received {
            *seen
                .entry((received.message, received.attempt))
                .or_default() += 1;
        }
    }
    for ((id, attempt), times) in seen {
        if times > 1 && !world.ledger.borrow().is_loose(id) {
            findings.push(told(
                world,
                id,
                &format!("attempt {attempt} reached carriers {times} times"),
            ));
        }
    }
}

/// A message that carriers took more than once was called uncertain.
pub(super) fn copies_are_flagged(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for (id, times) in taken(world) {
        if ledger.is_loose(id) {
            continue;
        }
        let log = ledger.messages.get(&id);
        let flagged = log.is_some_and(|log| {
            log.called_uncertain || log.view.as_ref().is_some_and(|view| view.uncertain)
        });
        if times > 1 && !flagged {
            findings.push(told(
                world,
                id,
                &format!("was taken {times} times and never called uncertain"),
            ));
        }
        let may_be_unknown = log.is_some_and(|log| {
            let said_over = log.last_said.is_some_and(|(_, state)| state.is_final());
            log.forgotten || world.book.may_be_forgotten(id, said_over)
        });
        if log.is_none_or(|log| log.view.is_none()) && !may_be_unknown {
            findings.push(told(
                world,
                id,
                "was taken by a carrier and nobody knows it",
            ));
        }
    }
}

/// What was reported as never written never arrived.
pub(super) fn unwritten_was_not_received(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for carrier in &world.carriers {
        for received in &carrier.received {
            let log = ledger.messages.get(&received.message);
            if log.is_some_and(|log| !log.loose && log.unwritten.contains(&received.attempt)) {
                findings.push(told(
                    world,
                    received.message,
                    &format!(
                        "attempt {} was called unwritten and reached a carrier",
                        received.attempt
                    ),
                ));
            }
        }
    }
}

/// The attempts of each message that carriers took more than one of, in order.
pub(super) fn attempts_taken(world: &World) -> BTreeMap<MessageId, Vec<AttemptNo>> {
    let mut taken: BTreeMap<MessageId, Vec<AttemptNo>> = BTreeMap::new();
    for carrier in &world.carriers {
        for received in &carrier.received {
            if received.verdict == Verdict::Taken {
                let attempts = taken.entry(received.message).or_default();
                attempts.push(received.attempt);
                attempts.sort_unstable();
            }
        }
    }
    taken
}

/// How often each message was taken by a carrier.
pub(crate) fn taken(world: &World) -> BTreeMap<MessageId, u32> {
    let mut taken = BTreeMap::new();
    for carrier in &world.carriers {
        for received in &carrier.received {
            if received.verdict == Verdict::Taken {
                *taken.entry(received.message).or_default() += 1;
            }
        }
    }
    taken
}
