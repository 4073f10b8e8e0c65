//! One tenant in one lane: its sub-queues, and whose turn it is among them.
//!
//! The first [`OWN`] senders that have something waiting get a sub-queue each; the rest share [`SHARED`] more by hash. A
//! sender whose shared sub-queue is not empty stays with it even when an own one falls free: its earlier items may lie
//! there, and the later must not overtake them. So items of one sender leave in the order in which they came, always.
//!
//! ```text
//!          push                park
//!  Free ─────────► Ready ─────────────► Parked
//!    ▲ emptied ◄────┘ ▲ unpark, not empty │
//!    └────────────────┴───────────────────┘ unpark, emptied meanwhile
//! ```
//!
//! A sub-queue that is emptied while it has names of spilled items (see [`crate::lane`]) is *Dry* instead of Free: it keeps its place, is
//! nobody's turn, and is Ready again with the first item that is read back.

use std::collections::VecDeque;

use crate::lane::{Held, Thirst};
use crate::run::{Run, Spilled};

/// Sub-queues that several senders share.
const SHARED: usize = 8;

/// Sub-queues that belong to one sender each.
const OWN: usize = crate::lane::MAX_SUBQUEUES - SHARED;

/// Emptied deques kept for reuse in one lane, and the largest capacity worth keeping (larger ones are freed).
const MAX_SPARE: usize = 256;
const MAX_SPARE_CAPACITY: usize = 1024;

/// An item and the sender it came from, which a shared sub-queue cannot tell otherwise.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) sender: u64,
    pub(crate) item: T,
}

/// Emptied deques, so that a steady flow through short-lived sub-queues allocates nothing.
#[derive(Debug)]
pub(crate) struct Spares<T>(Vec<VecDeque<Entry<T>>>);

impl<T> Spares<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self) -> VecDeque<Entry<T>> {
        self.0.pop().unwrap_or_default()
    }

    fn keep(&mut self, emptied: VecDeque<Entry<T>>) {
        let worth_keeping = (1..=MAX_SPARE_CAPACITY).contains(&emptied.capacity());
        if worth_keeping && self.0.len() < MAX_SPARE {
            self.0.push(emptied);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Ready,
    Parked,
    Dry,
}

#[derive(Debug)]
struct SubQueue<T> {
    state: State,
    sender: u64,
    items: VecDeque<Entry<T>>,
    /// What follows the items: names that were there first but were found late, a few or none.
    older: Run,
    /// What follows those.
    run: Run,
    /// Names taken from the run whose items are being read.
    reading: usize,
}

impl<T> SubQueue<T> {
    fn has_spilled(&self) -> bool {
        self.reading > 0 || self.has_run()
    }

    /// Whether there are names that nobody reads yet.
    fn has_run(&self) -> bool {
        !self.older.is_empty() || !self.run.is_empty()
    }

    fn next_name(&mut self) -> Option<Spilled> {
        self.older.pop().or_else(|| self.run.pop())
    }
}

/// Which end of a sub-queue an item goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Back,
    Head,
}

/// The sub-queues of one tenant. The first [`SHARED`] places are the shared ones.
#[derive(Debug)]
pub(crate) struct Tenant<T> {
    pub(crate) id: u32,
    pub(crate) weight: u32,
    places: Vec<SubQueue<T>>,
    rotation: VecDeque<usize>,
    in_use: usize,
}

impl<T> Tenant<T> {
    pub(crate) const fn new(id: u32, weight: u32) -> Self {
        Self {
            id,
            weight,
            places: Vec::new(),
            rotation: VecDeque::new(),
            in_use: 0,
        }
    }

    /// Whether a sub-queue may be asked for an item.
    pub(crate) fn is_ready(&self) -> bool {
        !self.rotation.is_empty()
    }

    /// Whether nothing is left, ready or parked, so that the tenant may be forgotten.
    pub(crate) const fn is_idle(&self) -> bool {
        self.in_use == 0
    }

    /// The item whose turn it is.
    pub(crate) fn head(&self) -> Option<&T> {
        let place = *self.rotation.front()?;
        self.places[place].items.front().map(|entry| &entry.item)
    }

