//! Timed-out sequence numbers, kept so that a late answer still settles its request.
//!
//! A ring of the last `late_answers_max` timed-out requests: the newest overwrites the oldest position, whether or not
//! that one was answered meanwhile. An index finds a number; its hash is one multiplication, as the keys are our own
//! consecutive numbers and no peer chooses them.
//!
//! Memory is taken when requests time out, not before: a healthy session pays nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::window::InFlight;

/// The last timed-out requests, at most `max` of them.
pub(crate) struct LateAnswers {
    ring: Vec<InFlight>,
    oldest: usize,
    positions: HashMap<u32, usize, BuildHasherDefault<SequenceHasher>>,
    max: usize,
}

/// What remembering a request cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remembered {
    Kept,
    /// The table was full of unanswered requests (or has no room at all): one can no longer be settled.
    OneForgotten,
}

impl LateAnswers {
    pub(crate) fn with_max(max: usize) -> Self {
        Self {
            ring: Vec::new(),
            oldest: 0,
            positions: HashMap::default(),
            max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn contains(&self, sequence_number: u32) -> bool {
        !self.positions.is_empty() && self.positions.contains_key(&sequence_number)
    }

    /// Keeps a timed-out request, in the place of the oldest when the table is full.
    pub(crate) fn remember(&mut self, request: InFlight) -> Remembered {
        if self.max == 0 {
            return Remembered::OneForgotten;
        }
        let mut remembered = Remembered::Kept;
        let position = if self.ring.len() < self.max {
            self.ring.push(request);
            self.ring.len() - 1
        } else {
            let position = self.oldest;
            self.oldest = (position + 1) % self.max;
            if self.evict(self.ring[position].sequence_number, position) {
                remembered = Remembered::OneForgotten;
            }
            self.ring[position] = request;
            position
        };
        self.positions.insert(request.sequence_number, position);
        remembered
    }

    /// The timed-out request with this number, without taking it.
    pub(crate) fn peek(&self, sequence_number: u32) -> Option<InFlight> {
        if self.positions.is_empty() {
            return None;
        }
        let position = *self.positions.get(&sequence_number)?;
        Some(self.ring[position])
    }

    /// Forgets a number that was answered.
    pub(crate) fn forget(&mut self, sequence_number: u32) {
        self.positions.remove(&sequence_number);
    }

    /// Removes the number if it still lives at `position`: after a late answer it may have been drawn again, have
    /// timed out again, and live elsewhere in the ring.
    fn evict(&mut self, sequence_number: u32, position: usize) -> bool {
        if self.positions.get(&sequence_number) == Some(&position) {
            self.positions.remove(&sequence_number);
            return true;
        }
        false
    }
}

impl fmt::Debug for LateAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateAnswers")
            .field("awaited", &self.len())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// Multiplication by an odd constant: consecutive keys fall into different buckets and differ in the top bits.
#[derive(Debug, Default)]
struct SequenceHasher(u64);

impl Hasher for SequenceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(GOLDEN_RATIO);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(GOLDEN_RATIO);
    }
}

/// 2^64 divided by the golden ratio, the usual constant of multiplicative hashing.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RequestKind;

    fn timed_out(sequence_number: u32) -> InFlight {
        InFlight {
            sequence_number,
            request: RequestKind::SubmitSm,
            correlation: u64::from(sequence_number),
            first_byte: 0,
            sent_at_ns: 0,
        }
    }

    #[test]
    fn a_number_settles_once() {
        let mut late = LateAnswers::with_max(4);
        late.remember(timed_out(7));
        assert!(late.contains(7));
        assert_eq!(late.peek(7), Some(timed_out(7)));
        late.forget(7);
        assert_eq!(late.peek(7), None);
        assert!(!late.contains(7));
    }

    #[test]
    fn the_oldest_drops_out_at_the_limit() {
        let mut late = LateAnswers::with_max(2);
        assert_eq!(late.remember(timed_out(1)), Remembered::Kept);
        assert_eq!(late.remember(timed_out(2)), Remembered::Kept);
        assert_eq!(late.remember(timed_out(3)), Remembered::OneForgotten);
        assert_eq!(
            (late.contains(1), late.contains(2), late.contains(3)),
            (false, true, true)
        );
        assert_eq!(late.len(), 2);
    }

    #[test]
    fn overwriting_an_answered_place_forgets_nobody() {
        let mut late = LateAnswers::with_max(2);
        late.remember(timed_out(1));
        late.remember(timed_out(2));
        late.forget(1);
        assert_eq!(late.remember(timed_out(3)), Remembered::Kept);
    }

    #[test]
    fn a_number_that_came_back_survives_its_old_place() {
        let mut late = LateAnswers::with_max(2);
        late.remember(timed_out(1));
        late.forget(1);
        late.remember(timed_out(1));
        assert_eq!(
            late.remember(timed_out(2)),
            Remembered::Kept,
            "overwrites the stale place of 1"
        );
        assert!(late.contains(1) && late.contains(2));
    }

    #[test]
    fn a_table_of_no_size_keeps_nothing() {
        let mut late = LateAnswers::with_max(0);
        assert_eq!(late.remember(timed_out(1)), Remembered::OneForgotten);
        assert_eq!((late.len(), late.peek(1)), (0, None));
    }
}
