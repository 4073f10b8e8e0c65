use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use connector::{
    Connector, ConnectorEvent, ConnectorStatus, Dispatch, ReceiptHandle, SessionNo, Slot, Verdict,
};
use message::{
    AttemptNo, CarrierId, Category, IdSource, Lane, MessageId, Msisdn, Now, Payload, ReceiptWanted,
    RouteGroupId, SenderId, Slug, TenantId,
};
use partition::{Enqueue, Place};
use routing::{RouteGroup, RouteTable};
use throttle::Contract;

use crate::cell::{Carrier, CarrierSetup, Cell, Wishes, WrittenFailed, WrittenSink};

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

/// A segment that went out.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) at_ns: u64,
    pub(super) carrier: usize,
    pub(super) id: MessageId,
    pub(super) attempt: AttemptNo,
    pub(super) lane: Lane,
    /// What was left of its validity.
    pub(super) left_ms: u64,
}

/// One carrier's far side.
#[derive(Debug)]
pub(super) struct Wire {
    number: usize,
    pub(super) window: usize,
    pub(super) reserve: usize,
    pub(super) answer_after_ns: u64,
    /// When each segment in flight is answered, by session; no sessions, not bound.
    sessions: Vec<VecDeque<u64>>,
    writes: Rc<RefCell<Vec<Write>>>,
}

impl Wire {
    pub(super) fn bind(&mut self, sessions: usize) {
        self.sessions = vec![VecDeque::new(); sessions];
    }

    fn answer(&mut self, now_ns: u64) {
        for session in &mut self.sessions {
            while session.front().is_some_and(|due_ns| *due_ns <= now_ns) {
                session.pop_front();
            }
        }
    }

    fn free(&self, session: usize) -> usize {
        self.window - self.sessions[session].len()
    }

    /// Whether an otp would find a place.
    pub(super) fn otp_place_free(&mut self, now_ns: u64) -> bool {
        self.answer(now_ns);
        (0..self.sessions.len()).any(|session| self.free(session) > 0)
    }
}

struct Scripted(Rc<RefCell<Wire>>);

impl Connector for Scripted {
    fn poll_slot(&mut self, now: Now) -> Option<Slot> {
        let mut wire = self.0.borrow_mut();
        wire.answer(now.mono_ns);
        let best = (0..wire.sessions.len()).max_by_key(|session| wire.free(*session))?;
        let free = wire.free(best);
        let any = free.saturating_sub(wire.reserve);
        (free > 0).then(|| Slot {
            session: SessionNo(u32::try_from(best).unwrap()),
            free: u32::try_from(any).unwrap(),
            free_otp: u32::try_from(free - any).unwrap(),
        })
    }

    fn submit(&mut self, batch: &mut Vec<Dispatch>, now: Now) {
        let mut wire = self.0.borrow_mut();
        for dispatch in batch.drain(..) {
            let session = dispatch.session.0 as usize;
            let free = wire.free(session);
            let kept = match dispatch.payload.lane {
                Lane::Otp => 0,
                Lane::Alert | Lane::Normal | Lane::Bulk => wire.reserve,
            };
            assert!(free > kept, "{} of {} free", free, wire.window);
            let due_ns = now.mono_ns + wire.answer_after_ns;
            wire.sessions[session].push_back(due_ns);
            let write = Write {
                at_ns: now.mono_ns,
                carrier: wire.number,
                id: dispatch.segment.message,
                attempt: dispatch.segment.attempt,
                lane: dispatch.payload.lane,
                left_ms: dispatch.validity_left_ms,
            };
            wire.writes.borrow_mut().push(write);
        }
    }

    fn drain_events(&mut self, _: &mut Vec<ConnectorEvent>) {}

    fn in_flight(&self, _: &mut dyn FnMut(message::SegmentRef)) {}

    fn acknowledge(&mut self, _: ReceiptHandle, _: Verdict, _: Now) {}

    fn drain(&mut self, _: Now) {}

    fn is_drained(&self) -> bool {
        true
    }

    fn status(&self) -> ConnectorStatus {
        let wire = self.0.borrow();
        let bound = u32::try_from(wire.sessions.len()).unwrap();
        ConnectorStatus {
            sessions_configured: bound,
            sessions_bound: bound,
            window: bound * u32::try_from(wire.window).unwrap(),
            ..ConnectorStatus::default()
        }
    }
}

struct Sink;

impl WrittenSink for Sink {
    fn written(&mut self, _: CarrierId, batch: &[Dispatch], _: Now) -> Result<(), WrittenFailed> {
        assert!(!batch.is_empty(), "a write has something in it");
        Ok(())
    }
}

