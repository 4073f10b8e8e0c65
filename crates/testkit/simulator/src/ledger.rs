//! What was seen from outside: what clients asked and were answered, what went to the wire, what the engine said of each message.
//!
//! Nothing in here comes from inside the engine: the checks compare this with the carriers' own books.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use engine::{Event, Refusal, ReplaceVerdict};
use message::{AttemptNo, Lane, MessageId, MessageState, Reason};
use partition::MessageView;

use crate::clock::{self, SECOND};
use crate::note::Note;

/// A segment handed to a session.
#[derive(Clone, Debug)]
pub(crate) struct Dispatched {
    /// True time.
    pub(crate) at_ns: u64,
    /// By which process.
    pub(crate) generation: u32,
    pub(crate) wall_ms: u64,
    pub(crate) carrier: usize,
    pub(crate) message: MessageId,
    pub(crate) attempt: AttemptNo,
    pub(crate) text: Bytes,
    pub(crate) lane: Lane,
    pub(crate) expires_ms: u64,
}

/// New content that a client asked for.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) text: Bytes,
    pub(crate) send_at_ms: Option<u64>,
    pub(crate) asked_ns: u64,
    /// What was answered, and when.
    pub(crate) verdict: Option<(u64, ReplaceVerdict)>,
}

/// A message from a handset, as a client saw it.
#[derive(Debug)]
pub(crate) struct HandedOut {
    pub(crate) text: Box<str>,
    /// The process that handed it out last.
    pub(crate) generation: u32,
    /// How often a client has asked to take it over.
    pub(crate) asked: u32,
    /// When that was confirmed.
    pub(crate) taken_over_ns: Option<u64>,
}

/// One message, as seen from outside.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    /// The wish it came from, once it was answered.
    pub(crate) wish: Option<usize>,
    /// When its id was given out first, in true time.
    pub(crate) answered_ns: Option<u64>,
    /// The contents that clients asked for after the first.
    pub(crate) replacements: Vec<Replaced>,
    /// When a client was told that it is cancelled.
    pub(crate) cancelled_ns: Option<u64>,
    /// Whether any event called it uncertain.
    pub(crate) called_uncertain: bool,
    /// The last event of it: sequence, state.
    pub(crate) last_said: Option<(u32, MessageState)>,
    /// How often the engine said for the first time that it is done with.
    pub(crate) ends: u32,
    /// Attempts that the engine said were taken, with the time.
    pub(crate) taken: Vec<(u64, AttemptNo)>,
    /// Attempts that were said to have waited too long for an answer, with the time.
    pub(crate) overdue: Vec<(u64, AttemptNo)>,
    /// Attempts that the connector reported as refused for now, with the time and the process.
    pub(crate) refused: Vec<(u64, u32, AttemptNo)>,
    /// Attempts that the connector reported as never written.
    pub(crate) unwritten: Vec<AttemptNo>,
    /// Whether a power cut may have set it back, as the sync policy allows.
    pub(crate) loose: bool,
    /// What the engine knows at the end, or knew before a restart at which it could forget the message.
    pub(crate) view: Option<MessageView>,
    /// It was over when the replay mark moved past its admission, and a restart did not know it any more.
    pub(crate) forgotten: bool,
    trace: Vec<(u64, Note)>,
}

/// What clients were answered for one wish.
#[derive(Debug, Default)]
pub(crate) struct WishLog {
    pub(crate) asked_ns: Vec<u64>,
    /// Times of the wall clock at which it was handed in.
    pub(crate) asked_ms: Vec<u64>,
    /// Not before this time of the wall clock.
    pub(crate) send_at_ms: Option<u64>,
    pub(crate) admitted: Option<MessageId>,
    pub(crate) refusals: Vec<(u64, Refusal)>,
    /// Whether a power cut took what was answered, as the sync policy allows.
    pub(crate) lost: bool,
    /// Answers that cannot be.
    pub(crate) wrong: Vec<String>,
}

