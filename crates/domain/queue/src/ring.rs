//! The way into a shard: many producers, one consumer, a fixed number of slots, and a push that cannot fail.
//!
//! A producer takes a slot credit before it does anything that it could not undo (a journal write, an answer to a
//! client), and pushes later; the credit comes back when the consumer has drained the slot. So "the ring is full" is
//! said at the start, where it is a plain refusal, and never at the end, where it would be a lost message.
//!
//! The consumer sleeps through [`WakeFlag`]; one flag serves all rings that end in one shard:
//!
//! ```text
//!             sleep_unless: set idle, look again
//!   Running ─────────────────────────────────────► Idle
//!      ▲          work was found: clear idle         │
//!      ├─────────────────────────────────────────────┤
//!      └─── a producer pushes, sees idle, clears it ─┘ and it alone calls the waker
//! ```
//!
//! Limits: the slots given at birth, at most [`MAX_SLOTS`].

use std::{fmt, sync::Arc};

use crossbeam_utils::CachePadded;
use thiserror::Error;

use crate::sync::{ArrayQueue, AtomicBool, AtomicUsize, Ordering, fence};

/// The most slots that one ring may have.
pub const MAX_SLOTS: usize = 1 << 20;

/// The consumer's idle flag and the way to wake it.
pub struct WakeFlag {
    idle: CachePadded<AtomicBool>,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What [`WakeFlag::sleep_unless`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "sleeping although work was found stalls the shard"]
pub enum Sleep {
    /// Nothing to do: the next push calls the waker. The consumer may sleep.
    Allowed,
    /// There is work; the consumer goes on. The waker may have been called too, so one later sleep may end early.
    WorkFound,
}

impl WakeFlag {
    /// A flag whose consumer runs; `wake` ends its sleep, and a call made just before it falls asleep must count.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            idle: CachePadded::new(AtomicBool::new(false)),
            wake: Box::new(wake),
        }
    }

    /// Called by a producer after a push: wakes the consumer if it is idle, once per idle spell whoever calls.
    pub fn notify(&self) {
        // Orders the push before the look at the flag; its counterpart is the fence in `sleep_unless`. Without the pair
        // each side could read the other's old value: the producer "running", the consumer "empty", and nobody wakes.
        fence(Ordering::SeqCst);
        if self.idle.load(Ordering::Relaxed) && self.idle.swap(false, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Called by the consumer that has found nothing to do: declares it idle, then looks again through `has_work`.
    pub fn sleep_unless(&self, has_work: impl FnOnce() -> bool) -> Sleep {
        // An exchange, as are all writes to the flag: so each synchronises with the one before it, and a producer's late
        // `false` for an earlier idle spell can never be taken for a newer word than this `true`.
        self.idle.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if has_work() {
            self.stay_awake();
            Sleep::WorkFound
        } else {
            Sleep::Allowed
        }
    }

    /// Called by the consumer when something else than this flag ended its sleep (a timer, a socket), so that producers
    /// do not pay for a wake-up that nobody needs.
    pub fn stay_awake(&self) {
        self.idle.swap(false, Ordering::AcqRel);
    }

    /// Whether the consumer has declared itself idle.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for WakeFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeFlag")
            .field("idle", &self.is_idle())
            .finish_non_exhaustive()
    }
}

/// A refusal: fewer slots are free than were asked for. Asking again helps once the consumer has drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ring is full: wanted {wanted} slots, {free} of {capacity} are free")]
pub struct RingFull {
    /// Slots asked for.
    pub wanted: usize,
    /// Slots free at that instant.
    pub free: usize,
    /// Slots in all.
    pub capacity: usize,
}

/// A bounded lock-free queue into one shard.
pub struct Ring<T> {
    queue: ArrayQueue<T>,
    free: CachePadded<AtomicUsize>,
    flag: Arc<WakeFlag>,
}

impl<T> Ring<T> {
    /// A ring of `slots` slots whose pushes wake through `flag`.
    ///
    /// # Panics
    /// If `slots` is not within 1 to [`MAX_SLOTS`]: sizes are constants of the program, not input.
    #[must_use]
    pub fn new(slots: usize, flag: Arc<WakeFlag>) -> Self {
        assert!(
            (1..=MAX_SLOTS).contains(&slots),
            "{slots} slots, allowed are 1 to {MAX_SLOTS}"
        );
        Self {
            queue: ArrayQueue::new(slots),
            free: CachePadded::new(AtomicUsize::new(slots)),
            flag,
        }
    }

