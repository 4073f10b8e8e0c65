//! A carrier's token bucket on a work clock, and its pace.
//!
//! The promise kept here: a carrier never sees more than its contract R (segments per second) in any window
//! `[t, t + 1 s)` of our write stamps, and the contract is used to at least 99 % while work waits.
//!
//! How the numbers fit together:
//!
//! - Pace r = 0.993 R. The bucket starts empty and holds at most 1 + 0.005 r permits, so a permit taken up to 5 ms
//!   late is made up.
//! - A permit is void when its segment is unwritten 2 ms after the grant. The writes of one second therefore stem from
//!   grants of less than 1.002 s, and those are at most 1 + 0.005 r + 1.002 r = 1 + 0.999951 R, less than R + 1. R is
//!   whole, so at most R.
//! - Over any 100 intervals of 1/R the bucket earns 99.3 permits, so at least 99 are granted when nobody is late.
//!
//! The limiter is [`governor`]'s GCRA. Its clock is ours and counts *work*, not time (module `work`): slowing
//! down, freezing and recovering change how fast the clock runs and never touch the bucket, so no change of pace can
//! make a burst.
//!
//! [`CarrierThrottle`] is what a dispatcher holds; [`Bucket`] and [`Pace`] are its two halves. Nothing here reads a
//! clock: `now_ns` is monotonic nanoseconds from an arbitrary origin. Memory is constant per carrier.

mod bucket;
mod carrier;
mod contract;
mod pace;
mod permit;
mod work;

pub use bucket::{Bucket, NotUntil};
pub use carrier::CarrierThrottle;
pub use contract::{Contract, ContractOutOfRange};
pub use pace::{Pace, Reaction, Speed};
pub use permit::{Permit, PermitVoid};

/// How long a permit may stay unwritten, in nanoseconds, the last one included.
pub const PERMIT_LIFE_NS: u64 = 2_000_000;
