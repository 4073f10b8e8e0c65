//! The part of the lanes that lies in the journal: which sub-queue a message would deepen, and whose turn it is to be read back.

use message::{LANES, Lane, Now, RouteGroupId};
use partition::Enqueue;
use queue::{Held, Reading, Spilled, Thirst};

use super::Cell;
use super::group::Work;

/// A sub-queue of some lane that is being read back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneReading {
    group: usize,
    lane: usize,
    reading: Reading,
}

/// How much a lane may read back now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LaneThirst {
    /// For any sub-queue that runs low.
    Any(Thirst),
    /// For a group of which nothing is in memory.
    IfEmpty(Thirst),
}

/// Where a message waits: enough to find its sub-queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whereabouts {
    pub(crate) group: RouteGroupId,
    pub(crate) lane: Lane,
    pub(crate) tenant: u32,
    pub(crate) sender_hash: u64,
}

impl Whereabouts {
    pub(crate) fn of(enqueue: &Enqueue) -> Self {
        Self {
            group: enqueue.group,
            lane: enqueue.payload.lane,
            tenant: enqueue.tenant.0,
            sender_hash: enqueue.sender_hash,
        }
    }
}

/// The name of a cold message in a lane.
pub(crate) fn name_of(partition: u16, ordinal: u64) -> Spilled {
    Spilled {
        shelf: partition,
        key: ordinal,
    }
}

impl Cell {
    /// How much the sub-queue of a message holds.
    pub(crate) fn held(&self, at: Whereabouts) -> Held {
        let mut groups = self.groups.iter();
        let group = groups.find(|group| group.id == at.group);
        group.map_or_else(Held::default, |group| {
            group
                .waiting(at.lane.index())
                .held(at.tenant, at.sender_hash)
        })
    }

    /// Puts the name of a cold message behind its sub-queue. `false` when the group is not known.
    pub(crate) fn spill(&mut self, at: Whereabouts, name: Spilled) -> bool {
        let mut groups = self.groups.iter_mut();
        let Some(group) = groups.find(|group| group.id == at.group) else {
            return false;
        };
        group
            .waiting_mut(at.lane.index())
            .spill(at.tenant, at.sender_hash, name);
        true
    }

    /// Puts the name of a cold message before those that its sub-queue has already, and behind those that came in this way. `false` when the
    /// group is not known.
    pub(crate) fn spill_first(&mut self, at: Whereabouts, name: Spilled) -> bool {
        let mut groups = self.groups.iter_mut();
        let Some(group) = groups.find(|group| group.id == at.group) else {
            return false;
        };
        group
            .waiting_mut(at.lane.index())
            .spill_first(at.tenant, at.sender_hash, name);
        true
    }

    /// The names that should be read back next, otp first; each is answered by [`Self::refill`] or [`Self::give_up`].
    pub(crate) fn next_thirsty(
        &mut self,
        thirsts: &[LaneThirst; 4],
        names: &mut Vec<Spilled>,
    ) -> Option<LaneReading> {
        for lane in LANES.map(Lane::index) {
            for (at, group) in self.groups.iter_mut().enumerate() {
                let spilled = group.waiting(lane).spilled();
                let thirst = match thirsts[lane] {
                    _ if spilled == 0 => continue,
                    LaneThirst::Any(thirst) => thirst,
                    LaneThirst::IfEmpty(_) if group.depths()[lane] > spilled => continue,
                    LaneThirst::IfEmpty(thirst) => thirst,
                };
                let waiting = group.waiting_mut(lane);
                if let Some(reading) = waiting.next_thirsty(thirst, names) {
                    return Some(LaneReading {
                        group: at,
                        lane,
                        reading,
                    });
                }
            }
        }
        None
    }

    /// A message that was read back. It came into its lane when it was admitted, `queued_ns`, so that its wait is told truly.
    pub(crate) fn refill(&mut self, to: LaneReading, enqueue: Enqueue, queued_ns: u64, now: Now) {
        let sender = enqueue.sender_hash;
        let mut work = Work::new(enqueue, queued_ns, now);
        work.queued_ns = queued_ns;
        let waiting = self.groups[to.group].waiting_mut(to.lane);
        waiting.refill(to.reading, sender, work);
    }

    /// A name whose message is not cold any more.
    pub(crate) fn give_up(&mut self, from: LaneReading) {
        let waiting = self.groups[from.group].waiting_mut(from.lane);
        waiting.give_up(from.reading);
    }

    /// Names in each lane of each group.
    pub(crate) fn spilled(&self) -> impl Iterator<Item = (RouteGroupId, [usize; 4])> + '_ {
        self.groups.iter().map(|group| {
            let names = LANES.map(|lane| group.waiting(lane.index()).spilled());
            (group.id, names)
        })
    }
}
