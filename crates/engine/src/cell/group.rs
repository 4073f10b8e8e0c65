//! The lanes of one route group.
//!
//! Limits: what waits is bounded by intake's credits, what is claimed by [`super::claims`], what is found expired in a turn by
//! [`EXPIRED_PER_TURN`].

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use connector::{Dispatch, SessionNo};
use message::{
    AttemptNo, IdBuildHasher, LANES, Lane, MessageId, Now, Payload, RouteGroupId, SegmentRef,
    TenantId,
};
use partition::{Enqueue, Place};
use queue::{Admitted, FairQueue, Verdict};

use super::superseded::Superseded;

/// Most messages found expired in a turn: each is a decision of its partition, and an otp waits for the turn to end.
pub(super) const EXPIRED_PER_TURN: usize = 256;

/// What has less than this left is not sent any more: carriers count seconds, and one must not deliver what we would have given up.
const LEFT_MIN_MS: u64 = 1_000;

/// A message in a lane.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) id: MessageId,
    attempt: AttemptNo,
    claimed: bool,
    payload: Arc<Payload>,
    /// Monotonic time of admission; 0 when it was before this process.
    pub(crate) admitted_ns: u64,
    /// Monotonic time at which it entered the lane.
    pub(crate) queued_ns: u64,
}

impl Admitted for Work {
    fn admitted_ns(&self) -> u64 {
        if self.admitted_ns == 0 {
            self.queued_ns
        } else {
            self.admitted_ns
        }
    }
}

impl Work {
    pub(crate) fn new(enqueue: Enqueue, admitted_ns: u64, now: Now) -> Self {
        Self {
            id: enqueue.id,
            attempt: enqueue.attempt,
            claimed: enqueue.claimed,
            payload: enqueue.payload,
            admitted_ns,
            queued_ns: now.mono_ns,
        }
    }

    pub(crate) fn dispatch(self, session: SessionNo, now: Now) -> Dispatch {
        debug_assert!(self.claimed, "only what is claimed is sent");
        Dispatch {
            segment: SegmentRef {
                message: self.id,
                leg: 0,
                attempt: self.attempt,
                segment: 0,
            },
            session,
            admitted_ns: self.admitted_ns,
            validity_left_ms: self.payload.expires_ms.saturating_sub(now.wall_ms),
            payload: self.payload,
        }
    }
}

/// What must not be sent any more, and where to say so.
#[derive(Debug)]
pub(super) struct Voids<'a> {
    /// Messages that were taken out of the lanes by a decision; each is dropped where it is met.
    pub(super) withdrawn: &'a mut HashSet<MessageId, IdBuildHasher>,
    /// Places whose message has new content, for a later attempt.
    pub(super) superseded: &'a mut Superseded,
    /// Messages that are found expired and of which nobody knows that yet.
    pub(super) expired: &'a mut Vec<MessageId>,
}

/// Whether a message may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fitness {
    Fit,
    Superseded,
    Withdrawn,
    Expired,
}

impl Voids<'_> {
    fn fitness(&self, work: &Work, now: Now) -> Fitness {
        if self.superseded.holds(work.id, work.attempt) {
            Fitness::Superseded
        } else if !self.withdrawn.is_empty() && self.withdrawn.contains(&work.id) {
            Fitness::Withdrawn
        } else if work.payload.expires_ms < now.wall_ms + LEFT_MIN_MS {
            Fitness::Expired
        } else {
            Fitness::Fit
        }
    }

    /// Takes note that a message which is not fit left the lanes.
    fn note(&mut self, (id, attempt): (MessageId, AttemptNo), fitness: Fitness) {
        match fitness {
            Fitness::Fit => {}
            Fitness::Superseded => drop(self.superseded.drops(id, attempt)),
            Fitness::Withdrawn => drop(self.withdrawn.remove(&id)),
            Fitness::Expired => self.expired.push(id),
        }
    }
}

/// What a lane wants claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimNext {
    /// This message.
    Claim(MessageId),
    /// Nothing for the message whose turn it was: it was claimed already, or was dropped. Ask again.
    NoneNeeded,
    /// Nothing more: enough is claimed, or nothing waits.
    Enough,
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Popped {
    pub(super) work: Work,
    /// When the message before it left its lane.
    pub(super) before_ns: u64,
    /// Whether another one may be sent.
    pub(super) more: bool,
}

