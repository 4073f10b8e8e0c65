//! A message from a handset that the engine took is handed out until a client takes it over.

use std::collections::BTreeSet;

use message::MessageId;

use crate::world::World;

/// At rest: what carriers were acknowledged was handed out, and waits unless it was taken over.
pub(crate) fn are_kept(world: &World, waiting: &[MessageId], findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    let waiting: BTreeSet<_> = waiting.iter().copied().collect();
    let loose = |at_ns: u64| {
        let mut spans = ledger.inbound_loose_ns.iter();
        spans.any(|(from_ns, to_ns)| (*from_ns..=*to_ns).contains(&at_ns))
    };
    for carrier in &world.carriers {
        for written in &carrier.handsets {
            let handed = ledger.handed_out.iter();
            let handed: Vec<_> = handed.filter(|(_, it)| *it.text == *written.text).collect();
            if handed.len() > written.tries as usize {
                findings.push(format!("{written:?} is there {} times", handed.len()));
            }
            let Some(acknowledged_ns) = written.acknowledged_ns.filter(|at_ns| !loose(*at_ns))
            else {
                continue;
            };
            let there = handed
                .iter()
                .any(|(id, it)| it.asked > 0 || waiting.contains(id));
            if !there {
                findings.push(format!(
                    "{written:?} was acknowledged at {acknowledged_ns} ns and is not there"
                ));
            }
        }
    }
    for id in &waiting {
        let handed = ledger.handed_out.get(id);
        if let Some(handed) = handed.filter(|it| it.taken_over_ns.is_some()) {
            findings.push(format!("{id} waits and was taken over: {handed:?}"));
        }
    }
}
