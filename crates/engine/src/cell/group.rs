use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use connector::{Dispatch, SessionNo};
use message::{
    AttemptNo, IdBuildHasher, LANES, Lane, MessageId, Now, Payload, RouteGroupId, SegmentRef,
    TenantId,
};
use partition::{Enqueue, Place};
use queue::{Admitted, FairQueue, Popped, Verdict};

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
    pub(crate) fn dispatch(self, session: SessionNo, now: Now) -> Dispatch {
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

/// The lanes of one route group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: RouteGroupId,
    /// Carriers by tier, as indexes into the cell's carriers.
    tiers: Vec<Vec<usize>>,
    lanes: [LaneQueues; 4],
}

#[derive(Debug)]
struct LaneQueues {
    waiting: FairQueue<Work>,
    claiming: VecDeque<Work>,
    ready: VecDeque<Work>,
    /// Since when the first message of this lane has had nobody before it, monotonic.
    head_since_ns: u64,
}

impl LaneQueues {
    fn new() -> Self {
        Self {
            waiting: FairQueue::new(),
            claiming: VecDeque::new(),
            ready: VecDeque::new(),
            head_since_ns: 0,
        }
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.claiming.len() + self.ready.len()
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
        if lane.len() == 0 {
            lane.head_since_ns = now.mono_ns;
        }
        let work = Work {
            id: enqueue.id,
            attempt: enqueue.attempt,
            claimed: enqueue.claimed,
            payload: enqueue.payload,
            admitted_ns,
            queued_ns: now.mono_ns,
        };
        match enqueue.place {
            // A retry is claimed already and goes before everything of its lane: it had its turn.
            Place::Front if work.claimed => lane.ready.push_front(work),
            Place::Front => lane
                .waiting
                .put_back(enqueue.tenant.0, enqueue.sender_hash, work),
            // The fast way of an otp: claimed with its admission and nobody before it.
            Place::Back if work.claimed && lane.len() == 0 => lane.ready.push_back(work),
            Place::Back => lane
                .waiting
                .push_back(enqueue.tenant.0, enqueue.sender_hash, work),
        }
    }

    /// Moves what was claimed to where it may be sent from.
    pub(crate) fn grant(&mut self, id: MessageId) -> bool {
        self.lanes.iter_mut().any(|lane| {
            // Claims become durable in the order in which they were made, so this is the first one.
            let Some(at) = lane.claiming.iter().position(|work| work.id == id) else {
                return false;
            };
            if let Some(mut work) = lane.claiming.remove(at) {
                work.claimed = true;
                lane.ready.push_back(work);
            }
            true
        })
    }

    /// Which lanes have something that may be sent (or skipped) now.
    pub(crate) fn sendable(&self) -> [bool; 4] {
        [0, 1, 2, 3].map(|lane| !self.lanes[lane].ready.is_empty())
    }

    /// Drops what was withdrawn or has expired from the head of the ready messages; the expired ones go to `expired`.
    pub(crate) fn skip_void(
        &mut self,
        lane: usize,
        now: Now,
        withdrawn: &mut HashSet<MessageId, IdBuildHasher>,
        expired: &mut Vec<Work>,
    ) {
        let ready = &mut self.lanes[lane].ready;
        while let Some(head) = ready.front() {
            let void = !withdrawn.is_empty() && withdrawn.remove(&head.id);
            let late = head.payload.expires_ms <= now.wall_ms;
            if !void && !late {
                break;
            }
            if let Some(work) = ready.pop_front()
                && !void
            {
                expired.push(work);
            }
        }
    }

    pub(crate) fn pop(&mut self, lane: usize, now: Now) -> Option<Work> {
        let work = self.lanes[lane].ready.pop_front()?;
        // Otp claimed with their admission need no grant: the next one is sendable in this very turn.
        self.refill_claimed(lane, now);
        Some(work)
    }

    /// Since when the message just popped had nobody before it; the next one has so from now on.
    pub(crate) fn head_since(&mut self, lane: usize, now: Now) -> u64 {
        std::mem::replace(&mut self.lanes[lane].head_since_ns, now.mono_ns)
    }

    /// Chooses what should be claimed so that about `ahead` messages are claimed or about to be, in fair order.
    pub(crate) fn wish_claims(&mut self, ahead: usize, now: Now, claims: &mut Vec<MessageId>) {
        let busy = self
            .lanes
            .iter()
            .filter(|lane| lane.len() > 0)
            .count()
            .max(1);
        let each = (ahead / busy).max(2);
        for lane in &mut self.lanes {
            while lane.ready.len() + lane.claiming.len() < each {
                let Some(popped) = pop_next(&mut lane.waiting, now) else {
                    break;
                };
                let work = popped.item;
                if work.claimed {
                    lane.ready.push_back(work);
                } else {
                    claims.push(work.id);
                    lane.claiming.push_back(work);
                }
            }
        }
    }

    pub(crate) fn depths(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|lane| self.lanes[lane].len())
    }

    pub(crate) fn oldest_ns(&self, lane: Lane) -> Option<u64> {
        let lane = &self.lanes[lane.index()];
        let heads = [lane.ready.front(), lane.claiming.front()];
        heads
            .into_iter()
            .flatten()
            .map(Admitted::admitted_ns)
            .chain(lane.waiting.oldest_admitted_ns())
            .min()
    }

    fn refill_claimed(&mut self, lane: usize, now: Now) {
        let lane = &mut self.lanes[lane];
        if !lane.ready.is_empty() || !lane.claiming.is_empty() {
            return;
        }
        let mut skipped = Vec::new();
        let head_is_claimed = lane
            .waiting
            .peek(now.mono_ns, |_| Verdict::Take, &mut skipped)
            .is_some_and(|work| work.claimed);
        if head_is_claimed && let Some(popped) = pop_next(&mut lane.waiting, now) {
            lane.ready.push_back(popped.item);
        }
    }
}

fn pop_next(waiting: &mut FairQueue<Work>, now: Now) -> Option<Popped<Work>> {
    let mut skipped = Vec::new();
    let popped = waiting.pop(now.mono_ns, |_| Verdict::Take, &mut skipped);
    debug_assert!(skipped.is_empty(), "every item is taken");
    popped
}
