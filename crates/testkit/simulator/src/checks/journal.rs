//! The journal against what was seen: the fold of its records is what the engine holds, clients were told nothing that is not in it, and
//! each message ends in it once.

use engine::Known;
use message::{MessageId, MessageState};
use partition::MessageView;

use super::told;
use crate::book::Tally;
use crate::plan::OnUncertain;
use crate::world::World;

/// How much of what the engine holds must be in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: everything is written.
    All,
    /// A part, up to some record.
    Part,
}

/// The fold against the engine; the journal was just read.
pub(crate) fn fold_is_state(
    world: &World,
    known: &dyn Fn(MessageId) -> Known,
    extent: Extent,
    findings: &mut Vec<String>,
) {
    for id in world.book.tallies.keys() {
        let Some(folded) = world.book.find(*id) else {
            continue;
        };
        let differs = match known(*id) {
            Known::Whole(live) => difference(&live, &folded, extent),
            Known::Cold => None,
            Known::Nothing if !world.book.is_whole() => None,
            Known::Nothing if world.book.may_be_forgotten(*id, false) => None,
            Known::Nothing => Some("is unknown to the engine".to_owned()),
        };
        if let Some(differs) = differs {
            let text = format!("{differs}; the journal's records say: {folded:?}");
            findings.push(told(world, *id, &text));
        }
    }
}

/// That a message was let into its lane has no record, and what was written is noted in another log.
fn difference(live: &MessageView, folded: &MessageView, extent: Extent) -> Option<String> {
    if live.sequence < folded.sequence {
        return Some(format!("is known to the engine as of before: {live:?}"));
    }
    if live.sequence > folded.sequence {
        return (extent == Extent::All)
            .then(|| format!("has records that are not written: {live:?}"));
    }
    let mut same = live.clone();
    match (live.state, folded.state) {
        (MessageState::Attempting, MessageState::Queued | MessageState::Scheduled) => {
            same.state = folded.state;
            same.reason = folded.reason;
            same.carrier = folded.carrier;
            same.changed_ms = folded.changed_ms;
        }
        (MessageState::Queued, MessageState::Scheduled) => same.state = folded.state,
        (_, _) => {}
    }
    (same != *folded).then(|| format!("is to the engine: {live:?}"))
}

/// What clients were told is in the journal, and what was sent was claimed in it.
pub(crate) fn told_is_written(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for (id, log) in &ledger.messages {
        if log.loose {
            continue;
        }
        let tally = world.book.tallies.get(id);
        if log.answered_ns.is_some() && tally.is_none() && world.book.is_whole() {
            findings.push(told(world, *id, "was answered and is not in the journal"));
        }
        let Some((sequence, state)) = log.last_said else {
            continue;
        };
        let Some(folded) = world.book.find(*id) else {
            continue;
        };
        // Odd sequences are of the Written log.
        if folded.sequence < sequence & !1 || folded.state.rank() < state.rank() {
            let text = format!(
                "was published as {state} (event {sequence}); the journal says {} (event {})",
                folded.state, folded.sequence
            );
            findings.push(told(world, *id, &text));
        }
    }
    if !world.book.is_whole() {
        return;
    }
    for sent in &ledger.dispatched {
        if ledger.is_loose(sent.message) {
            continue;
        }
        let tally = world.book.tallies.get(&sent.message);
        if !tally.is_some_and(|tally| tally.claims.contains_key(&sent.attempt)) {
            let text = format!("attempt {} was sent without a durable claim", sent.attempt);
            findings.push(told(world, sent.message, &text));
        }
    }
}

/// Records that must not be where they are.
pub(crate) fn records_are_in_order(world: &World, findings: &mut Vec<String>) {
    for (id, what) in &world.book.wrong {
        if world.ledger.borrow().is_loose(*id) {
            continue;
        }
        findings.push(told(world, *id, &format!("in the journal it {what}")));
    }
}

/// At rest each message has its final state in the journal.
pub(crate) fn all_are_final(world: &World, findings: &mut Vec<String>) {
    for (id, tally) in &world.book.tallies {
        // Of an admission that is gone there may be late evidence left.
        let is_read = tally.is_admitted() || world.book.is_whole();
        if tally.finals.is_empty() && is_read {
            findings.push(told(world, *id, "has no final state in the journal"));
        }
    }
}

/// A carrier took a second one only after the first was called uncertain, where the policy says so, and once.
pub(super) fn copies_follow_doubts(world: &World, findings: &mut Vec<String>) {
    if !world.book.is_whole() {
        return;
    }
    for (id, attempts) in super::copies::attempts_taken(world) {
        let Some(tally) = world.book.tallies.get(&id) else {
            continue;
        };
        if world.ledger.borrow().is_loose(id) {
            continue;
        }
        let lane = world.ledger.borrow().lane_of(id);
        let most = match lane.map(|lane| world.plan.on_uncertain(lane)) {
            Some(OnUncertain::ResendOnce) => 2,
            Some(OnUncertain::AwaitReceipt | OnUncertain::Fail) | None => 1,
        };
        if attempts.len() > most {
            let text = format!("was taken as attempts {attempts:?}; the policy allows {most}");
            findings.push(told(world, id, &text));
        }
        let (_, earlier) = attempts.split_last().unwrap_or((&0, &[]));
        for attempt in earlier {
            if !tally.doubted.contains(attempt) {
                let text = format!(
                    "attempt {attempt} was taken, was never called uncertain, and another followed it"
                );
                findings.push(told(world, id, &text));
            }
        }
        crash_doubts_were_sent(world, id, tally, findings);
    }
}

/// What a kill leaves in doubt had been handed to a session; only after a power cut nobody can know.
fn crash_doubts_were_sent(world: &World, id: MessageId, tally: &Tally, findings: &mut Vec<String>) {
    // One that is killed in the middle of a write may have noted what it did not come to send.
    if world.powers_cut > 0 || world.killed_in_write {
        return;
    }
    let ledger = world.ledger.borrow();
    for attempt in &tally.doubted_by_crash {
        let sent = ledger.dispatched.iter();
        let mut sent = sent.filter(|it| it.message == id && it.attempt == *attempt);
        if sent.next().is_none() {
            let text = format!("attempt {attempt} is in doubt for a crash and was never sent");
            findings.push(told(world, id, &text));
        }
    }
}
