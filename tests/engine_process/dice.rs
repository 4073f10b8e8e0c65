//! Chance that repeats: the moments at which a scenario breaks something.

/// A small seeded source of numbers (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// The seed is `HIKYAKU_TEST_SEED`, else the scenario's own; printed, so that a failure says it.
    pub(crate) fn seeded(own: u64) -> Self {
        let given = std::env::var("HIKYAKU_TEST_SEED").ok();
        let seed = given.map_or(own, |text| text.parse().unwrap());
        println!("HIKYAKU_TEST_SEED={seed}");
        Self(seed)
    }

    /// The sequence of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
