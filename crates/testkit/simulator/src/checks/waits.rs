//! Waits are lengths of time: somebody who sets the wall clock neither makes an attempt overdue nor a retry early.

use super::told;
use crate::clock::MS;
use crate::world::World;

/// An attempt is called overdue when it has waited for its answer, and the one after a refusal is made when its delay is over.
pub(super) fn are_not_cut_short(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    let policy = world.plan.policy();
    for sent in &ledger.dispatched {
        let Some(log) = ledger.messages.get(&sent.message).filter(|log| !log.loose) else {
            continue;
        };
        let wait_ns = policy.uncertain_after_ms[sent.lane.index()] * MS;
        for (at_ns, attempt) in &log.overdue {
            if *attempt == sent.attempt && at_ns.saturating_sub(sent.at_ns) < wait_ns {
                let text = format!("attempt {attempt} was called overdue too early");
                findings.push(told(world, sent.message, &text));
            }
        }
        let tally = world.book.tallies.get(&sent.message);
        for (at_ns, generation, attempt) in &log.refused {
            // The resend of an attempt in doubt waits for nothing, and after a restart the wall clock says what is left.
            let doubted = tally.is_some_and(|tally| tally.doubted.contains(attempt));
            let follows = sent.attempt == attempt + 1 && sent.at_ns > *at_ns && !doubted;
            let early = sent.at_ns < at_ns + policy.retry.delay_ms * MS;
            if follows && early && sent.generation == *generation {
                let text = format!("attempt {} was made too early", sent.attempt);
                findings.push(told(world, sent.message, &text));
            }
        }
    }
}
