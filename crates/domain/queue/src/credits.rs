//! Capacity as credits: so many messages and so many bytes, taken and given back together in one atomic step.
//!
//! A message reserves its credits before anything about it is written down, and holds them until it leaves the lanes for
//! good; so a queue cannot grow past what its operator allowed, and who comes too much is refused at once (or waits, see
//! [`crate::waiters`]). Scopes nest (engine, tenant, lane): [`CreditScopes`] takes from all of them or from none.
//!
//! Both counts and the mark that somebody waits share one 64-bit word:
//!
//! ```text
//!  63       62 ......... 36   35 ................. 0
//! | waiting |   messages    |        bytes          |
//! ```
//!
//! One word, because two counters would let one caller hold the last message credit while it fails to get bytes, and so
//! refuse another caller that fits; and because a release that reads the waiting mark in the very step that frees the
//! credits needs no fence to be sure that it has not missed a waiter.
//!
//! Limits of the crate: [`MAX_MESSAGES`] and [`MAX_BYTES`] in one scope.

use std::fmt;

use crossbeam_utils::CachePadded;
use thiserror::Error;

use crate::{
    scopes::{CreditScopes, Reservation},
    sync::{AtomicU64, Ordering},
    waiters::Waiters,
};

const BYTE_BITS: u32 = 36;
const WAITING: u64 = 1 << 63;

/// The most messages that one scope can count (134,217,727).
pub const MAX_MESSAGES: u32 = (1 << 27) - 1;

/// The most bytes that one scope can count (64 GiB less one).
pub const MAX_BYTES: u64 = (1 << BYTE_BITS) - 1;

/// A number of messages and the bytes of their bodies, always moved together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many messages.
    pub messages: u32,
    /// How many bytes they take in memory, in all.
    pub bytes: u64,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self {
        messages: 0,
        bytes: 0,
    };

    /// One message of `bytes` bytes.
    #[must_use]
    pub const fn one(bytes: u64) -> Self {
        Self { messages: 1, bytes }
    }

    /// Whether `self` is within `limit` in both counts.
    #[must_use]
    pub const fn fits(self, limit: Self) -> bool {
        self.messages <= limit.messages && self.bytes <= limit.bytes
    }

    /// What is left of `self` after `taken`; each count stops at zero.
    #[must_use]
    pub const fn saturating_sub(self, taken: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(taken.messages),
            bytes: self.bytes.saturating_sub(taken.bytes),
        }
    }

    /// Both counts together, or `None` past [`MAX_MESSAGES`] or [`MAX_BYTES`].
    #[must_use]
    pub const fn checked_add(self, more: Self) -> Option<Self> {
        let (Some(messages), Some(bytes)) = (
            self.messages.checked_add(more.messages),
            self.bytes.checked_add(more.bytes),
        ) else {
            return None;
        };
        let sum = Self { messages, bytes };
        if sum.fits(Self::COUNTABLE) {
            Some(sum)
        } else {
            None
        }
    }

    const COUNTABLE: Self = Self {
        messages: MAX_MESSAGES,
        bytes: MAX_BYTES,
    };

    const fn clamped(self) -> Self {
        Self {
            messages: if self.messages > MAX_MESSAGES {
                MAX_MESSAGES
            } else {
                self.messages
            },
            bytes: if self.bytes > MAX_BYTES {
                MAX_BYTES
            } else {
                self.bytes
            },
        }
    }

    fn from_word(word: u64) -> Self {
        let messages = (word & !WAITING) >> BYTE_BITS;
        // 27 bits are left after the shift.
        Self {
            messages: messages as u32,
            bytes: word & MAX_BYTES,
        }
    }

    fn into_word(self) -> u64 {
        u64::from(self.messages) << BYTE_BITS | self.bytes
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages, {} bytes", self.messages, self.bytes)
    }
}

/// Whose capacity a set of credits counts; named in refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole process.
    Engine,
    /// One tenant over all its lanes.
    Tenant,
    /// One lane.
    Lane,
    /// What waits beyond the memory's budget.
    Backlog,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Tenant => "tenant",
            Self::Lane => "lane",
            Self::Backlog => "backlog",
        })
    }
}

/// A refusal: a scope has fewer credits left than were asked for. Nothing was taken anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{scope} credits are full: wanted {wanted}, available {available} of {limit}")]
pub struct Full {
    /// The scope that refused.
    pub scope: Scope,
    /// What was asked for.
    pub wanted: Amount,
    /// What was left at that instant.
    pub available: Amount,
    /// What the scope holds when empty.
    pub limit: Amount,
}

/// Whether asking again for the same credits can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Yes, once other messages have left.
    AfterRelease,
    /// No: the request is larger than the whole scope.
    Never,
}

impl Full {
    /// Whether asking again can succeed.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        if self.wanted.fits(self.limit) {
            Retry::AfterRelease
        } else {
            Retry::Never
        }
    }
}

/// A limit that the packed counters cannot express; the operator's configuration is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "credit limit {limit} is out of range: allowed are 1 to {MAX_MESSAGES} messages and 1 to {MAX_BYTES} bytes"
)]
pub struct LimitOutOfRange {
    /// The limit that was refused.
    pub limit: Amount,
}

