//! What waits until its records are durable.

use std::collections::VecDeque;
use std::sync::Arc;

use connector::{ReceiptHandle, Verdict};
use journal::Position;
use message::{CarrierId, Lane, MessageId, Now, Reason};
use partition::{CancelVerdict, Change, Effect, Enqueue, InboundView, MessageView, ReplaceVerdict};
use tokio::sync::oneshot;

use super::Shard;
use super::evidence::LookUp;
use crate::caller::{AdmitReply, Refusal};
use crate::events::{Event, EventKey};
use crate::reply::{Announce, ReplySink, ReplyTo};
use crate::shared::Life;

/// Most answers and effects, and most events, released in a turn: a turn should stay well under a millisecond.
const RELEASED_PER_TURN: usize = 256;
/// A receipt that is not durable after this long is answered with a temporary error, so that the carrier sends it again rather than drop the
/// session.
const ACKNOWLEDGE_WITHIN_NS: u64 = 5_000_000_000;

/// Something somebody outside will rely on.
#[derive(Debug)]
pub(super) enum Deferred {
    /// Carry out an effect.
    Effect(Effect),
    /// A new message enters its lane; the time is its arrival at intake.
    Admitted(Box<Enqueue>, u64),
    /// Answer a submission; the time is its arrival at intake.
    Reply(ReplyTo, Box<AdmitReply>, u64, Lane),
    /// Answer a cancellation.
    Cancel(oneshot::Sender<CancelVerdict>, CancelVerdict),
    /// Answer a replacement.
    Replace(oneshot::Sender<ReplaceVerdict>, ReplaceVerdict),
    /// Show an inbound message to watchers, by the position of its record.
    Inbound(u64, Box<InboundView>),
    /// Answer the acknowledgement of an inbound message.
    InboundDone(oneshot::Sender<bool>, MessageId, bool),
    /// Make a message cold that awaits a receipt.
    Cool(MessageId),
}

/// In order of position; acknowledgements and events apart, since they are released in bulk and by other rules.
#[derive(Debug, Default)]
pub(super) struct DeferredQueue {
    waiting: VecDeque<(Position, Deferred)>,
    acknowledgements: VecDeque<Acknowledgement>,
    /// Of receipts that were looked up first: they came earlier than their place says.
    looked_up: VecDeque<Acknowledgement>,
    /// In the order of their keys.
    events: VecDeque<Event>,
    /// Of the last event that came.
    last_key: EventKey,
    /// Events released in this turn.
    released: Vec<Event>,
    /// Sinks that were given answers in this turn and whose receivers must be woken.
    owed: Vec<Arc<ReplySink>>,
}

#[derive(Debug)]
struct Acknowledgement {
    position: Position,
    carrier: CarrierId,
    handle: ReceiptHandle,
    arrived_ns: u64,
}

impl DeferredQueue {
    pub(super) fn push(&mut self, position: Position, deferred: Deferred) {
        self.waiting.push_back((position, deferred));
    }

    pub(super) fn acknowledge(
        &mut self,
        (position, look_up): (Position, LookUp),
        (carrier, handle): (CarrierId, ReceiptHandle),
        arrived_ns: u64,
    ) {
        let queue = match look_up {
            LookUp::ToBeDone => &mut self.acknowledgements,
            LookUp::Done => &mut self.looked_up,
        };
        queue.push_back(Acknowledgement {
            position,
            carrier,
            handle,
            arrived_ns,
        });
    }

    /// The event of a record that ends at `position`.
    pub(super) fn event(&mut self, position: Position, view: &MessageView, change: &Change) {
        self.push_event(EventKey::of_record(position), view, change);
    }

    /// An event that the journal does not hold, after everything up to `position`.
    pub(super) fn unrecorded_event(
        &mut self,
        position: Position,
        view: &MessageView,
        change: &Change,
    ) {
        let ordinal = if self.last_key.position == position {
            self.last_key.ordinal + 1
        } else {
            1
        };
        self.push_event(EventKey { position, ordinal }, view, change);
    }

    fn push_event(&mut self, key: EventKey, view: &MessageView, change: &Change) {
        self.last_key = key;
        self.events.push_back(Event::new(key, view, change));
    }

    /// All events of records before this position were handed to the event log.
    fn events_handed(&self, durable: Position) -> Position {
        self.events
            .front()
            .map_or(durable, |event| event.key.position)
    }

    /// Answers the submissions that will not become durable in this run. Whether they were kept is only known after the next start, so the
    /// answer asks for a repeat, which an idempotency key makes harmless.
    pub(super) fn refuse_rest(&mut self, life: Life) {
        let reason = life.refuses().unwrap_or(Reason::Draining);
        for (_, deferred) in self.waiting.drain(..) {
            if let Deferred::Reply(to, _, _, _) = deferred {
                let _ = to.sink.put(to.tag, Err(Refusal::of(reason)));
                to.sink.announce();
            }
        }
    }

