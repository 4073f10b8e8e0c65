//! Promises 3 and 4: an otp never waits behind bulk, and a carrier never sees more than its contract.

use std::collections::{BTreeMap, VecDeque};

use message::Lane;

use super::told;
use crate::clock::{MS, SECOND};
use crate::world::World;

/// Any second of write stamps holds at most R segments, over processes too.
pub(super) fn contract_is_kept(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for (at, plan) in world.plan.carriers.iter().enumerate() {
        let Some(contract) = plan.contract else {
            continue;
        };
        let most = contract.segments_per_second() as usize;
        let mut window: VecDeque<u64> = VecDeque::new();
        for sent in ledger.dispatched.iter().filter(|sent| sent.carrier == at) {
            window.push_back(sent.at_ns);
            while window
                .front()
                .is_some_and(|first_ns| first_ns + SECOND <= sent.at_ns)
            {
                window.pop_front();
            }
            if window.len() > most {
                findings.push(told(
                    world,
                    sent.message,
                    &format!(
                        "is segment {} of {} in the second before {:.6} s; the contract is {most}",
                        window.len(),
                        plan.name,
                        sent.at_ns as f64 / SECOND as f64
                    ),
                ));
                break;
            }
        }
    }
}

/// From when it was first among otp and nothing else kept it, an otp is written within a permit interval and 2 ms.
pub(super) fn otp_goes_first(world: &World, findings: &mut Vec<String>) {
    if !world.is_calm() || !world.plan.one_carrier() {
        return;
    }
    let ledger = world.ledger.borrow();
    let interval_ns = world.plan.carriers[0]
        .contract
        .map_or(0, |contract| contract.interval_ns());
    let mut sent_first = BTreeMap::new();
    let mut last_otp_ns = 0;
    for sent in &ledger.dispatched {
        if sent.lane != Lane::Otp {
            continue;
        }
        let before_ns = std::mem::replace(&mut last_otp_ns, sent.at_ns);
        if sent_first.insert(sent.message, sent.at_ns).is_some() {
            continue;
        }
        let Some(log) = ledger.messages.get(&sent.message) else {
            continue;
        };
        let scheduled = log
            .wish
            .is_some_and(|wish| world.plan.wishes[wish].send_after_ms.is_some())
            || !log.replacements.is_empty();
        let Some(answered_ns) = log.answered_ns.filter(|_| !scheduled) else {
            continue;
        };
        let hindered = ledger.hindered[0].partition_point(|at_ns| *at_ns < sent.at_ns);
        let hindered_ns = hindered
            .checked_sub(1)
            .map_or(0, |at| ledger.hindered[0][at]);
        let first_ns = answered_ns.max(before_ns).max(hindered_ns);
        let waited_ns = sent.at_ns.saturating_sub(first_ns);
        if waited_ns > interval_ns + 2 * MS {
            findings.push(told(
                world,
                sent.message,
                &format!(
                    "is an otp that was first for {:.3} ms; a permit comes every {:.3} ms",
                    waited_ns as f64 / MS as f64,
                    interval_ns as f64 / MS as f64
                ),
            ));
        }
    }
}

/// While work waits and nothing else hinders it, a carrier is sent what its contract allows: a burst leaves at 0.97 R at least, which is the
/// promised 0.99 of the pace r = 0.993 R with room for the disk's part in claiming.
pub(super) fn contract_is_used(world: &World, findings: &mut Vec<String>) {
    const WORTH_MEASURING: usize = 40;
    if !world.is_calm() || !world.plan.one_carrier() {
        return;
    }
    let Some(contract) = world.plan.carriers[0].contract else {
        return;
    };
    let ledger = world.ledger.borrow();
    let answered = ledger.messages.values().filter_map(|log| log.answered_ns);
    let bursts = answered.filter(|at_ns| *at_ns < 600 * MS);
    // What is sent first must be claimed first, which takes two syncs.
    let Some(from_ns) = bursts
        .max()
        .map(|at_ns| at_ns + 2 * world.plan.disk.sync_ns.1)
    else {
        return;
    };
    let burst = |id| {
        let log = ledger.messages.get(id);
        log.is_some_and(|log| {
            let scheduled = log
                .wish
                .is_some_and(|wish| world.plan.wishes[wish].send_after_ms.is_some())
                || !log.replacements.is_empty();
            log.answered_ns.is_some_and(|at_ns| at_ns <= from_ns) && !scheduled
        })
    };
    let sent = || ledger.dispatched.iter().filter(|it| it.at_ns > from_ns);
    let Some(last) = sent().rfind(|it| burst(&it.message)) else {
        return;
    };
    let hindered = ledger.hindered[0]
        .iter()
        .chain(&ledger.full[0])
        .any(|at_ns| (from_ns..=last.at_ns).contains(at_ns));
    let count = sent().filter(|it| it.at_ns <= last.at_ns).count();
    if hindered || count < WORTH_MEASURING {
        return;
    }
    let seconds = (last.at_ns - from_ns) as f64 / SECOND as f64;
    let possible = seconds * f64::from(contract.segments_per_second());
    if (count as f64) < 0.97 * possible {
        findings.push(format!(
            "{count} segments left in {seconds:.3} s in which work waited and nothing hindered it; the contract allows {possible:.0}"
        ));
    }
}
