//! A carrier that takes less than its contract says: how much of it is used all the same, in virtual time.

use std::collections::VecDeque;

use throttle::{CarrierThrottle, Contract};

const S: u64 = 1_000_000_000;
/// Answers come so much after their segment.
const ANSWER_NS: u64 = S / 20;
/// What the pace needs to find the ceiling.
const FINDING_S: u64 = 60;
const MEASURED_S: u64 = 600;

/// How a carrier decides what is too much.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// So many in each second of its clock.
    EachSecond(u64),
    /// So many a second, and a burst of so many.
    Bucket { rate: u64, burst: u64 },
}

/// A carrier's count of what it took.
struct Taken {
    limit: Limit,
    /// The second, and how many came in it; or the nanoseconds of rate that were earned, and when.
    since: u64,
    count: u64,
}

impl Taken {
    fn takes(&mut self, now_ns: u64) -> bool {
        match self.limit {
            Limit::EachSecond(most) => {
                if now_ns / S != self.since {
                    (self.since, self.count) = (now_ns / S, 0);
                }
                self.count += 1;
                self.count <= most
            }
            Limit::Bucket { rate, burst } => {
                let earned = (now_ns - self.since) * rate;
                (self.since, self.count) = (now_ns, (self.count + earned).min(burst * S));
                let takes = self.count >= S;
                self.count -= if takes { S } else { 0 };
                takes
            }
        }
    }
}

/// Segments taken, per thousand of what the carrier would have taken.
fn used_permille(contract: u32, limit: Limit) -> u64 {
    let mut throttle = CarrierThrottle::contracted(Contract::new(contract).expect("in range"), 0);
    let mut carrier = Taken {
        limit,
        since: 0,
        count: 0,
    };
    let mut answers = VecDeque::new();
    let (mut now, mut taken, mut jitter) = (0, 0, 1_u32);
    while now < (FINDING_S + MEASURED_S) * S {
        while let Some(written) = answers.pop_front_if(|written| *written + ANSWER_NS <= now) {
            jitter = jitter.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let _ = throttle.on_throttled(now, written, jitter);
        }
        let next_ns = match throttle.take(now) {
            Ok(permit) => {
                let redeemed = throttle.redeem(permit, now);
                assert!(redeemed.is_ok(), "spent when it was granted");
                if !carrier.takes(now) {
                    answers.push_back(now);
                } else if now >= FINDING_S * S {
                    taken += 1;
                }
                continue;
            }
            Err(not_until) => not_until.at_ns,
        };
        let answer_ns = answers
            .front()
            .map_or(u64::MAX, |written| written + ANSWER_NS);
        now = next_ns.min(answer_ns);
    }
    let rate = match limit {
        Limit::EachSecond(rate) | Limit::Bucket { rate, .. } => rate,
    };
    taken * 1_000 / (rate * MEASURED_S)
}

#[test]
fn nine_tenths_of_what_a_carrier_takes_are_used() {
    for (contract, rate) in [(150, 100), (150, 140), (150, 50), (1_000, 700), (20, 15)] {
        let bucket = |burst| Limit::Bucket { rate, burst };
        for limit in [
            Limit::EachSecond(rate),
            bucket(rate.div_ceil(10)),
            // Takes no two segments at once.
            bucket(1),
        ] {
            let used = used_permille(contract, limit);
            assert!(used >= 900, "{used} ‰ of {limit:?}, contract {contract}");
        }
    }
}

#[test]
fn a_twentieth_of_the_contract_is_found() {
    let used = used_permille(200, Limit::EachSecond(12));
    assert!(
        used >= 700,
        "{used} ‰ of a carrier that takes 6 % of its contract"
    );
}
