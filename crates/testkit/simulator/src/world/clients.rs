//! What clients do: hand in, ask again when they were not answered, repeat, cancel.
//!
//! A client that has no answer does what a careful one does: with an idempotency key it hands the same in again, without one it cannot.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engine::{
    Admission, AdmitReply, Caller, CancelVerdict, Life, Refusal, ReplaceVerdict, Replacement,
    ReplyTo,
};
use message::{CallerId, MessageId, Reason, Submission, TenantId};
use partition::MessageView;

use super::World;
use super::agenda::What;
use crate::clock::{self, MS};
use crate::dice::Dice;
use crate::ledger::Replaced;
use crate::note::Note;
use crate::plan::{Follow, TENANTS, slug};

/// How often a client hands the same in before it gives up.
const TRIES_MAX: usize = 60;
/// Marks the answer to another body under a known key.
const OTHER: u64 = 1 << 32;

/// A question under way, and what it is about.
pub(super) enum Question {
    Cancel(MessageId, Pin<Box<dyn Future<Output = CancelVerdict>>>),
    Replace(
        MessageId,
        usize,
        Pin<Box<dyn Future<Output = Result<ReplaceVerdict, Refusal>>>>,
    ),
    TakeOver(MessageId, Pin<Box<dyn Future<Output = bool>>>),
    Find(
        MessageId,
        Pin<Box<dyn Future<Output = Option<MessageView>>>>,
    ),
}

/// The clients of a run.
pub(super) struct Clients {
    dice: Dice,
    questions: Vec<Question>,
    /// Wishes that have been handed in and not been answered.
    outstanding: Vec<u64>,
    /// `send_at` of the wishes that have one, fixed at the first hand-in: it is part of the body.
    send_at_ms: Vec<Option<u64>>,
    tries: Vec<usize>,
}

impl Clients {
    pub(super) const fn new(dice: Dice) -> Self {
        Self {
            dice,
            questions: Vec::new(),
            outstanding: Vec::new(),
            send_at_ms: Vec::new(),
            tries: Vec::new(),
        }
    }

    pub(super) fn are_at_rest(&self) -> bool {
        self.questions.is_empty() && self.outstanding.is_empty()
    }
}

fn tenant_id(tenant: usize) -> TenantId {
    TenantId::of(&slug(TENANTS[tenant]))
}

fn caller(tenant: usize) -> Caller {
    Caller {
        id: CallerId::of(&slug("client")),
        tenant: tenant_id(tenant),
        name: slug("client"),
        categories: [true; 4],
    }
}

impl World {
    /// A client hands in a wish, for the first time or again.
    pub(super) fn ask(&mut self, wish: usize) {
        let admitted = self.ledger.borrow().wishes[wish].admitted.is_some();
        let mut follow = self.plan.wishes[wish].follow.iter();
        let repeats = follow.any(|(_, follow)| *follow == Follow::SameAgain);
        if admitted && !repeats {
            return;
        }
        self.hand_in(wish as u64);
    }

    /// What a client does after its wish.
    pub(super) fn follow(&mut self, wish: usize, nth: usize) {
        let (_, follow) = self.plan.wishes[wish].follow[nth];
        let admitted = self.ledger.borrow().wishes[wish].admitted;
        match (follow, admitted) {
            // Without an id there is nothing to be repeated or cancelled.
            (_, None) => {}
            (Follow::SameAgain, Some(_)) => self.hand_in(wish as u64),
            (Follow::OtherAgain, Some(_)) => self.hand_in(wish as u64 | OTHER),
            (Follow::Cancel, Some(id)) => {
                if let Some(process) = &self.process {
                    let handle = process.engine.handle();
                    let tenant = tenant_id(self.plan.wishes[wish].tenant);
                    let asked = Box::pin(async move { handle.cancel(tenant, id).await });
                    self.clients.questions.push(Question::Cancel(id, asked));
                }
            }
            (Follow::Replace { .. }, Some(id)) => self.replace(wish, follow, id),
        }
    }

