//! A cell: the route groups and carriers that are connected by shared carriers, with everything that decides what goes out next.
//!
//! Like a partition it is a value: [`Cell::turn`] takes the time and a sink for Written records and leaves what it wants of the partitions in a
//! [`Wishes`]. Nothing is popped to be put back: a dispatcher finds a slot, sees that something may be sent, takes the permit, and only then pops.
//!
//! ```text
//! enqueue ──► waiting (fair sub-queues) ──claim──► claiming ──durable──► ready ──slot + permit──► connector
//!                     └── claimed with its admission ──────────────────────► ▲
//! ```
//!
//! Limits: what waits is bounded by intake's credits; what is claimed ahead by [`CLAIM_AHEAD_MAX`] and by twice what can leave before the
//! next group commits; a batch by [`BATCH_MAX`].

mod carrier;
mod gauges;
mod group;

use std::collections::HashSet;

use connector::{Connector, ConnectorEvent, Dispatch, ReceiptHandle, Verdict};
use message::{CarrierId, IdBuildHasher, LANES, MessageId, Now, RouteGroupId, TenantId};
use partition::Enqueue;
use routing::RouteTable;

pub(crate) use carrier::{Carrier, CarrierSetup};
pub(crate) use gauges::{LaneLatency, histogram};
use group::{Group, Work};

/// Most segments in one write of one session.
const BATCH_MAX: usize = 64;
/// Most batches of one carrier in one turn: reading must get its turn too.
const BATCHES_PER_TURN: usize = 32;
/// Most messages claimed ahead in one lane.
const CLAIM_AHEAD_MAX: usize = 16_384;

/// Takes note of segments before their first byte goes to the kernel.
pub(crate) trait WrittenSink {
    /// Makes them outlive the process.
    fn written(
        &mut self,
        carrier: CarrierId,
        batch: &[Dispatch],
        now: Now,
    ) -> Result<(), WrittenFailed>;
}

/// The Written records could not be kept: nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenFailed;

/// What the cell wants of the partitions after a turn.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Messages that should be claimed.
    pub(crate) claims: Vec<MessageId>,
    /// Expired messages that were found in a lane.
    pub(crate) expired: Vec<MessageId>,
}

#[derive(Debug)]
pub(crate) struct Cell {
    groups: Vec<Group>,
    pub(crate) carriers: Vec<Carrier>,
    withdrawn: HashSet<MessageId, IdBuildHasher>,
    pub(crate) latency: [LaneLatency; 4],
    skipped: Vec<Work>,
}

impl Cell {
    pub(crate) fn new(routes: &RouteTable, carriers: Vec<Carrier>) -> Self {
        let index = |id: &CarrierId| carriers.iter().position(|carrier| carrier.id == *id);
        let groups: Vec<_> = routes
            .groups()
            .iter()
            .map(|group| {
                let tiers = group.tiers().iter();
                Group::new(
                    group.id(),
                    tiers
                        .map(|tier| tier.iter().filter_map(index).collect())
                        .collect(),
                )
            })
            .collect();
        Self {
            groups,
            carriers,
            withdrawn: HashSet::default(),
            latency: LANES.map(|_| LaneLatency::new()),
            skipped: Vec::new(),
        }
    }

    /// Whether messages of this group can be taken.
    pub(crate) fn knows(&self, group: RouteGroupId) -> bool {
        self.groups.iter().any(|known| known.id == group)
    }

    /// Sets a tenant's share of every lane.
    pub(crate) fn set_weight(&mut self, tenant: TenantId, weight: u32) {
        for group in &mut self.groups {
            group.set_weight(tenant, weight);
        }
    }

    /// Puts a message into its lane. A withdrawal that came before is void: it was for an earlier stay.
    pub(crate) fn enqueue(&mut self, enqueue: Enqueue, admitted_ns: u64, now: Now) {
        let found = self
            .groups
            .iter_mut()
            .find(|group| group.id == enqueue.group);
        debug_assert!(found.is_some(), "the engine checks the group first");
        if let Some(group) = found {
            group.enqueue(enqueue, admitted_ns, now);
        }
    }

    /// The message may be sent now.
    pub(crate) fn grant(&mut self, id: MessageId) {
        let granted = self.groups.iter_mut().any(|group| group.grant(id));
        debug_assert!(granted, "only what was wished for is granted");
    }

    /// Whatever the lanes hold of this message is void; it is skipped when its turn comes.
    pub(crate) fn withdraw(&mut self, id: MessageId) {
        self.withdrawn.insert(id);
    }

    /// Sends what may be sent and says what it wants next. `true` when it sent something.
    pub(crate) fn turn(
        &mut self,
        now: Now,
        sink: &mut dyn WrittenSink,
        wishes: &mut Wishes,
    ) -> Result<bool, WrittenFailed> {
        let mut sent = false;
        for at in 0..self.carriers.len() {
            sent |= self.dispatch(at, now, sink, wishes)?;
        }
        self.wish_claims(now, wishes);
        Ok(sent)
    }

    /// Moves everything the connectors have to say to `events`.
    pub(crate) fn drain_events(&mut self, mut each: impl FnMut(&mut Carrier, ConnectorEvent)) {
        let mut events = Vec::new();
        for carrier in &mut self.carriers {
            carrier.connector.drain_events(&mut events);
            for event in events.drain(..) {
                each(carrier, event);
            }
        }
    }

