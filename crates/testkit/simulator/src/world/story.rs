//! What a run was like, in figures and in full.

use message::MessageState;

use super::World;
use crate::Report;

impl World {
    /// The figures of a run.
    pub(crate) fn report(&self) -> Report {
        let ledger = self.ledger.borrow();
        let logs = || ledger.messages.values();
        let views = logs().filter_map(|log| log.view.as_ref());
        let carriers = self.carriers.iter();
        let mut digest = 0_u64;
        let mut mix = |bits: u64| {
            digest = (digest ^ bits)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .rotate_left(29);
        };
        for sent in &ledger.dispatched {
            mix(sent.at_ns);
            mix(u64::from(sent.attempt));
        }
        for view in views.clone() {
            mix(u64::from(view.state.number()));
            mix(u64::from(view.sequence));
        }
        mix(self.events);
        Report {
            events: self.events,
            messages: logs().filter(|log| log.answered_ns.is_some()).count() as u64,
            received: carriers.map(|carrier| carrier.received.len() as u64).sum(),
            copies: crate::checks::taken(self)
                .values()
                .filter(|times| **times > 1)
                .count() as u64,
            delivered: views
                .filter(|view| view.state == MessageState::Delivered)
                .count() as u64,
            starts: self.generation,
            carried: self.book.carried,
            replayed_from: self.book.mark(),
            digest,
        }
    }

    /// Everything that was seen, message by message.
    pub(crate) fn story(&self) -> String {
        let mut text = format!("{:#?}\n{:?}\n", self.plan.faults, self.plan.sync);
        for (at, carrier) in self.plan.carriers.iter().enumerate() {
            text += &format!(
                "carrier {at}: {:?} {:?}\n",
                carrier.contract, carrier.script
            );
        }
        let ids: Vec<_> = self.ledger.borrow().messages.keys().copied().collect();
        for id in ids {
            text += &crate::checks::told(self, id, "");
        }
        text
    }
}
