//! A column of large numbers that lie close together: each takes 16 or 32 bits instead of 64, as its distance from a base.
//!
//! ```text
//!  number:  high bits           | LOW bits: zeros, KEPT bits
//!  code:    high bits less base |                  KEPT bits
//! ```
//!
//! The order of codes is the order of numbers. The first number that does not fit makes the column *far*: whole numbers from then on, so that
//! nothing is refused, and the worst is what a plain column takes.
//!
//! Limits: none of its own; a column is as long as the chunk it belongs to.

/// No number: each width keeps its largest code for it.
pub(super) const NONE: u64 = u64::MAX;

/// Numbers whose `LOW` low bits are zero but for the lowest `KEPT`, nearly always.
#[derive(Debug)]
pub(super) enum Column<Code, const LOW: u32, const KEPT: u32> {
    Near {
        /// Set by the first number.
        base: Option<u64>,
        codes: Vec<Code>,
    },
    Far(Vec<u64>),
}

/// What a near number is kept in.
pub(super) trait Code: Copy {
    const NONE: Self;
    /// How far below the first number of a column its base lies, for those that come out of order.
    const BELOW: u64;
    /// `None` for what is not below [`Code::NONE`].
    fn of(code: u64) -> Option<Self>;
    /// [`NONE`] for [`Code::NONE`].
    fn wide(self) -> u64;
}

macro_rules! code {
    ($code:ty) => {
        impl Code for $code {
            const NONE: Self = Self::MAX;
            const BELOW: u64 = (Self::MAX / 4) as u64;

            fn of(code: u64) -> Option<Self> {
                Self::try_from(code).ok().filter(|code| *code != Self::NONE)
            }

            fn wide(self) -> u64 {
                match self {
                    Self::NONE => NONE,
                    code => u64::from(code),
                }
            }
        }
    };
}

code!(u16);
code!(u32);

