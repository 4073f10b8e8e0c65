//! Step two: what the program means. Plain values, complete and within their ranges; times in milliseconds. What a layer below
//! has a type for is that type.

use std::net::SocketAddr;
use std::path::PathBuf;

use engine::{HistoryLimits, HistoryRetention};
pub(crate) use engine::{OnUncertain, RetryPolicy};
use message::{Category, Lane, Slug};
pub(crate) use smpp_client::{Addressing, BindMode, ClientCertificate, IdRule, TlsConfig, TonNpi};

use super::Secret;

/// The whole configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Changes with every change of a file's text; shown in events and metrics.
    pub(crate) version: u64,
    /// Where callers connect.
    pub(crate) server: Server,
    /// Where metrics and health are served, in plain HTTP.
    pub(crate) admin_listen: SocketAddr,
    /// Where records are kept.
    pub(crate) journal: Journal,
    /// How much is held at once.
    pub(crate) limits: Limits,
    /// How long some of it is held.
    pub(crate) retention: Retention,
    /// What Explain and List may cost: 1 to 100 % of a core for the index, 1 to 64 questions, 1 MiB to 4 GiB of memory.
    pub(crate) history: HistoryLimits,
    /// By [`Category::index`].
    pub(crate) categories: [CategoryRule; 4],
    /// What otp leaves is shared in these proportions: alert, normal, bulk; each 1 to 10,000.
    pub(crate) lane_weights: [u32; 3],
    /// An otp lane may hold what the group's bound carriers send in this time, 1 s to 10 min.
    pub(crate) otp_lane_ms: u64,
    /// At least one.
    pub(crate) tenants: Vec<Tenant>,
    /// At least one.
    pub(crate) callers: Vec<Caller>,
    /// At least one; prefixes are distinct.
    pub(crate) routes: Vec<Route>,
    /// At least one; their carriers exist.
    pub(crate) groups: Vec<Group>,
    /// At least one, in the order of their names.
    pub(crate) carriers: Vec<Carrier>,
}

impl Config {
    /// The rule of a category.
    pub(crate) fn category(&self, category: Category) -> CategoryRule {
        self.categories[category.index()]
    }
}

/// Where callers connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Address and port; port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
    /// How the connection is protected.
    pub(crate) transport: Transport,
    /// After SIGTERM, the time for work in flight, 1 to 25 s.
    pub(crate) drain_ms: u64,
}

/// How callers' connections are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Plain text, on a loopback address, allowed explicitly.
    PlainLoopback,
    /// TLS.
    Tls(Tls),
}

/// The server's side of TLS: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The chain, the server's certificate first.
    pub(crate) certificate: PathBuf,
    /// The private key.
    pub(crate) key: PathBuf,
    /// Authorities of callers' certificates; none: no certificate is asked for.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journal {
    /// The data directory.
    pub(crate) dir: PathBuf,
    /// When a record counts as durable.
    pub(crate) sync: Sync,
    /// Space kept for what is in flight when the disk is full, 0 to 4 GiB.
    pub(crate) reserve_bytes: u64,
    /// Partitions, 1 to 4,096; fixed once the directory holds data.
    pub(crate) partitions: u32,
    /// Largest file, 4 KiB to 4 GiB.
    pub(crate) file_max_bytes: u64,
    /// What may wait for the disk, 2 MiB to 1 GiB.
    pub(crate) buffer_max_bytes: u64,
}

/// When a record counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// When the disk says so.
    Always,
    /// When the kernel has it; synced so long after, 1 to 60,000 ms.
    Interval(u32),
    /// When the kernel has it.
    None,
}

/// How much the engine holds at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages not yet handed to a carrier, 1 to 134,217,727.
    pub(crate) messages: u64,
    /// Bytes of those, 64 KiB to 68,719,476,735.
    pub(crate) bytes: u64,
    /// Messages that one queue (a sender's of a tenant, in a lane) keeps in memory, 16 to 1,048,576.
    pub(crate) head_messages: u64,
    /// Messages that wait on disk alone, 0 (none) to 134,217,727.
    pub(crate) backlog_messages: u64,
    /// Messages whose receipt is awaited, 1 to 134,217,727.
    pub(crate) receipts_awaited: u64,
    /// Those of them in memory, 1 to 134,217,727; beyond, the oldest lie on the disk.
    pub(crate) receipts_in_memory: u64,
    /// Receipts that came before their message's answer, 1 to 134,217,727.
    pub(crate) early_receipts: u64,
    /// The furthest `send_at` from admission, 1 min to 30 days.
    pub(crate) send_at_horizon_ms: u64,
    /// Idempotency keys remembered, 1 to 134,217,727.
    pub(crate) idempotency_keys: u64,
    /// What becomes of new ones beyond them.
    pub(crate) keys_when_full: engine::KeysWhenFull,
    /// Finished messages that can be looked up, 1 to 134,217,727.
    pub(crate) finished_kept: u64,
    /// Inbound messages nobody has acknowledged, 1 to 134,217,727.
    pub(crate) inbound_kept: u64,
    /// Open `Watch` and `Inbound` streams, 1 to 100,000.
    pub(crate) watchers: u64,
    /// Events kept in memory for watchers, 1 to 134,217,727.
    pub(crate) events_kept: u64,
    /// Open `SubmitStream`s, 1 to 100,000.
    pub(crate) streams: u64,
}

