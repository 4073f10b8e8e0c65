//! Waiting for credits, for callers that asked to wait rather than to be refused.
//!
//! A lock and a list that nobody touches unless somebody waits: a release sees the waiting mark in the word it changes
//! anyway (see [`crate::credits`]). Wake-ups are bounded: a release wakes, in order of arrival, as many waiters as fit
//! into what is free, and stops at the first that does not, so that a large request is not starved by small ones behind
//! it. Callers that do not wait are not held back for those who do: a refusal at once is their bargain.
//!
//! Limits: at most [`MAX_WAITERS`] waiters in one scope; the next is refused ([`WaitRefusal::TooMany`]).
//!
//! ```text
//!            fits                          woken, and fits
//!  Idle ───────────────► Ready     Waiting ───────────────► Ready
//!    │ full: listed, mark set        ▲ │
//!    └───────────────────────────────┘ └─ dropped: unlisted, wake-up passed on
//! ```

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use thiserror::Error;

use crate::{
    credits::{Amount, Credits, Full, Retry},
    scopes::{CreditScopes, Reservation},
    sync::{Mutex, lock},
};

/// The most callers that may wait for one scope.
pub const MAX_WAITERS: usize = 4096;

/// Why a caller that offered to wait was refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WaitRefusal {
    /// The request is larger than a whole scope; waiting cannot help.
    #[error("no wait can help: {0}")]
    NeverFits(Full),
    /// Too many callers wait for this scope already.
    #[error("{MAX_WAITERS} callers wait already: {0}")]
    TooMany(Full),
}

impl WaitRefusal {
    /// The scope that was full, and by how much.
    #[must_use]
    pub const fn full(&self) -> Full {
        match self {
            Self::NeverFits(full) | Self::TooMany(full) => *full,
        }
    }

    /// Whether asking again can succeed.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NeverFits(_) => Retry::Never,
            Self::TooMany(_) => Retry::AfterRelease,
        }
    }
}

impl<'a> CreditScopes<'a> {
    /// A future that resolves to the reservation once every scope has `wanted` left. It belongs to no runtime.
    pub fn reserve(&self, wanted: Amount) -> CreditWait<'a> {
        CreditWait {
            scopes: *self,
            wanted,
            listed: None,
        }
    }
}

/// A caller waiting for credits; dropping it gives up its place.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct CreditWait<'a> {
    scopes: CreditScopes<'a>,
    wanted: Amount,
    listed: Option<Place<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    credits: &'a Credits,
    ticket: u64,
}

impl<'a> CreditWait<'a> {
    /// Takes the credits if they are free; otherwise lists the waker of `cx` with the scope that refused.
    ///
    /// # Errors
    /// [`WaitRefusal`] if waiting cannot help or too many wait already.
    pub fn poll_reserve(&mut self, cx: &Context<'_>) -> Poll<Result<Reservation<'a>, WaitRefusal>> {
        for (index, credits) in self.scopes.iter().enumerate() {
            let place = self
                .listed
                .filter(|place| std::ptr::eq(place.credits, credits));
            if place.is_none() && credits.take(self.wanted).is_ok() {
                continue;
            }
            let refusal = match credits.take_or_list(
                self.wanted,
                place.map(|place| place.ticket),
                cx.waker(),
            ) {
                Ok(()) => {
                    if place.is_some() {
                        self.listed = None;
                    }
                    continue;
                }
                Err(Listing::Listed { ticket }) => {
                    if place.is_none() {
                        self.leave();
                    }
                    self.listed = Some(Place { credits, ticket });
                    None
                }
                Err(Listing::Refused(refusal)) => {
                    self.leave();
                    Some(refusal)
                }
            };
            self.scopes.release_first(index, self.wanted);
            return refusal.map_or(Poll::Pending, |refusal| Poll::Ready(Err(refusal)));
        }
        self.leave();
        Poll::Ready(Ok(self.scopes.reservation(self.wanted)))
    }

    fn leave(&mut self) {
        if let Some(place) = self.listed.take() {
            place.credits.unlist(place.ticket);
        }
    }
}

impl<'a> Future for CreditWait<'a> {
    type Output = Result<Reservation<'a>, WaitRefusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_reserve(cx)
    }
}