    fn replace(&mut self, wish: usize, follow: Follow, id: MessageId) {
        let Follow::Replace {
            valid_for_ms,
            send_after_ms,
        } = follow
        else {
            return;
        };
        let Some(process) = &self.process else { return };
        let submission = &self.plan.wishes[wish].submission;
        let mut ledger = self.ledger.borrow_mut();
        let log = ledger.of(id);
        let version = log.replacements.len();
        let text: bytes::Bytes = format!("message of wish {wish}, made anew {version}").into();
        let send_at_ms = send_after_ms.map(|after_ms| clock::now().wall_ms + after_ms);
        log.replacements.push(Replaced {
            text: text.clone(),
            send_at_ms,
            asked_ns: clock::true_ns(),
            verdict: None,
        });
        ledger.note(id, Note::AskedToReplace { version });
        let replacement = Replacement {
            text,
            sender: submission.sender.clone(),
            segments: 1,
            valid_for_ms,
            send_at_ms,
        };
        let handle = process.engine.handle();
        let tenant = tenant_id(self.plan.wishes[wish].tenant);
        let asked = Box::pin(async move { handle.replace((tenant, id), replacement).await });
        let question = Question::Replace(id, version, asked);
        self.clients.questions.push(question);
    }

    fn submission(&mut self, tag: u64) -> (usize, Submission) {
        let wish = wish_of(tag);
        let sends_at_ms = &mut self.clients.send_at_ms;
        if sends_at_ms.len() <= wish {
            sends_at_ms.resize(wish + 1, None);
        }
        let plan = &self.plan.wishes[wish];
        let wall_ms = clock::now().wall_ms;
        if let Some(after_ms) = plan.send_after_ms {
            sends_at_ms[wish].get_or_insert(wall_ms + after_ms);
        }
        let mut submission = plan.submission.clone();
        submission.send_at_ms = sends_at_ms[wish];
        self.ledger.borrow_mut().wishes[wish].send_at_ms = sends_at_ms[wish];
        if tag & OTHER != 0 {
            submission.text = "something else".into();
        }
        (plan.tenant, submission)
    }

    fn hand_in(&mut self, tag: u64) {
        let wish = wish_of(tag);
        let tries = &mut self.clients.tries;
        if tries.len() <= wish {
            tries.resize(wish + 1, 0);
        }
        tries[wish] += 1;
        if tries[wish] > TRIES_MAX {
            return;
        }
        let (tenant, submission) = self.submission(tag);
        let Some(process) = &self.process else {
            return self.hand_in_later(tag, 200 * MS);
        };
        let to = ReplyTo {
            sink: Arc::clone(&process.sink),
            tag,
        };
        let handed_in = process
            .engine
            .handle()
            .try_submit(&caller(tenant), submission, to);
        {
            let mut ledger = self.ledger.borrow_mut();
            let log = &mut ledger.wishes[wish];
            log.asked_ns.push(clock::true_ns());
            log.asked_ms.push(clock::now().wall_ms);
        }
        match handed_in {
            Ok(()) => self.clients.outstanding.push(tag),
            Err(refusal) => self.refused(tag, refusal),
        }
    }

    fn hand_in_later(&mut self, tag: u64, after_ns: u64) {
        let at_ns = self.clocks.true_ns() + after_ns + self.clients.dice.below(50 * MS);
        let what = if tag & OTHER == 0 {
            What::Ask(wish_of(tag))
        } else {
            self.other_again(wish_of(tag))
        };
        self.agenda.push(at_ns, what);
    }

    fn other_again(&self, wish: usize) -> What {
        let mut follow = self.plan.wishes[wish].follow.iter();
        let nth = follow.position(|(_, follow)| *follow == Follow::OtherAgain);
        What::Follow(wish, nth.unwrap_or(0))
    }

    fn refused(&mut self, tag: u64, refusal: Refusal) {
        let wish = wish_of(tag);
        if let Some(after_ms) = refusal.retry_after_ms {
            self.hand_in_later(tag, after_ms.min(400) * MS);
        }
        let mut ledger = self.ledger.borrow_mut();
        let log = &mut ledger.wishes[wish];
        if refusal.reason == Reason::IdempotencyConflict && !log.lost {
            if tag & OTHER == 0 {
                log.wrong
                    .push("the first body was refused as another one".into());
            } else if refusal.existing != log.admitted {
                let (found, first) = (refusal.existing, log.admitted);
                log.wrong.push(format!(
                    "a conflict names {found:?}, the first is {first:?}"
                ));
            }
        }
        log.refusals.push((clock::true_ns(), refusal));
    }