/// A cell, the far side of its carriers, and a journal that makes claims durable after a while.
pub(super) struct Rig {
    pub(super) cell: Cell,
    pub(super) wires: Vec<Rc<RefCell<Wire>>>,
    pub(super) writes: Rc<RefCell<Vec<Write>>>,
    pub(super) now: Now,
    /// What the wall clock shows when the monotonic one shows 0.
    pub(super) wall_from_ms: u64,
    pub(super) commit_ns: u64,
    /// Claims in order, each with the time at which it is durable.
    pub(super) claims: VecDeque<(u64, MessageId)>,
    pub(super) expired: Vec<MessageId>,
    ids: IdSource,
    groups: Vec<RouteGroupId>,
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

impl Rig {
    /// Carriers with these contracts, bound with two sessions of a window of ten; groups with these tiers of carriers.
    pub(super) fn new(contracts: &[Option<u32>], groups: &[&[&[usize]]]) -> Self {
        let carrier = |at: usize| CarrierId::of(&slug(&format!("carrier-{at}")));
        let named = groups.iter().enumerate().map(|(at, tiers)| {
            let tiers = tiers.iter().map(|tier| tier.iter().copied().map(carrier));
            RouteGroup::new(
                slug(&format!("group-{at}")),
                tiers.map(Iterator::collect).collect(),
            )
            .unwrap()
        });
        let routes = RouteTable::build(named, []).unwrap();
        let now = Now {
            mono_ns: SECOND,
            wall_ms: 1_000_000,
        };
        let writes = Rc::new(RefCell::new(Vec::new()));
        let wires: Vec<_> = (0..contracts.len())
            .map(|number| {
                Rc::new(RefCell::new(Wire {
                    number,
                    window: 10,
                    reserve: 1,
                    answer_after_ns: 40 * MS,
                    sessions: vec![VecDeque::new(); 2],
                    writes: Rc::clone(&writes),
                }))
            })
            .collect();
        let carriers = contracts.iter().zip(&wires).enumerate();
        let carriers = carriers.map(|(at, (contract, wire))| {
            let setup = CarrierSetup {
                lane_weights: queue::DEFAULT_WEIGHTS,
                otp_lane_ms: 10_000,
                id: carrier(at),
                contract: contract.map(|rate| Contract::new(rate).unwrap()),
                connector: Box::new(Scripted(Rc::clone(wire))),
            };
            Carrier::new(setup, now).unwrap()
        });
        let mut rig = Self {
            cell: Cell::new(&routes, carriers.collect()),
            wires,
            writes,
            now,
            wall_from_ms: 1_000_000,
            commit_ns: 2 * MS,
            claims: VecDeque::new(),
            expired: Vec::new(),
            ids: IdSource::new(0),
            groups: (0..groups.len())
                .map(|at| RouteGroupId::of(&slug(&format!("group-{at}"))))
                .collect(),
        };
        rig.refresh();
        rig
    }

    pub(super) fn refresh(&mut self) {
        for carrier in &mut self.cell.carriers {
            carrier.refresh(self.now);
        }
    }

    pub(super) fn advance(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall_ms = self.wall_from_ms + self.now.mono_ns / MS;
    }

    /// A message for a group, first attempt, worth sending for an hour.
    pub(super) fn message(&mut self, group: usize, lane: Lane) -> Enqueue {
        let id = self.ids.peek(self.now.wall_ms, 0);
        self.ids.observe(id);
        Enqueue {
            id,
            attempt: 1,
            claimed: false,
            payload: Arc::new(Payload {
                recipient: Msisdn::from_u64(4_915_112_345_678).unwrap(),
                sender: SenderId::Alphanumeric("Acme".into()),
                category: Category::Transactional,
                lane,
                text: Bytes::from_static(b"hello"),
                receipt_wanted: ReceiptWanted::Always,
                expires_ms: self.now.wall_ms + 3_600_000,
                segments: 1,
            }),
            group: self.groups[group],
            tenant: TenantId(1),
            sender_hash: 1,
            cost_bytes: 400,
            place: Place::Back,
        }
    }

    pub(super) fn put(&mut self, group: usize, lane: Lane, count: usize) {
        for _ in 0..count {
            let message = self.message(group, lane);
            self.cell.enqueue(message, self.now.mono_ns, self.now);
        }
    }

    /// A message that is claimed with its admission.
    pub(super) fn put_claimed(&mut self, group: usize, lane: Lane) -> MessageId {
        let mut message = self.message(group, lane);
        message.claimed = true;
        let id = message.id;
        self.cell.enqueue(message, self.now.mono_ns, self.now);
        id
    }

    /// Grants the claims that are durable.
    pub(super) fn grant_durable(&mut self) {
        let before = self.claims.len();
        while let Some((due_ns, id)) = self.claims.front().copied()
            && due_ns <= self.now.mono_ns
        {
            self.claims.pop_front();
            self.cell.grant(id);
        }
        if self.claims.len() < before {
            for carrier in &mut self.cell.carriers {
                carrier.note_commit();
            }
        }
    }

    /// One turn of the cell, as the shard drives it. `true` when it asks for another.
    pub(super) fn turn(&mut self) -> bool {
        self.grant_durable();
        let mut wishes = Wishes::default();
        let busy = self.cell.turn(self.now, &mut Sink, &mut wishes).unwrap();
        for id in wishes.expired.drain(..) {
            self.cell.withdraw(id);
            self.cell.left_lanes(id);
            self.expired.push(id);
        }
        let due_ns = self.now.mono_ns + self.commit_ns;
        self.claims
            .extend(wishes.claims.drain(..).map(|id| (due_ns, id)));
        busy
    }

    pub(super) fn held(&self) -> usize {
        self.cell.depths().flat_map(|(_, depths)| depths).sum()
    }

    pub(super) fn sent(&self, lane: Lane) -> usize {
        let writes = self.writes.borrow();
        writes.iter().filter(|write| write.lane == lane).count()
    }
}

/// Random numbers that are the same in every run: xorshift64*.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % end
    }
}
