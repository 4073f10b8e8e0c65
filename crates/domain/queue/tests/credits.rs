//! Credits against a model, under threads, and while waiting.
#![cfg(not(loom))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use proptest::prelude::*;
use queue::{
    Amount, CreditScopes, Credits, Full, Scope, WaitRefusal,
    credits::{LimitOutOfRange, MAX_BYTES, MAX_MESSAGES, Retry},
    waiters::MAX_WAITERS,
};

fn credits(scope: Scope, messages: u32, bytes: u64) -> Credits {
    Credits::new(scope, Amount { messages, bytes }).expect("limits are in range")
}

#[test]
fn a_refusal_names_the_scope_and_what_is_left() {
    let lane = credits(Scope::Lane, 3, 100);
    let first = lane.try_reserve(70).expect("the scope is empty");
    let full = lane.try_reserve(40).expect_err("40 of 30 bytes");
    let limit = Amount {
        messages: 3,
        bytes: 100,
    };
    let available = Amount {
        messages: 2,
        bytes: 30,
    };
    assert_eq!(
        full,
        Full {
            scope: Scope::Lane,
            wanted: Amount::one(40),
            available,
            limit
        }
    );
    assert_eq!(full.retry(), Retry::AfterRelease);
    assert_eq!(
        lane.try_reserve(101).expect_err("never fits").retry(),
        Retry::Never
    );
    assert_eq!(
        full.to_string(),
        "lane credits are full: wanted 1 messages, 40 bytes, available 2 messages, 30 bytes of 3 messages, 100 bytes"
    );
    drop(first);
    assert_eq!(lane.in_use(), Amount::ZERO);
}

#[test]
fn limits_outside_the_counters_are_refused() {
    for limit in [
        Amount {
            messages: 0,
            bytes: 1,
        },
        Amount {
            messages: 1,
            bytes: 0,
        },
        Amount {
            messages: MAX_MESSAGES + 1,
            bytes: 1,
        },
        Amount {
            messages: 1,
            bytes: MAX_BYTES + 1,
        },
    ] {
        assert_eq!(
            Credits::new(Scope::Engine, limit).err(),
            Some(LimitOutOfRange { limit })
        );
    }
    let widest = credits(Scope::Engine, MAX_MESSAGES, MAX_BYTES);
    let all = CreditScopes::new(&[&widest])
        .try_reserve(widest.limit())
        .expect("all of it fits");
    assert_eq!(widest.available(), Amount::ZERO);
    drop(all);
}

#[test]
fn recovery_overdraws_and_nothing_is_granted_until_it_is_worked_off() {
    let (lane, engine) = (
        credits(Scope::Lane, 10, 1000),
        credits(Scope::Engine, 2, 1000),
    );
    let scopes = CreditScopes::new(&[&lane, &engine]);
    let held: Vec<Amount> = (0..5)
        .map(|_| scopes.overdraw(Amount::one(10)).into_held())
        .collect();
    assert_eq!(
        (engine.in_use().messages, engine.available()),
        (
            5,
            Amount {
                messages: 0,
                bytes: 950
            }
        )
    );
    for (released, held) in held.into_iter().enumerate() {
        assert_eq!(
            scopes.try_reserve(Amount::one(1)).is_ok(),
            released >= 4,
            "after {released} releases"
        );
        scopes.release(held);
    }
    assert_eq!(
        (lane.in_use(), engine.in_use()),
        (Amount::ZERO, Amount::ZERO)
    );
}

