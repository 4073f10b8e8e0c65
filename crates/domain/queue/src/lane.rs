//! A lane: what waits for one route group at one urgency, in fair order.
//!
//! Round robin of tenants, each for as many items in a row as its weight; inside a tenant round robin of senders, one
//! item each; inside a sender the order of admission. So one tenant's million cannot hold up another tenant's ten, nor
//! one sender's campaign another sender's single message.
//!
//! Popping asks the caller about each candidate ([`Verdict`]): take it, skip it (cancelled, expired), or park it or its
//! whole sub-queue until a time. Skipped items are handed over, never dropped. A pop costs O(1), plus O(log p) for each
//! of p parked things that falls due, plus O(1) for each item skipped for good.
//!
//! Items that are kept elsewhere stand in their sub-queue as names and are read back in order; see [`FairQueue::spill`].
//!
//! Limits: [`MAX_SUBQUEUES`] sub-queues a tenant; weights 1 to [`MAX_WEIGHT`]; items are bounded by the credits that
//! whoever pushes must hold (see [`crate::credits`]). Memory of emptied sub-queues is reused or freed.

mod spilled;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

use crate::tenant::{End, Entry, Spares, Tenant};

pub use spilled::{Held, Reading, Thirst};

/// The most sub-queues that one tenant has in one lane; senders beyond that share some of them by hash.
pub const MAX_SUBQUEUES: usize = 64;

/// The largest weight of a tenant: items in a row before the next tenant's turn.
pub const MAX_WEIGHT: u32 = 1000;

/// What is to become of the item whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes now.
    Take,
    /// It will never go (cancelled, expired): hand it over and look at the next.
    Skip,
    /// It waits until `until_ns`, then stands at the head of its sub-queue; the others of its sender may go before it.
    ParkItem {
        /// Monotonic time in nanoseconds.
        until_ns: u64,
    },
    /// It and everything behind it in its sub-queue waits until `until_ns`.
    ParkSubqueue {
        /// Monotonic time in nanoseconds.
        until_ns: u64,
    },
}

/// An item that left the lane, with what [`FairQueue::put_back`] needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped<T> {
    /// Whose it is.
    pub tenant: u32,
    /// The sender's hash, as given at the push.
    pub sender: u64,
    /// The item.
    pub item: T,
}

/// An item that knows when it was admitted, for the age of a lane.
pub trait Admitted {
    /// Monotonic time of admission in nanoseconds.
    fn admitted_ns(&self) -> u64;
}

/// A lane of fair sub-queues. Single-threaded: it belongs to one cell.
#[derive(Debug)]
pub struct FairQueue<T> {
    tenants: Vec<Tenant<T>>,
    vacant: Vec<usize>,
    places: HashMap<u32, usize, BuildHasherDefault<IdHasher>>,
    weights: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    rotation: VecDeque<usize>,
    /// Items that the tenant at the front may still send in this turn; zero if its turn has not begun.
    turn_left: u32,
    parked: BinaryHeap<Reverse<Parked<T>>>,
    parked_items: usize,
    park_count: u64,
    due: Vec<Parked<T>>,
    spares: Spares<T>,
    len: usize,
    /// Names, those being read included.
    spilled: usize,
    /// Sub-queues with names that nobody reads yet, in the order in which they are looked at.
    spilling: VecDeque<Reading>,
}