/// The lanes of one route group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: RouteGroupId,
    /// Carriers by tier, as indexes into the cell's carriers.
    tiers: Vec<Vec<usize>>,
    lanes: [LaneQueues; 4],
}

/// One lane of one group.
///
/// `waiting` is in fair order and not claimed (but for what was claimed with its admission while others waited); what left it is in
/// `claiming` until its claim is durable, then in `ready`. `again` is what a carrier did not take: claimed, had its turn, goes first.
///
/// Kept true by every method: when nothing can be sent, the message whose turn it is in `waiting` is not claimed. So a claimed message
/// never waits for a turn that nothing calls for.
#[derive(Debug)]
struct LaneQueues {
    waiting: FairQueue<Work>,
    claiming: VecDeque<Work>,
    ready: VecDeque<Work>,
    again: VecDeque<Work>,
    /// When a message of this lane was last popped.
    last_pop_ns: u64,
}

impl LaneQueues {
    fn new() -> Self {
        Self {
            waiting: FairQueue::new(),
            claiming: VecDeque::new(),
            ready: VecDeque::new(),
            again: VecDeque::new(),
            last_pop_ns: 0,
        }
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.claimed()
    }

    /// Messages that are claimed or about to be.
    fn claimed(&self) -> usize {
        self.claiming.len() + self.ready.len() + self.again.len()
    }

    fn is_sendable(&self) -> bool {
        !self.again.is_empty() || !self.ready.is_empty()
    }

    fn head(&self) -> Option<&Work> {
        self.again.front().or_else(|| self.ready.front())
    }

    fn pop_head(&mut self) -> Option<Work> {
        let work = self.again.pop_front().or_else(|| self.ready.pop_front());
        self.refill();
        work
    }

    /// Otp claimed with their admission need no grant: the one whose turn it is becomes sendable at once.
    fn refill(&mut self) {
        if self.is_sendable() || self.waiting.is_empty() {
            return;
        }
        // Nothing is parked in these lanes, so their order does not depend on the time.
        let head = self
            .waiting
            .peek(0, |_| Verdict::Take, &mut Vec::new())
            .is_some_and(|work| work.claimed);
        if head && let Some(work) = self.pop_waiting() {
            self.ready.push_back(work);
        }
    }

    fn pop_waiting(&mut self) -> Option<Work> {
        let popped = self.waiting.pop(0, |_| Verdict::Take, &mut Vec::new());
        popped.map(|popped| popped.item)
    }
}

impl Group {
    pub(crate) fn new(id: RouteGroupId, tiers: Vec<Vec<usize>>) -> Self {
        Self {
            id,
            tiers,
            lanes: LANES.map(|_| LaneQueues::new()),
        }
    }

    pub(crate) fn set_weight(&mut self, tenant: TenantId, weight: u32) {
        for lane in &mut self.lanes {
            lane.waiting.set_weight(tenant.0, weight);
        }
    }