/// Everything seen.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) messages: BTreeMap<MessageId, MessageLog>,
    pub(crate) wishes: Vec<WishLog>,
    /// Messages from handsets that clients were handed.
    pub(crate) handed_out: BTreeMap<MessageId, HandedOut>,
    /// What a power cut may have taken of them: those that came or were taken over in these spans of true time.
    pub(crate) inbound_loose_ns: Vec<(u64, u64)>,
    /// The process that runs, counted from 1.
    pub(crate) generation: u32,
    pub(crate) dispatched: Vec<Dispatched>,
    /// For each carrier, whether it was asked for a slot in vain and not again since.
    pub(crate) blocked: Vec<bool>,
    /// For each carrier, when it had no free slot, or something else kept its otp waiting.
    pub(crate) hindered: Vec<Vec<u64>>,
    /// For each carrier, when it had no place but such as are kept for otp.
    pub(crate) full: Vec<Vec<u64>>,
    /// Watchers that were told they had fallen behind.
    pub(crate) positions_lost: u32,
}

impl Ledger {
    /// Something kept the otp of a carrier waiting until now.
    pub(crate) fn hindered_now(&mut self, carrier: usize) {
        self.hindered[carrier].push(clock::true_ns());
    }

    pub(crate) fn of(&mut self, id: MessageId) -> &mut MessageLog {
        self.messages.entry(id).or_default()
    }

    pub(crate) fn note(&mut self, id: MessageId, note: Note) {
        let at_ns = clock::true_ns();
        self.of(id).trace.push((at_ns, note));
    }

    pub(crate) fn said(&mut self, event: &Event) {
        let log = self.of(event.message);
        log.called_uncertain |= event.uncertain;
        if matches!(event.reason, Reason::TakenByCarrier | Reason::LateAnswer) {
            log.taken.push((clock::true_ns(), event.attempt));
        }
        if event.reason == Reason::AnswerOverdue {
            log.overdue.push((clock::true_ns(), event.attempt));
        }
        let was_over = log.last_said.is_some_and(|(_, state)| state.is_final());
        if event.state.is_final() && !was_over && !event.late {
            log.ends += 1;
        }
        if log
            .last_said
            .is_none_or(|(sequence, _)| sequence <= event.sequence)
        {
            log.last_said = Some((event.sequence, event.state));
        }
        let note = Note::Said {
            state: event.state,
            reason: event.reason,
            attempt: event.attempt,
            sequence: event.sequence,
            uncertain: event.uncertain,
            late: event.late,
        };
        self.note(event.message, note);
    }

    /// A power cut may have taken what was heard of messages since then: nothing is held against them that was seen before.
    pub(crate) fn set_back(&mut self, since_ns: u64) {
        // What was on its way when the power went arrives.
        let until_ns = clock::true_ns() + SECOND;
        self.inbound_loose_ns.push((since_ns, until_ns));
        for handed in self.handed_out.values_mut() {
            if handed.taken_over_ns.is_some_and(|at_ns| at_ns >= since_ns) {
                handed.taken_over_ns = None;
            }
        }
        for log in self.messages.values_mut() {
            if log
                .trace
                .last()
                .is_some_and(|(at_ns, _)| *at_ns >= since_ns)
            {
                log.loose = true;
                log.last_said = None;
                log.ends = 0;
                log.cancelled_ns = None;
                log.taken.clear();
                for replaced in &mut log.replacements {
                    replaced.verdict = None;
                }
                log.unwritten.clear();
            }
        }
    }

    /// Whether a power cut may have set a message back.
    pub(crate) fn is_loose(&self, id: MessageId) -> bool {
        self.messages.get(&id).is_some_and(|log| log.loose)
    }

    pub(crate) fn found(&mut self, id: MessageId, view: Option<MessageView>) {
        let note = view.as_ref().map_or(Note::Lost, |view| Note::Found {
            state: view.state,
            reason: view.reason,
            sequence: view.sequence,
            uncertain: view.uncertain,
        });
        self.note(id, note);
        self.of(id).view = view;
    }

    /// The lane that a message was sent in.
    pub(crate) fn lane_of(&self, id: MessageId) -> Option<Lane> {
        let mut sent = self.dispatched.iter();
        sent.find(|sent| sent.message == id).map(|sent| sent.lane)
    }

    /// Everything seen of a message, a line each.
    pub(crate) fn trace(&self, id: MessageId) -> String {
        let mut text = String::new();
        if let Some(log) = self.messages.get(&id) {
            for (at_ns, note) in &log.trace {
                let seconds = *at_ns as f64 / SECOND as f64;
                let _ = writeln!(text, "  {seconds:>12.6} s  {note}");
            }
        }
        text
    }
}
