//! What a permit costs: granted and spent, and asked for too early.
//!
//! ```text
//! cargo bench --package throttle
//! ```

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use throttle::{CarrierThrottle, Contract};

const SEGMENTS_PER_SECOND: u32 = 1_000;
/// Longer than an interval at 0.993 of the contract, so that a permit is always there.
const STEP_NS: u64 = 1_100_000;

fn throttle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throttle");
    group.throughput(Throughput::Elements(1));
    let contract = Contract::new(SEGMENTS_PER_SECOND).expect("a contract within its range");
    group.bench_function("permit, take and redeem", |bencher| {
        let mut carrier = CarrierThrottle::contracted(contract, 0);
        let mut now_ns = 0;
        bencher.iter(|| {
            now_ns += STEP_NS;
            let permit = carrier
                .take(black_box(now_ns))
                .expect("an interval has passed");
            carrier.redeem(permit, now_ns).expect("it is not late");
        });
    });
    group.bench_function("permit, too early", |bencher| {
        let mut carrier = CarrierThrottle::contracted(contract, 0);
        bencher.iter(|| {
            carrier
                .take(black_box(1))
                .expect_err("the bucket starts empty")
                .at_ns
        });
    });
    group.bench_function("permit, no contract", |bencher| {
        let mut carrier = CarrierThrottle::unlimited();
        bencher.iter(|| {
            let permit = carrier.take(black_box(1)).expect("nothing limits it");
            carrier.redeem(permit, 1).expect("none is late");
        });
    });
    group.finish();
}

criterion_group!(benches, throttle);
criterion_main!(benches);
