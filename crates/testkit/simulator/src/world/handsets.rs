//! Messages from handsets, as clients see them: handed out until taken over, over ends of the process too.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use engine::{Handle, InboundWatcher, ResumePosition};
use message::MessageId;

use super::World;
use super::agenda::What;
use super::clients::Question;
use crate::clock::{self, SECOND};
use crate::ledger::HandedOut;

impl World {
    /// Follows messages from handsets: those that nobody took over, or from where the client had stopped.
    pub(super) fn follow_inbound(&mut self, handle: &Handle) -> Option<InboundWatcher> {
        let mut cx = Context::from_waker(Waker::noop());
        let after = self.inbound_after.take();
        let mut follow = |after| match pin!(handle.inbound(after)).poll(&mut cx) {
            Poll::Ready(Ok(watcher)) => Some(watcher),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        };
        // A position of another life of the directory means nothing.
        let watcher = after
            .and_then(|after| follow(Some(after)))
            .or_else(|| follow(None));
        if watcher.is_none() {
            self.broken
                .push("a fresh engine hands out no messages from handsets".into());
        }
        watcher
    }

    pub(super) fn poll_inbound(&mut self, cx: &mut Context<'_>) {
        let Some(process) = &mut self.process else {
            return;
        };
        let mut views = Vec::new();
        while pin!(process.inbound.next(&mut views)).poll(cx).is_ready() {}
        for view in views {
            let mut ledger = self.ledger.borrow_mut();
            let handed = HandedOut {
                text: view.message.text.clone(),
                generation: self.generation,
                asked: 0,
                taken_over_ns: None,
            };
            let handed = ledger.handed_out.entry(view.id).or_insert(handed);
            if handed.taken_over_ns.is_some() {
                let (id, text) = (view.id, &view.message.text);
                self.broken
                    .push(format!("{id} ({text}) is handed out and was taken over"));
            }
            handed.generation = self.generation;
            drop(ledger);
            if self.dice.chance(700) {
                let at_ns = self.clocks.true_ns() + self.dice.below(SECOND);
                self.agenda.push(at_ns, What::TakeOver(view.id));
            }
        }
    }

    /// A client takes one over.
    pub(super) fn take_over(&mut self, id: MessageId) {
        let Some(process) = &self.process else { return };
        let handle = process.engine.handle();
        if let Some(handed) = self.ledger.borrow_mut().handed_out.get_mut(&id) {
            handed.asked += 1;
        }
        let asked = Box::pin(async move { handle.acknowledge_inbound(id).await });
        self.ask_question(Question::TakeOver(id, asked));
    }

    pub(super) fn taken_over(&mut self, id: MessageId, was_there: bool) {
        let over = self.is_over();
        let mut ledger = self.ledger.borrow_mut();
        let Some(handed) = ledger.handed_out.get_mut(&id) else {
            return;
        };
        if was_there {
            handed.taken_over_ns = Some(clock::true_ns());
        } else if handed.asked == 1 && !over && handed.generation == self.generation {
            self.broken
                .push(format!("{id} was handed out and could not be taken over"));
        }
    }

    /// Remembers how far the client got, which it may go on from in the next process.
    pub(super) fn leave_inbound(&mut self) {
        let resumes = self.dice.chance(500);
        let process = self.process.as_ref().filter(|_| resumes);
        self.inbound_after = process.map(|process| process.inbound.position());
    }

    /// Everything that waits to be taken over now.
    pub(crate) fn inbound_waiting(&mut self) -> Vec<MessageId> {
        let Some(process) = &self.process else {
            return Vec::new();
        };
        let handle = process.engine.handle();
        let Some(mut watcher) = self.follow_inbound(&handle) else {
            return Vec::new();
        };
        let mut views = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while pin!(watcher.next(&mut views)).poll(&mut cx).is_ready() {}
        views.iter().map(|view| view.id).collect()
    }
}

/// Where a client may go on.
pub(super) type InboundAfter = Option<ResumePosition>;