impl<T> FairQueue<T> {
    /// An empty lane; every tenant weighs 1 until [`FairQueue::set_weight`] says otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tenants: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::default(),
            weights: HashMap::default(),
            rotation: VecDeque::new(),
            turn_left: 0,
            parked: BinaryHeap::new(),
            parked_items: 0,
            park_count: 0,
            due: Vec::new(),
            spares: Spares::new(),
            len: 0,
            spilled: 0,
            spilling: VecDeque::new(),
        }
    }

    /// Sets how many items in a row `tenant` may send, from its next turn on; out of range is brought into 1 to
    /// [`MAX_WEIGHT`].
    pub fn set_weight(&mut self, tenant: u32, weight: u32) {
        let weight = weight.clamp(1, MAX_WEIGHT);
        self.weights.insert(tenant, weight);
        if let Some(place) = self.places.get(&tenant) {
            self.tenants[*place].weight = weight;
        }
    }

    /// Items in the lane, parked and spilled ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the lane holds nothing, not even parked or spilled.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an item may be asked for at `now_ns`. Without asking, it is not known whether it will be skipped; who must
    /// know (before taking a permit) uses [`FairQueue::peek`].
    pub fn has_ready(&mut self, now_ns: u64) -> bool {
        self.unpark_due(now_ns);
        !self.rotation.is_empty()
    }

    /// When the first parked thing falls due, if any is parked: monotonic time in nanoseconds.
    #[must_use]
    pub fn next_due_ns(&self) -> Option<u64> {
        self.parked.peek().map(|Reverse(parked)| parked.until_ns)
    }

    /// Appends an item to its sender's sub-queue.
    pub fn push_back(&mut self, tenant: u32, sender: u64, item: T) {
        self.len += 1;
        self.insert(tenant, Entry { sender, item }, End::Back);
    }

    /// Puts a popped item back before everything of its sender. The turn it had is spent.
    pub fn put_back(&mut self, tenant: u32, sender: u64, item: T) {
        self.len += 1;
        self.insert(tenant, Entry { sender, item }, End::Head);
    }

    /// Adds an item that may not go before `until_ns` (a retry with a delay); then it stands at the head of its
    /// sub-queue.
    pub fn park(&mut self, popped: Popped<T>, until_ns: u64) {
        self.len += 1;
        let Popped {
            tenant,
            sender,
            item,
        } = popped;
        self.park_entry(tenant, Entry { sender, item }, until_ns);
    }

    /// Takes the item whose turn it is, if `judge` lets it; what it skips is appended to `skipped`. Asks `judge` about an
    /// item each time the item comes up.
    pub fn pop(
        &mut self,
        now_ns: u64,
        judge: impl FnMut(&T) -> Verdict,
        skipped: &mut Vec<T>,
    ) -> Option<Popped<T>> {
        let place = self.settle(now_ns, judge, skipped)?;
        let tenant = &mut self.tenants[place];
        let id = tenant.id;
        if self.turn_left == 0 {
            self.turn_left = tenant.weight;
        }
        let Entry { sender, item } = tenant.take_head(&mut self.spares)?;
        self.len -= 1;
        self.turn_left -= 1;
        if !tenant.is_ready() {
            self.retire_front();
        } else if self.turn_left == 0 {
            self.rotation.rotate_left(1);
        }
        Some(Popped {
            tenant: id,
            sender,
            item,
        })
    }

    /// The item that a `pop` with the same `judge` would take now. Skips and parks what is in its way, as `pop` does.
    pub fn peek(
        &mut self,
        now_ns: u64,
        judge: impl FnMut(&T) -> Verdict,
        skipped: &mut Vec<T>,
    ) -> Option<&T> {
        let place = self.settle(now_ns, judge, skipped)?;
        self.tenants[place].head()
    }

    /// Moves every item for which `leaves` holds to `into`, wherever it stands: for a lane that nobody pops while its
    /// items expire, and for its end. Costs O(items).
    pub fn sweep(&mut self, mut leaves: impl FnMut(&T) -> bool, into: &mut Vec<T>) {
        let before = into.len();
        for tenant in &mut self.tenants {
            tenant.sweep(&mut leaves, into, &mut self.spares);
        }
        let (kept, mut removed) = (Vec::with_capacity(self.parked.len()), 0);
        let parked = std::mem::replace(&mut self.parked, BinaryHeap::from(kept));
        for Reverse(Parked {
            until_ns,
            order,
            what,
        }) in parked
        {
            match what {
                What::Item { entry, .. } if leaves(&entry.item) => {
                    removed += 1;
                    into.push(entry.item);
                }
                what @ (What::Item { .. } | What::Subqueue { .. }) => {
                    self.parked.push(Reverse(Parked {
                        until_ns,
                        order,
                        what,
                    }));
                }
            }
        }
        self.parked_items -= removed;
        self.len -= into.len() - before;
        self.drop_unready();
    }

    /// When the oldest item was admitted, parked ones included. Looks at the head of every sub-queue: for gauges.
    #[must_use]
    pub fn oldest_admitted_ns(&self) -> Option<u64>
    where
        T: Admitted,
    {
        let waiting = self.tenants.iter().flat_map(Tenant::heads);
        let parked = self
            .parked
            .iter()
            .filter_map(|Reverse(parked)| match &parked.what {
                What::Item { entry, .. } => Some(&entry.item),
                What::Subqueue { .. } => None,
            });
        waiting.chain(parked).map(Admitted::admitted_ns).min()
    }

    /// Items parked one by one (those in parked sub-queues not counted).
    #[must_use]
    pub const fn parked_items(&self) -> usize {
        self.parked_items
    }

    /// Brings an item that `judge` lets go to the head of the front tenant, and returns that tenant's place.
    fn settle(
        &mut self,
        now_ns: u64,
        mut judge: impl FnMut(&T) -> Verdict,
        skipped: &mut Vec<T>,
    ) -> Option<usize> {
        self.unpark_due(now_ns);
        loop {
            let place = *self.rotation.front()?;
            let tenant = &mut self.tenants[place];
            let Some(head) = tenant.head() else {
                self.retire_front();
                continue;
            };
            match judge(head) {
                Verdict::Take => return Some(place),
                Verdict::Skip => {
                    self.len -= 1;
                    skipped.extend(tenant.skip_head(&mut self.spares).map(|entry| entry.item));
                }
                Verdict::ParkItem { until_ns } => {
                    let id = tenant.id;
                    if let Some(entry) = tenant.skip_head(&mut self.spares) {
                        self.park_entry(id, entry, until_ns);
                    }
                }
                Verdict::ParkSubqueue { until_ns } => {
                    if let Some(subqueue) = tenant.park_head() {
                        self.park_what(
                            until_ns,
                            What::Subqueue {
                                tenant: place,
                                subqueue,
                            },
                        );
                    }
                }
            }
        }
    }

    fn insert(&mut self, tenant: u32, entry: Entry<T>, end: End) {
        let place = self.place_of(tenant);
        let was_ready = self.tenants[place].is_ready();
        self.tenants[place].insert(entry, end, &mut self.spares);
        self.admit(place, was_ready);
    }

    /// Lets a tenant that has just become ready into the rotation.
    fn admit(&mut self, place: usize, was_ready: bool) {
        if !was_ready && self.tenants[place].is_ready() {
            self.rotation.push_back(place);
        }
    }

    fn place_of(&mut self, tenant: u32) -> usize {
        if let Some(place) = self.places.get(&tenant) {
            return *place;
        }
        let weight = self.weights.get(&tenant).copied().unwrap_or(1);
        let place = if let Some(place) = self.vacant.pop() {
            self.tenants[place].id = tenant;
            self.tenants[place].weight = weight;
            place
        } else {
            self.tenants.push(Tenant::new(tenant, weight));
            self.tenants.len() - 1
        };
        self.places.insert(tenant, place);
        place
    }

    /// Ends the turn of the front tenant, which has nothing ready.
    fn retire_front(&mut self) {
        self.turn_left = 0;
        if let Some(place) = self.rotation.pop_front() {
            self.forget_if_idle(place);
        }
    }

    fn forget_if_idle(&mut self, place: usize) {
        let tenant = &self.tenants[place];
        // A vacant place still bears the id of its last tenant, who may live elsewhere by now.
        if tenant.is_idle() && self.places.get(&tenant.id) == Some(&place) {
            self.places.remove(&tenant.id);
            self.vacant.push(place);
        }
    }

    fn drop_unready(&mut self) {
        let front = self.rotation.front().copied();
        self.rotation
            .retain(|place| self.tenants[*place].is_ready());
        if self.rotation.front().copied() != front {
            self.turn_left = 0;
        }
        for place in 0..self.tenants.len() {
            self.forget_if_idle(place);
        }
    }

    fn park_entry(&mut self, tenant: u32, entry: Entry<T>, until_ns: u64) {
        self.parked_items += 1;
        self.park_what(until_ns, What::Item { tenant, entry });
    }

    fn park_what(&mut self, until_ns: u64, what: What<T>) {
        self.park_count += 1;
        self.parked.push(Reverse(Parked {
            until_ns,
            order: self.park_count,
            what,
        }));
    }

    fn unpark_due(&mut self, now_ns: u64) {
        if self.next_due_ns().is_none_or(|due_ns| due_ns > now_ns) {
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        while self.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            due.extend(self.parked.pop().map(|Reverse(parked)| parked));
        }
        // Each goes to the head, so the one parked last goes in first: the order they were parked in is restored.
        due.sort_unstable_by_key(|parked| Reverse(parked.order));
        for parked in due.drain(..) {
            match parked.what {
                What::Item { tenant, entry } => {
                    self.parked_items -= 1;
                    self.insert(tenant, entry, End::Head);
                }
                What::Subqueue { tenant, subqueue } => {
                    let was_ready = self.tenants[tenant].is_ready();
                    self.tenants[tenant].unpark(subqueue, &mut self.spares);
                    self.admit(tenant, was_ready);
                    self.forget_if_idle(tenant);
                }
            }
        }
        self.due = due;
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Parked<T> {
    until_ns: u64,
    order: u64,
    what: What<T>,
}

/// An item goes by its tenant's id, as the tenant may be forgotten meanwhile; a parked sub-queue keeps its tenant in place.
#[derive(Debug)]
enum What<T> {
    Item { tenant: u32, entry: Entry<T> },
    Subqueue { tenant: usize, subqueue: usize },
}

impl<T> Parked<T> {
    const fn key(&self) -> (u64, u64) {
        (self.until_ns, self.order)
    }
}

impl<T> PartialEq for Parked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Parked<T> {}

impl<T> PartialOrd for Parked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Parked<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Tenant ids are numbered by the operator's configuration, so a table of them needs no defence against chosen keys.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        // The table takes its index from the low bits and its tag from the high ones; rotating gives both a share.
        self.0 = (self.0 ^ u64::from(id))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}
