//! A replacement has a definite answer: after "replaced" nothing older is sent, and what was answered "too late" or "unknown" never is.

use engine::ReplaceVerdict;
use message::MessageId;

use super::told;
use crate::ledger::{Dispatched, MessageLog};
use crate::world::World;

/// What was sent is a content that may be sent, by what clients were answered before.
pub(super) fn are_as_answered(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for sent in &ledger.dispatched {
        let Some(log) = ledger.messages.get(&sent.message) else {
            continue;
        };
        let Some(wish) = log.wish.filter(|_| !log.replacements.is_empty()) else {
            continue;
        };
        let first = &world.plan.wishes[wish].submission.text;
        let stepped_back = world.clocks.stepped_back();
        if let Err(what) = judge(log, sent, (sent.text == *first, stepped_back)) {
            findings.push(told(world, sent.message, &what));
        }
    }
}

fn judge(
    log: &MessageLog,
    sent: &Dispatched,
    (is_first, stepped_back): (bool, bool),
) -> Result<(), String> {
    let mut versions = log.replacements.iter();
    let own = versions.find(|replaced| replaced.text == sent.text);
    let attempt = sent.attempt;
    let answered = |verdict: Option<(u64, ReplaceVerdict)>| verdict.map(|(_, verdict)| verdict);
    match own.map(|own| answered(own.verdict)) {
        None if !is_first => return Err(format!("attempt {attempt} has a text of nobody")),
        Some(Some(ReplaceVerdict::TooLate { .. } | ReplaceVerdict::Unknown)) => {
            return Err(format!("attempt {attempt} has a text that was refused"));
        }
        None | Some(None | Some(ReplaceVerdict::Replaced)) => {}
    }
    // Of two that were asked for at the same time either may be the later one.
    let own_ns = own.map_or(0, |own| own.verdict.map_or(u64::MAX, |(at_ns, _)| at_ns));
    let newer = log.replacements.iter().any(|other| {
        let replaced_ns = match other.verdict {
            Some((at_ns, ReplaceVerdict::Replaced)) => at_ns,
            Some(_) | None => u64::MAX,
        };
        other.asked_ns > own_ns && replaced_ns < sent.at_ns
    });
    if newer && !log.loose {
        return Err(format!("attempt {attempt} has a text that was replaced"));
    }
    let too_early = own
        .and_then(|own| own.send_at_ms)
        .is_some_and(|send_at_ms| sent.wall_ms < send_at_ms);
    if too_early && !stepped_back {
        return Err(format!("attempt {attempt} was sent before its new time"));
    }
    Ok(())
}

/// Each message goes over the carriers of its route group.
pub(super) fn go_their_way(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    for sent in &ledger.dispatched {
        let wish = ledger.messages.get(&sent.message).and_then(|log| log.wish);
        let recipient = wish.map(|wish| world.plan.wishes[wish].submission.recipient);
        let only = recipient.and_then(|recipient| world.plan.only_carrier(recipient));
        if only.is_some_and(|only| only != sent.carrier) {
            let text = format!("attempt {} went over another group's carrier", sent.attempt);
            findings.push(told(world, sent.message, &text));
        }
    }
}

/// What arrives at a carrier is what was handed to its session.
pub(super) fn arrive_as_sent(world: &World, findings: &mut Vec<String>) {
    let ledger = world.ledger.borrow();
    let of = |id: MessageId, attempt| {
        let sent = ledger.dispatched.iter();
        sent.filter(move |sent| sent.message == id && sent.attempt == attempt)
    };
    for carrier in &world.carriers {
        for received in &carrier.received {
            let mut sent = of(received.message, received.attempt);
            if !sent.any(|sent| sent.text == received.text[..]) {
                let text = format!("attempt {} arrived with another text", received.attempt);
                findings.push(told(world, received.message, &text));
            }
        }
    }
}
