//! The one allocator of sequence numbers: binds, enquire_links, unbinds and data requests draw from it, so that an
//! answer names its request by the number alone (SMPP 3.4 section 3.2, `sequence_number`).

/// The first number of a session.
pub const SEQUENCE_NUMBER_MIN: u32 = 1;
/// The last number before the wrap to [`SEQUENCE_NUMBER_MIN`].
pub const SEQUENCE_NUMBER_MAX: u32 = 0x7FFF_FFFF;

/// Hands out 1 to 0x7FFFFFFF and starts again, passing over numbers that still mean something.
#[derive(Debug)]
pub(crate) struct SequenceNumbers {
    next: u32,
}

impl SequenceNumbers {
    /// `first` lies in [`SEQUENCE_NUMBER_MIN`]..=[`SEQUENCE_NUMBER_MAX`]; the configuration has checked it.
    pub(crate) fn starting_at(first: u32) -> Self {
        Self { next: first }
    }

    /// The next number that is not `taken`.
    ///
    /// Ends because the caller's tables hold at most some hundred thousand of the 2^31 numbers.
    pub(crate) fn allocate(&mut self, taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            let candidate = self.next;
            self.next = if candidate == SEQUENCE_NUMBER_MAX {
                SEQUENCE_NUMBER_MIN
            } else {
                candidate + 1
            };
            if !taken(candidate) {
                return candidate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_up_and_wraps_to_one() {
        let mut numbers = SequenceNumbers::starting_at(SEQUENCE_NUMBER_MAX - 1);
        let drawn: Vec<u32> = (0..4).map(|_| numbers.allocate(|_| false)).collect();
        assert_eq!(drawn, [0x7FFF_FFFE, 0x7FFF_FFFF, 1, 2]);
    }

    #[test]
    fn passes_over_taken_numbers_also_across_the_wrap() {
        let mut numbers = SequenceNumbers::starting_at(SEQUENCE_NUMBER_MAX);
        let taken = [SEQUENCE_NUMBER_MAX, 1, 3];
        let drawn: Vec<u32> = (0..2)
            .map(|_| numbers.allocate(|number| taken.contains(&number)))
            .collect();
        assert_eq!(drawn, [2, 4]);
    }
}