impl<C: Code, const LOW: u32, const KEPT: u32> Column<C, LOW, KEPT> {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self::Near {
            base: None,
            codes: Vec::with_capacity(count),
        }
    }

    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Near { codes, .. } => codes.len(),
            Self::Far(numbers) => numbers.len(),
        }
    }

    /// # Panics
    /// When there is no such place; so does [`Self::replace`].
    pub(super) fn value(&self, at: usize) -> u64 {
        match self {
            Self::Near { base, codes } => Self::decoded(*base, codes[at]),
            Self::Far(numbers) => numbers[at],
        }
    }

    pub(super) fn insert(&mut self, at: usize, value: u64) {
        if let Self::Near { base, codes } = self {
            if base.is_none() && value != NONE {
                *base = Some((value >> LOW).saturating_sub(C::BELOW >> KEPT));
            }
            match Self::encoded(*base, value) {
                Some(code) => return codes.insert(at, code),
                None => self.widen(),
            }
        }
        if let Self::Far(numbers) = self {
            numbers.insert(at, value);
        }
    }

    /// Gives what stood there.
    pub(super) fn replace(&mut self, at: usize, value: u64) -> u64 {
        let old = self.value(at);
        if let Self::Near { base, codes } = self {
            match Self::encoded(*base, value) {
                Some(code) => codes[at] = code,
                None => self.widen(),
            }
        }
        if let Self::Far(numbers) = self {
            numbers[at] = value;
        }
        old
    }

    /// Where a number stands in a rising column without gaps, or where it would.
    pub(super) fn search(&self, value: u64) -> Result<usize, usize> {
        match self {
            Self::Near { base, codes } => {
                codes.binary_search_by_key(&value, |code| Self::decoded(*base, *code))
            }
            Self::Far(numbers) => numbers.binary_search(&value),
        }
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Near { base, codes } => Self::Near {
                base: *base,
                codes: codes.split_off(at),
            },
            Self::Far(numbers) => Self::Far(numbers.split_off(at)),
        }
    }

    fn widen(&mut self) {
        *self = Self::Far((0..self.len()).map(|at| self.value(at)).collect());
    }

    fn encoded(base: Option<u64>, value: u64) -> Option<C> {
        if value == NONE {
            return Some(C::NONE);
        }
        let low = value & ((1 << LOW) - 1);
        let high = (value >> LOW).checked_sub(base?)?;
        if low >> KEPT != 0 || high >> (64 - KEPT.max(1)) != 0 {
            return None;
        }
        C::of((high << KEPT) | low)
    }

    fn decoded(base: Option<u64>, code: C) -> u64 {
        let (code, base) = match (code.wide(), base) {
            (NONE, _) | (_, None) => return NONE,
            (code, Some(base)) => (code, base),
        };
        (((code >> KEPT) + base) << LOW) | (code & ((1 << KEPT) - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Plain = Column<u16, 0, 0>;
    type Stamped = Column<u32, 22, 12>;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(usize, u64),
        Replace(usize, u64),
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![
            8 => (900_000..930_000_u64).prop_map(|ms| (ms << 22) | (ms % 4_096)),
            8 => 1_000_000..1_040_000_u64,
            1 => any::<u64>(),
            1 => Just(NONE),
            1 => Just(0),
        ]
    }

    fn holds<C: Code, const LOW: u32, const KEPT: u32>(
        script: &[Step],
    ) -> Result<(), TestCaseError> {
        let mut column = Column::<C, LOW, KEPT>::with_capacity(0);
        let mut model = Vec::new();
        for step in script {
            match *step {
                Step::Insert(at, value) => {
                    let at = at % (model.len() + 1);
                    column.insert(at, value);
                    model.insert(at, value);
                }
                Step::Replace(at, value) if !model.is_empty() => {
                    let at = at % model.len();
                    let old = std::mem::replace(&mut model[at], value);
                    prop_assert_eq!(column.replace(at, value), old);
                }
                Step::Replace(..) => {}
            }
        }
        let upper = column.split_off(model.len() / 2);
        let kept: Vec<_> = (0..column.len()).map(|at| column.value(at)).collect();
        let rest: Vec<_> = (0..upper.len()).map(|at| upper.value(at)).collect();
        prop_assert_eq!([kept, rest].concat(), model);
        Ok(())
    }

    fn risen<C: Code, const LOW: u32, const KEPT: u32>(numbers: &[u64]) -> Column<C, LOW, KEPT> {
        let mut column = Column::with_capacity(numbers.len());
        for number in numbers {
            column.insert(column.len(), *number);
        }
        column
    }

    proptest! {
        #[test]
        fn a_column_is_a_vector_of_numbers(
            script in proptest::collection::vec(
                prop_oneof![
                    3 => (any::<usize>(), number()).prop_map(|(at, value)| Step::Insert(at, value)),
                    1 => (any::<usize>(), number()).prop_map(|(at, value)| Step::Replace(at, value)),
                ],
                0..60,
            )
        ) {
            holds::<u16, 0, 0>(&script)?;
            holds::<u32, 0, 0>(&script)?;
            holds::<u32, 22, 12>(&script)?;
        }

        #[test]
        fn what_rises_is_found(
            numbers in proptest::collection::btree_set(number(), 0..60),
            sought in number(),
        ) {
            let numbers: Vec<_> = numbers.into_iter().filter(|number| *number != NONE).collect();
            let (plain, stamped): (Plain, Stamped) = (risen(&numbers), risen(&numbers));
            for sought in numbers.iter().copied().chain([sought]).filter(|sought| *sought != NONE) {
                prop_assert_eq!(plain.search(sought), numbers.binary_search(&sought));
                prop_assert_eq!(stamped.search(sought), numbers.binary_search(&sought));
            }
        }
    }

    #[test]
    fn numbers_close_together_take_few_bits_each() {
        let ids: Vec<_> = (0..1_000_u64)
            .map(|nth| ((1_800_000_000_000 + nth * 700) << 22) | nth)
            .collect();
        assert!(
            matches!(risen(&ids), Stamped::Near { .. }),
            "seven hundred seconds of ids"
        );
        let expiries: Vec<_> = (0..1_000_u64)
            .map(|nth| 1_800_000_000 + nth % 3_600)
            .collect();
        assert!(
            matches!(risen(&expiries), Plain::Near { .. }),
            "an hour of expiries"
        );
    }
}
