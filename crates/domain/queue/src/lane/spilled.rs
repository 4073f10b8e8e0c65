//! The part of a lane that does not lie in memory: names of items, and their way back.
//!
//! ```text
//! spill ──► run of names ──next_thirsty──► being read ──refill──► tail of the sub-queue's head
//!                                               └──── give_up ──► gone (it was cancelled, or has expired)
//! ```
//!
//! A sub-queue has one batch being read at a time, so that what comes back is in order however it is read.

use super::FairQueue;
use crate::run::Spilled;
use crate::tenant::{End, Entry};

/// Most sub-queues that are looked at for thirst in one call: the call belongs to a turn that an otp waits for.
const LOOKED_AT: usize = 64;

/// A sub-queue that reads back what it spilled; valid until each name it gave out was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    tenant: usize,
    subqueue: usize,
}

/// How much a sub-queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Items in memory.
    pub items: usize,
    /// Names of spilled items, those being read included.
    pub spilled: usize,
}

/// How much is read back at once, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thirst {
    /// A sub-queue reads when it has at most so many items in memory.
    pub below: usize,
    /// How many names it reads at once.
    pub batch: usize,
}

impl<T> FairQueue<T> {
    /// How much the sub-queue that an item of this sender would enter holds now.
    #[must_use]
    pub fn held(&self, tenant: u32, sender: u64) -> Held {
        self.places
            .get(&tenant)
            .map_or_else(Held::default, |place| self.tenants[*place].held(sender))
    }

    /// Appends the name of an item that is kept elsewhere, behind everything of its sub-queue.
    pub fn spill(&mut self, tenant: u32, sender: u64, name: Spilled) {
        self.spill_at(tenant, sender, (name, End::Back));
    }

    /// Puts the name of an item that is kept elsewhere before everything that its sub-queue has spilled, and behind what came in this way before
    /// it: these were there first, and were found late.
    pub fn spill_first(&mut self, tenant: u32, sender: u64, name: Spilled) {
        self.spill_at(tenant, sender, (name, End::Head));
    }

    fn spill_at(&mut self, tenant: u32, sender: u64, name: (Spilled, End)) {
        self.len += 1;
        self.spilled += 1;
        let place = self.place_of(tenant);
        let subqueue = self.tenants[place].spill(sender, name, &mut self.spares);
        if let Some(subqueue) = subqueue {
            self.spilling.push_back(Reading {
                tenant: place,
                subqueue,
            });
        }
    }

    /// Names in the lane, those being read included.
    #[must_use]
    pub const fn spilled(&self) -> usize {
        self.spilled
    }

    /// The names of the next batch that some sub-queue should read, appended to `names`. Each must be answered, in this order, by
    /// [`FairQueue::refill`] or [`FairQueue::give_up`]. Sub-queues take turns.
    pub fn next_thirsty(&mut self, thirst: Thirst, names: &mut Vec<Spilled>) -> Option<Reading> {
        for _ in 0..self.spilling.len().min(LOOKED_AT) {
            let reading = self.spilling.pop_front()?;
            let tenant = &mut self.tenants[reading.tenant];
            let taken = tenant.read(reading.subqueue, thirst, names);
            if tenant.has_run(reading.subqueue) {
                self.spilling.push_back(reading);
            }
            if taken > 0 {
                return Some(reading);
            }
        }
        None
    }

    /// An item that was read: it goes behind what its sub-queue has in memory and before what it has spilled.
    pub fn refill(&mut self, reading: Reading, sender: u64, item: T) {
        self.spilled -= 1;
        let tenant = &mut self.tenants[reading.tenant];
        let was_ready = tenant.is_ready();
        tenant.answered(reading.subqueue);
        tenant.insert_at(
            reading.subqueue,
            Entry { sender, item },
            End::Back,
            &mut self.spares,
        );
        self.admit(reading.tenant, was_ready);
    }

    /// A name whose item is not to come back.
    pub fn give_up(&mut self, reading: Reading) {
        self.spilled -= 1;
        self.len -= 1;
        let tenant = &mut self.tenants[reading.tenant];
        tenant.answered(reading.subqueue);
        tenant.free_if_spent(reading.subqueue, &mut self.spares);
        self.forget_if_idle(reading.tenant);
    }
}
