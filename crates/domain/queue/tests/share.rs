//! Lane shares: strict first lane, bounds for the others.
#![cfg(not(loom))]

use proptest::prelude::*;
use queue::{
    LaneShare,
    share::{DEFAULT_WEIGHTS, MAX_WEIGHT, MIN_SHARE_PERCENT, ShareError},
};

const ALL_BUT_FIRST: [bool; 4] = [false, true, true, true];

#[test]
fn the_first_lane_is_strict_and_costs_the_others_nothing() {
    let mut share = LaneShare::default();
    assert_eq!(share.next([false; 4]), None);
    let mut with_otp = LaneShare::default();
    for _ in 0..50 {
        assert_eq!(with_otp.next([true; 4]), Some(0));
        assert_eq!(with_otp.next(ALL_BUT_FIRST), share.next(ALL_BUT_FIRST));
    }
}

#[test]
fn a_lane_alone_always_goes() {
    let mut share = LaneShare::default();
    for lane in 1..4 {
        let mut nonempty = [false; 4];
        nonempty[lane] = true;
        assert!((0..20).all(|_| share.next(nonempty) == Some(lane)));
    }
}

#[test]
fn default_weights_give_six_three_one() {
    let mut share = LaneShare::default();
    let turns: Vec<usize> = (0..10).filter_map(|_| share.next(ALL_BUT_FIRST)).collect();
    assert_eq!(turns, [1, 2, 1, 1, 2, 1, 3, 1, 2, 1]);
}

#[test]
fn wrong_weights_are_refused() {
    assert_eq!(LaneShare::new([0; 3]).err(), Some(ShareError::AllZero));
    let refusal = LaneShare::new([1, MAX_WEIGHT + 1, 1]).err();
    assert_eq!(
        refusal,
        Some(ShareError::OutOfRange {
            lane: 2,
            weight: MAX_WEIGHT + 1
        })
    );
}

fn exact_shares(weights: [u32; 3]) -> [f64; 3] {
    let least = f64::from(MIN_SHARE_PERCENT) / 100.0;
    let mut fixed = [false; 3];
    loop {
        let left = 1.0 - least * fixed.iter().filter(|fixed| **fixed).count() as f64;
        let total: f64 = (0..3)
            .filter(|i| !fixed[*i])
            .map(|i| f64::from(weights[i]))
            .sum();
        let share = |i: usize| {
            if fixed[i] {
                least
            } else {
                f64::from(weights[i]) / total * left
            }
        };
        match (0..3).find(|i| !fixed[*i] && share(*i) < least) {
            Some(low) => fixed[low] = true,
            None => return std::array::from_fn(share),
        }
    }
}

proptest! {
    #[test]
    fn any_hundred_pops_are_within_bounds(
        weights in prop_oneof![Just(DEFAULT_WEIGHTS), [0..=MAX_WEIGHT, 0..=MAX_WEIGHT, 0..=20u32]],
        warm_up in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..50),
    ) {
        prop_assume!(weights != [0; 3]);
        let mut share = LaneShare::new(weights).expect("weights are in range");
        for (alert, normal, bulk) in warm_up {
            share.next([false, alert, normal, bulk]);
        }
        let turns: Vec<usize> = (0..300).filter_map(|_| share.next(ALL_BUT_FIRST)).collect();
        for window in turns.windows(100) {
            for (lane, exact) in (1..).zip(exact_shares(weights)) {
                let turns = window.iter().filter(|turn| **turn == lane).count() as f64;
                prop_assert!((turns - exact * 100.0).abs() <= 3.0, "lane {lane}: {turns} of {exact}");
            }
        }
    }

    #[test]
    fn only_lanes_with_work_are_named(script in prop::collection::vec(any::<[bool; 4]>(), 1..100)) {
        let mut share = LaneShare::default();
        for nonempty in script {
            match share.next(nonempty) {
                Some(lane) => prop_assert!(nonempty[lane] && (lane == 0 || !nonempty[0])),
                None => prop_assert_eq!(nonempty, [false; 4]),
            }
        }
    }
}
