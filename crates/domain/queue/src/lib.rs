//! Intake ring, credits, and lanes of fair sub-queues: everything between "a client wants" and "a carrier takes".
//!
//! The story of a message here. It reserves [`credits`] (messages and bytes; lane, tenant, engine) before anything about
//! it is durable, or it is refused ([`Full`]), or its caller waits ([`CreditWait`]). It takes a slot of a [`Ring`] and is
//! pushed to the shard that owns it; a push into a reserved slot cannot fail. The shard puts it into a lane
//! ([`FairQueue`]): round robin of tenants by weight, inside a tenant round robin of senders, admission order inside a
//! sender. What a sub-queue holds beyond its memory budget is a run of names ([`Spilled`]) that are read back in order.
//! When a carrier grants a permit, [`LaneShare`] names the lane and the lane names the message. Its credits are
//! given back when it leaves the lanes for good.
//!
//! The crate is generic over what waits: it knows no message, no clock (`now_ns` is an argument) and no runtime (wakers
//! are `std::task::Waker` or a closure).
//!
//! Limits: [`credits::MAX_MESSAGES`] and [`credits::MAX_BYTES`] a scope, [`waiters::MAX_WAITERS`] a scope,
//! [`ring::MAX_SLOTS`] a ring, [`lane::MAX_SUBQUEUES`] sub-queues a tenant and lane. A lane itself refuses nothing:
//! whoever pushes holds credits, and it is the credits that refuse.

pub mod credits;
pub mod lane;
pub mod ring;
mod run;
pub mod scopes;
pub mod share;
mod sync;
mod tenant;
pub mod waiters;

pub use credits::{Amount, Credits, Full, LimitOutOfRange, Retry, Scope};
pub use lane::{Admitted, FairQueue, Held, Popped, Reading, Thirst, Verdict};
pub use ring::{Ring, RingFull, Sleep, SlotBatch, SlotCredit, WakeFlag};
pub use run::Spilled;
pub use scopes::{CreditScopes, Reservation};
pub use share::{DEFAULT_WEIGHTS, LANES, LaneShare, ShareError};
pub use waiters::{CreditWait, WaitRefusal};
