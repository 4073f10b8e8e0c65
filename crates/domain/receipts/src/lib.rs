//! What a carrier's evidence belongs to.
//!
//! A receipt names a message by the carrier's own id. [`Expectations`] leads from that id to the segment that awaits it; it is derived
//! from Outcome records and rebuilt on replay. A receipt that comes before its response finds nothing: it is kept as an
//! [`EarlyReceipt`] record for a bounded time and handed over when the expectation appears. An uncertain attempt has no carrier id at
//! all; [`UncertainAttempts`] matches it by carrier, sender and recipient, if they fit exactly one. A receipt without its response mostly
//! comes before the attempt counts as uncertain, so that early receipts are found by address too. A receipt that is sent again for a
//! message that is done with is about no other: [`SettledIds`] knows those. [`Fold`] makes one state of the receipts
//! of all segments.
//!
//! Limits: expectations are as many as messages that await a receipt, which intake bounds; early receipts have a capacity of their own,
//! the oldest leaves first and is counted.

mod early;
mod expectations;
mod fold;
mod settled;
mod uncertain;

pub use early::{EarlyReceipt, EarlyReceipts};
pub use expectations::Expectations;
pub use fold::Fold;
pub use settled::{SETTLED_MAX, SettledIds};
pub use uncertain::{UncertainAttempts, address_hash};
