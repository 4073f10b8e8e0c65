//! Drives a partition as the engine does (decide, encode, decode, apply, carry out) and holds against it what its effects promise.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of the rig"
)]

mod given;
mod replayed;

use std::collections::{BTreeMap, BTreeSet};

use message::{
    AttemptNo, CallerId, CarrierId, CarrierMessageId, Category, MessageId, MessageState, Now,
    Outcome, Reason, ReceiptState, RouteGroupId, SegmentRef, Submission, TenantId,
};
use partition::record::{RECORD_VERSION, Written};
use partition::{
    Admit, Answer, Claim, Decision, Due, Effect, Enqueue, Event, IdempotencyKey, Matched,
    MessageView, OutcomeReport, Partition, ReceiptReport, Record, SubmittedKey,
};

use given::unknown;
#[allow(unused_imports, reason = "every test binary uses a part of it")]
pub(crate) use given::{carrier_id, limits, rejected, replacement, segment, submission};
pub(crate) use replayed::{
    derived, find, index_of, position_of, replay, replay_cold, replay_cold_from, replay_from,
    whole_at,
};

pub(crate) const TENANT: TenantId = TenantId(7);
/// Sends otp and alert once more, awaits evidence of the others.
pub(crate) const RESENDS: CarrierId = CarrierId(1);
/// Awaits evidence of all.
pub(crate) const AWAITS: CarrierId = CarrierId(2);
/// Gives up all.
pub(crate) const FAILS: CarrierId = CarrierId(3);
pub(crate) const START_MS: u64 = 1_000_000;
pub(crate) const ATTEMPTS_MAX: u16 = 3;
pub(crate) const UNCERTAIN_DEADLINE_MS: u64 = 60_000;
pub(crate) const RECEIPT_DEADLINE_MS: u64 = 200_000;
pub(crate) const FINISHED_MAX: usize = 6;

type Expectation = (CarrierId, CarrierMessageId, SegmentRef);

/// What the engine would hold in its indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexes {
    pub(crate) expectations: BTreeSet<(u32, CarrierMessageId, SegmentRef)>,
    pub(crate) doubts: BTreeSet<(u32, SegmentRef)>,
    pub(crate) credits: BTreeSet<MessageId>,
}

/// A message's past, as far as rules speak of it.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    rank: u8,
    sequence: u32,
    resends: u16,
    refusals_retried: u16,
}