/// How long things are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Idempotency keys, up to 7 days.
    pub(crate) idempotency_keys_ms: u64,
    /// Early receipts, up to 1 h.
    pub(crate) early_receipts_ms: u64,
    /// Inbound messages, up to 7 days.
    pub(crate) inbound_ms: u64,
    /// Events on the disk, 1 min to 31 days.
    pub(crate) events_ms: u64,
    /// Their bytes, 64 MiB to 16 TiB.
    pub(crate) events_bytes: u64,
    /// The journal beyond what recovery needs, up to 366 days and 16 TiB.
    pub(crate) history: HistoryRetention,
}

/// What a category means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CategoryRule {
    /// Its lane.
    pub(crate) lane: Lane,
    /// How long a message may wait unless the client says otherwise, 1 s to 7 days.
    pub(crate) valid_for_ms: u64,
}

/// Whose messages are weighed against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenant {
    /// Permanent name.
    pub(crate) name: Slug,
    /// Its share inside a lane, 1 to 1,000.
    pub(crate) weight: u32,
    /// Ceiling of its otp submissions per second over all its callers; none: no ceiling.
    pub(crate) otp_per_second: Option<u32>,
}

/// A client that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Permanent name.
    pub(crate) name: Slug,
    /// A configured tenant.
    pub(crate) tenant: Slug,
    /// How it proves who it is.
    pub(crate) credential: Credential,
    /// What it may submit, at least one.
    pub(crate) categories: Vec<Category>,
    /// Whether it may read and acknowledge messages from people: these belong to no tenant.
    pub(crate) inbound: bool,
}

/// How a caller proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// An API key whose SHA-256 is this.
    KeySha256([u8; 32]),
    /// A client certificate with this subject alternative name (DNS name or URI).
    CertificateSan(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credential::KeySha256(_) => f.write_str("KeySha256(<redacted>)"),
            Credential::CertificateSan(name) => {
                f.debug_tuple("CertificateSan").field(name).finish()
            }
        }
    }
}

/// Which group serves which numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Leading digits of the number without `+`; empty for all others.
    pub(crate) prefix: String,
    /// A configured group.
    pub(crate) group: Slug,
}

/// The carriers that may pull a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Permanent name.
    pub(crate) name: Slug,
    /// Carriers, best tier first; no tier is empty, no carrier appears twice.
    pub(crate) tiers: Vec<Vec<Slug>>,
}

/// One account at a message centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carrier {
    /// Permanent name.
    pub(crate) name: Slug,
    /// Segments per second over all sessions, 1 to 1,000,000; none: unlimited.
    pub(crate) contract_per_second: Option<u32>,
    /// `host:port`, 1 to 64.
    pub(crate) hosts: Vec<String>,
    /// How sessions bind.
    pub(crate) bind: BindMode,
    /// Sessions that carry segments, 1 to 1,000.
    pub(crate) sessions: u32,
    /// Receivers beside the transmitters, 1 to 1,000; unused with transceivers.
    pub(crate) receiver_sessions: u32,
    /// Account, up to 15 octets.
    pub(crate) system_id: String,
    /// Password, up to 64 octets.
    pub(crate) password: Secret,
    /// Up to 12 octets.
    pub(crate) system_type: String,
    /// Up to 5 octets.
    pub(crate) service_type: String,
    /// Requests in flight on one session, 1 to 65,536.
    pub(crate) window: u32,
    /// The carrier's requests that may wait for our answer on one session, 1 to 65,536.
    pub(crate) receipt_window: u32,
    /// Timers of a session.
    pub(crate) timers: Timers,
    /// TLS towards the carrier; none: plain TCP.
    pub(crate) tls: Option<TlsConfig>,
    /// How ids in answers are written.
    pub(crate) message_id_response: IdRule,
    /// How ids in receipts are written.
    pub(crate) message_id_receipt: IdRule,
    /// Whether segments carry the stamp our own tools read.
    pub(crate) stamp_tlv: bool,
    /// Types of number.
    pub(crate) addressing: Addressing,
    /// For refused attempts.
    pub(crate) retry: RetryPolicy,
    /// For lost sessions.
    pub(crate) reconnect: Reconnect,
    /// For attempts without an answer, by [`Lane::index`].
    pub(crate) uncertain: [UncertainRule; 4],
    /// How long evidence about an uncertain attempt is awaited.
    pub(crate) uncertain_deadline_ms: u64,
    /// How long a receipt is awaited.
    pub(crate) receipt_deadline_ms: u64,
}

/// Timers of a session, each 1 ms to 1 day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timers {
    /// From a request to giving up its answer.
    pub(crate) response_timeout_ms: u64,
    /// From the last octet received to a probe.
    pub(crate) enquire_link_ms: u64,
    /// From the first SYN to the bind's answer.
    pub(crate) session_init_ms: u64,
}

/// How lost and refused sessions try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reconnect {
    /// First delay.
    pub(crate) min_ms: u64,
    /// Longest delay.
    pub(crate) max_ms: u64,
    /// Delay after the carrier refused our credentials.
    pub(crate) fatal_probe_ms: u64,
    /// Between the first connects of two sessions.
    pub(crate) stagger_ms: u64,
    /// Least time between a reconnect and any connect before it.
    pub(crate) gap_ms: u64,
}

/// What happens to an attempt without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UncertainRule {
    /// From the write to counting as uncertain; at most the response time-out.
    pub(crate) after_ms: u64,
    /// What to do then.
    pub(crate) action: OnUncertain,
}
