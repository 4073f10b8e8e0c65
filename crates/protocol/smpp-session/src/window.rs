//! The window: data requests in flight, found by sequence number and ordered by age, both in O(1).
//!
//! A cell is picked by the low bits of the sequence number, and the allocator passes over numbers whose cell is taken.
//! So there is no hashing, no probing and, after construction, no allocation. There are at least twice as many cells as
//! slots, hence one lap of the table hands out at least as many numbers as it skips. A hash map was refused: it costs
//! a hash and a probe for each request and each answer, and it cannot tell a duplicate answer from a stray one, which
//! a settled cell does for free by remembering its last number.
//!
//! The cells in flight form a linked list in order of submission. As the response timeout is the same for all, this is
//! also the order of deadlines: the head is the only one a timer has to look at.

use std::fmt;

use crate::event::RequestKind;

/// A data request that was given to [`Session::submit`](crate::Session::submit) and has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) sequence_number: u32,
    pub(crate) request: RequestKind,
    pub(crate) correlation: u64,
    /// Position of its first byte in the outbound stream of this session.
    pub(crate) first_byte: u64,
    pub(crate) sent_at_ns: u64,
}

/// What the window knows of a sequence number that a peer answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    InFlight(InFlight),
    /// Was in flight, and its cell has not been used since.
    Settled,
    Unknown,
}

/// Requests in flight, at most `window_size`.
pub(crate) struct Window {
    cells: Box<[Cell]>,
    mask: u32,
    window_size: u32,
    len: u32,
    oldest: u32,
    newest: u32,
}

impl Window {
    /// `window_size` lies in 1..=65,536; the configuration has checked it.
    pub(crate) fn with_size(window_size: u32) -> Self {
        let cells = window_size.saturating_mul(2).next_power_of_two();
        Self {
            cells: (0..cells).map(|_| Cell::NEVER_USED).collect(),
            mask: cells - 1,
            window_size,
            len: 0,
            oldest: NO_CELL,
            newest: NO_CELL,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn free(&self) -> u32 {
        self.window_size - self.len
    }

    /// Whether a request with this number would find its cell taken, by itself or by another number.
    pub(crate) fn is_cell_taken(&self, sequence_number: u32) -> bool {
        self.cell(sequence_number).occupancy == Occupancy::InFlight
    }

    pub(crate) fn is_in_flight(&self, sequence_number: u32) -> bool {
        matches!(self.lookup(sequence_number), Lookup::InFlight(_))
    }

    pub(crate) fn lookup(&self, sequence_number: u32) -> Lookup {
        let cell = self.cell(sequence_number);
        if cell.entry.sequence_number != sequence_number {
            return Lookup::Unknown;
        }
        match cell.occupancy {
            Occupancy::InFlight => Lookup::InFlight(cell.entry),
            Occupancy::Settled => Lookup::Settled,
            Occupancy::NeverUsed => Lookup::Unknown,
        }
    }

    /// Takes a slot. The caller has seen `free() > 0` and a cell that is not taken.
    pub(crate) fn insert(&mut self, entry: InFlight) {
        debug_assert!(self.free() > 0, "a slot was free when the number was drawn");
        debug_assert!(!self.is_cell_taken(entry.sequence_number));
        let index = self.index(entry.sequence_number);
        let older = self.newest;
        self.cells[index as usize] = Cell {
            entry,
            occupancy: Occupancy::InFlight,
            older,
            newer: NO_CELL,
        };
        match older {
            NO_CELL => self.oldest = index,
            older => self.cells[older as usize].newer = index,
        }
        self.newest = index;
        self.len += 1;
    }

    /// Frees the slot of a request in flight; any other number changes nothing.
    pub(crate) fn settle(&mut self, sequence_number: u32) {
        if !self.is_in_flight(sequence_number) {
            return;
        }
        let index = self.index(sequence_number);
        let cell = &mut self.cells[index as usize];
        cell.occupancy = Occupancy::Settled;
        let (older, newer) = (cell.older, cell.newer);
        match older {
            NO_CELL => self.oldest = newer,
            older => self.cells[older as usize].newer = newer,
        }
        match newer {
            NO_CELL => self.newest = older,
            newer => self.cells[newer as usize].older = older,
        }
        self.len -= 1;
    }

    /// The request whose deadline comes first.
    pub(crate) fn oldest(&self) -> Option<InFlight> {
        match self.oldest {
            NO_CELL => None,
            index => Some(self.cells[index as usize].entry),
        }
    }

    /// Frees the slot of the oldest request.
    pub(crate) fn pop_oldest(&mut self) -> Option<InFlight> {
        let entry = self.oldest()?;
        self.settle(entry.sequence_number);
        Some(entry)
    }

    fn index(&self, sequence_number: u32) -> u32 {
        sequence_number & self.mask
    }

    fn cell(&self, sequence_number: u32) -> &Cell {
        &self.cells[self.index(sequence_number) as usize]
    }
}

/// The cells are thousands, and who prints a session wants to know how full it is.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("in_flight", &self.len)
            .field("window_size", &self.window_size)
            .field("oldest", &self.oldest())
            .finish_non_exhaustive()
    }
}

