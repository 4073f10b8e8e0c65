//! Somebody sets the wall clock while the lanes are full: nothing goes out when its validity is over, everything goes out at most once, and the
//! pace is the contract's.

use std::collections::BTreeSet;
use std::sync::Arc;

use message::Lane;

use super::rig::{Dice, MS, Rig, SECOND};

/// A carrier counts whole seconds: what has less left is not sent.
const LEFT_MIN_MS: u64 = 1_000;
const CONTRACT: u32 = 200;
const LANES: [Lane; 4] = [Lane::Otp, Lane::Alert, Lane::Normal, Lane::Bulk];

fn live_through(seed: u64) {
    let mut dice = Dice(seed);
    let mut rig = Rig::new(&[Some(CONTRACT)], &[&[&[0]]]);
    rig.wall_from_ms = 1_000_000_000;
    rig.advance(0);
    let mut put = 0;
    for round in 0..4_000_u64 {
        rig.advance(dice.below(3 * MS));
        if round < 3_000 && dice.below(2) == 0 {
            let lane = LANES[dice.below(4) as usize];
            let mut message = rig.message(0, lane);
            let mut payload = (*message.payload).clone();
            payload.expires_ms = rig.now.wall_ms + 1_000 + dice.below(20_000);
            message.payload = Arc::new(payload);
            message.claimed = dice.below(3) == 0;
            rig.cell.enqueue(message, rig.now.mono_ns, rig.now);
            put += 1;
        }
        if dice.below(300) == 0 {
            let back = dice.below(2) == 0;
            let by_ms = [500, 10_000, 3_600_000][dice.below(3) as usize];
            let from_ms = rig.wall_from_ms;
            rig.wall_from_ms = if back {
                from_ms - by_ms
            } else {
                from_ms + by_ms
            };
            rig.advance(0);
        }
        rig.turn();
    }
    for _ in 0..100_000 {
        if rig.held() == 0 {
            break;
        }
        rig.advance(MS);
        rig.turn();
    }
    let writes = rig.writes.borrow();
    let sent: BTreeSet<_> = writes.iter().map(|write| write.id).collect();
    assert_eq!(sent.len(), writes.len(), "sent twice, seed {seed}");
    assert!(sent.is_disjoint(&rig.expired.iter().copied().collect()));
    assert_eq!(writes.len() + rig.expired.len(), put, "lost, seed {seed}");
    for (at, write) in writes.iter().enumerate() {
        assert!(write.left_ms >= LEFT_MIN_MS, "{write:?}, seed {seed}");
        let second = writes[at..]
            .iter()
            .take_while(|later| later.at_ns < write.at_ns + SECOND);
        assert!(second.count() <= CONTRACT as usize, "pace, seed {seed}");
    }
}

#[test]
fn validity_and_pace_hold_however_the_wall_clock_is_set() {
    for seed in 1..=40 {
        live_through(seed);
    }
}
