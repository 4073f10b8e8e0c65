//! Ids of messages, and the nesting of leg, attempt and segment.
//!
//! Limits: [`PARTITIONS_MAX`] partitions, 4,194,304 ids a millisecond and partition before the next millisecond is borrowed.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Most partitions a data directory may have: the id spends 12 bits on the partition.
pub const PARTITIONS_MAX: u16 = 1 << 12;

const COUNTER_BITS: u32 = 22;
const RANDOM_BITS: u32 = 40;
const COUNTER_MAX: u32 = (1 << COUNTER_BITS) - 1;

/// The id of a message, in the layout of a version 7 UUID (RFC 9562, 5.7), 128 bits from the left:
///
/// ```text
/// 48 milliseconds since the epoch | 4 version | 12 partition | 2 variant | 22 counter | 40 random
/// ```
///
/// Ids rise per partition in journal order, and whoever holds an id knows which partition to ask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

/// Which channel of the message, from 0.
pub type LegNo = u8;
/// Which try on a carrier, from 1; 0 means "none yet".
pub type AttemptNo = u16;
/// Which part of the attempt, from 0.
pub type SegmentNo = u8;

/// One segment of one attempt: what a carrier is asked to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentRef {
    /// The message.
    pub message: MessageId,
    /// Its leg.
    pub leg: LegNo,
    /// The attempt of that leg.
    pub attempt: AttemptNo,
    /// The segment of that attempt.
    pub segment: SegmentNo,
}

impl MessageId {
    /// The partition that owns the message.
    #[must_use]
    pub const fn partition(self) -> u16 {
        ((self.0 >> 64) & 0xfff) as u16
    }

    /// When the id was made, in milliseconds since the epoch (never earlier than the id before it in its partition).
    #[must_use]
    pub const fn made_at_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }

    /// Time and counter of the id as one number: rises as the ids of a partition do and is never the same for two of them. A table of
    /// millions keeps it instead of the id, whose other bits are the partition's and random. `None` for an id made after the year 2109.
    #[must_use]
    pub const fn ordinal(self) -> Option<u64> {
        let ms = self.made_at_ms();
        if ms >> (64 - COUNTER_BITS) != 0 {
            return None;
        }
        let counter = (self.0 >> RANDOM_BITS) as u64 & COUNTER_MAX as u64;
        Some((ms << COUNTER_BITS) | counter)
    }

    /// The id as 16 octets, most significant first: the form that journals and TLVs carry.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// When the length is not 16 or the version and variant bits are not those of a message id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageIdError> {
        let octets: [u8; 16] = bytes
            .try_into()
            .map_err(|_| MessageIdError::Length(bytes.len()))?;
        let id = Self(u128::from_be_bytes(octets));
        if (id.0 >> 76) & 0xf == 7 && (id.0 >> 62) & 0b11 == 0b10 {
            Ok(id)
        } else {
            Err(MessageIdError::Layout)
        }
    }
}

/// Why some text or octets are not a [`MessageId`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageIdError {
    /// Not 16 octets, or not 36 characters.
    #[error("a message id has 16 octets, or 36 characters as text, not {0}")]
    Length(usize),
    /// A character that is neither a hexadecimal digit nor a hyphen in its place.
    #[error("a message id is hexadecimal digits grouped 8-4-4-4-12")]
    Character,
    /// The version or variant bits are another kind of UUID's.
    #[error("this UUID is not a message id: its version is not 7")]
    Layout,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 36 {
            return Err(MessageIdError::Length(text.len()));
        }
        let mut id: u128 = 0;
        for (at, octet) in text.bytes().enumerate() {
            let digit = match (at, octet) {
                (8 | 13 | 18 | 23, b'-') => continue,
                (8 | 13 | 18 | 23, _) => return Err(MessageIdError::Character),
                (_, b'0'..=b'9') => octet - b'0',
                (_, b'a'..=b'f') => octet - b'a' + 10,
                (_, b'A'..=b'F') => octet - b'A' + 10,
                (_, _) => return Err(MessageIdError::Character),
            };
            id = (id << 4) | u128::from(digit);
        }
        Self::from_bytes(&id.to_be_bytes())
    }
}

/// Makes the ids of one partition; part of the partition's state, fed again by every id that replay sees.
#[derive(Clone, Copy, Debug)]
pub struct IdSource {
    partition: u16,
    last_ms: u64,
    counter: u32,
}

impl IdSource {
    /// A source for `partition`.
    ///
    /// # Panics
    /// When `partition` is not below [`PARTITIONS_MAX`]; configuration checks it first.
    #[must_use]
    pub fn new(partition: u16) -> Self {
        assert!(
            partition < PARTITIONS_MAX,
            "a partition has 12 bits in an id"
        );
        Self {
            partition,
            last_ms: 0,
            counter: 0,
        }
    }

    /// The next id. It is above every id made or seen before, even when the wall clock went back; `random` arrives with the event, so
    /// that a decision stays a function of its inputs.
    #[must_use]
    pub fn peek(&self, wall_ms: u64, random: u64) -> MessageId {
        let (ms, counter) = match wall_ms {
            later if later > self.last_ms => (later, 0),
            _ if self.counter < COUNTER_MAX => (self.last_ms, self.counter + 1),
            _ => (self.last_ms + 1, 0),
        };
        let low = (0b10 << 62)
            | (u128::from(counter) << RANDOM_BITS)
            | u128::from(random & ((1 << RANDOM_BITS) - 1));
        let high =
            (u128::from(ms & 0xffff_ffff_ffff) << 16) | (7 << 12) | u128::from(self.partition);
        MessageId((high << 64) | low)
    }

    /// Takes note of an id that exists now; the fold over Admitted records calls this, live and on replay.
    pub fn observe(&mut self, id: MessageId) {
        let ms = id.made_at_ms();
        let counter = ((id.0 >> RANDOM_BITS) & u128::from(COUNTER_MAX)) as u32;
        if (ms, counter) > (self.last_ms, self.counter) {
            (self.last_ms, self.counter) = (ms, counter);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_rise_and_keep_their_partition(
            partition in 0..PARTITIONS_MAX,
            steps in proptest::collection::vec((0_u64..5_000, any::<u64>()), 1..200),
        ) {
            let mut source = IdSource::new(partition);
            let mut last = None;
            for (wall_ms, random) in steps {
                let id = source.peek(wall_ms, random);
                source.observe(id);
                prop_assert_eq!(id.partition(), partition);
                prop_assert!(last < Some(id), "{:?} then {:?}", last, id);
                prop_assert!(last.and_then(MessageId::ordinal) < id.ordinal());
                prop_assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
                prop_assert_eq!(MessageId::from_bytes(&id.to_bytes()), Ok(id));
                last = Some(id);
            }
        }
    }

    #[test]
    fn a_full_counter_borrows_the_next_millisecond() {
        let mut source = IdSource {
            partition: 1,
            last_ms: 1_000,
            counter: COUNTER_MAX,
        };
        let id = source.peek(1_000, 0);
        source.observe(id);
        assert_eq!(id.made_at_ms(), 1_001);
        assert!(source.peek(900, 0) > id);
    }

    #[test]
    fn other_uuids_are_refused() {
        assert_eq!(
            "c232ab00-9414-4111-8222-333344445555".parse::<MessageId>(),
            Err(MessageIdError::Layout)
        );
        assert_eq!(
            "nonsense".parse::<MessageId>(),
            Err(MessageIdError::Length(8))
        );
    }
}
