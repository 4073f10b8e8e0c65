//! A shard: one thread that owns partitions, a cell and the writing end of the journal, and moves them forward in turns.
//!
//! One turn, in order:
//!
//! ```text
//! connectors' events ─┐
//! intake rings ───────┼─► partitions decide ─► journal (append, commit) ─┐
//! control, deadlines ─┘                                                 │ durable
//! cell dispatches ◄── lanes ◄── replies, acknowledgements, events ◄─────┘
//! ```
//!
//! Nothing here waits: the loop around it (see [`run`]) sleeps until a ring, the journal, a connector or a time calls for another turn.
//!
//! Limits: what waits for durability is bounded by the journal's buffer, since nothing is decided without room in it; a turn takes at
//! most [`INTAKE_PER_TURN`] submissions, [`REQUESTS_PER_TURN`] requests, [`EVENTS_PER_TURN`] events, [`DUE_PER_TURN`] deadlines each.

mod awaited;
mod backlog;
mod cold_requests;
mod deferred;
mod evidence;
mod failure;
mod housekeeping;
mod keys;
mod recover;
mod replay;
mod requests;
mod retention;
#[cfg(test)]
mod rig;
mod run;
mod space;
mod unpin;
mod written;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use connector::{ConnectorEvent, ReceiptHandle, Verdict};
use hdrhistogram::Histogram;
use journal::{Append, Appender, Position, WrittenLog};
use message::{CarrierId, InboundMessage, MessageId, Now, stable_hash};
use partition::record::RECORD_VERSION;
use partition::{
    Answer, Decision, Due, Effect, Enqueue, Event, InboundArrived, Matched, OutcomeReport,
    Partition, Record, Timing,
};
use queue::Amount;

use crate::cell::{Cell, Wishes, WrittenFailed};
use crate::control::Control;
use crate::events::EventDriver;
use crate::intake::IntakeItem;
use crate::shared::{Life, Shared};
use awaited::Awaited;
use backlog::Backlog;
use deferred::{Deferred, DeferredQueue};
use evidence::{Evidence, LookUp};
pub use failure::ShardFailure;
use housekeeping::Housekeeping;
use keys::Keys;
pub(crate) use recover::Helpers;
pub use recover::OpenError;
use retention::Retention;
pub use run::EngineFailure;
pub(crate) use run::{Next, run};
use space::NewWork;
use unpin::Unpinning;
use written::Sink;

/// Most submissions taken in a turn. Small, because an otp that became first waits for the turn to end: a turn should stay well under a
/// millisecond.
const INTAKE_PER_TURN: usize = 32;
/// Most requests about single messages taken in a turn.
const REQUESTS_PER_TURN: usize = 128;
/// Most events of connectors handled in a turn, for the same reason.
const EVENTS_PER_TURN: usize = 64;
/// Most deadlines of one partition handled in a turn.
const DUE_PER_TURN: usize = 256;
/// Journal room that any decision needs.
const DECISION_ROOM_BYTES: usize = 1 << 20;

pub(crate) struct Shard {
    shared: Arc<Shared>,
    partitions: Vec<Partition>,
    cell: Cell,
    journal: Appender,
    written: WrittenLog,
    /// Behind its last record, for those who read it.
    written_readable: Arc<AtomicU64>,
    evidence: Evidence,
    awaited: Awaited,
    deferred: DeferredQueue,
    housekeeping: Housekeeping,
    retention: Retention,
    unpinning: Unpinning,
    keys: Keys,
    /// Writes what the shard hands to the event log.
    event_driver: EventDriver,
    decision: Decision,
    /// Events that later decisions of the same turn must see, such as an early receipt that was waiting for its expectation.
    followups: VecDeque<(usize, Event)>,
    inbox: VecDeque<(CarrierId, ConnectorEvent)>,
    arrivals: Vec<IntakeItem>,
    requests: Vec<Control>,
    wishes: Wishes,
    submit_to_admit: [Histogram<u64>; 4],
    durable: Position,
    /// Whether the carriers have been told that the end begins.
    draining: bool,
    backlog: Backlog,
    /// When this run began, monotonic.
    opened_ns: u64,
    /// Whether the disk has space for more than what is in flight.
    new_work: NewWork,
}

