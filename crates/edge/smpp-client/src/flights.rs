//! Which segment stands behind a correlation number.
//!
//! The session knows requests by a number of ours; this table turns the number back into the segment, in O(1) and without hashing. A
//! request that timed out stays until its late answer or until as many others have timed out as the session remembers, since the
//! session does not say when it forgets one: both sides count in the same order.

use std::collections::VecDeque;

use message::SegmentRef;

/// A segment that was handed to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) segment: SegmentRef,
    /// Monotonic time of the write.
    pub(crate) written_ns: u64,
}

/// Flights by correlation: place in the low half, generation of the place in the high half, so that a number is never mistaken for an
/// earlier one.
#[derive(Debug)]
pub(crate) struct Flights {
    places: Vec<Place>,
    free: Vec<u32>,
    late: VecDeque<u64>,
    late_max: usize,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    flight: Option<Flight>,
}

impl Flights {
    /// An empty table that remembers `late_max` timed-out flights.
    pub(crate) const fn new(late_max: usize) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            late: VecDeque::new(),
            late_max,
        }
    }

    /// Keeps a flight; the caller's window bounds how many there are.
    pub(crate) fn insert(&mut self, flight: Flight) -> u64 {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.places.push(Place {
                    generation: 0,
                    flight: None,
                });
                u32::try_from(self.places.len() - 1)
                    .expect("a window and the late table hold far fewer than 2^32")
            }
        };
        let place = &mut self.places[index as usize];
        place.flight = Some(flight);
        (u64::from(place.generation) << 32) | u64::from(index)
    }

    /// Takes a flight out.
    pub(crate) fn take(&mut self, correlation: u64) -> Option<Flight> {
        let (index, generation) = parts(correlation);
        let place = self.places.get_mut(index as usize)?;
        if place.generation != generation {
            return None;
        }
        let flight = place.flight.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(index);
        Some(flight)
    }

    /// Names the segments of all flights, late ones too.
    pub(crate) fn each(&self, each: &mut dyn FnMut(SegmentRef)) {
        let flights = self.places.iter().filter_map(|place| place.flight);
        flights.for_each(|flight| each(flight.segment));
    }

    /// Notes that a flight timed out; it stays for its late answer.
    pub(crate) fn time_out(&mut self, correlation: u64) -> Option<Flight> {
        let (index, generation) = parts(correlation);
        let place = self.places.get(index as usize)?;
        let flight = place.flight.filter(|_| place.generation == generation)?;
        self.late.push_back(correlation);
        if self.late.len() > self.late_max
            && let Some(forgotten) = self.late.pop_front()
        {
            self.take(forgotten);
        }
        Some(flight)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
const fn parts(correlation: u64) -> (u32, u32) {
    (correlation as u32, (correlation >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use message::IdSource;

    use super::*;

    fn flight(written_ns: u64) -> Flight {
        Flight {
            segment: SegmentRef {
                message: IdSource::new(0).peek(1, written_ns),
                leg: 0,
                attempt: 1,
                segment: 0,
            },
            written_ns,
        }
    }

    #[test]
    fn a_number_is_good_once_and_its_place_is_used_again() {
        let mut flights = Flights::new(2);
        let first = flights.insert(flight(1));
        assert_eq!(flights.take(first), Some(flight(1)));
        assert_eq!(flights.take(first), None);
        let second = flights.insert(flight(2));
        assert_ne!(first, second);
        assert_eq!(flights.take(first), None);
        assert_eq!(flights.take(second), Some(flight(2)));
        assert_eq!(flights.places.len(), 1);
    }

    #[test]
    fn a_late_answer_settles_until_too_many_others_are_late() {
        let mut flights = Flights::new(2);
        let numbers = [1, 2, 3].map(|at| flights.insert(flight(at)));
        for (number, at) in numbers.into_iter().zip(1..) {
            assert_eq!(flights.time_out(number), Some(flight(at)));
        }
        assert_eq!(flights.take(numbers[0]), None, "forgotten");
        assert_eq!(flights.take(numbers[1]), Some(flight(2)));
        assert_eq!(flights.take(numbers[2]), Some(flight(3)));
        assert_eq!(flights.time_out(numbers[2]), None, "settled");
    }
}