    /// Takes one slot credit.
    ///
    /// # Errors
    /// [`RingFull`] if every slot is filled or promised.
    pub fn try_reserve(&self) -> Result<SlotCredit<'_, T>, RingFull> {
        self.take(1)?;
        Ok(SlotCredit { ring: Some(self) })
    }

    /// Takes `slots` credits at once into a guard that owns its share of the ring, for producers that keep credits over
    /// many turns (a partition that reserves the way onward before it journals).
    ///
    /// # Errors
    /// [`RingFull`] if fewer are free; none is taken then.
    pub fn try_reserve_many(self: &Arc<Self>, slots: usize) -> Result<SlotBatch<T>, RingFull> {
        self.take(slots)?;
        Ok(SlotBatch {
            ring: Arc::clone(self),
            left: slots,
            unannounced: false,
        })
    }

    /// Moves up to `max` items to the end of `into`, oldest first, and returns how many. Their slots are free again.
    /// Meant for one consumer; several would be safe, but would share the order out between them.
    pub fn drain(&self, max: usize, into: &mut Vec<T>) -> usize {
        let before = into.len();
        into.extend(std::iter::from_fn(|| self.queue.pop()).take(max));
        let drained = into.len() - before;
        if drained > 0 {
            self.give_back(drained);
        }
        drained
    }

    /// Items waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no item waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// Slots neither filled nor promised.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    fn take(&self, wanted: usize) -> Result<(), RingFull> {
        // Acquire pairs with the release in `give_back`: who holds a credit sees the pop that freed its slot.
        self.free
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
                free.checked_sub(wanted)
            })
            .map(drop)
            .map_err(|free| RingFull {
                wanted,
                free,
                capacity: self.capacity(),
            })
    }

    fn give_back(&self, slots: usize) {
        self.free.fetch_add(slots, Ordering::Release);
    }

    /// Credits out and items in the queue never exceed the slots, so the queue has room for whoever spends a credit.
    fn fill(&self, item: T) {
        assert!(
            self.queue.push(item).is_ok(),
            "a slot credit was spent on a full ring"
        );
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// The right to one push; dropping it unspent gives the slot back.
#[must_use = "dropping a slot credit gives the slot back"]
pub struct SlotCredit<'a, T> {
    ring: Option<&'a Ring<T>>,
}

impl<T> SlotCredit<'_, T> {
    /// Pushes `item` and wakes the consumer if it is idle. Cannot fail: the slot was reserved.
    pub fn push(mut self, item: T) {
        if let Some(ring) = self.ring.take() {
            ring.fill(item);
            ring.flag.notify();
        }
    }
}

impl<T> Drop for SlotCredit<'_, T> {
    fn drop(&mut self) {
        if let Some(ring) = self.ring {
            ring.give_back(1);
        }
    }
}

impl<T> fmt::Debug for SlotCredit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotCredit")
            .field("ring", &self.ring)
            .finish()
    }
}

/// The right to several pushes into one ring; dropping it gives the unspent slots back.
#[must_use = "dropping slot credits gives the slots back"]
pub struct SlotBatch<T> {
    ring: Arc<Ring<T>>,
    left: usize,
    unannounced: bool,
}

impl<T> SlotBatch<T> {
    /// Pushes that are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Pushes `item`; the consumer is woken by [`SlotBatch::announce`] or by the drop, once for all pushes since.
    ///
    /// # Errors
    /// Hands the item back if no credit is left.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.left == 0 {
            return Err(item);
        }
        self.left -= 1;
        self.ring.fill(item);
        self.unannounced = true;
        Ok(())
    }

    /// Wakes the consumer if it is idle and something was pushed since the last call.
    pub fn announce(&mut self) {
        if std::mem::take(&mut self.unannounced) {
            self.ring.flag.notify();
        }
    }

    /// Takes `slots` more credits into this guard.
    ///
    /// # Errors
    /// [`RingFull`] if fewer are free; the guard keeps what it has.
    pub fn extend(&mut self, slots: usize) -> Result<(), RingFull> {
        self.ring.take(slots)?;
        self.left += slots;
        Ok(())
    }
}

impl<T> Drop for SlotBatch<T> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.ring.give_back(self.left);
        }
        self.announce();
    }
}

impl<T> fmt::Debug for SlotBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotBatch")
            .field("ring", &self.ring)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
