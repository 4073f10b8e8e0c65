//! What a sub-queue holds beyond its memory budget: names of items that are kept elsewhere.
//!
//! A name takes ten bytes. Names stand in blocks that are freed one by one as they are read, so that a run of millions neither moves when
//! it grows nor keeps its memory when it shrinks.
//!
//! Limits: [`BLOCK`] names a block; how many names there are is up to whoever spills.

use std::collections::VecDeque;

/// Names in a block: 10 KiB of them.
const BLOCK: usize = 1024;

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
    blocks: VecDeque<Block>,
    /// Names read of the first block.
    read: usize,
    len: usize,
}

#[derive(Debug)]
struct Block {
    keys: Vec<u64>,
    shelves: Vec<u16>,
}

impl Run {
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, name: Spilled) {
        if self
            .blocks
            .back()
            .is_none_or(|block| block.keys.len() == BLOCK)
        {
            self.blocks.push_back(Block {
                // The first block of a run grows as needed: many runs are short.
                keys: Vec::with_capacity(if self.blocks.is_empty() { 8 } else { BLOCK }),
                shelves: Vec::with_capacity(if self.blocks.is_empty() { 8 } else { BLOCK }),
            });
        }
        if let Some(block) = self.blocks.back_mut() {
            block.keys.push(name.key);
            block.shelves.push(name.shelf);
            self.len += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Spilled> {
        let block = self.blocks.front()?;
        let name = Spilled {
            shelf: *block.shelves.get(self.read)?,
            key: *block.keys.get(self.read)?,
        };
        self.read += 1;
        self.len -= 1;
        if self.read == block.keys.len() {
            self.blocks.pop_front();
            self.read = 0;
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_over_many_blocks() {
        let mut run = Run::default();
        let name = |nth: usize| Spilled {
            shelf: u16::try_from(nth % 16).unwrap(),
            key: nth as u64,
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
        while let Some(found) = run.pop() {
            assert_eq!(found, name(popped));
            popped += 1;
        }
        assert_eq!(popped, pushed);
        assert!(run.is_empty() && run.blocks.is_empty());
    }
}