    pub(crate) fn carriers(&self) -> impl Iterator<Item = usize> + '_ {
        self.tiers.iter().flatten().copied()
    }

    /// Whether the carrier may pull: it is in the group, and no carrier of an earlier tier is bound.
    pub(crate) fn may_pull(&self, carrier: usize, bound: impl Fn(&usize) -> bool) -> bool {
        for tier in &self.tiers {
            if tier.contains(&carrier) {
                return true;
            }
            if tier.iter().any(&bound) {
                return false;
            }
        }
        false
    }

    pub(crate) fn enqueue(&mut self, enqueue: Enqueue, admitted_ns: u64, now: Now) {
        let lane = &mut self.lanes[enqueue.payload.lane.index()];
        let (tenant, sender) = (enqueue.tenant.0, enqueue.sender_hash);
        let place = enqueue.place;
        let work = Work::new(enqueue, admitted_ns, now);
        match place {
            // A retry is claimed already and goes before everything of its lane: it had its turn.
            Place::Front if work.claimed => lane.again.push_back(work),
            Place::Front => lane.waiting.put_back(tenant, sender, work),
            // The fast way of an otp: claimed with its admission, and nobody before it that could go.
            Place::Back if work.claimed && lane.waiting.is_empty() => lane.ready.push_back(work),
            Place::Back => lane.waiting.push_back(tenant, sender, work),
        }
    }

    /// The claim made longest ago in this lane is durable: its message may be sent. `false` when it is another message's.
    pub(crate) fn grant(&mut self, lane: usize, id: MessageId) -> bool {
        let lane = &mut self.lanes[lane];
        if lane.claiming.front().is_none_or(|work| work.id != id) {
            return false;
        }
        if let Some(mut work) = lane.claiming.pop_front() {
            work.claimed = true;
            lane.ready.push_back(work);
        }
        true
    }

    /// Which lanes have something that may be sent (or dropped) now.
    pub(super) fn sendable(&self) -> [bool; 4] {
        [0, 1, 2, 3].map(|lane: usize| self.lanes[lane].is_sendable())
    }

    /// Drops what must not be sent from the head of a lane. Whether something that may be sent is there now.
    pub(super) fn settle_head(&mut self, lane: usize, now: Now, voids: &mut Voids<'_>) -> bool {
        let lane = &mut self.lanes[lane];
        loop {
            let Some(head) = lane.head() else {
                return false;
            };
            let (place, fitness) = ((head.id, head.attempt), voids.fitness(head, now));
            if fitness == Fitness::Fit {
                return true;
            }
            if voids.expired.len() >= EXPIRED_PER_TURN {
                return false;
            }
            lane.pop_head();
            voids.note(place, fitness);
        }
    }

    /// Pops the head of a lane.
    pub(super) fn pop(&mut self, lane: usize, now: Now) -> Option<Popped> {
        let lane = &mut self.lanes[lane];
        let work = lane.pop_head()?;
        let before_ns = std::mem::replace(&mut lane.last_pop_ns, now.mono_ns);
        Some(Popped {
            work,
            before_ns,
            more: lane.is_sendable(),
        })
    }

    /// Whether anything is in any lane.
    pub(super) fn is_busy(&self) -> bool {
        self.lanes.iter().any(|lane| lane.len() > 0)
    }

    /// Lanes with anything in them.
    pub(super) fn busy_lanes(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.len() > 0).count()
    }

    /// Takes the message of a lane whose turn it is, so that `ahead` messages are claimed or about to be. Whoever is told of a claim must
    /// ask for it.
    pub(super) fn claim_next(
        &mut self,
        lane: usize,
        ahead: usize,
        now: Now,
        voids: &mut Voids<'_>,
    ) -> ClaimNext {
        let lane = &mut self.lanes[lane];
        if lane.claimed() >= ahead {
            return ClaimNext::Enough;
        }
        let Some(work) = lane.pop_waiting() else {
            return ClaimNext::Enough;
        };
        let next = match voids.fitness(&work, now) {
            Fitness::Fit if work.claimed => {
                lane.ready.push_back(work);
                ClaimNext::NoneNeeded
            }
            Fitness::Fit => {
                let id = work.id;
                lane.claiming.push_back(work);
                ClaimNext::Claim(id)
            }
            void @ (Fitness::Superseded | Fitness::Withdrawn | Fitness::Expired) => {
                voids.note((work.id, work.attempt), void);
                ClaimNext::NoneNeeded
            }
        };
        lane.refill();
        next
    }

    /// Drops what was withdrawn from everywhere but among the claims under way, whose order must stay. Costs O(messages).
    pub(super) fn sweep(
        &mut self,
        withdrawn: &mut HashSet<MessageId, IdBuildHasher>,
        superseded: &mut Superseded,
    ) {
        let mut void =
            |work: &Work| superseded.drops(work.id, work.attempt) || withdrawn.remove(&work.id);
        for lane in &mut self.lanes {
            lane.ready.retain(|work| !void(work));
            lane.again.retain(|work| !void(work));
            lane.waiting.sweep(&mut void, &mut Vec::new());
            lane.refill();
        }
    }

    /// What of a lane is not claimed yet.
    pub(super) fn waiting(&self, lane: usize) -> &FairQueue<Work> {
        &self.lanes[lane].waiting
    }

    /// As [`Self::waiting`], to spill and to read back.
    pub(super) fn waiting_mut(&mut self, lane: usize) -> &mut FairQueue<Work> {
        &mut self.lanes[lane].waiting
    }

    pub(crate) fn depths(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|lane: usize| self.lanes[lane].len())
    }

    pub(crate) fn oldest_ns(&self, lane: Lane) -> Option<u64> {
        let lane = &self.lanes[lane.index()];
        let heads = [
            lane.again.front(),
            lane.ready.front(),
            lane.claiming.front(),
        ];
        heads
            .into_iter()
            .flatten()
            .map(Admitted::admitted_ns)
            .chain(lane.waiting.oldest_admitted_ns())
            .min()
    }
}
