//! A permit: granted and spent, and asked for too early.

use std::hint::black_box;

use throttle::{CarrierThrottle, Contract};

use instructions::Case;

pub(super) const GRANTED: Case = Case {
    name: "throttle: permit, take and redeem",
    rounds: 10_000,
    operations: 1,
    run: granted,
};
pub(super) const TOO_EARLY: Case = Case {
    name: "throttle: permit, too early",
    rounds: 10_000,
    operations: 1,
    run: too_early,
};
pub(super) const UNLIMITED: Case = Case {
    name: "throttle: permit, no contract",
    rounds: 10_000,
    operations: 1,
    run: unlimited,
};

/// Longer than an interval at 0.993 of the contract, so that a permit is always there.
const STEP_NS: u64 = 1_100_000;

fn contracted() -> CarrierThrottle {
    let contract = Contract::new(1_000).expect("a contract within its range");
    CarrierThrottle::contracted(contract, 0)
}

fn granted(rounds: u64) {
    let mut carrier = contracted();
    for round in 1..=rounds {
        let now_ns = round * STEP_NS;
        let permit = carrier
            .take(black_box(now_ns))
            .expect("an interval has passed");
        carrier.redeem(permit, now_ns).expect("it is not late");
    }
}

fn too_early(rounds: u64) {
    let mut carrier = contracted();
    for _ in 0..rounds {
        let refused = carrier
            .take(black_box(1))
            .expect_err("the bucket starts empty");
        black_box(refused.at_ns);
    }
}

fn unlimited(rounds: u64) {
    let mut carrier = CarrierThrottle::unlimited();
    for _ in 0..rounds {
        let permit = carrier.take(black_box(1)).expect("nothing limits it");
        carrier.redeem(permit, 1).expect("none is late");
    }
}
