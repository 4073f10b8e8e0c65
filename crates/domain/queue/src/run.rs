//! What a sub-queue holds beyond its memory budget: names of items that are kept elsewhere.
//!
//! Names are read in the order in which they were written, so each is kept as its distance from the one before: three to six octets where
//! keys rise, as ids do, instead of ten. They stand in blocks that are freed one by one as they are read, so that a run of millions neither
//! moves when it grows nor keeps its memory when it shrinks.
//!
//! ```text
//!  name:  shelf | key less the key before, its sign in the lowest bit        both seven bits an octet, the highest says "more"
//! ```
//!
//! Limits: [`BLOCK`] octets a block; how many names there are is up to whoever spills.

use std::collections::VecDeque;

/// Octets in a block.
const BLOCK: usize = 8_192;

/// The longest name: 16 bits and 64, seven an octet.
const NAME_MAX: usize = 3 + 10;

/// The name of an item that is kept elsewhere. The lane gives it no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spilled {
    /// Where it is kept.
    pub shelf: u16,
    /// Which it is there.
    pub key: u64,
}

/// Names in the order in which they were spilled.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Each has whole names.
    blocks: VecDeque<Vec<u8>>,
    /// Octets read of the first block.
    read: usize,
    len: usize,
    /// The key of the name that was pushed last, and of the one that was popped last.
    pushed: u64,
    popped: u64,
}

impl Run {
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, name: Spilled) {
        let apart = name.key.wrapping_sub(self.pushed).cast_signed();
        let block = match self.blocks.back_mut() {
            Some(block) if block.len() + NAME_MAX <= BLOCK => block,
            last => {
                // The first block of a run grows as needed: many runs are short.
                let capacity = if last.is_some() { BLOCK } else { 0 };
                self.blocks.push_back_mut(Vec::with_capacity(capacity))
            }
        };
        write(block, u64::from(name.shelf));
        write(block, ((apart << 1) ^ (apart >> 63)).cast_unsigned());
        self.pushed = name.key;
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<Spilled> {
        let block = self.blocks.front()?;
        let mut octets = block.get(self.read..)?.iter();
        let shelf = u16::try_from(read(&mut octets)?).ok()?;
        let apart = read(&mut octets)?;
        let apart = (apart >> 1) ^ (apart & 1).wrapping_neg();
        let left = octets.len();
        self.popped = self.popped.wrapping_add(apart);
        self.read = block.len() - left;
        self.len -= 1;
        if left == 0 {
            self.blocks.pop_front();
            self.read = 0;
        }
        Some(Spilled {
            shelf,
            key: self.popped,
        })
    }
}

fn write(block: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        block.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    block.push(number as u8);
}

fn read<'a>(octets: &mut impl Iterator<Item = &'a u8>) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let octet = *octets.next()?;
        number |= u64::from(octet & 0x7f).checked_shl(shift)?;
        if octet < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_back_in_order_over_many_blocks() {
        let mut run = Run::default();
        let name = |nth: usize| Spilled {
            shelf: u16::try_from(nth % 16).unwrap(),
            key: (nth as u64 / 16) << 22,
        };
        let (mut pushed, mut popped) = (0, 0);
        for round in 1..60 {
            for _ in 0..round * 50 {
                run.push(name(pushed));
                pushed += 1;
            }
            for _ in 0..round * 40 {
                assert_eq!(run.pop(), Some(name(popped)));
                popped += 1;
            }
            assert_eq!(run.len(), pushed - popped);
        }
        let octets: usize = run.blocks.iter().map(Vec::len).sum();
        assert!(
            octets < 3 * run.len(),
            "{octets} octets for {} names",
            run.len()
        );
        while let Some(found) = run.pop() {
            assert_eq!(found, name(popped));
            popped += 1;
        }
        assert_eq!(popped, pushed);
        assert!(run.is_empty() && run.blocks.is_empty());
    }

    proptest! {
        #[test]
        fn any_name_comes_back(names in proptest::collection::vec((any::<u16>(), any::<u64>()), 0..3_000)) {
            let mut run = Run::default();
            for (shelf, key) in &names {
                run.push(Spilled { shelf: *shelf, key: *key });
            }
            for (shelf, key) in &names {
                prop_assert_eq!(run.pop(), Some(Spilled { shelf: *shelf, key: *key }));
            }
            prop_assert_eq!(run.pop(), None);
        }
    }
}