    fn admitted(&mut self, tag: u64, admission: Admission) {
        let wish = wish_of(tag);
        let mut ledger = self.ledger.borrow_mut();
        let id = admission.id;
        ledger.note(id, Note::Asked { wish });
        let repeat = admission.repeat;
        ledger.note(id, Note::Answered { repeat });
        let log = &mut ledger.wishes[wish];
        if tag & OTHER != 0 && !log.lost {
            log.wrong
                .push(format!("another body under the same key was taken as {id}"));
        }
        match log.admitted {
            None => log.admitted = Some(id),
            Some(first) if first != id && !log.lost => {
                log.wrong
                    .push(format!("a repeat was answered {id}, the first was {first}"));
            }
            Some(_) => {}
        }
        let log = ledger.of(id);
        log.wish = Some(wish);
        log.answered_ns.get_or_insert(clock::true_ns());
    }

    /// Takes the answers that have come, and the events.
    pub(super) fn poll_answers(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut replies: Vec<(u64, AdmitReply)> = Vec::new();
        if let Some(process) = &mut self.process {
            if !self.clients.outstanding.is_empty() {
                let _ = pin!(process.sink.recv(&mut replies)).poll(&mut cx);
            }
            let mut ledger = self.ledger.borrow_mut();
            while let Poll::Ready(more) = pin!(process.watcher.next()).poll(&mut cx) {
                let Ok(chunk) = more else {
                    ledger.positions_lost += 1;
                    break;
                };
                for event in chunk.events() {
                    ledger.said(event);
                }
            }
        }
        for (tag, reply) in replies {
            self.clients.outstanding.retain(|waits| *waits != tag);
            match reply {
                Ok(admission) => self.admitted(tag, admission),
                Err(refusal) => self.refused(tag, refusal),
            }
        }
        self.poll_inbound(&mut cx);
        self.poll_questions(&mut cx);
    }

    fn replaced(
        &mut self,
        (id, version): (MessageId, usize),
        answer: Result<ReplaceVerdict, Refusal>,
    ) {
        let over = self.is_over();
        let mut ledger = self.ledger.borrow_mut();
        let Ok(verdict) = answer else {
            // Asked while the engine was ending, or on a full disk.
            return;
        };
        if verdict == ReplaceVerdict::Unknown && over {
            return;
        }
        ledger.note(id, Note::Replaced(version, verdict));
        let replaced = &mut ledger.of(id).replacements[version];
        replaced.verdict = Some((clock::true_ns(), verdict));
        drop(ledger);
        if verdict == ReplaceVerdict::Unknown {
            self.unknown_although_answered(id);
        }
    }

    /// Whether the engine answers nothing any more: its front door says so instead of passing such an answer on.
    pub(super) fn is_over(&self) -> bool {
        let life = self
            .process
            .as_ref()
            .map(|process| process.engine.handle().life());
        !matches!(life, Some(Life::Starting | Life::Open | Life::Draining))
    }

    /// `Unknown` is a definite answer: no such message.
    fn unknown_although_answered(&mut self, id: MessageId) {
        let over = self.is_over();
        let ledger = self.ledger.borrow();
        let log = ledger.messages.get(&id);
        let said = log.and_then(|log| log.last_said);
        let said_over = said.is_some_and(|(_, state)| state.is_final());
        let forgotten = self.book.may_be_forgotten(id, said_over);
        let must_be_known = log.is_some_and(|log| log.answered_ns.is_some() && !log.loose);
        if must_be_known && !over && !forgotten {
            let text = format!("{id} was called unknown\n{}", ledger.trace(id));
            drop(ledger);
            self.broken.push(text);
        }
    }