    /// Whether something could be released in another turn at once.
    pub(super) fn has_durable(&self, durable: Position) -> bool {
        let waits = |front: Option<Position>| front.is_some_and(|position| position <= durable);
        waits(self.waiting.front().map(|(position, _)| *position))
            || waits(self.events.front().map(|event| event.key.position))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.acknowledgements.len() + self.looked_up.len() + self.events.len()
    }
}

impl Shard {
    /// Publishes the event of a change when it is durable, and counts it.
    pub(super) fn note_change(&mut self, at: usize, change: Change, position: Position) {
        if change.late {
            self.shared.metrics.late.increment(1);
        } else if change.state.is_final() {
            self.shared.metrics.finished(change.state);
        }
        if let Some(view) = self.partitions[at].find(change.id) {
            self.deferred.event(position, &view, &change);
        }
    }

    /// Carries out everything whose records have become durable.
    pub(super) fn release_durable(&mut self, now: Now) {
        use journal::Append as _;
        let durable = self.journal.durable();
        if durable > self.durable {
            self.durable = durable;
            self.backlog.reader.note_durable(durable.0);
            for carrier in &mut self.cell.carriers {
                carrier.note_commit();
            }
        }
        for _ in 0..RELEASED_PER_TURN {
            let Some((position, _)) = self.deferred.waiting.front() else {
                break;
            };
            if *position > durable {
                break;
            }
            if let Some((_, deferred)) = self.deferred.waiting.pop_front() {
                self.release(deferred, now);
            }
        }
        self.release_acknowledgements(durable, now);
        self.release_events(durable);
        for sink in self.deferred.owed.drain(..) {
            sink.announce();
        }
    }

    fn release(&mut self, deferred: Deferred, now: Now) {
        match deferred {
            Deferred::Effect(effect) => self.carry_out(effect, now),
            Deferred::Admitted(enqueue, received_ns) => {
                self.enter_lane_first(*enqueue, received_ns, now);
            }
            Deferred::Reply(to, reply, received_ns, lane) => {
                let waited_ns = now.mono_ns.saturating_sub(received_ns);
                self.submit_to_admit[lane.index()].saturating_record(waited_ns / 1_000);
                self.shared.metrics.submit_to_admit[lane.index()].record(waited_ns as f64 / 1e9);
                if to.sink.put(to.tag, *reply) == Announce::Owed {
                    self.deferred.owed.push(to.sink);
                }
            }
            Deferred::Cancel(answer, verdict) => {
                // The client may have gone; the cancellation stands.
                let _ = answer.send(verdict);
            }
            Deferred::Replace(answer, verdict) => {
                // The client may have gone; the replacement stands.
                let _ = answer.send(verdict);
            }
            Deferred::Cool(id) => self.cool_durable(id, now),
            Deferred::Inbound(at, view) => self.shared.inbound.add(at, *view),
            Deferred::InboundDone(answer, id, known) => {
                self.shared.inbound.remove(id);
                let _ = answer.send(known);
            }
        }
    }

    fn release_acknowledgements(&mut self, durable: Position, now: Now) {
        let deferred = &mut self.deferred;
        for queue in [&mut deferred.acknowledgements, &mut deferred.looked_up] {
            while let Some(front) = queue.front() {
                let verdict = if front.position <= durable {
                    Verdict::Taken
                } else if now.mono_ns.saturating_sub(front.arrived_ns) > ACKNOWLEDGE_WITHIN_NS {
                    Verdict::TemporaryError
                } else {
                    break;
                };
                self.cell
                    .acknowledge(front.carrier, front.handle, verdict, now);
                queue.pop_front();
            }
        }
    }

    fn release_events(&mut self, durable: Position) {
        let deferred = &mut self.deferred;
        let released = deferred.events.iter().take(RELEASED_PER_TURN);
        let count = released
            .take_while(|event| event.key.position <= durable)
            .count();
        deferred.released.extend(deferred.events.drain(..count));
        self.shared.events.hand_over(&mut deferred.released);
    }

    /// Lets the writer of events do its work, where nobody else does.
    pub(crate) fn step_events(&mut self, now: Now) {
        self.event_driver.step(now.wall_ms);
    }

    /// Whether the events of all records before `oldest_needed` would survive a power cut without the records.
    pub(super) fn events_secured(&self, oldest_needed: Position) -> bool {
        // What ends where the oldest needed begins goes too.
        let before = Position(oldest_needed.0 + 1);
        self.deferred.events_handed(self.durable) >= before && self.shared.events.secured(before)
    }
}