#[test]
fn a_batch_is_split_without_a_credit_lost() {
    let lane = credits(Scope::Lane, 10, 100);
    let scopes = CreditScopes::new(&[&lane]);
    let mut batch = scopes
        .try_reserve(Amount {
            messages: 3,
            bytes: 60,
        })
        .expect("the scope is empty");
    let part = batch
        .split_off(Amount::one(20))
        .expect("the batch holds as much");
    assert!(batch.split_off(Amount::one(50)).is_none());
    drop(batch);
    assert_eq!(lane.in_use(), Amount::one(20));
    drop(part);
    assert_eq!(lane.in_use(), Amount::ZERO);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "shows what threads do to each other"
)]
fn threads_never_take_more_than_there_is() {
    let (engine, lanes) = (
        credits(Scope::Engine, 7, 700),
        [credits(Scope::Lane, 4, 900), credits(Scope::Lane, 4, 900)],
    );
    let granted = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for lane in lanes.iter().chain(&lanes) {
            threads.spawn(|| {
                let scopes = CreditScopes::new(&[lane, &engine]);
                for _ in 0..20_000 {
                    if let Ok(reservation) = scopes.try_reserve(Amount::one(150)) {
                        granted.fetch_add(1, Ordering::Relaxed);
                        assert!(
                            engine.in_use().fits(engine.limit())
                                && lane.in_use().fits(lane.limit())
                        );
                        drop(reservation);
                    }
                }
            });
        }
    });
    assert!(granted.load(Ordering::Relaxed) > 0);
    assert_eq!(engine.in_use(), Amount::ZERO);
    assert!(lanes.iter().all(|lane| lane.in_use() == Amount::ZERO));
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), Waker::from(counter))
}

fn woken(counter: &Counter) -> usize {
    counter.0.load(Ordering::Relaxed)
}

#[test]
fn waiters_are_woken_in_order_as_far_as_they_fit() {
    let lane = credits(Scope::Lane, 10, 100);
    let scopes = CreditScopes::new(&[&lane]);
    let held = scopes
        .try_reserve(Amount {
            messages: 3,
            bytes: 100,
        })
        .expect("the scope is empty")
        .into_held();
    let wakers: Vec<_> = (0..3).map(|_| counter()).collect();
    let mut waits: Vec<_> = [60, 30, 30]
        .map(|bytes| scopes.reserve(Amount::one(bytes)))
        .into();
    for (wait, (_, waker)) in waits.iter_mut().zip(&wakers) {
        assert!(wait.poll_reserve(&Context::from_waker(waker)).is_pending());
    }
    assert_eq!(lane.waiting(), 3);
    lane.release(Amount {
        messages: 1,
        bytes: 50,
    });
    assert!(
        wakers.iter().all(|(counter, _)| woken(counter) == 0),
        "the first in line does not fit yet"
    );
    lane.release(Amount {
        messages: 2,
        bytes: held.bytes - 50 - 5,
    });
    assert_eq!(
        wakers
            .iter()
            .map(|(counter, _)| woken(counter))
            .collect::<Vec<_>>(),
        [1, 1, 0]
    );
    let first = waits[0].poll_reserve(&Context::from_waker(&wakers[0].1));
    assert!(matches!(first, Poll::Ready(Ok(_))));
    drop(waits.remove(1));
    assert_eq!(woken(&wakers[2].0), 1, "who gives up passes the wake-up on");
}

#[test]
fn waiting_is_refused_where_it_cannot_help_or_too_many_wait() {
    let lane = credits(Scope::Lane, 1, 100);
    let scopes = CreditScopes::new(&[&lane]);
    let (_, waker) = counter();
    let cx = Context::from_waker(&waker);
    let refusal = scopes.reserve(Amount::one(101)).poll_reserve(&cx);
    assert!(
        matches!(refusal, Poll::Ready(Err(WaitRefusal::NeverFits(full))) if full.retry() == Retry::Never)
    );
    let held = lane.try_reserve(1).expect("the scope is empty");
    let mut waits: Vec<_> = (0..MAX_WAITERS)
        .map(|_| scopes.reserve(Amount::one(1)))
        .collect();
    assert!(
        waits
            .iter_mut()
            .all(|wait| wait.poll_reserve(&cx).is_pending())
    );
    let refusal = scopes.reserve(Amount::one(1)).poll_reserve(&cx);
    assert!(matches!(refusal, Poll::Ready(Err(WaitRefusal::TooMany(_)))));
    drop((waits, held));
    assert_eq!((lane.waiting(), lane.in_use()), (0, Amount::ZERO));
}

