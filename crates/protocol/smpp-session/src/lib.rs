//! Sans-IO SMPP 3.4 session for both ends, ESME and message centre (MC).
//!
//! [`Session`] is a value: bytes and a monotonic `now_ns` go in, bytes, events and a next deadline come out. It owns no
//! socket, clock or thread, so a pair of sessions runs in virtual time as it runs on a wire.
//!
//! A driver turns like this, with one buffer for what it reads:
//! 1. [`Session::handle_bytes`] with what was read; many PDUs per call, events inline.
//! 2. [`Session::submit`] and [`Session::respond`] as often as there is work.
//! 3. one write of [`Session::transmit`], then [`Session::handle_transmitted`] with what the kernel took.
//! 4. sleep until [`Session::poll_timeout`], read what has come, then [`Session::handle_timeout`]. In this order a driver
//!    that woke up late times out nothing that was answered in time.
//! 5. when the connection ends, for whatever reason: [`Session::close`].
//!
//! Each submitted request ends in exactly one of: answered, timed out (and then perhaps answered late, once), or handed
//! back by `close` as unwritten or uncertain.
//!
//! Limits: the window, the table of timed-out numbers and the outbound buffer, all in [`SessionConfig`]. The inbound side
//! keeps nothing: events borrow from the caller's buffer, which [`smpp_codec::FrameLimit`] bounds.

mod config;
mod counters;
mod error;
mod event;
mod late;
mod sequence;
mod session;
mod state;
mod timers;
mod transmit;
mod window;

pub use config::{BindType, ConfigError, LATE_ANSWERS_MAX, Role, SessionConfig, WINDOW_SIZE_MAX};
pub use counters::Counters;
pub use error::{ControlError, Fault, RespondError, Retry, SessionError, SubmitError};
pub use event::{Answer, CloseReason, Event, Handler, Lost, RequestKind};
pub use sequence::{SEQUENCE_NUMBER_MAX, SEQUENCE_NUMBER_MIN};
pub use session::Session;
pub use state::SessionState;
