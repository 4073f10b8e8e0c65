//! Pooled SMPP sessions over TCP and TLS: a [`Connector`](::connector::Connector) for one carrier.
//!
//! ```text
//! engine's turn ─► SmppConnector ─┬─► session 1: submit_sm ─► buffer ─► (TLS) ─► kernel, in the same call
//!        ▲                        └─► session 2 …
//!        │ wake                            ▲
//!        └──────── events ◄── session task ┘ reads, timers, what the kernel did not take, connect and bind again
//! ```
//!
//! One thread, no locks: the engine's turn and the session tasks share the pool by `Rc`, inside one `LocalSet`. One task owns one
//! configured session over all its connections. Many PDUs go with each write and come with each read; answers to the carrier wait for
//! the segments of the same turn and leave with them.
//!
//! Decided here: how a status reads as an outcome, how ids become canonical ([`IdRule`]), what is a receipt, when to try again
//! ([`Backoff`], [`ConnectGate`]). The engine decides everything else.
//!
//! Limits, per session: the window ([`CarrierConfig::window_size`]), the receipt window, as many timed-out requests that a late answer
//! still settles (at least 4,096), 256 KiB of outbound bytes for requests and 1 MiB for answers, one PDU of 65 KiB inbound. Per carrier: [`SESSIONS_MAX`], 65,536
//! events that the engine has not taken (then no slot is offered and no session opened), one write of 16 KiB or 64 requests at a time.

mod clock;
mod config;
mod connector;
mod delivery;
mod driver;
mod end;
mod flights;
mod id_rule;
mod inbox;
mod keeper;
mod live;
mod pool;
mod reconnect;
mod request;
mod stepped;
mod text;
mod tls;
mod verdict;
mod wire;

pub use clock::Clock;
pub use config::{
    Addressing, BindMode, CarrierConfig, ClientCertificate, ConfigError, Credentials, HOSTS_MAX,
    PASSWORD_MAX_BYTES, RECEIPT_WINDOW_MAX, ReconnectConfig, SERVICE_TYPE_MAX_BYTES, SESSIONS_MAX,
    SYSTEM_ID_MAX_BYTES, SYSTEM_TYPE_MAX_BYTES, TIMER_MAX_MS, TlsConfig, TonNpi, WINDOW_SIZE_MAX,
    split_host,
};
pub use connector::{PreparedCarrier, SmppConnector, StartError};
pub use id_rule::IdRule;
pub use live::Cause;
pub use pool::Ambient;
pub use reconnect::{Backoff, Connect, ConnectGate, Jitter, Setback};
pub use request::{STAMP_LEN, STAMP_TAG};
pub use stepped::{SessionStep, SteppedSessions};
pub use tls::TlsError;
pub use wire::{Flushed, ReadResult, TcpWire, WRITE_MAX_BYTES, Wire};
