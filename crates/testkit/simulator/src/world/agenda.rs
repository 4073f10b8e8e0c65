//! What is due when: a heap in order of true time, and of arrival where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::net::Stir;

/// Something that happens. What belongs to a process carries its generation and is void once that has ended.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The process is started.
    Start,
    /// A turn of the engine; `nap` tells which sleep it ends.
    Turn { generation: u32, nap: u32 },
    /// The journal's writer does its next step.
    Disk { generation: u32 },
    /// The journal's writer has something to do because of the time.
    DiskTimer { generation: u32 },
    /// A session may connect.
    Connect {
        generation: u32,
        carrier: usize,
        place: usize,
    },
    SessionTimer {
        generation: u32,
        carrier: usize,
        place: usize,
    },
    /// Bytes arrived at an end of a link, or may be written there again.
    Stir(Stir),
    /// A carrier has something to do.
    Carrier(usize),
    /// A client hands in a wish.
    Ask(usize),
    /// A client does what follows its wish, the so-manieth thing.
    Follow(usize, usize),
    /// A client takes a message from a handset over.
    TakeOver(message::MessageId),
    /// Something goes wrong.
    Fault(usize),
    /// A process that was asked to end should have by now.
    StopOverdue { generation: u32 },
    /// The disk works again.
    DiskHeals,
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    entries: u64,
}

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    number: u64,
    what: What,
}

impl Agenda {
    pub(super) fn push(&mut self, at_ns: u64, what: What) {
        self.entries += 1;
        self.heap.push(Reverse(Entry {
            at_ns,
            number: self.entries,
            what,
        }));
    }

    /// The next entry that is due by then.
    pub(super) fn pop_until(&mut self, until_ns: u64) -> Option<(u64, What)> {
        let Reverse(first) = self.heap.peek()?;
        if first.at_ns > until_ns {
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at_ns, entry.what))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ns, self.number) == (other.at_ns, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}
