//! Seeded randomness: the same seed and the same order of submits give the same faults.

/// A splitmix64 stream.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// True in `ratio` of all throws. A ratio of 0 costs no throw.
    pub(crate) fn chance(&mut self, ratio: f64) -> bool {
        ratio > 0.0 && unit(self.next()) < ratio
    }

    /// 0 to `below` - 1; 0 for 0. The bias of the multiplication is below 2^-32 for the sizes used here.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(below);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

/// A number in [0, 1) that depends on `seed` and `value` alone: what becomes of message n does not depend on who else submits.
pub(crate) fn unit_of(seed: u64, value: u64) -> f64 {
    unit(mix(
        mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)).wrapping_add(value)
    ))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The upper 53 bits as a fraction.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_ratios_hold() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (0..10_000).map(|_| dice.chance(0.25)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
        let hits = throws(1).into_iter().filter(|hit| *hit).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        let below = (0..10_000).filter(|value| unit_of(7, *value) < 0.1).count();
        assert!((850..1_150).contains(&below), "{below}");
    }

    #[test]
    fn below_stays_below_and_a_shuffle_keeps_everything() {
        let mut dice = Dice::new(3);
        assert!((0..1_000).all(|_| dice.below(7) < 7));
        assert_eq!(dice.below(0), 0);
        let mut items: Vec<u32> = (0..50).collect();
        dice.shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
