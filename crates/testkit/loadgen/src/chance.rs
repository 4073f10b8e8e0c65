//! Chance that repeats: the same seed and place give the same number, in whatever order they are asked for.

/// `SplitMix64` over a seed and a place: good enough for loads, not for secrets.
pub(crate) const fn at(seed: u64, place: u64) -> u64 {
    let mut word = seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Above 0 and at most 1, to 53 bits: a logarithm of it is finite.
pub(crate) fn ratio_above_zero(seed: u64, place: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    ((at(seed, place) >> 11) + 1) as f64 / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_gives_the_same_number_and_another_another() {
        assert_eq!(at(1, 7), at(1, 7));
        assert_ne!(at(1, 7), at(1, 8));
        assert_ne!(at(1, 7), at(2, 7));
    }

    #[test]
    fn ratios_are_spread_over_their_range() {
        let ratios: Vec<f64> = (0..10_000).map(|nth| ratio_above_zero(3, nth)).collect();
        assert!(ratios.iter().all(|ratio| *ratio > 0.0 && *ratio <= 1.0));
        let mean = ratios.iter().sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