    pub(crate) fn acknowledge(
        &mut self,
        carrier: CarrierId,
        handle: ReceiptHandle,
        verdict: Verdict,
        now: Now,
    ) {
        if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == carrier) {
            carrier.connector.acknowledge(handle, verdict, now);
        }
    }

    /// Reads a carrier's counts anew: it gained or lost a session.
    pub(crate) fn refresh(&mut self, carrier: CarrierId, now: Now) {
        if let Some(carrier) = self.carriers.iter_mut().find(|known| known.id == carrier) {
            carrier.refresh(now);
        }
    }

    /// When the next permit may be had, for the carriers that wait for one.
    pub(crate) fn next_permit_ns(&self) -> Option<u64> {
        self.carriers
            .iter()
            .filter_map(|carrier| carrier.blocked_until_ns)
            .min()
    }

    pub(crate) fn drain(&mut self, now: Now) {
        for carrier in &mut self.carriers {
            carrier.connector.drain(now);
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.carriers
            .iter()
            .all(|carrier| carrier.connector.is_drained())
    }

    /// Depth of each lane of each group.
    pub(crate) fn depths(&self) -> impl Iterator<Item = (RouteGroupId, [usize; 4])> + '_ {
        self.groups.iter().map(|group| (group.id, group.depths()))
    }

    /// Age of the oldest message of each lane over all groups, in nanoseconds.
    pub(crate) fn oldest_ns(&self, now: Now) -> [u64; 4] {
        LANES.map(|lane| {
            let oldest = self
                .groups
                .iter()
                .filter_map(|group| group.oldest_ns(lane))
                .min();
            oldest.map_or(0, |admitted_ns| now.mono_ns.saturating_sub(admitted_ns))
        })
    }

    /// What the carriers of a group that were bound within the last ten seconds send in ten seconds.
    pub(crate) fn otp_limit(&self, group: RouteGroupId, now: Now) -> u64 {
        let Some(group) = self.groups.iter().find(|known| known.id == group) else {
            return 0;
        };
        group
            .carriers()
            .map(|at| self.carriers[at].sends_in_ten_seconds(now))
            .fold(0, u64::saturating_add)
    }

    fn dispatch(
        &mut self,
        at: usize,
        now: Now,
        sink: &mut dyn WrittenSink,
        wishes: &mut Wishes,
    ) -> Result<bool, WrittenFailed> {
        let mut sent = false;
        self.carriers[at].begin_turn(now);
        for _ in 0..BATCHES_PER_TURN {
            let Some(slot) = self.carriers[at].connector.poll_slot(now) else {
                break;
            };
            let (mut free, mut free_otp) = (slot.free, slot.free_otp);
            while self.carriers[at].batch.len() < BATCH_MAX && free + free_otp > 0 {
                let Some((work, otp)) = self.next_work(at, free > 0, now, wishes) else {
                    break;
                };
                match (free_otp > 0 && otp, free > 0) {
                    (true, _) if free == 0 => free_otp -= 1,
                    (_, true) => free -= 1,
                    (_, false) => free_otp = free_otp.saturating_sub(1),
                }
                let dispatch = work.dispatch(slot.session, now);
                self.carriers[at].batch.push(dispatch);
            }
            let carrier = &mut self.carriers[at];
            if carrier.batch.is_empty() {
                break;
            }
            sink.written(carrier.id, &carrier.batch, now)?;
            carrier.note_written(now);
            carrier.connector.submit(&mut carrier.batch, now);
            sent = true;
        }
        Ok(sent)
    }

    /// Takes a permit and pops what may go next over this carrier; `None` when nothing may, or no permit is to be had.
    fn next_work(
        &mut self,
        at: usize,
        any_lane: bool,
        now: Now,
        wishes: &mut Wishes,
    ) -> Option<(Work, bool)> {
        loop {
            let pulls = self.pulls(at);
            let mut sendable = [false; 4];
            for group in &pulls {
                for (lane, able) in self.groups[*group].sendable().into_iter().enumerate() {
                    sendable[lane] |= able && (any_lane || lane == 0);
                }
            }
            let lane = self.carriers[at].share.choose(sendable)?;
            let from = *pulls
                .iter()
                .find(|group| self.groups[**group].sendable()[lane])?;
            let group = &mut self.groups[from];
            group.skip_void(lane, now, &mut self.withdrawn, &mut self.skipped);
            for work in self.skipped.drain(..) {
                wishes.expired.push(work.id);
            }
            if !group.sendable()[lane] {
                continue;
            }
            let permit = self.carriers[at].take_permit(now)?;
            let work = group.pop(lane, now)?;
            self.carriers[at].spend(permit, lane, sendable, now);
            let head_ns = group.head_since(lane, now);
            self.latency[lane].popped(&work, head_ns, now);
            return Some((work, lane == 0));
        }
    }

    /// The groups this carrier may pull from now: those in which no carrier of an earlier tier is bound.
    fn pulls(&self, at: usize) -> Vec<usize> {
        let bound = |carrier: &usize| self.carriers[*carrier].is_bound();
        (0..self.groups.len())
            .filter(|group| self.groups[*group].may_pull(at, bound))
            .collect()
    }

    fn wish_claims(&mut self, now: Now, wishes: &mut Wishes) {
        for at in 0..self.groups.len() {
            let ahead: usize = self.groups[at]
                .carriers()
                .map(|carrier| self.carriers[carrier].claim_ahead())
                .sum();
            let ahead = ahead.min(CLAIM_AHEAD_MAX);
            self.groups[at].wish_claims(ahead, now, &mut wishes.claims);
        }
    }
}

/// What a connector is called by the engine.
pub(crate) type BoxedConnector = Box<dyn Connector>;