impl Shard {
    /// One turn. `true` when another turn may have something to do at once.
    fn turn(&mut self, now: Now) -> Result<bool, ShardFailure> {
        self.take_connector_events(now);
        self.look_at_space()?;
        let busy = self.take_inbox(now)? | self.take_intake(now)? | self.take_control(now)?;
        self.take_due(now)?;
        self.journal.commit();
        self.release_durable(now);
        self.decide_followups(now)?;
        self.cool_awaited(now)?;
        self.ask_for_awaited(now)?;
        let read = self.read_ahead(now)? | self.unpin(now)?;
        let sent = self.dispatch(now)?;
        self.grant_wishes(now)?;
        self.journal.commit();
        self.housekeeping(now)?;
        Ok(busy || read || sent || self.deferred.has_durable(self.durable))
    }

    /// Lets a partition decide, appends and applies its records, and sees to the effects. Returns the answer and the position that makes it valid.
    fn decide(
        &mut self,
        at: usize,
        event: Event,
        now: Now,
    ) -> Result<(Answer, Position), ShardFailure> {
        let answered = self.decide_one(at, event, now)?;
        self.decide_followups(now)?;
        Ok(answered)
    }

    fn decide_one(
        &mut self,
        at: usize,
        event: Event,
        now: Now,
    ) -> Result<(Answer, Position), ShardFailure> {
        let mut decision = std::mem::take(&mut self.decision);
        decision.clear();
        self.partitions[at].decide(event, now, &mut decision);
        for record in decision.records.drain(..) {
            self.record(record, now)?;
        }
        let position = self.journal.appended();
        for effect in decision.effects.drain(..) {
            match effect.timing() {
                Timing::Now => self.carry_out(effect, now),
                Timing::Durable => self.deferred.push(position, Deferred::Effect(effect)),
            }
        }
        let answer = std::mem::take(&mut decision.answer);
        self.decision = decision;
        self.forget_orphaned(at);
        Ok((answer, position))
    }

    /// Appends one record and folds it into its partition; its event is published when it is durable.
    fn record(&mut self, record: Record, now: Now) -> Result<Position, ShardFailure> {
        let placed = self
            .journal
            .append(record.kind(), RECORD_VERSION, &mut |out| record.encode(out))
            .map_err(|error| ShardFailure::Journal(error.to_string()))?;
        let position = placed.end;
        let at = usize::from(record.partition());
        let change = self.partitions[at]
            .apply_new(record, placed.start.0, now)
            .map_err(|error| ShardFailure::Journal(error.to_string()))?;
        if let Some(change) = change {
            self.note_change(at, change, position);
        }
        Ok(position)
    }

    /// Puts a message into its lane. A group that is configured no more gives way to the present route; without one, the message ends.
    fn enter_lane(&mut self, mut enqueue: Enqueue, admitted_ns: u64, now: Now) {
        if !self.cell.knows(enqueue.group) {
            let query = routing::RouteQuery {
                destination: enqueue.payload.recipient,
            };
            let Some(route) = self.shared.config.routes.lookup(&query) else {
                let at = usize::from(enqueue.id.partition());
                self.followups
                    .push_back((at, Event::RouteRemoved(enqueue.id)));
                return;
            };
            enqueue.group = route.group.id();
        }
        self.cell.enqueue(enqueue, admitted_ns, now);
    }

