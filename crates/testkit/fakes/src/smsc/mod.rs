//! A message centre to test against: takes submits, answers, sends receipts, misbehaves on request, and keeps count.
//!
//! One thread, one current-thread runtime, one task per connection. What all connections share (ids, messages seen, receipts, counts)
//! is one value, the world, behind a mutex that a connection takes once per batch of PDUs: nobody waits for it but a caller
//! who asks for a snapshot.
//!
//! Limits: connections and accounts ([`config::SmscConfig`]), receipts and messages from handsets outstanding, unique messages
//! remembered, open answers per connection, bytes waiting to be written. What is beyond is refused and counted.

mod answers;
mod clock;
mod config;
mod connection;
mod desk;
mod dice;
mod handle;
mod inbound;
mod input;
mod listener;
mod meter;
mod receipt_text;
mod receipts;
mod report;
mod sliding_second;
mod socket;
mod stamp;
mod start;
mod unique;
mod world;

pub use config::{
    Account, AccountPassword, Credentials, IdFormat, ReceiptConfig, ReceiptContent, ReceiptOrder,
    ReceiptRatios, SlowReader, SmscConfig, SmscConfigError, TlsListener,
};
pub use handle::{ControlError, SmscHandle};
pub use inbound::{INBOUND_OUTSTANDING_MAX, InboundError, InboundText};
/// The statuses that a script may refuse with.
pub use smpp_codec::CommandStatus;

pub use report::{CopiesOf, DelayReport, Report, Snapshot};
pub use stamp::{STAMP_LEN, STAMP_TAG, Stamp};
pub use start::{FakeSmsc, StartError};
pub use unique::MessageKey;