    fn poll_questions(&mut self, cx: &mut Context<'_>) {
        let mut questions = std::mem::take(&mut self.clients.questions);
        questions.retain_mut(|question| match question {
            Question::Cancel(id, asked) => match asked.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(verdict) => {
                    self.ledger.borrow_mut().note(*id, Note::Cancelled(verdict));
                    match verdict {
                        CancelVerdict::Cancelled => {
                            let mut ledger = self.ledger.borrow_mut();
                            ledger.of(*id).cancelled_ns.get_or_insert(clock::true_ns());
                        }
                        CancelVerdict::Unknown => self.unknown_although_answered(*id),
                        CancelVerdict::TooLate { .. } => {}
                    }
                    false
                }
            },
            Question::Replace(id, version, asked) => match asked.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(verdict) => {
                    self.replaced((*id, *version), verdict);
                    false
                }
            },
            Question::TakeOver(id, asked) => match asked.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(was_there) => {
                    self.taken_over(*id, was_there);
                    false
                }
            },
            Question::Find(id, asked) => match asked.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(view) => {
                    self.found(*id, view);
                    false
                }
            },
        });
        self.clients.questions.extend(questions);
    }

    pub(super) fn ask_question(&mut self, question: Question) {
        self.clients.questions.push(question);
    }

    /// Asks what the engine knows of a message.
    pub(super) fn find(&mut self, id: MessageId) {
        let Some(process) = &self.process else {
            return;
        };
        let wish = self
            .ledger
            .borrow()
            .messages
            .get(&id)
            .and_then(|log| log.wish);
        // Whose a message is that was never answered only the engine knows.
        let tenants = match wish {
            Some(wish) => vec![self.plan.wishes[wish].tenant],
            None => (0..TENANTS.len()).collect(),
        };
        for tenant in tenants {
            let handle = process.engine.handle();
            let asked = Box::pin(async move { handle.find(tenant_id(tenant), id).await });
            self.clients.questions.push(Question::Find(id, asked));
        }
    }

    /// What must hold of every answer to a question: what was published before is known.
    fn found(&mut self, id: MessageId, view: Option<MessageView>) {
        let mut ledger = self.ledger.borrow_mut();
        let log = ledger.of(id);
        if view.is_none() && log.wish.is_none() {
            // Another tenant's.
            return;
        }
        let found_over = log.view.as_ref().is_some_and(|view| view.state.is_final());
        let said_over = found_over || log.last_said.is_some_and(|(_, state)| state.is_final());
        if view.is_none() && self.book.may_be_forgotten(id, said_over) {
            log.forgotten = true;
            return;
        }
        if let (Some((sequence, state)), Some(view)) = (log.last_said, &view) {
            // Odd sequences are Written events, which a power cut may take back.
            let known = view.sequence >= sequence & !1;
            let over = !state.is_final() || view.state.rank() >= state.rank();
            if !known || !over {
                self.broken.push(format!(
                    "{id} was published as {state} (event {sequence}) and is found as {} (event {})\n{}",
                    view.state,
                    view.sequence,
                    ledger.trace(id)
                ));
            }
        }
        ledger.found(id, view);
    }

    /// The process is gone: whoever has a key asks again, whoever has none will never know.
    pub(super) fn clients_lose_process(&mut self) {
        self.clients.questions.clear();
        for tag in std::mem::take(&mut self.clients.outstanding) {
            let keyed = self.plan.wishes[wish_of(tag)]
                .submission
                .idempotency_key
                .is_some();
            if keyed {
                self.hand_in_later(tag, 100 * MS);
            }
        }
    }

    /// The process runs again: what was answered before must be known.
    pub(super) fn look_after_restart(&mut self) {
        let ledger = self.ledger.borrow();
        let answered = ledger.messages.iter();
        let answered: Vec<_> = answered
            .filter(|(_, log)| log.answered_ns.is_some())
            .map(|(id, _)| *id)
            .collect();
        drop(ledger);
        for id in answered {
            self.find(id);
        }
    }
}

fn wish_of(tag: u64) -> usize {
    usize::try_from(tag & (OTHER - 1)).unwrap_or(usize::MAX)
}