    fn decide_followups(&mut self, now: Now) -> Result<(), ShardFailure> {
        while let Some((at, event)) = self.followups.pop_front() {
            let unrouted = if let Event::RouteRemoved(id) = &event {
                Some(*id)
            } else {
                None
            };
            self.decide_one(at, event, now)?;
            if let Some(id) = unrouted {
                self.cell.left_lanes(id);
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect, now: Now) {
        match effect {
            Effect::Enqueue(enqueue) => self.enter_lane(enqueue, 0, now),
            Effect::ClaimGranted(id) => self.cell.grant(id),
            Effect::Withdraw(id) => self.cell.withdraw(id),
            Effect::Supersede { id, attempt } => self.cell.supersede(id, attempt),
            Effect::Recost {
                payload,
                from_bytes,
                to_bytes,
            } => self.shared.recost(payload.lane, from_bytes, to_bytes),
            Effect::Expect {
                carrier,
                id,
                segment,
            } => {
                let early = self.partition_of_receipt(carrier, &id);
                if self.partitions[early].has_early(carrier, &id) {
                    self.hand_over((early, carrier, id.clone()), segment, Matched::ById);
                }
                self.evidence.expect(carrier, id, segment);
                self.note_awaited(segment.message);
            }
            Effect::Forget {
                carrier,
                id,
                segment,
            } => self.evidence.forget(carrier, &id, segment),
            Effect::Uncertain {
                carrier,
                segment,
                payload,
            } => {
                self.doubt(carrier, segment, &payload);
                for carrier in self.possible(carrier) {
                    self.seek_early(carrier, segment, &payload);
                }
            }
            Effect::Certain {
                carrier,
                segment,
                payload,
            } => {
                for carrier in self.possible(carrier) {
                    self.evidence.settle(carrier, segment, &payload);
                }
            }
            Effect::Release {
                payload,
                cost_bytes,
                ..
            } => {
                let held = Amount::one(u64::from(cost_bytes));
                self.shared.scopes(payload.lane).release(held);
            }
        }
    }

    fn take_connector_events(&mut self, now: Now) {
        let shared = &self.shared;
        let inbox = &mut self.inbox;
        self.cell.drain_events(|carrier, event| {
            if let ConnectorEvent::Outcome {
                outcome,
                status,
                written_ns,
                settled_ns,
                ..
            } = &event
            {
                if *outcome == message::Outcome::Throttled {
                    #[expect(clippy::cast_possible_truncation, reason = "any 32 random bits do")]
                    let jitter = shared.random() as u32;
                    carrier
                        .throttle
                        .on_throttled(now.mono_ns, *written_ns, jitter);
                }
                if let Some(metrics) = shared.metrics.carrier(carrier.id) {
                    metrics.outcome(outcome, *status);
                    if *written_ns != 0 {
                        let waited_ns = settled_ns.saturating_sub(*written_ns);
                        metrics.write_to_answer.record(waited_ns as f64 / 1e9);
                    }
                }
            }
            inbox.push_back((carrier.id, event));
        });
    }

    fn take_inbox(&mut self, now: Now) -> Result<bool, ShardFailure> {
        for _ in 0..EVENTS_PER_TURN {
            if self.journal.room_bytes() < DECISION_ROOM_BYTES {
                // Another turn at once would find no more room.
                return Ok(false);
            }
            let Some((carrier, event)) = self.inbox.pop_front() else {
                return Ok(false);
            };
            match event {
                ConnectorEvent::Outcome {
                    segment,
                    session,
                    outcome,
                    status,
                    ..
                } => {
                    let report = OutcomeReport {
                        segment,
                        carrier: Some(carrier),
                        outcome,
                        status,
                        session: session.0,
                    };
                    let at = usize::from(segment.message.partition());
                    if self.partitions[at].awaits_cold(segment.message) {
                        self.await_message(report);
                    } else {
                        self.decide(at, Event::Outcome(report), now)?;
                    }
                }
                ConnectorEvent::Receipt { handle, receipt } => {
                    self.take_receipt(carrier, handle, receipt, now)?;
                }
                ConnectorEvent::Inbound { handle, inbound } => {
                    self.take_inbound((carrier, handle), inbound, now)?;
                }
                ConnectorEvent::SessionUp { session } => {
                    let name = self.shared.carrier_name(carrier);
                    tracing::info!(carrier = name, session = session.0, "session bound");
                    self.cell.refresh(carrier, now);
                }
                ConnectorEvent::SessionDown { session } => {
                    let name = self.shared.carrier_name(carrier);
                    if self.shared.life() == Life::Open {
                        tracing::warn!(carrier = name, session = session.0, "session ended");
                    } else {
                        tracing::info!(carrier = name, session = session.0, "session unbound");
                    }
                    self.cell.refresh(carrier, now);
                }
            }
        }
        Ok(!self.inbox.is_empty())
    }

    fn take_inbound(
        &mut self,
        (carrier, handle): (CarrierId, ReceiptHandle),
        inbound: InboundMessage,
        now: Now,
    ) -> Result<(), ShardFailure> {
        let at = self.partition_of_hash(stable_hash(&[
            &carrier.0.to_be_bytes(),
            inbound.from.as_bytes(),
        ]));
        let arrived = InboundArrived {
            carrier,
            message: inbound,
            random: self.shared.random(),
        };
        let (answer, position) = self.decide(at, Event::Inbound(Box::new(arrived)), now)?;
        if let Answer::Inbound(id) = answer {
            if let Some(metrics) = self.shared.metrics.carrier(carrier) {
                metrics.inbound.increment(1);
            }
            if let Some((record, view)) = self.partitions[at].find_inbound(id) {
                let show = Deferred::Inbound(record, Box::new(view.clone()));
                self.deferred.push(position, show);
            }
            let position = (position, LookUp::ToBeDone);
            self.deferred
                .acknowledge(position, (carrier, handle), now.mono_ns);
        } else {
            self.cell
                .acknowledge(carrier, handle, Verdict::TemporaryError, now);
        }
        Ok(())
    }

    fn take_due(&mut self, now: Now) -> Result<(), ShardFailure> {
        if !self.housekeeping.due_check(now) {
            return Ok(());
        }
        for at in 0..self.partitions.len() {
            for _ in 0..DUE_PER_TURN {
                if self.journal.room_bytes() < DECISION_ROOM_BYTES {
                    return Ok(());
                }
                match self.partitions[at].take_due(now) {
                    None => break,
                    Some(Due::Release(enqueue)) => self.enter_lane(enqueue, 0, now),
                    Some(Due::Decide(event)) => {
                        if let Event::InboundDone { id, .. } = &event {
                            self.shared.inbound.expire(*id);
                        }
                        self.decide(at, event, now)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, now: Now) -> Result<bool, ShardFailure> {
        if !self.may_dispatch() {
            return Ok(false);
        }
        let mut sink = Sink {
            partitions: &mut self.partitions,
            written: &mut self.written,
            deferred: &mut self.deferred,
            position: self.journal.appended(),
            readable: &self.written_readable,
        };
        self.cell
            .turn(now, &mut sink, &mut self.wishes)
            .map_err(|WrittenFailed(what)| ShardFailure::Written(what))
    }

    fn grant_wishes(&mut self, now: Now) -> Result<(), ShardFailure> {
        let mut wishes = std::mem::take(&mut self.wishes);
        for id in wishes.expired.drain(..) {
            self.decide(usize::from(id.partition()), Event::ExpiredInLane(id), now)?;
            self.cell.left_lanes(id);
        }
        for id in wishes.claims.drain(..) {
            self.decide(usize::from(id.partition()), Event::Claim(id), now)?;
        }
        self.wishes = wishes;
        Ok(())
    }

    fn partition_of(&self, id: MessageId) -> Option<usize> {
        let at = usize::from(id.partition());
        (at < self.partitions.len()).then_some(at)
    }

    fn partition_of_receipt(&self, carrier: CarrierId, id: &message::CarrierMessageId) -> usize {
        self.partition_of_hash(stable_hash(&[&carrier.0.to_be_bytes(), id.as_bytes()]))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder is below the number of partitions, which is a usize"
    )]
    fn partition_of_hash(&self, hash: u64) -> usize {
        (hash % self.partitions.len() as u64) as usize
    }
}