    pub(crate) fn insert(&mut self, entry: Entry<T>, end: End, spares: &mut Spares<T>) {
        let place = self.place_of(entry.sender);
        self.insert_at(place, entry, end, spares);
    }

    pub(crate) fn insert_at(
        &mut self,
        place: usize,
        entry: Entry<T>,
        end: End,
        spares: &mut Spares<T>,
    ) {
        self.open(place, entry.sender, spares);
        let sub = &mut self.places[place];
        if sub.state == State::Dry {
            sub.state = State::Ready;
            self.rotation.push_back(place);
        }
        match end {
            End::Back => sub.items.push_back(entry),
            End::Head => sub.items.push_front(entry),
        }
    }

    /// Makes a free place that of a sender, with nothing in it.
    fn open(&mut self, place: usize, sender: u64, spares: &mut Spares<T>) {
        let sub = &mut self.places[place];
        if sub.state == State::Free {
            sub.state = State::Dry;
            sub.sender = sender;
            sub.items = spares.take();
            self.in_use += 1;
        }
    }

    /// How much the sub-queue of a sender holds.
    pub(crate) fn held(&self, sender: u64) -> Held {
        let Some(sub) = self.find_place(sender).map(|place| &self.places[place]) else {
            return Held::default();
        };
        Held {
            items: sub.items.len(),
            spilled: sub.older.len() + sub.run.len() + sub.reading,
        }
    }

    /// Adds a name behind all others, or behind those that were found late; gives the sub-queue's place if it is its first that nobody reads.
    pub(crate) fn spill(
        &mut self,
        sender: u64,
        (name, end): (Spilled, End),
        spares: &mut Spares<T>,
    ) -> Option<usize> {
        let place = self.place_of(sender);
        self.open(place, sender, spares);
        let sub = &mut self.places[place];
        let first = !sub.has_run();
        match end {
            End::Back => sub.run.push(name),
            End::Head => sub.older.push(name),
        }
        first.then_some(place)
    }

    /// Whether a sub-queue has names that nobody reads yet.
    pub(crate) fn has_run(&self, place: usize) -> bool {
        self.places[place].has_run()
    }

    /// Takes the names that a sub-queue should read now; how many they are.
    pub(crate) fn read(&mut self, place: usize, thirst: Thirst, names: &mut Vec<Spilled>) -> usize {
        let sub = &mut self.places[place];
        if sub.reading > 0 || sub.items.len() > thirst.below {
            return 0;
        }
        let before = names.len();
        names.extend(std::iter::from_fn(|| sub.next_name()).take(thirst.batch));
        sub.reading = names.len() - before;
        sub.reading
    }

    /// One of the names being read was answered.
    pub(crate) fn answered(&mut self, place: usize) {
        let sub = &mut self.places[place];
        debug_assert!(sub.reading > 0, "more answers than names");
        sub.reading = sub.reading.saturating_sub(1);
    }

    /// Frees a sub-queue that waited for items that are not to come.
    pub(crate) fn free_if_spent(&mut self, place: usize, spares: &mut Spares<T>) {
        let sub = &self.places[place];
        if sub.state == State::Dry && !sub.has_spilled() {
            self.free(place, spares);
        }
    }

    /// Takes the item whose turn it is, and passes the turn on.
    pub(crate) fn take_head(&mut self, spares: &mut Spares<T>) -> Option<Entry<T>> {
        let entry = self.remove_head(spares)?;
        if let Some(served) = self.rotation.pop_front()
            && self.places[served].state == State::Ready
        {
            self.rotation.push_back(served);
        }
        Some(entry)
    }

    /// Removes the item whose turn it is; its sub-queue keeps the turn if it has more.
    pub(crate) fn skip_head(&mut self, spares: &mut Spares<T>) -> Option<Entry<T>> {
        let entry = self.remove_head(spares)?;
        let served = self.rotation.front().copied();
        if served.is_some_and(|place| self.places[place].state != State::Ready) {
            self.rotation.pop_front();
        }
        Some(entry)
    }

    /// Takes the sub-queue whose turn it is out of the rotation, and returns its place.
    pub(crate) fn park_head(&mut self) -> Option<usize> {
        let place = self.rotation.pop_front()?;
        self.places[place].state = State::Parked;
        Some(place)
    }