pub(crate) struct Rig {
    pub(crate) partition: Partition,
    pub(crate) now: Now,
    pub(crate) log: Vec<(u8, Vec<u8>)>,
    pub(crate) ids: Vec<MessageId>,
    pub(crate) lanes: BTreeMap<MessageId, Enqueue>,
    pub(crate) indexes: Indexes,
    /// Segments handed to a carrier, in order.
    pub(crate) made: Vec<(SegmentRef, CarrierId)>,
    enqueued: BTreeSet<(MessageId, AttemptNo)>,
    past: BTreeMap<MessageId, Past>,
    /// Of the last replacement: what the message held, and what it holds.
    pub(crate) recost: (u32, u32),
    random: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::over(Partition::new(3, limits()), START_MS)
    }

    pub(crate) fn over(partition: Partition, wall_ms: u64) -> Self {
        Self {
            partition,
            now: Now {
                mono_ns: 0,
                wall_ms,
            },
            log: Vec::new(),
            ids: Vec::new(),
            lanes: BTreeMap::new(),
            indexes: Indexes::default(),
            made: Vec::new(),
            enqueued: BTreeSet::new(),
            past: BTreeMap::new(),
            recost: (0, 0),
            random: 0,
        }
    }

    /// Decides, applies and carries out.
    pub(crate) fn decide(&mut self, event: Event) -> Answer {
        match &event {
            Event::Cancel { id, .. } | Event::Replace { id, .. } => self.warm(*id),
            Event::Outcome(report) => self.warm(report.segment.message),
            Event::Receipt(report) => self.warm(report.segment.message),
            _ => {}
        }
        let mut decision = Decision::default();
        self.partition.decide(event, self.now, &mut decision);
        for record in decision.records.drain(..) {
            self.apply(record);
        }
        for effect in decision.effects.drain(..) {
            self.carry_out(effect);
        }
        self.drain_orphaned();
        decision.answer
    }

    /// Whether it made an event.
    pub(crate) fn apply(&mut self, record: Record) -> bool {
        self.count(&record);
        let mut octets = Vec::new();
        record.encode(&mut octets);
        let decoded = Record::decode(record.kind(), RECORD_VERSION, &octets).expect("our own");
        assert_eq!(decoded, record, "a record survives the journal");
        assert_eq!(decoded.partition(), 3);
        let position = position_of(self.log.len());
        self.log.push((record.kind(), octets));
        let change = self
            .partition
            .apply_new(decoded, position, self.now)
            .expect("our own");
        let Some(change) = change else {
            return false;
        };
        let past = self.past.entry(change.id).or_default();
        assert!(change.sequence > past.sequence, "sequence of {change:?}");
        let rank = change.state.rank();
        assert!(rank >= past.rank, "rank fell: {change:?}");
        (past.rank, past.sequence) = (rank, change.sequence);
        true
    }

    /// Counts the attempts that records order.
    fn count(&mut self, record: &Record) {
        let Record::Outcome(outcome) = record else {
            return;
        };
        if outcome.next_attempt == 0 {
            return;
        }
        let segment = outcome.segment.to_ref().expect("a reference");
        let past = self.past.entry(segment.message).or_default();
        match outcome.outcome {
            3 => past.refusals_retried += 1,
            5 => past.resends += 1,
            number => assert!(
                matches!(number, 2 | 6),
                "outcome {number} orders an attempt"
            ),
        }
        assert!(past.resends <= 1, "resend once");
        assert!(past.refusals_retried < ATTEMPTS_MAX, "attempts_max");
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Enqueue(enqueue) => self.enqueue(enqueue),
            Effect::ClaimGranted(_) => {}
            Effect::Withdraw(id) => {
                self.lanes.remove(&id);
            }
            Effect::Supersede { id, attempt } => {
                let void = self.lanes.remove(&id);
                assert!(void.is_some_and(|void| void.attempt < attempt));
            }
            Effect::Recost {
                from_bytes,
                to_bytes,
                ..
            } => self.recost = (from_bytes, to_bytes),
            Effect::Expect {
                carrier,
                id,
                segment,
            } => assert!(
                self.indexes.expectations.insert((carrier.0, id, segment)),
                "expected twice: {segment:?}"
            ),
            Effect::Forget {
                carrier,
                id,
                segment,
            } => self.forget((carrier, id, segment)),
            Effect::Uncertain {
                carrier, segment, ..
            } => assert!(
                self.indexes
                    .doubts
                    .insert((carrier.map_or(0, |it| it.0), segment)),
                "uncertain twice: {segment:?}"
            ),
            Effect::Certain {
                carrier, segment, ..
            } => assert!(
                self.indexes
                    .doubts
                    .remove(&(carrier.map_or(0, |it| it.0), segment)),
                "certain but never uncertain: {segment:?}"
            ),
            Effect::Release { id, .. } => {
                assert!(self.indexes.credits.remove(&id), "released twice: {id}");
            }
        }
    }

    fn forget(&mut self, (carrier, id, segment): Expectation) {
        assert!(
            self.indexes.expectations.remove(&(carrier.0, id, segment)),
            "forgotten but never expected: {segment:?}"
        );
    }

    fn drain_orphaned(&mut self) {
        let mut orphaned = Vec::new();
        self.partition
            .drain_orphaned(|carrier, id, segment| orphaned.push((carrier, id.clone(), segment)));
        for expectation in orphaned {
            self.forget(expectation);
        }
    }

    pub(crate) fn enqueue(&mut self, enqueue: Enqueue) {
        let (id, attempt) = (enqueue.id, enqueue.attempt);
        assert!(
            self.now.wall_ms < enqueue.payload.expires_ms,
            "enqueued late"
        );
        assert!(self.enqueued.insert((id, attempt)), "{id}/{attempt} twice");
        assert!(
            self.lanes.insert(id, enqueue).is_none(),
            "{id} is in its lane already"
        );
    }

    pub(crate) fn admit_with(
        &mut self,
        submission: Submission,
        valid_ms: u64,
        claim: Claim,
    ) -> Answer {
        let key = IdempotencyKey::of(TENANT, &submission).map(unknown);
        self.admit_as((submission, key), valid_ms, claim)
    }

    /// Admits a submission of whose key something is known.
    pub(crate) fn admit_knowing(&mut self, submission: Submission, key: SubmittedKey) -> Answer {
        self.admit_as((submission, Some(key)), 100_000, Claim::Now)
    }

    fn admit_as(
        &mut self,
        (submission, key): (Submission, Option<SubmittedKey>),
        valid_ms: u64,
        claim: Claim,
    ) -> Answer {
        self.random += 1;
        let lane = submission.category.lane();
        let answer = self.decide(Event::Admit(Box::new(Admit {
            submission,
            tenant: TENANT,
            caller: CallerId(1),
            group: RouteGroupId(1),
            lane,
            expires_ms: self.now.wall_ms + valid_ms,
            segments: 1,
            claim,
            config_version: 1,
            key,
            random: self.random,
        })));
        if let Answer::Admitted(id) = answer {
            assert!(self.ids.last().is_none_or(|last| *last < id), "ids rise");
            self.ids.push(id);
            self.indexes.credits.insert(id);
            if let Some(enqueue) = self.partition.enqueue_admitted(id) {
                self.enqueue(enqueue);
            }
        }
        answer
    }

    /// Admits a claimed message that is valid for 100 s.
    pub(crate) fn admit(&mut self, category: Category) -> MessageId {
        match self.admit_with(submission(category), 100_000, Claim::Now) {
            Answer::Admitted(id) => id,
            other => panic!("not admitted: {other:?}"),
        }
    }

    /// Takes a message out of its lane, claims it if need be, and writes it; gives the attempt.
    pub(crate) fn send(&mut self, id: MessageId, carrier: CarrierId) -> Option<AttemptNo> {
        let enqueue = self.lanes.remove(&id)?;
        if !enqueue.claimed {
            self.decide(Event::Claim(id));
        }
        let segment = segment(id, enqueue.attempt);
        self.made.push((segment, carrier));
        self.apply(Record::Written(Written {
            segment: segment.into(),
            session: 1,
            carrier: carrier.0,
            at_ms: self.now.wall_ms,
        }));
        assert_eq!(
            self.state(id),
            MessageState::Attempting,
            "written unless final"
        );
        Some(enqueue.attempt)
    }

    pub(crate) fn outcome(&mut self, id: MessageId, attempt: AttemptNo, outcome: Outcome) {
        let segment = segment(id, attempt);
        let carrier = self
            .made
            .iter()
            .find(|(made, _)| *made == segment)
            .map_or(RESENDS, |(_, carrier)| *carrier);
        self.decide(Event::Outcome(OutcomeReport {
            segment,
            carrier: Some(carrier),
            outcome,
            status: 0,
            session: 1,
        }));
    }

    pub(crate) fn submitted(&mut self, id: MessageId, attempt: AttemptNo) {
        let carrier_message_id = carrier_id(segment(id, attempt));
        self.outcome(id, attempt, Outcome::Submitted { carrier_message_id });
    }

    pub(crate) fn uncertain(&mut self, id: MessageId, attempt: AttemptNo) {
        let reason = Reason::LinkLost;
        self.outcome(id, attempt, Outcome::Uncertain { reason });
    }

    /// A receipt, as the engine's indexes lead it.
    pub(crate) fn receipt(&mut self, segment: SegmentRef, state: ReceiptState, matched: Matched) {
        self.warm(segment.message);
        let carrier = match matched {
            Matched::ById => self
                .indexes
                .expectations
                .iter()
                .find(|(_, _, expected)| *expected == segment)
                .map(|(carrier, _, _)| *carrier),
            Matched::ByAddress => self
                .indexes
                .doubts
                .iter()
                .find(|(_, doubt)| *doubt == segment)
                .map(|(carrier, _)| *carrier),
        };
        let Some(carrier) = carrier else { return };
        self.decide(Event::Receipt(ReceiptReport {
            segment,
            carrier: CarrierId(carrier),
            carrier_message_id: carrier_id(segment),
            state,
            error: "".into(),
            matched,
        }));
    }

    /// Lets time pass and does what is due.
    pub(crate) fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        let mut due = Vec::new();
        self.partition.take_cold_due(self.now, usize::MAX, &mut due);
        for position in due {
            let id = whole_at(&self.log, position).id().expect("our own");
            self.warm(id);
            let due_ms = self.partition.due_ms(id);
            assert!(due_ms <= self.now.wall_ms, "due early");
        }
        for _ in 0..10_000 {
            match self.partition.take_due(self.now) {
                Some(Due::Release(enqueue)) => self.enqueue(enqueue),
                Some(Due::Decide(event)) => {
                    self.decide(event);
                }
                None => return,
            }
        }
        panic!("what is due never ends");
    }

    /// Lets time pass, sending nothing more, until every message is final.
    pub(crate) fn run_out(&mut self) {
        for id in self.ids.clone() {
            self.warm(id);
        }
        for _ in 0..1_000 {
            if self.partition.counts().live == 0 {
                return;
            }
            let due_ms = self
                .partition
                .next_due_ms(self.now)
                .expect("live but never due");
            self.advance(due_ms.saturating_sub(self.now.wall_ms));
        }
        panic!("live for ever");
    }

    pub(crate) fn view(&self, id: MessageId) -> MessageView {
        find(&self.partition, &self.log, id).expect("known")
    }

    pub(crate) fn state(&self, id: MessageId) -> MessageState {
        self.view(id).state
    }

    pub(crate) fn ended(&self, id: MessageId) -> (MessageState, Reason) {
        let view = self.view(id);
        assert!(view.state.is_final(), "{view:?}");
        (view.state, view.reason)
    }

    /// What holds between any two events.
    pub(crate) fn check(&self) {
        let counts = self.partition.counts();
        assert_eq!(
            counts.deadlines + counts.cold + counts.cold_awaited,
            counts.live,
            "a live message without deadline"
        );
        assert_eq!(derived(&self.partition, &self.ids), self.indexes);
        for (id, enqueue) in &self.lanes {
            let view = self.view(*id);
            assert_eq!(view.state, MessageState::Queued, "{view:?}");
            assert_eq!(view.attempt, enqueue.attempt);
        }
    }
}