/// The credits of one scope. Shared by reference; every operation is lock-free unless somebody waits.
#[derive(Debug)]
pub struct Credits {
    scope: Scope,
    in_use: CachePadded<AtomicU64>,
    limit: AtomicU64,
    pub(crate) waiters: Waiters,
}

impl Credits {
    /// Credits of `scope` up to `limit`.
    ///
    /// # Errors
    /// [`LimitOutOfRange`] if a count of `limit` is zero or above [`MAX_MESSAGES`] or [`MAX_BYTES`].
    pub fn new(scope: Scope, limit: Amount) -> Result<Self, LimitOutOfRange> {
        Ok(Self {
            scope,
            in_use: CachePadded::new(AtomicU64::new(0)),
            limit: AtomicU64::new(checked_limit(limit)?),
            waiters: Waiters::new(),
        })
    }

    /// Whose capacity this is.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The limit now in force.
    #[must_use]
    pub fn limit(&self) -> Amount {
        Amount::from_word(self.limit.load(Ordering::Relaxed))
    }

    /// Changes the limit. What is in use above a lowered limit stays, and is worked off before anything new is granted.
    ///
    /// # Errors
    /// [`LimitOutOfRange`] as in [`Credits::new`]; the old limit stays.
    pub fn set_limit(&self, limit: Amount) -> Result<(), LimitOutOfRange> {
        self.limit.store(checked_limit(limit)?, Ordering::Relaxed);
        // Takes the lock unconditionally: the waiting mark is tied to the other word and may be set this very moment.
        self.wake_waiters();
        Ok(())
    }

    /// What is taken now, overdraft included.
    #[must_use]
    pub fn in_use(&self) -> Amount {
        Amount::from_word(self.in_use.load(Ordering::Relaxed))
    }

    /// What could be taken now; zero while overdrawn.
    #[must_use]
    pub fn available(&self) -> Amount {
        self.limit().saturating_sub(self.in_use())
    }

    /// Takes one message of `bytes` bytes.
    ///
    /// # Errors
    /// [`Full`] if the scope has not that much left.
    pub fn try_reserve(&self, bytes: u64) -> Result<Reservation<'_>, Full> {
        CreditScopes::new(&[self]).try_reserve(Amount::one(bytes))
    }

    /// Gives back credits that were held as plain numbers (see [`Reservation::into_held`]).
    ///
    /// Credits given back twice would let the scope exceed its limit later; the count stops at zero and a debug build panics.
    pub fn release(&self, held: Amount) {
        let held = held.clamped();
        let mut word = self.in_use.load(Ordering::Relaxed);
        loop {
            let used = Amount::from_word(word);
            debug_assert!(held.fits(used), "released {held} of {used} in use");
            let next = used.saturating_sub(held).into_word() | (word & WAITING);
            match self
                .in_use
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & WAITING != 0 {
            self.wake_waiters();
        }
    }

    pub(crate) fn take(&self, wanted: Amount) -> Result<(), Full> {
        self.take_or(wanted, None).map(drop)
    }

    /// Takes, or leaves the waiting mark in the same atomic step that finds too little. Called with the waiters locked.
    pub(crate) fn take_or_mark_waiting(&self, wanted: Amount) -> Result<(), Full> {
        self.take_or(wanted, Some(WAITING))
    }

    fn take_or(&self, wanted: Amount, mark: Option<u64>) -> Result<(), Full> {
        let mut word = self.in_use.load(Ordering::Relaxed);
        loop {
            let used = Amount::from_word(word);
            let limit = self.limit();
            let fitting = used.checked_add(wanted).filter(|sum| sum.fits(limit));
            let next = match (fitting, mark) {
                (Some(sum), _) => sum.into_word() | (word & WAITING),
                (None, Some(mark)) => word | mark,
                (None, None) => return Err(self.full(wanted, used, limit)),
            };
            match self
                .in_use
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if fitting.is_some() => return Ok(()),
                Ok(_) => return Err(self.full(wanted, used, limit)),
                Err(now) => word = now,
            }
        }
    }

    /// Clears the waiting mark. Called with the waiters locked and none left.
    pub(crate) fn clear_waiting(&self) {
        self.in_use.fetch_and(!WAITING, Ordering::AcqRel);
    }

    pub(crate) fn overdraw(&self, wanted: Amount) {
        let wanted = wanted.clamped();
        let mut word = self.in_use.load(Ordering::Relaxed);
        loop {
            let used = Amount::from_word(word);
            let sum = Amount {
                messages: used.messages + wanted.messages,
                bytes: used.bytes + wanted.bytes,
            }
            .clamped();
            let next = sum.into_word() | (word & WAITING);
            match self
                .in_use
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    const fn full(&self, wanted: Amount, used: Amount, limit: Amount) -> Full {
        Full {
            scope: self.scope,
            wanted,
            available: limit.saturating_sub(used),
            limit,
        }
    }
}

fn checked_limit(limit: Amount) -> Result<u64, LimitOutOfRange> {
    let allowed = limit.messages > 0 && limit.bytes > 0 && limit.fits(Amount::COUNTABLE);
    if allowed {
        Ok(limit.into_word())
    } else {
        Err(LimitOutOfRange { limit })
    }
}