#[test]
fn a_new_limit_wakes_and_a_lowered_one_frees_the_line() {
    let lane = credits(Scope::Lane, 1, 100);
    let scopes = CreditScopes::new(&[&lane]);
    let held = lane.try_reserve(40).expect("the scope is empty");
    let (large, large_waker) = counter();
    let (small, small_waker) = counter();
    let (mut large_wait, mut small_wait) = (
        scopes.reserve(Amount::one(90)),
        scopes.reserve(Amount::one(10)),
    );
    assert!(
        large_wait
            .poll_reserve(&Context::from_waker(&large_waker))
            .is_pending()
    );
    assert!(
        small_wait
            .poll_reserve(&Context::from_waker(&small_waker))
            .is_pending()
    );
    lane.set_limit(Amount {
        messages: 2,
        bytes: 50,
    })
    .expect("limits are in range");
    assert_eq!((woken(&large), woken(&small)), (1, 1));
    let refused = large_wait.poll_reserve(&Context::from_waker(&large_waker));
    assert!(matches!(
        refused,
        Poll::Ready(Err(WaitRefusal::NeverFits(_)))
    ));
    assert!(matches!(
        small_wait.poll_reserve(&Context::from_waker(&small_waker)),
        Poll::Ready(Ok(_))
    ));
    drop(held);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        lane: usize,
        messages: u32,
        bytes: u64,
    },
    Overdraw {
        lane: usize,
        bytes: u64,
    },
    Release {
        pick: usize,
    },
    Drop {
        pick: usize,
    },
}

fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2usize, 1..4u32, 0..80u64).prop_map(|(lane, messages, bytes)| Step::Reserve { lane, messages, bytes }),
        1 => (0..2usize, 0..80u64).prop_map(|(lane, bytes)| Step::Overdraw { lane, bytes }),
        2 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        2 => any::<usize>().prop_map(|pick| Step::Drop { pick }),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn scopes_count_what_is_out(script in script()) {
        let engine = credits(Scope::Engine, 8, 400);
        let lanes = [credits(Scope::Lane, 5, 300), credits(Scope::Lane, 6, 200)];
        let mut guards = Vec::new();
        let mut out: Vec<(usize, Amount)> = Vec::new();
        for step in script {
            let total = |wanted: Option<usize>| {
                let counted = out.iter().filter(|(lane, _)| wanted.is_none_or(|wanted| wanted == *lane));
                counted.fold(Amount::ZERO, |sum, (_, held)| sum.checked_add(*held).expect("sums are small"))
            };
            match step {
                Step::Reserve { lane, messages, bytes } => {
                    let wanted = Amount { messages, bytes };
                    let fits = |scope: &Credits, used: Amount| used.checked_add(wanted).expect("small").fits(scope.limit());
                    let expected = fits(&lanes[lane], total(Some(lane))) && fits(&engine, total(None));
                    let granted = CreditScopes::new(&[&lanes[lane], &engine]).try_reserve(wanted);
                    prop_assert_eq!(granted.is_ok(), expected);
                    if let Ok(guard) = granted {
                        out.push((lane, wanted));
                        guards.push(Some(guard));
                    }
                }
                Step::Overdraw { lane, bytes } => {
                    out.push((lane, Amount::one(bytes)));
                    guards.push(Some(CreditScopes::new(&[&lanes[lane], &engine]).overdraw(Amount::one(bytes))));
                }
                Step::Release { pick } if !out.is_empty() => {
                    let index = pick % out.len();
                    let (lane, _) = out.remove(index);
                    let held = guards.remove(index).expect("guards stay until picked").into_held();
                    CreditScopes::new(&[&lanes[lane], &engine]).release(held);
                }
                Step::Drop { pick } if !out.is_empty() => {
                    let index = pick % out.len();
                    out.remove(index);
                    guards.remove(index);
                }
                Step::Release { .. } | Step::Drop { .. } => {}
            }
            let sum = |wanted: Option<usize>| {
                let counted = out.iter().filter(|(lane, _)| wanted.is_none_or(|wanted| wanted == *lane));
                counted.fold(Amount::ZERO, |sum, (_, held)| sum.checked_add(*held).expect("sums are small"))
            };
            prop_assert_eq!(engine.in_use(), sum(None));
            prop_assert_eq!(lanes[0].in_use(), sum(Some(0)));
            prop_assert_eq!(lanes[1].in_use(), sum(Some(1)));
        }
        guards.clear();
        prop_assert_eq!(engine.in_use(), Amount::ZERO);
    }
}