    /// Brings a parked sub-queue back, at the end of the rotation.
    pub(crate) fn unpark(&mut self, place: usize, spares: &mut Spares<T>) {
        if self.places[place].items.is_empty() {
            self.emptied(place, spares);
        } else {
            self.places[place].state = State::Ready;
            self.rotation.push_back(place);
        }
    }

    /// Moves every item for which `leaves` holds to `into`. An emptied parked sub-queue stays until it is unparked.
    pub(crate) fn sweep(
        &mut self,
        leaves: &mut impl FnMut(&T) -> bool,
        into: &mut Vec<T>,
        spares: &mut Spares<T>,
    ) {
        for place in 0..self.places.len() {
            let sub = &mut self.places[place];
            for _ in 0..sub.items.len() {
                match sub.items.pop_front() {
                    Some(entry) if leaves(&entry.item) => into.push(entry.item),
                    Some(entry) => sub.items.push_back(entry),
                    None => break,
                }
            }
            if sub.state == State::Ready && sub.items.is_empty() {
                self.rotation.retain(|ready| *ready != place);
                self.emptied(place, spares);
            }
        }
    }

    /// The first item of every sub-queue.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &T> {
        self.places
            .iter()
            .filter_map(|sub| sub.items.front())
            .map(|entry| &entry.item)
    }

    fn remove_head(&mut self, spares: &mut Spares<T>) -> Option<Entry<T>> {
        let place = *self.rotation.front()?;
        let entry = self.places[place].items.pop_front()?;
        if self.places[place].items.is_empty() {
            self.emptied(place, spares);
        }
        Some(entry)
    }

    /// A sub-queue has no items: it waits for those that it spilled, or is free.
    fn emptied(&mut self, place: usize, spares: &mut Spares<T>) {
        if self.places[place].has_spilled() {
            self.places[place].state = State::Dry;
        } else {
            self.free(place, spares);
        }
    }

    fn free(&mut self, place: usize, spares: &mut Spares<T>) {
        let sub = &mut self.places[place];
        sub.state = State::Free;
        spares.keep(std::mem::take(&mut sub.items));
        self.in_use -= 1;
    }

    /// The same rule for both ends: an item put back belongs before everything of its sender that came later, and this
    /// finds where that is.
    fn place_of(&mut self, sender: u64) -> usize {
        let mut vacant = None;
        for (place, sub) in self.places.iter().enumerate().skip(SHARED) {
            match sub.state {
                State::Free => vacant = vacant.or(Some(place)),
                State::Ready | State::Parked | State::Dry if sub.sender == sender => {
                    return place;
                }
                State::Ready | State::Parked | State::Dry => {}
            }
        }
        let shared = shared_place(sender);
        self.grow_to(SHARED);
        if self.places[shared].state != State::Free {
            return shared;
        }
        match vacant {
            Some(place) => place,
            None if self.places.len() < SHARED + OWN => {
                self.grow_to(self.places.len() + 1);
                self.places.len() - 1
            }
            None => shared,
        }
    }

    /// Where [`Self::place_of`] would put an item of this sender, if something of that place is in use.
    fn find_place(&self, sender: u64) -> Option<usize> {
        let mut places = self.places.iter().enumerate().skip(SHARED);
        let own = places.find(|(_, sub)| sub.state != State::Free && sub.sender == sender);
        own.map(|(place, _)| place).or_else(|| {
            let shared = shared_place(sender);
            let sub = self.places.get(shared)?;
            (sub.state != State::Free).then_some(shared)
        })
    }

    fn grow_to(&mut self, places: usize) {
        while self.places.len() < places {
            self.places.push(SubQueue {
                state: State::Free,
                sender: 0,
                items: VecDeque::new(),
                older: Run::default(),
                run: Run::default(),
                reading: 0,
            });
        }
    }
}

fn shared_place(sender: u64) -> usize {
    // The top bits of a product depend on every bit of the sender, even if callers number their senders from zero.
    let mixed = sender.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    // Less than SHARED, so it fits any usize.
    (mixed % SHARED as u64) as usize
}