/// End of the list; no table has this many cells.
const NO_CELL: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Cell {
    entry: InFlight,
    occupancy: Occupancy,
    older: u32,
    newer: u32,
}

impl Cell {
    const NEVER_USED: Self = Self {
        entry: InFlight {
            sequence_number: 0,
            request: RequestKind::SubmitSm,
            correlation: 0,
            first_byte: 0,
            sent_at_ns: 0,
        },
        occupancy: Occupancy::NeverUsed,
        older: NO_CELL,
        newer: NO_CELL,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupancy {
    NeverUsed,
    InFlight,
    Settled,
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn entry(sequence_number: u32) -> InFlight {
        InFlight {
            sequence_number,
            request: RequestKind::SubmitSm,
            correlation: u64::from(sequence_number) * 10,
            first_byte: 0,
            sent_at_ns: 0,
        }
    }

    #[test]
    fn a_number_is_unknown_then_in_flight_then_settled_then_forgotten() {
        let mut window = Window::with_size(1);
        assert_eq!(window.lookup(3), Lookup::Unknown);
        window.insert(entry(3));
        assert_eq!(window.lookup(3), Lookup::InFlight(entry(3)));
        assert_eq!(window.free(), 0);
        window.settle(3);
        assert_eq!(window.lookup(3), Lookup::Settled);
        window.insert(entry(5));
        assert_eq!(
            window.lookup(3),
            Lookup::Unknown,
            "two cells: 5 took the cell of 3"
        );
    }

    #[test]
    fn zero_is_never_in_flight() {
        let window = Window::with_size(4);
        assert_eq!(window.lookup(0), Lookup::Unknown);
    }

    #[test]
    fn a_colliding_number_finds_its_cell_taken() {
        let mut window = Window::with_size(2);
        window.insert(entry(1));
        assert!(window.is_cell_taken(1));
        assert!(
            window.is_cell_taken(5),
            "four cells: 5 shares the cell of 1"
        );
        assert!(!window.is_cell_taken(2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_a_plain_deque(size in 1_u32..20, steps in proptest::collection::vec((0_u8..3, 0_usize..40), 1..200)) {
            let mut window = Window::with_size(size);
            let mut model: VecDeque<u32> = VecDeque::new();
            let mut next = 1;
            for (step, pick) in steps {
                match step {
                    0 if window.free() > 0 => {
                        while window.is_cell_taken(next) {
                            next += 1;
                        }
                        window.insert(entry(next));
                        model.push_back(next);
                        next += 1;
                    }
                    1 if !model.is_empty() => {
                        let number = model.remove(pick % model.len()).unwrap();
                        window.settle(number);
                        prop_assert_eq!(window.lookup(number), Lookup::Settled);
                    }
                    2 => {
                        let popped = window.pop_oldest().map(|entry| entry.sequence_number);
                        prop_assert_eq!(popped, model.pop_front());
                    }
                    _ => {}
                }
                prop_assert_eq!(window.len() as usize, model.len());
                prop_assert_eq!(window.oldest().map(|entry| entry.sequence_number), model.front().copied());
                for number in &model {
                    prop_assert_eq!(window.lookup(*number), Lookup::InFlight(entry(*number)));
                }
            }
        }
    }
}
