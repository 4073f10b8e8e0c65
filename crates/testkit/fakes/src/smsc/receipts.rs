//! Receipts from the submit that asks for one to the answer that settles it.
//!
//! ```text
//!            answer given          due            sent
//!  Waiting ───────────────▶ Due ────────▶ Pending ────▶ InFlight ──── answered Ok ──▶ gone
//!                            ▲               ▲             │  │
//!                            │               └─ timed out, ┘  │
//!                            │                  session lost  │
//!                            └──────── answered with an error ┘ (given up after attempts_max)
//! ```
//!
//! Keys carry a generation, so that a key that waits in a queue when its receipt is settled by a late answer finds nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use smpp_codec::{Address, MessageStateValue, Npi, Ton};

/// Octets of an address, by SMPP 3.4 section 4.4.1.
pub(crate) const ADDRESS_MAX: usize = 20;
/// Generations wrap here, so that the highest bit of a key is free to tell receipts from messages of handsets.
const GENERATION_MASK: u32 = u32::MAX >> 1;

/// An address of its own, without a heap.
#[derive(Clone, Copy)]
pub(crate) struct OwnedAddress {
    ton: Ton,
    npi: Npi,
    octets: [u8; ADDRESS_MAX],
    len: u8,
}

impl OwnedAddress {
    pub(crate) fn new(address: Address<'_>) -> Self {
        let from = address.addr.as_bytes();
        let len = from.len().min(ADDRESS_MAX);
        let mut octets = [0; ADDRESS_MAX];
        octets[..len].copy_from_slice(&from[..len]);
        Self {
            ton: address.ton,
            npi: address.npi,
            octets,
            len: u8::try_from(len).unwrap_or(0),
        }
    }

    pub(crate) fn borrow(&self) -> Address<'_> {
        Address::new(self.ton, self.npi, &self.octets[..usize::from(self.len)])
    }
}

/// The answer to a submit that is given only once its receipt is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldAnswer {
    pub(crate) connection: u64,
    pub(crate) sequence_number: u32,
}

/// One receipt.
#[derive(Clone, Copy)]
pub(crate) struct Receipt {
    /// Index of the account.
    pub(crate) account: usize,
    /// Our id of the message.
    pub(crate) message: u64,
    /// What became of it.
    pub(crate) state: MessageStateValue,
    /// Sender of the message: the receipt goes back to it.
    pub(crate) source: OwnedAddress,
    /// Recipient of the message.
    pub(crate) destination: OwnedAddress,
    /// Echoed when the submit had one.
    pub(crate) reference: Option<u16>,
    /// UTC in milliseconds.
    pub(crate) submitted_ms: i64,
    /// Times sent.
    pub(crate) attempts: u32,
    /// Given when the receipt is sent.
    pub(crate) held: Option<HeldAnswer>,
}

/// Names a receipt: slot in the lower half, generation in the upper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReceiptKey(pub(crate) u64);

#[derive(Default)]
struct Slot {
    generation: u32,
    receipt: Option<Receipt>,
}

/// All receipts that are not settled.
pub(crate) struct ReceiptBook {
    slots: Vec<Slot>,
    free: Vec<u32>,
    due: BinaryHeap<Reverse<(u64, ReceiptKey)>>,
    outstanding: usize,
    outstanding_max: usize,
}

impl ReceiptBook {
    pub(crate) fn with_max(outstanding_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            outstanding: 0,
            outstanding_max: outstanding_max.min(u32::MAX as usize),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.outstanding >= self.outstanding_max
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Keeps a receipt; `None` when the book is full.
    pub(crate) fn insert(&mut self, receipt: Receipt) -> Option<ReceiptKey> {
        if self.is_full() {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.receipt = Some(receipt);
        self.outstanding += 1;
        Some(ReceiptKey(
            u64::from(slot.generation) << 32 | u64::from(index),
        ))
    }

    pub(crate) fn find(&mut self, key: ReceiptKey) -> Option<&mut Receipt> {
        let (index, generation) = split(key);
        let slot = self.slots.get_mut(index as usize)?;
        slot.receipt
            .as_mut()
            .filter(|_| slot.generation == generation)
    }

    /// Forgets a receipt; false when it was settled before.
    pub(crate) fn settle(&mut self, key: ReceiptKey) -> bool {
        if self.find(key).is_none() {
            return false;
        }
        let (index, _) = split(key);
        let slot = &mut self.slots[index as usize];
        slot.receipt = None;
        slot.generation = slot.generation.wrapping_add(1) & GENERATION_MASK;
        self.free.push(index);
        self.outstanding -= 1;
        true
    }

    /// Makes a receipt due later. Returns true when it is now the first.
    pub(crate) fn schedule(&mut self, key: ReceiptKey, due_ns: u64) -> bool {
        let first = self.next_due_ns().is_none_or(|next_ns| due_ns < next_ns);
        self.due.push(Reverse((due_ns, key)));
        first
    }

    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_ns, _))| *due_ns)
    }

    /// The next receipt that is due.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<ReceiptKey> {
        if self.next_due_ns()? > now_ns {
            return None;
        }
        self.due.pop().map(|Reverse((_, key))| key)
    }
}

fn split(key: ReceiptKey) -> (u32, u32) {
    let [g0, g1, g2, g3, i0, i1, i2, i3] = key.0.to_be_bytes();
    (
        u32::from_be_bytes([i0, i1, i2, i3]),
        u32::from_be_bytes([g0, g1, g2, g3]),
    )
}

/// Keys that wait for a session of one account, in order. Their number is bounded by the book's.
pub(crate) type PendingReceipts = VecDeque<ReceiptKey>;

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(message: u64) -> Receipt {
        Receipt {
            account: 0,
            message,
            state: MessageStateValue::Delivered,
            source: OwnedAddress::new(Address::new(Ton::Alphanumeric, Npi::Unknown, b"ACME")),
            destination: OwnedAddress::new(Address::new(Ton::International, Npi::Isdn, b"123")),
            reference: None,
            submitted_ms: 0,
            attempts: 0,
            held: None,
        }
    }

    #[test]
    fn a_settled_key_finds_nothing_even_when_its_slot_is_taken_again() {
        let mut book = ReceiptBook::with_max(1);
        let first = book.insert(receipt(1)).unwrap();
        assert!(book.insert(receipt(2)).is_none() && book.is_full());
        assert!(book.settle(first));
        assert!(!book.settle(first));
        let second = book.insert(receipt(2)).unwrap();
        assert_ne!(first, second);
        assert!(book.find(first).is_none());
        assert_eq!(book.find(second).unwrap().message, 2);
        assert_eq!(book.outstanding(), 1);
    }

    #[test]
    fn due_receipts_come_in_order_of_time() {
        let mut book = ReceiptBook::with_max(3);
        let keys: Vec<_> = (0..3).map(|n| book.insert(receipt(n)).unwrap()).collect();
        assert!(book.schedule(keys[0], 30));
        assert!(book.schedule(keys[1], 10));
        assert!(!book.schedule(keys[2], 20));
        assert_eq!(book.pop_due(9), None);
        assert_eq!(book.pop_due(25), Some(keys[1]));
        assert_eq!(book.pop_due(25), Some(keys[2]));
        assert_eq!(book.pop_due(25), None);
        assert_eq!(book.next_due_ns(), Some(30));
    }

    #[test]
    fn an_address_is_kept_whole() {
        let address = Address::new(Ton::International, Npi::Isdn, b"12345678901234567890");
        assert_eq!(OwnedAddress::new(address).borrow(), address);
    }
}
