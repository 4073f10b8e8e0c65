//! The promises, checked against what was seen from outside: by clients, on the wire, at the carriers.

mod contents;
mod copies;
pub(crate) use copies::taken;
mod ends;
pub(crate) mod handsets;
pub(crate) mod journal;
mod pace;
mod waits;

use std::collections::BTreeMap;

use engine::Held;
use message::{MessageId, MessageState};

use crate::clock::SECOND;
use crate::world::World;

/// Every check that holds at any time at which all messages were asked for.
pub(crate) fn all(world: &World, findings: &mut Vec<String>) {
    ends::answered_is_known(world, findings);
    ends::ends_once(world, findings);
    ends::ends_are_true(world, findings);
    ends::repeats_and_conflicts(world, findings);
    ends::cancelled_is_not_sent(world, findings);
    ends::expired_is_not_sent(world, findings);
    contents::are_as_answered(world, findings);
    contents::arrive_as_sent(world, findings);
    contents::go_their_way(world, findings);
    ends::not_before_its_time(world, findings);
    waits::are_not_cut_short(world, findings);
    copies::received_once_an_attempt(world, findings);
    copies::copies_are_flagged(world, findings);
    copies::unwritten_was_not_received(world, findings);
    journal::copies_follow_doubts(world, findings);
    journal::records_are_in_order(world, findings);
    pace::contract_is_kept(world, findings);
    pace::otp_goes_first(world, findings);
    pace::contract_is_used(world, findings);
    ends::calm_runs_end_well(world, findings);
}

/// What holds once nothing is left to do.
pub(crate) fn after_rest(world: &World, held: Option<Held>, findings: &mut Vec<String>) {
    match held {
        Some(held) if held.is_empty() => {}
        other => findings.push(format!(
            "at rest the engine holds on to something: {other:?}"
        )),
    }
    unfinished(world, findings);
    journal::all_are_final(world, findings);
}

/// Answered messages that have no final state.
pub(crate) fn unfinished(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for (id, log) in &ledger.messages {
        if let (Some(_), Some(view)) = (log.answered_ns, &log.view)
            && !view.state.is_final()
            && !log.forgotten
        {
            findings.push(told(
                world,
                *id,
                &format!("has no final state: {}", view.state),
            ));
        }
    }
}

/// The state of each answered message, and what else a client may see of it.
pub(crate) fn states(world: &World) -> BTreeMap<MessageId, (MessageState, u32, bool)> {
    let ledger = world.ledger.borrow();
    let views = ledger
        .messages
        .iter()
        .filter_map(|(id, log)| Some((*id, log.view.as_ref()?)));
    views
        .map(|(id, view)| (id, (view.state, view.sequence, view.uncertain)))
        .collect()
}

/// Replay gives what was there before.
pub(crate) fn same_after_restart(
    world: &World,
    before: &BTreeMap<MessageId, (MessageState, u32, bool)>,
    findings: &mut Vec<String>,
) {
    let after = states(world);
    for (id, was) in before {
        let is = after.get(id);
        if is != Some(was) {
            findings.push(told(
                world,
                *id,
                &format!("was {was:?} and is {is:?} after a restart"),
            ));
        }
    }
}

/// A finding about a message: what, then its trace, then what the carriers have of it.
pub(crate) fn told(world: &World, id: MessageId, what: &str) -> String {
    let mut text = format!("{id} {what}\n{}", world.ledger.borrow().trace(id));
    for carrier in &world.carriers {
        for received in carrier.received.iter().filter(|it| it.message == id) {
            let seconds = received.at_ns as f64 / SECOND as f64;
            text += &format!("  {seconds:>12.6} s  at the carrier: {received:?}\n");
        }
        for receipt in carrier.receipts.iter().filter(|it| it.message == id) {
            text += &format!("                  its receipt: {receipt:?}\n");
        }
    }
    text
}
