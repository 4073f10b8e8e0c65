//! Model checks of everything that several threads touch: every interleaving that the memory model allows.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p queue --release --test loom`, with a target folder of its own. Models are
//! kept to two or three threads and two or three steps each; what loom cannot finish proves nothing.
#![cfg(loom)]

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use queue::{Amount, CreditScopes, Credits, Ring, Scope, WakeFlag, ring::Sleep};

/// For the larger models: at most five preemptions, which finds nearly everything that more would, in seconds.
fn bounded() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(5);
    model
}

fn credits(scope: Scope, messages: u32, bytes: u64) -> Arc<Credits> {
    Arc::new(Credits::new(scope, Amount { messages, bytes }).expect("limits are in range"))
}

/// A waker that loom can block on: a lost wake-up is a deadlock, which loom reports.
struct Parker(Notify);

impl Parker {
    fn new() -> (Arc<Self>, Waker) {
        let parker = Arc::new(Self(Notify::new()));
        let waker = Waker::from(Arc::clone(&parker));
        (parker, waker)
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn reserve_waiting(scopes: CreditScopes<'_>, wanted: Amount) {
    let (parker, waker) = Parker::new();
    let mut wait = scopes.reserve(wanted);
    loop {
        match wait.poll_reserve(&Context::from_waker(&waker)) {
            Poll::Ready(granted) => {
                drop(granted.expect("the wait is for less than the limit"));
                return;
            }
            Poll::Pending => parker.0.wait(),
        }
    }
}

#[test]
fn credits_never_exceed_the_limit_and_all_come_back() {
    loom::model(|| {
        let credits = credits(Scope::Lane, 2, 100);
        let holders = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (credits, holders) = (Arc::clone(&credits), Arc::clone(&holders));
                thread::spawn(move || {
                    if let Ok(reservation) = credits.try_reserve(60) {
                        assert_eq!(
                            holders.fetch_add(1, Ordering::AcqRel),
                            0,
                            "120 of 100 bytes are out"
                        );
                        holders.fetch_sub(1, Ordering::AcqRel);
                        drop(reservation);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("the thread does not panic");
        }
        assert_eq!(credits.in_use(), Amount::ZERO);
    });
}

#[test]
fn one_of_two_fits_even_if_both_try_at_once() {
    loom::model(|| {
        let credits = credits(Scope::Lane, 1, 100);
        let other = Arc::clone(&credits);
        let there = thread::spawn(move || {
            other
                .try_reserve(10)
                .map(queue::Reservation::into_held)
                .is_ok()
        });
        let here = credits
            .try_reserve(10)
            .map(queue::Reservation::into_held)
            .is_ok();
        let there = there.join().expect("the thread does not panic");
        assert!(here ^ there, "one message credit, {here} and {there}");
        credits.release(Amount::one(10));
        assert_eq!(credits.in_use(), Amount::ZERO);
    });
}

#[test]
fn a_partial_failure_gives_everything_back() {
    loom::model(|| {
        let lanes = [credits(Scope::Lane, 2, 100), credits(Scope::Lane, 2, 100)];
        let engine = credits(Scope::Engine, 1, 100);
        let threads: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let (lane, engine) = (Arc::clone(lane), Arc::clone(&engine));
                thread::spawn(move || {
                    let scopes = CreditScopes::new(&[&lane, &engine]);
                    drop(scopes.try_reserve(Amount::one(10)));
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("the thread does not panic");
        }
        for scope in lanes.iter().chain([&engine]) {
            assert_eq!(scope.in_use(), Amount::ZERO);
        }
    });
}

#[test]
fn a_release_wakes_who_waits() {
    loom::model(|| {
        let credits = credits(Scope::Lane, 1, 100);
        let held = credits
            .try_reserve(10)
            .expect("the scope is empty")
            .into_held();
        let waiting = Arc::clone(&credits);
        let waiter =
            thread::spawn(move || reserve_waiting(CreditScopes::new(&[&waiting]), Amount::one(10)));
        credits.release(held);
        waiter.join().expect("the waiter is woken");
        assert_eq!((credits.in_use(), credits.waiting()), (Amount::ZERO, 0));
    });
}

#[test]
fn a_waiter_that_gives_up_passes_its_wake_up_on() {
    bounded().check(|| {
        let credits = credits(Scope::Lane, 1, 100);
        let held = credits
            .try_reserve(10)
            .expect("the scope is empty")
            .into_held();
        let (_, waker) = Parker::new();
        let scopes = CreditScopes::new(&[&credits]);
        let mut first = scopes.reserve(Amount::one(10));
        assert!(
            first
                .poll_reserve(&Context::from_waker(&waker))
                .is_pending()
        );
        let waiting = Arc::clone(&credits);
        let second =
            thread::spawn(move || reserve_waiting(CreditScopes::new(&[&waiting]), Amount::one(10)));
        let releasing = Arc::clone(&credits);
        let release = thread::spawn(move || releasing.release(held));
        drop(first);
        release.join().expect("the thread does not panic");
        second.join().expect("the second waiter is woken");
        assert_eq!((credits.in_use(), credits.waiting()), (Amount::ZERO, 0));
    });
}

#[test]
fn waiters_for_two_scopes_are_not_lost_between_them() {
    bounded().check(|| {
        let lane = credits(Scope::Lane, 1, 100);
        let engine = credits(Scope::Engine, 1, 100);
        let held = CreditScopes::new(&[&lane, &engine])
            .try_reserve(Amount::one(10))
            .expect("both are empty")
            .into_held();
        let (lane2, engine2) = (Arc::clone(&lane), Arc::clone(&engine));
        let waiter = thread::spawn(move || {
            reserve_waiting(CreditScopes::new(&[&lane2, &engine2]), Amount::one(10))
        });
        lane.release(held);
        engine.release(held);
        waiter.join().expect("the waiter is woken");
        assert_eq!(
            (lane.in_use(), engine.in_use()),
            (Amount::ZERO, Amount::ZERO)
        );
    });
}

#[test]
fn a_push_to_a_consumer_that_falls_asleep_wakes_it() {
    bounded().check(|| {
        let bell = Arc::new(Notify::new());
        let ring_bell = Arc::clone(&bell);
        let flag = Arc::new(WakeFlag::new(move || ring_bell.notify()));
        let ring = Arc::new(Ring::new(2, Arc::clone(&flag)));
        let producer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                ring.try_reserve().expect("a slot is free").push(1);
                ring.try_reserve().expect("a slot is free").push(2);
            })
        };
        let mut got = Vec::new();
        while got.len() < 2 {
            if ring.drain(1, &mut got) == 0
                && flag.sleep_unless(|| !ring.is_empty()) == Sleep::Allowed
            {
                bell.wait();
            }
        }
        producer.join().expect("the producer does not panic");
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn producers_call_the_waker_once_an_idle_spell() {
    loom::model(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let flag = Arc::new(WakeFlag::new(move || {
            counted.fetch_add(1, Ordering::AcqRel);
        }));
        assert_eq!(flag.sleep_unless(|| false), Sleep::Allowed);
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let flag = Arc::clone(&flag);
                thread::spawn(move || flag.notify())
            })
            .collect();
        for producer in producers {
            producer.join().expect("the producer does not panic");
        }
        assert_eq!(calls.load(Ordering::Acquire), 1);
    });
}

#[test]
fn a_slot_credit_always_has_a_slot() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1, Arc::new(WakeFlag::new(|| {}))));
        let producers: Vec<_> = (0..2)
            .map(|item| {
                let ring = Arc::clone(&ring);
                // `push` panics if the slot that the credit stands for is taken.
                thread::spawn(move || ring.try_reserve().map(|slot| slot.push(item)).is_ok())
            })
            .collect();
        let mut got = Vec::new();
        ring.drain(2, &mut got);
        let pushed = producers
            .into_iter()
            .map(|producer| producer.join().expect("the producer does not panic"));
        let pushed = pushed.filter(|pushed| *pushed).count();
        ring.drain(2, &mut got);
        assert_eq!((got.len(), ring.free()), (pushed, 1));
    });
}
