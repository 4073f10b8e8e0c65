//! Keys and what stands behind them.
//!
//! Every key begins with a tag; numbers are big-endian, so that the order of keys is the order of numbers.
//!
//! | tag | rest of the key | value |
//! |---|---|---|
//! | `0` | | `Meta`: format, check of the secret, progress |
//! | `m` | id (16) | the message's row, protobuf |
//! | `n` | kind of name (1), number (4) | the name |
//! | `o` | start of the record (8) | the note of whoever opened the journal there |
//! | `p` | id (16), start of the first record (8) | starts of the records of one commit: LEB128, each the distance from the one before, from 0 |
//! | `r` | recipient hash (16), id (16) | |
//! | `s` | tenant (4), state (1), id (16) | |
//! | `x` | end of the last record (8), id (16) | |
//!
//! An id begins with its 48 bits of milliseconds, so that `m`, `r` and `s` are ordered by time of admission. `x` says which rows a given
//! journal file leaves without records: those that end before its end, in one range.

use message::{MessageId, MessageState, TenantId};

use crate::{NameKind, RecipientHash};

pub(crate) const META: [u8; 1] = *b"0";
const MESSAGE: u8 = b'm';
const NAME: u8 = b'n';
const OPENING: u8 = b'o';
const POSITIONS: u8 = b'p';
const RECIPIENT: u8 = b'r';
const STATE: u8 = b's';
const EXPIRY: u8 = b'x';

pub(crate) type IdOctets = [u8; 16];

/// The lowest id that can have been made at `ms`.
pub(crate) const fn lowest_id(ms: u64) -> IdOctets {
    let ms = if ms >> 48 == 0 { ms } else { (1 << 48) - 1 };
    ((ms as u128) << 80).to_be_bytes()
}

pub(crate) fn message(id: MessageId) -> Vec<u8> {
    joined(&[&[MESSAGE], &id.to_bytes()])
}

pub(crate) fn name(kind: NameKind, number: u32) -> Vec<u8> {
    joined(&[&[NAME, kind.octet()], &number.to_be_bytes()])
}

pub(crate) fn opening(start: u64) -> Vec<u8> {
    joined(&[&[OPENING], &start.to_be_bytes()])
}

pub(crate) fn positions(id: MessageId, first: u64) -> Vec<u8> {
    joined(&[&[POSITIONS], &id.to_bytes(), &first.to_be_bytes()])
}

pub(crate) fn positions_of(id: MessageId) -> Vec<u8> {
    joined(&[&[POSITIONS], &id.to_bytes()])
}

pub(crate) fn recipient(hash: RecipientHash, id: &IdOctets) -> Vec<u8> {
    joined(&[&[RECIPIENT], &hash.0, id])
}

pub(crate) fn state(tenant: TenantId, state: MessageState, id: &IdOctets) -> Vec<u8> {
    joined(&[&[STATE], &tenant.0.to_be_bytes(), &[state.number()], id])
}

pub(crate) fn expiry(end: u64, id: &IdOctets) -> Vec<u8> {
    joined(&[&[EXPIRY], &end.to_be_bytes(), id])
}

/// The id at the end of a key of `m`, `r`, `s` or `x`.
pub(crate) fn id_at_end(key: &[u8]) -> Option<MessageId> {
    MessageId::from_bytes(key.get(key.len().checked_sub(16)?..)?).ok()
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Rising numbers as LEB128 distances.
pub(crate) fn encode_rising(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0;
    for number in numbers {
        let mut rest = number - before;
        before = number;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out
}

/// What [`encode_rising`] wrote; `None` when it is not that.
pub(crate) fn decode_rising(octets: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let (mut before, mut number, mut shift) = (0_u64, 0_u64, 0_u32);
    for octet in octets {
        let part = u64::from(octet & 0x7f);
        if shift > 63 || (part << shift) >> shift != part {
            return None;
        }
        number |= part << shift;
        shift += 7;
        if octet & 0x80 == 0 {
            before = before.checked_add(number)?;
            numbers.push(before);
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use message::IdSource;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rising_numbers_come_back(mut numbers in proptest::collection::vec(any::<u64>(), 0..40)) {
            numbers.sort_unstable();
            let octets = encode_rising(numbers.iter().copied());
            prop_assert_eq!(decode_rising(&octets), Some(numbers));
        }

        #[test]
        fn other_octets_are_refused_or_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode_rising(&octets);
        }
    }

    #[test]
    fn a_cut_number_is_no_number() {
        assert_eq!(decode_rising(&[0x80]), None);
        assert_eq!(decode_rising(&[0xff; 11]), None);
    }

    #[test]
    fn ids_are_ordered_by_time_and_found_at_the_end_of_keys() {
        let id = IdSource::new(3).peek(1_700_000_000_000, 7);
        assert!(lowest_id(1_700_000_000_000) <= id.to_bytes());
        assert!(lowest_id(1_700_000_000_001) > id.to_bytes());
        assert_eq!(lowest_id(u64::MAX)[..6], [0xff; 6]);
        let keys = [
            message(id),
            recipient(RecipientHash([7; 16]), &id.to_bytes()),
            state(TenantId(9), MessageState::Delivered, &id.to_bytes()),
            expiry(77, &id.to_bytes()),
        ];
        for key in keys {
            assert_eq!(id_at_end(&key), Some(id));
        }
        assert_eq!(id_at_end(b"short"), None);
    }
}
