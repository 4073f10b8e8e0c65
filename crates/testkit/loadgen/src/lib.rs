//! Load on an engine through its public gRPC contract, and what came of it.
//!
//! ```text
//!   Schedule ─┐                        ┌─► SubmitStream, or SubmitBatch ─► engine
//!   Mix ──────┴─► driver: open, closed ┤                                      │
//!                       │              └── answers, Watch (final states) ◄────┘
//!                       ▼                              ▼
//!                     Tally: counts, histograms by category and step, a count a tenth of a second
//! ```
//!
//! * **Open loop** ([`Pace::Open`]): when each message is to be sent is fixed before the run and does not depend on answers. Times count
//!   from the *intended* moment, so that an engine that holds up the sender is not flattered (no coordinated omission). A message that
//!   cannot be sent since a bound of ours is reached is *skipped*: counted, never sent later.
//! * **Closed loop** ([`Pace::Closed`]): so many are in flight, and the next one goes when one has ended. That shows the most the engine
//!   takes; its times are that number divided by the rate.
//!
//! [`Schedule`], [`Mix`] and [`Tally`] know no runtime and no clock; the drivers do. Limits: [`MESSAGES_MAX`] messages a run,
//! [`REQUESTS_MAX`] requests that wait for a stream, [`Load::unanswered_max`] submissions without an answer.

mod chance;
mod closed;
mod doors;
mod follow;
mod mix;
mod open;
mod run;
mod schedule;
mod submission;
mod tally;
mod target;
mod times;

pub use doors::{REQUESTS_MAX, Via};
pub use mix::{Draft, Mix, MixError, TEXT_LENGTH_MAX, TEXT_LENGTH_MIN};
pub use run::{Edge, Follow, Load, LoadError, Pace, run};
pub use schedule::{MESSAGES_MAX, Schedule, ScheduleError, Spacing};
pub use tally::{Counts, Loaded, Span, TICK_NS, Tally, Tick};
pub use target::{ApiKey, KeyError, Target};
pub use times::{Step, Times, histogram_ns};
