//! The ring under threads, and its guards.
#![cfg(not(loom))]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use queue::{
    Ring, RingFull, WakeFlag,
    ring::{MAX_SLOTS, Sleep},
};

fn ring<T>(slots: usize) -> (Arc<Ring<T>>, Arc<WakeFlag>, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let flag = Arc::new(WakeFlag::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    (Arc::new(Ring::new(slots, Arc::clone(&flag))), flag, calls)
}

#[test]
fn a_full_ring_refuses_credits_not_pushes() {
    let (ring, ..) = ring(2);
    let (first, second) = (
        ring.try_reserve().expect("two are free"),
        ring.try_reserve().expect("one is free"),
    );
    assert_eq!(
        ring.try_reserve().err(),
        Some(RingFull {
            wanted: 1,
            free: 0,
            capacity: 2
        })
    );
    drop(second);
    first.push('a');
    ring.try_reserve().expect("one came back").push('b');
    assert!(ring.try_reserve().is_err());
    let mut got = Vec::new();
    assert_eq!(
        (ring.drain(1, &mut got), ring.free(), ring.len()),
        (1, 1, 1)
    );
    assert_eq!(
        (ring.drain(9, &mut got), ring.free(), ring.is_empty()),
        (1, 2, true)
    );
    assert_eq!(got, ['a', 'b']);
}

#[test]
fn a_batch_wakes_once_and_gives_back_what_it_did_not_use() {
    let (ring, flag, calls) = ring(8);
    assert_eq!(
        ring.try_reserve_many(9).err(),
        Some(RingFull {
            wanted: 9,
            free: 8,
            capacity: 8
        })
    );
    let mut batch = ring.try_reserve_many(3).expect("eight are free");
    batch.extend(2).expect("five are free");
    assert_eq!((batch.left(), ring.free()), (5, 3));
    assert_eq!(flag.sleep_unless(|| !ring.is_empty()), Sleep::Allowed);
    (0..3).for_each(|item| batch.push(item).expect("credits are left"));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    batch.announce();
    batch.announce();
    assert_eq!((calls.load(Ordering::Relaxed), flag.is_idle()), (1, false));
    drop(batch);
    assert_eq!((ring.free(), calls.load(Ordering::Relaxed)), (5, 1));
    let mut one = ring.try_reserve_many(1).expect("five are free");
    one.push(3).expect("a credit is left");
    assert_eq!(one.push(4), Err(4));
}

#[test]
fn a_consumer_that_finds_work_stays_awake() {
    let (ring, flag, calls) = ring(2);
    ring.try_reserve().expect("free").push(());
    assert_eq!(flag.sleep_unless(|| !ring.is_empty()), Sleep::WorkFound);
    ring.try_reserve().expect("free").push(());
    assert_eq!((flag.is_idle(), calls.load(Ordering::Relaxed)), (false, 0));
}

#[test]
#[should_panic(expected = "slots, allowed are 1 to")]
fn a_ring_past_the_limit_is_a_mistake() {
    drop(Ring::<()>::new(
        MAX_SLOTS + 1,
        Arc::new(WakeFlag::new(|| {})),
    ));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "shows what threads do to each other"
)]
fn many_producers_lose_nothing_and_keep_their_order() {
    const PRODUCERS: usize = 4;
    const ITEMS: usize = 20_000;
    let (ring, ..) = ring::<(usize, usize)>(64);
    let mut next = [0; PRODUCERS];
    std::thread::scope(|threads| {
        for producer in 0..PRODUCERS {
            let ring = &ring;
            threads.spawn(move || {
                let mut item = 0;
                while item < ITEMS {
                    match ring.try_reserve() {
                        Ok(slot) => {
                            slot.push((producer, item));
                            item += 1;
                        }
                        Err(_) => std::thread::yield_now(),
                    }
                }
            });
        }
        let mut got = Vec::new();
        while next != [ITEMS; PRODUCERS] {
            if ring.drain(256, &mut got) == 0 {
                std::thread::yield_now();
            }
            for (producer, item) in got.drain(..) {
                assert_eq!(item, next[producer]);
                next[producer] += 1;
            }
        }
    });
    assert_eq!((ring.free(), ring.is_empty()), (64, true));
}
