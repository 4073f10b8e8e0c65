//! Credits of several scopes at once, and the guard that holds them.
//!
//! Limits: [`MAX_SCOPES`] scopes in one reservation.

use crate::credits::{Amount, Credits, Full};

/// The most scopes that one reservation spans.
pub const MAX_SCOPES: usize = 4;

/// Several scopes from which credits are taken together or not at all.
#[derive(Clone, Copy, Debug)]
pub struct CreditScopes<'a> {
    scopes: [Option<&'a Credits>; MAX_SCOPES],
}

impl<'a> CreditScopes<'a> {
    /// Scopes given from the narrowest (lane) to the widest (engine).
    ///
    /// The narrowest is asked first, so that a tenant that hammers at its own full lane never holds, for an instant,
    /// credits of the whole engine which another tenant could have had.
    ///
    /// # Panics
    /// With more than [`MAX_SCOPES`] scopes, a mistake of the caller's code.
    #[must_use]
    pub fn new(narrow_to_wide: &[&'a Credits]) -> Self {
        assert!(
            narrow_to_wide.len() <= MAX_SCOPES,
            "{} scopes, at most {MAX_SCOPES}",
            narrow_to_wide.len()
        );
        let mut scopes = [None; MAX_SCOPES];
        for (slot, credits) in scopes.iter_mut().zip(narrow_to_wide) {
            *slot = Some(*credits);
        }
        Self { scopes }
    }

    /// Takes `wanted` from every scope, or from none.
    ///
    /// # Errors
    /// [`Full`] names the first scope, from narrow to wide, that had too little.
    pub fn try_reserve(&self, wanted: Amount) -> Result<Reservation<'a>, Full> {
        for (index, credits) in self.iter().enumerate() {
            if let Err(full) = credits.take(wanted) {
                self.release_first(index, wanted);
                return Err(full);
            }
        }
        Ok(Reservation {
            scopes: *self,
            held: wanted,
        })
    }

    /// Takes `wanted` from every scope, beyond the limits if need be: for records replayed at start, which were admitted
    /// before and cannot be refused now. Nothing new is granted until the overdraft is worked off.
    pub fn overdraw(&self, wanted: Amount) -> Reservation<'a> {
        for credits in self.iter() {
            credits.overdraw(wanted);
        }
        Reservation {
            scopes: *self,
            held: wanted,
        }
    }

    /// Gives back to every scope what a reservation over the same scopes held (see [`Reservation::into_held`]).
    pub fn release(&self, held: Amount) {
        for credits in self.iter() {
            credits.release(held);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a Credits> + use<'a> {
        self.scopes.into_iter().flatten()
    }

    pub(crate) fn release_first(&self, count: usize, held: Amount) {
        for credits in self.iter().take(count) {
            credits.release(held);
        }
    }

    pub(crate) const fn reservation(&self, held: Amount) -> Reservation<'a> {
        Reservation {
            scopes: *self,
            held,
        }
    }
}

/// Credits taken from one or several scopes; dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping a reservation gives its credits back"]
pub struct Reservation<'a> {
    scopes: CreditScopes<'a>,
    held: Amount,
}

impl<'a> Reservation<'a> {
    /// What it holds.
    #[must_use]
    pub const fn held(&self) -> Amount {
        self.held
    }

    /// Ends the guard and leaves the credits taken, as plain numbers that travel with the message. Whoever takes the
    /// message out of the lanes for good owes [`CreditScopes::release`] (or [`Credits::release`] on each scope).
    #[must_use = "the credits stay taken until these numbers are released"]
    pub fn into_held(mut self) -> Amount {
        std::mem::take(&mut self.held)
    }

    /// Splits `part` off into a reservation of its own, so that a batch reserved in one step is handed out item by item;
    /// `None` (and no change) if this reservation holds less.
    pub fn split_off(&mut self, part: Amount) -> Option<Reservation<'a>> {
        if !part.fits(self.held) {
            return None;
        }
        self.held = self.held.saturating_sub(part);
        Some(Reservation {
            scopes: self.scopes,
            held: part,
        })
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.held != Amount::ZERO {
            self.scopes.release(self.held);
        }
    }
}
