//! What a message costs between intake and dispatch: credits, the ring between two threads (here on one), the fair lane.
//!
//! ```text
//! cargo bench --package queue
//! ```
#![cfg(not(loom))]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use queue::{Amount, Credits, FairQueue, Ring, Scope, Verdict, WakeFlag};

const BATCH: u64 = 100;

fn lanes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    let limit = Amount {
        messages: 1_000_000,
        bytes: 1 << 29,
    };
    let credits = Credits::new(Scope::Engine, limit).expect("limits within their range");
    group.bench_function("credits, reserve and give back", |bencher| {
        bencher.iter(|| drop(credits.try_reserve(black_box(300)).expect("there is room")));
    });

    group.throughput(Throughput::Elements(BATCH));
    let ring: Arc<Ring<u64>> = Arc::new(Ring::new(1_024, Arc::new(WakeFlag::new(|| {}))));
    let mut taken = Vec::with_capacity(1_024);
    group.bench_function("ring, reserve, push and drain 100", |bencher| {
        bencher.iter(|| {
            for nth in 0..BATCH {
                ring.try_reserve().expect("it was drained").push(nth);
            }
            taken.clear();
            ring.drain(1_024, &mut taken)
        });
    });

    group.throughput(Throughput::Elements(1));
    for (tenants, senders) in [(1, 1), (8, 16)] {
        let id = BenchmarkId::new(
            "lane of 10,000, pop and push",
            format!("{tenants} tenants x {senders} senders"),
        );
        group.bench_function(id, |bencher| {
            let mut lane: FairQueue<u64> = FairQueue::new();
            for nth in 0..10_000_u64 {
                lane.push_back((nth % tenants) as u32, nth / tenants % senders, nth);
            }
            let mut skipped = Vec::new();
            bencher.iter(|| {
                let popped = lane.pop(0, |_| Verdict::Take, &mut skipped);
                let popped = popped.expect("what was pushed");
                lane.push_back(popped.tenant, popped.sender, popped.item);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lanes);
criterion_main!(benches);