impl Drop for CreditWait<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

enum Listing {
    Listed { ticket: u64 },
    Refused(WaitRefusal),
}

impl Credits {
    /// How many callers wait for this scope.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.waiters.list).entries.len()
    }

    /// Wakes, in order of arrival, the waiters that fit into what is free.
    pub(crate) fn wake_waiters(&self) {
        let woken = {
            let mut list = lock(&self.waiters.list);
            let woken = list.take_fitting(self.available(), self.limit());
            if list.entries.is_empty() {
                self.clear_waiting();
            }
            woken
        };
        // Outside the lock: a waker may run its task at once, and that task may come back here.
        for waker in woken {
            waker.wake();
        }
    }

    fn take_or_list(
        &self,
        wanted: Amount,
        ticket: Option<u64>,
        waker: &Waker,
    ) -> Result<(), Listing> {
        let mut list = lock(&self.waiters.list);
        match self.take_or_mark_waiting(wanted) {
            Ok(()) => {
                if let Some(ticket) = ticket {
                    list.remove(ticket);
                }
                if list.entries.is_empty() {
                    self.clear_waiting();
                }
                Ok(())
            }
            Err(full) => {
                let listing = list.insert(wanted, ticket, waker, full);
                if list.entries.is_empty() {
                    self.clear_waiting();
                }
                Err(listing)
            }
        }
    }

    fn unlist(&self, ticket: u64) {
        lock(&self.waiters.list).remove(ticket);
        // Gone from the list means woken: the credits it was woken for, or the place it blocked, go to the next.
        self.wake_waiters();
    }
}

/// The waiters of one scope, in order of arrival.
pub(crate) struct Waiters {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next_ticket: u64,
    entries: VecDeque<Waiting>,
}

struct Waiting {
    ticket: u64,
    wanted: Amount,
    waker: Waker,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self {
            list: Mutex::new(List::default()),
        }
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").finish_non_exhaustive()
    }
}

impl List {
    /// Lists the waker; one that was woken in vain comes back with its ticket and so to its old place.
    fn insert(
        &mut self,
        wanted: Amount,
        ticket: Option<u64>,
        waker: &Waker,
        full: Full,
    ) -> Listing {
        if full.retry() == Retry::Never {
            return Listing::Refused(WaitRefusal::NeverFits(full));
        }
        let ticket = ticket.unwrap_or(self.next_ticket);
        match self
            .entries
            .binary_search_by_key(&ticket, |entry| entry.ticket)
        {
            Ok(found) => self.entries[found].waker.clone_from(waker),
            Err(_) if self.entries.len() >= MAX_WAITERS => {
                return Listing::Refused(WaitRefusal::TooMany(full));
            }
            Err(place) => self.entries.insert(
                place,
                Waiting {
                    ticket,
                    wanted,
                    waker: waker.clone(),
                },
            ),
        }
        self.next_ticket = self.next_ticket.max(ticket + 1);
        Listing::Listed { ticket }
    }

    fn remove(&mut self, ticket: u64) {
        if let Ok(found) = self
            .entries
            .binary_search_by_key(&ticket, |entry| entry.ticket)
        {
            self.entries.remove(found);
        }
    }

    /// Those that fit `available`, and those that a lowered limit has made too large: they must hear of it, and must not
    /// block the others.
    fn take_fitting(&mut self, mut available: Amount, limit: Amount) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(first) = self.entries.front() {
            if first.wanted.fits(available) {
                available = available.saturating_sub(first.wanted);
            } else if first.wanted.fits(limit) {
                break;
            }
            woken.extend(self.entries.pop_front().map(|entry| entry.waker));
        }
        woken
    }
}
