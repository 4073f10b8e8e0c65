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
//! A message that is withdrawn is not looked for: its id is kept until the lanes come to it. Nothing enters a lane after its withdrawal was
//! decided, but it may do so after the withdrawal was carried out, since a lane waits for durability and a withdrawal does not; so a
//! withdrawal is kept for what is in the lanes and for what is on its way there. Should withdrawals pile up (a carrier is down and
//! everything expires), the lanes are swept.
//!
//! Limits: what waits is bounded by intake's credits; what is claimed ahead by two windows or two group commits' worth over all groups of a
//! carrier, and by 16,384; a write by [`dispatch`]'s `BATCH_MAX`; withdrawals by what the lanes hold, and above
//! [`SWEEP_ABOVE`] by half of it; a turn by the number of batches, claims and expired messages it may handle, because an otp waits for the
//! turn to end.

mod backlog;
mod carrier;
mod claims;
mod dispatch;
mod group;
mod latency;
mod rate;
mod superseded;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use connector::{Connector, ConnectorEvent, Dispatch, ReceiptHandle, Verdict};
use message::{
    AttemptNo, CarrierId, IdBuildHasher, LANES, MessageId, Now, RouteGroupId, SegmentRef, TenantId,
};
use partition::Enqueue;
use routing::RouteTable;

pub(crate) use backlog::{LaneReading, LaneThirst, Whereabouts, name_of};
pub(crate) use carrier::{Carrier, CarrierSetup};
use dispatch::Candidates;
use group::Group;
pub(crate) use latency::{LaneLatency, histogram};
use superseded::Superseded;

/// Fewer withdrawals than this are not worth going through the lanes for.
const SWEEP_ABOVE: usize = 1_024;

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

/// The Written records could not be kept, and why: nothing may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenFailed(pub(crate) String);

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
    /// Claims that are not durable yet, in the order in which they were made: the group and lane of each.
    claiming: VecDeque<(usize, usize)>,
    withdrawn: HashSet<MessageId, IdBuildHasher>,
    superseded: Superseded,
    /// How many withdrawals are worth going through the lanes for.
    sweep_at: usize,
    pub(crate) latency: [LaneLatency; 4],
    /// The carrier that is asked first: the one after the first that sent last time, so that carriers of a tier share what there is.
    first_carrier: usize,
    candidates: Candidates,
    events: Vec<ConnectorEvent>,
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
            claiming: VecDeque::new(),
            withdrawn: HashSet::default(),
            superseded: Superseded::default(),
            sweep_at: SWEEP_ABOVE,
            latency: LANES.map(|_| LaneLatency::new()),
            first_carrier: 0,
            candidates: Candidates::default(),
            events: Vec::new(),
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

    /// Puts a message into its lane, unless it was withdrawn on the way here.
    pub(crate) fn enqueue(&mut self, enqueue: Enqueue, admitted_ns: u64, now: Now) {
        if self.superseded.drops(enqueue.id, enqueue.attempt)
            || (!self.withdrawn.is_empty() && self.withdrawn.remove(&enqueue.id))
        {
            return;
        }
        let mut groups = self.groups.iter_mut();
        let found = groups.find(|group| group.id == enqueue.group);
        debug_assert!(found.is_some(), "the engine checks the group first");
        if let Some(group) = found {
            group.enqueue(enqueue, admitted_ns, now);
        }
    }

    /// The claim of a message is durable: it may be sent now. Claims become durable in the order in which they were wished for.
    pub(crate) fn grant(&mut self, id: MessageId) {
        let oldest = self.claiming.pop_front();
        let granted = oldest.is_some_and(|(group, lane)| self.groups[group].grant(lane, id));
        debug_assert!(granted, "claims are granted in the order of the wishes");
    }

    /// Whatever the lanes hold or are about to get of this message is void; it is dropped when its turn comes.
    pub(crate) fn withdraw(&mut self, id: MessageId) {
        self.withdrawn.insert(id);
    }

    /// The place that the lanes hold, or are about to get, of an earlier attempt of this message is void, as if it was withdrawn.
    pub(crate) fn supersede(&mut self, id: MessageId, attempt: AttemptNo) {
        self.superseded.add(id, attempt);
    }

    /// The place of this attempt never came into being.
    pub(crate) fn left_place(&mut self, id: MessageId, attempt: AttemptNo) {
        self.superseded.drops(id, attempt);
    }

    /// The message is in no lane and on the way to none, so that a withdrawal of it has nothing to wait for: a turn's wishes handed it back
    /// as expired, or it found no route.
    pub(crate) fn left_lanes(&mut self, id: MessageId) {
        self.withdrawn.remove(&id);
    }

    /// Sends what may be sent and says what it wants next. `true` when another turn has something to do at once.
    pub(crate) fn turn(
        &mut self,
        now: Now,
        sink: &mut dyn WrittenSink,
        wishes: &mut Wishes,
    ) -> Result<bool, WrittenFailed> {
        self.sweep_withdrawn();
        let mut first_sender = None;
        let carriers = self.carriers.len();
        for step in 0..carriers {
            let at = (self.first_carrier + step) % carriers;
            if self.dispatch(at, now, sink, wishes)? {
                first_sender = first_sender.or(Some(at));
            }
        }
        if let Some(at) = first_sender {
            self.first_carrier = (at + 1) % carriers;
        }
        let mut busy = first_sender.is_some();
        busy |= self.wish_claims(now, wishes);
        Ok(busy || !wishes.expired.is_empty())
    }

    /// Moves everything the connectors have to say to `events`.
    pub(crate) fn drain_events(&mut self, mut each: impl FnMut(&mut Carrier, ConnectorEvent)) {
        for carrier in &mut self.carriers {
            carrier.connector.drain_events(&mut self.events);
            for event in self.events.drain(..) {
                each(carrier, event);
            }
        }
    }

    /// Names every segment that a carrier was sent and has not answered.
    pub(crate) fn in_flight(&self, carrier: CarrierId, each: &mut dyn FnMut(SegmentRef)) {
        if let Some(carrier) = self.carriers.iter().find(|known| known.id == carrier) {
            carrier.connector.in_flight(each);
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

    /// Withdrawals that no lane has met yet.
    pub(crate) fn withdrawn(&self) -> usize {
        self.withdrawn.len()
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

    /// What the carriers of a group that were bound lately send in the time that an otp lane may hold.
    pub(crate) fn otp_limit(&self, group: RouteGroupId, now: Now) -> u64 {
        let Some(group) = self.groups.iter().find(|known| known.id == group) else {
            return 0;
        };
        group
            .carriers()
            .map(|at| self.carriers[at].otp_capacity(now))
            .fold(0, u64::saturating_add)
    }

    /// Drops what was withdrawn wherever it stands, when it is so much that going through the lanes costs no more than meeting each.
    fn sweep_withdrawn(&mut self) {
        let void = self.withdrawn.len() + self.superseded.places();
        if void < self.sweep_at {
            return;
        }
        let held: usize = self
            .groups
            .iter()
            .map(|group| group.depths().iter().sum::<usize>())
            .sum();
        if 2 * void < held {
            self.sweep_at = (held / 2).max(SWEEP_ABOVE);
            return;
        }
        for group in &mut self.groups {
            group.sweep(&mut self.withdrawn, &mut self.superseded);
        }
        self.sweep_at = self.withdrawn.len() + self.superseded.places() + SWEEP_ABOVE;
    }
}

/// What a connector is called by the engine.
pub(crate) type BoxedConnector = Box<dyn Connector>;
