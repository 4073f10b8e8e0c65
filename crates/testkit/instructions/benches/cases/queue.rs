//! Between intake and dispatch: credits, a ring, the fair lane.

use std::hint::black_box;
use std::sync::Arc;

use queue::{Amount, Credits, FairQueue, Ring, Scope, Verdict, WakeFlag};

use instructions::Case;

pub(super) const CREDITS: Case = Case {
    name: "queue: credits, reserve and give back",
    rounds: 10_000,
    operations: 1,
    run: credits,
};
pub(super) const RING: Case = Case {
    name: "queue: ring, reserve, push and drain",
    rounds: 200,
    operations: BATCH,
    run: ring,
};
pub(super) const ONE_SENDER: Case = Case {
    name: "queue: lane of 10,000, pop and push, 1 x 1",
    rounds: 10_000,
    operations: 1,
    run: |rounds| lane(rounds, 1, 1),
};
pub(super) const MANY_SENDERS: Case = Case {
    name: "queue: lane of 10,000, pop and push, 8 x 16",
    rounds: 10_000,
    operations: 1,
    run: |rounds| lane(rounds, 8, 16),
};

const BATCH: u64 = 100;

fn credits(rounds: u64) {
    let limit = Amount {
        messages: 1_000_000,
        bytes: 1 << 29,
    };
    let credits = Credits::new(Scope::Engine, limit).expect("limits within their range");
    for _ in 0..rounds {
        drop(credits.try_reserve(black_box(300)).expect("there is room"));
    }
}

fn ring(rounds: u64) {
    let ring: Arc<Ring<u64>> = Arc::new(Ring::new(1_024, Arc::new(WakeFlag::new(|| {}))));
    let mut taken = Vec::with_capacity(1_024);
    for _ in 0..rounds {
        for nth in 0..BATCH {
            ring.try_reserve().expect("it was drained").push(nth);
        }
        taken.clear();
        black_box(ring.drain(1_024, &mut taken));
    }
}

fn lane(rounds: u64, tenants: u64, senders: u64) {
    let mut lane: FairQueue<u64> = FairQueue::new();
    for nth in 0..10_000_u64 {
        let tenant = u32::try_from(nth % tenants).expect("a few tenants");
        lane.push_back(tenant, nth / tenants % senders, nth);
    }
    let mut skipped = Vec::new();
    for _ in 0..rounds {
        let popped = lane.pop(0, |_| Verdict::Take, &mut skipped);
        let popped = popped.expect("what was pushed");
        lane.push_back(popped.tenant, popped.sender, black_box(popped.item));
    }
}
