//! The atomics, the lock and the bounded queue, from `std` and `crossbeam` in a build and from `loom` in a model check.
//!
//! `crossbeam`'s queue hides its atomics from loom, so the model check puts a locked deque in its place: what is checked
//! is our own protocol around the queue (slot credits, idle flag), not crossbeam.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// Locks, and goes on after a panic elsewhere: every section under these locks leaves its data consistent line by line.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(loom))]
pub(crate) use crossbeam_queue::ArrayQueue;

#[cfg(loom)]
pub(crate) use model::ArrayQueue;

#[cfg(loom)]
mod model {
    use std::collections::VecDeque;

    use super::{AtomicUsize, Mutex, Ordering, lock};

    /// Stands in for crossbeam's queue of the same name, with the calls that the ring makes. The count is read without
    /// the lock, and as weakly as crossbeam promises at the least: were it read under the lock, the lock would order
    /// what the ring's own fences must order, and the check would pass without them.
    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicUsize,
        capacity: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            let items = Mutex::new(VecDeque::with_capacity(capacity));
            Self {
                items,
                len: AtomicUsize::new(0),
                capacity,
            }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = lock(&self.items);
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            self.len.fetch_add(1, Ordering::Release);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            let item = lock(&self.items).pop_front()?;
            self.len.fetch_sub(1, Ordering::Release);
            Some(item)
        }

        pub(crate) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(crate) fn capacity(&self) -> usize {
            self.capacity
        }
    }
}
