//! A connector that notes what passes: the real one does the work.

use std::cell::RefCell;
use std::rc::Rc;

use connector::{
    Connector, ConnectorEvent, ConnectorStatus, Dispatch, ReceiptHandle, Slot, Verdict,
};
use message::{Now, Outcome, Rejection};

use crate::clock;
use crate::ledger::{Dispatched, Ledger};
use crate::mutant::Mutant;
use crate::note::Note;

/// Wraps the connector of one carrier.
pub(crate) struct Spy<C> {
    inner: C,
    carrier: usize,
    ledger: Rc<RefCell<Ledger>>,
    mutant: Option<Mutant>,
}

impl<C> Spy<C> {
    pub(crate) const fn new(
        inner: C,
        carrier: usize,
        ledger: Rc<RefCell<Ledger>>,
        mutant: Option<Mutant>,
    ) -> Self {
        Self {
            inner,
            carrier,
            ledger,
            mutant,
        }
    }

    fn hindered(&self) {
        self.ledger.borrow_mut().hindered_now(self.carrier);
    }

    fn note_outcome(&self, segment: message::SegmentRef, outcome: &Outcome) {
        let mut ledger = self.ledger.borrow_mut();
        let refused = (clock::true_ns(), ledger.generation, segment.attempt);
        let log = ledger.of(segment.message);
        match outcome {
            Outcome::Unwritten => log.unwritten.push(segment.attempt),
            Outcome::Rejected {
                rejection: Rejection::Retry,
                ..
            } => log.refused.push(refused),
            Outcome::Submitted { .. }
            | Outcome::Throttled
            | Outcome::Rejected { .. }
            | Outcome::Uncertain { .. } => {}
        }
        let note = Note::Outcome {
            attempt: segment.attempt,
            outcome: outcome.clone(),
        };
        ledger.note(segment.message, note);
    }
}

impl<C: Connector> Connector for Spy<C> {
    fn poll_slot(&mut self, now: Now) -> Option<Slot> {
        let slot = self.inner.poll_slot(now);
        let blocked = slot.is_none_or(|slot| slot.free + slot.free_otp == 0);
        self.ledger.borrow_mut().blocked[self.carrier] = blocked;
        if blocked {
            self.hindered();
        }
        if slot.is_none_or(|slot| slot.free == 0) {
            let mut ledger = self.ledger.borrow_mut();
            ledger.full[self.carrier].push(clock::true_ns());
        }
        slot
    }

    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now) {
        {
            let mut ledger = self.ledger.borrow_mut();
            let (at_ns, generation) = (clock::true_ns(), ledger.generation);
            for dispatch in batch.iter() {
                let segment = dispatch.segment;
                ledger.dispatched.push(Dispatched {
                    at_ns,
                    generation,
                    wall_ms: now.wall_ms,
                    carrier: self.carrier,
                    message: segment.message,
                    attempt: segment.attempt,
                    text: dispatch.payload.text.clone(),
                    lane: dispatch.payload.lane,
                    expires_ms: dispatch.payload.expires_ms,
                });
                let note = Note::Dispatched {
                    carrier: self.carrier,
                    attempt: segment.attempt,
                    session: dispatch.session.0,
                };
                ledger.note(segment.message, note);
            }
        }
        if let Some(mutant) = self.mutant {
            mutant.spoil_batch(batch);
        }
        self.inner.submit(batch, now);
    }

    fn drain_events(&mut self, events: &mut Vec<ConnectorEvent>) {
        let from = events.len();
        self.inner.drain_events(events);
        if let Some(mutant) = self.mutant {
            mutant.spoil_events(events, from);
        }
        for event in &events[from..] {
            match event {
                ConnectorEvent::Outcome {
                    segment, outcome, ..
                } => {
                    self.note_outcome(*segment, outcome);
                    if *outcome == Outcome::Throttled {
                        self.hindered();
                    }
                }
                ConnectorEvent::SessionUp { .. } | ConnectorEvent::SessionDown { .. } => {
                    self.hindered();
                }
                ConnectorEvent::Receipt { .. } | ConnectorEvent::Inbound { .. } => {}
            }
        }
    }

    fn in_flight(&self, each: &mut dyn FnMut(message::SegmentRef)) {
        self.inner.in_flight(each);
    }

    fn acknowledge(&mut self, handle: ReceiptHandle, verdict: Verdict, now: Now) {
        self.inner.acknowledge(handle, verdict, now);
    }

    fn drain(&mut self, now: Now) {
        self.inner.drain(now);
    }

    fn is_drained(&self) -> bool {
        self.inner.is_drained()
    }

    fn status(&self) -> ConnectorStatus {
        self.inner.status()
    }
}
