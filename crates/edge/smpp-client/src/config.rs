//! What a carrier's sessions are told: where, as whom, how many, and how patiently.

use std::fmt;
use std::path::PathBuf;

use message::{CarrierId, SenderId};

use crate::IdRule;

/// Most sessions of one carrier, transmitters and receivers together.
pub const SESSIONS_MAX: u32 = 1_000;
/// Largest window of one session.
pub const WINDOW_SIZE_MAX: u32 = smpp_session::WINDOW_SIZE_MAX;
/// Largest receipt window of one session.
pub const RECEIPT_WINDOW_MAX: u32 = 65_536;
/// Most hosts of one carrier.
pub const HOSTS_MAX: usize = 64;
/// Longest system_id, in octets (SMPP 3.4, 5.2.1).
pub const SYSTEM_ID_MAX_BYTES: usize = 15;
/// Longest password, in octets: 8 by the specification (5.2.2), more in practice.
pub const PASSWORD_MAX_BYTES: usize = 64;
/// Longest system_type, in octets (5.2.3).
pub const SYSTEM_TYPE_MAX_BYTES: usize = 12;
/// Longest service_type, in octets (5.2.11).
pub const SERVICE_TYPE_MAX_BYTES: usize = 5;
/// Longest timer: a day.
pub const TIMER_MAX_MS: u64 = 86_400_000;

/// One carrier: an account at a message centre and the sessions we keep to it.
#[derive(Clone, Debug)]
pub struct CarrierConfig {
    /// The carrier's permanent number.
    pub carrier: CarrierId,
    /// The carrier's slug, for logs.
    pub name: Box<str>,
    /// `host:port`, 1 to [`HOSTS_MAX`]. Sessions are spread over them; one that fails tries the next.
    pub hosts: Vec<String>,
    /// How sessions bind. Default: transceivers.
    pub bind: BindMode,
    /// Sessions that carry segments, 1 to [`SESSIONS_MAX`]. Default 1.
    pub sessions: u32,
    /// Receivers beside the transmitters, 1 to [`SESSIONS_MAX`]; used with [`BindMode::TransmitterReceiver`] only. Default 1.
    pub receiver_sessions: u32,
    /// As whom to bind.
    pub credentials: Credentials,
    /// Requests in flight on one session, 1 to [`WINDOW_SIZE_MAX`]. Default 10.
    pub window_size: u32,
    /// Requests of the carrier that may wait for our answer on one session, 1 to [`RECEIPT_WINDOW_MAX`]; one more is answered with a
    /// temporary error. Default 1,000.
    pub receipt_window: u32,
    /// From a request to giving up its answer, in milliseconds. Default 30,000. The kernel gives up on unacknowledged bytes as late.
    pub response_timeout_ms: u64,
    /// From the last octet received to an `enquire_link`, and from that to closing, in milliseconds. Default 30,000.
    pub enquire_link_ms: u64,
    /// From the first SYN to the bind's answer, TLS handshake included, in milliseconds. Default 10,000.
    pub session_init_ms: u64,
    /// TLS; plain TCP when absent.
    pub tls: Option<TlsConfig>,
    /// How to read the `message_id` of a submit_sm_resp. Default as is.
    pub message_id_response: IdRule,
    /// How to read the id in a receipt. Default as is.
    pub message_id_receipt: IdRule,
    /// Whether each submit_sm carries the stamp that our own tools read (vendor parameter 0x3FF0). Default no.
    pub stamp_tlv: bool,
    /// When to try again.
    pub reconnect: ReconnectConfig,
    /// Types of number and numbering plans.
    pub addressing: Addressing,
    /// `service_type` of each submit_sm, up to 5 octets. Default empty.
    pub service_type: Box<str>,
}

/// How the sessions of a carrier bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindMode {
    /// Each session carries both directions.
    Transceiver,
    /// `sessions` transmitters and `receiver_sessions` receivers.
    TransmitterReceiver,
}

/// As whom to bind. `Debug` shows the password's presence only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Account, up to 15 octets.
    pub system_id: Box<str>,
    /// Password, up to 64 octets.
    pub password: Box<str>,
    /// Kind of system, up to 12 octets, usually empty.
    pub system_type: Box<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("system_id", &self.system_id)
            .field("password", &"<redacted>")
            .field("system_type", &self.system_type)
            .finish()
    }
}

/// TLS 1.2 or 1.3 towards one carrier.
///
/// The carrier's certificate must lead to an authority in `ca_file`. The system's own list was left out on purpose: a carrier link is a
/// contract between two parties, and trusting every public authority with it would widen who can stand in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file of the authorities to trust, at least one.
    pub ca_file: PathBuf,
    /// Name the certificate must have and that is sent as SNI; the host of the connection when absent.
    pub server_name: Option<String>,
    /// Our own certificate, where the carrier asks for one.
    pub client_certificate: Option<ClientCertificate>,
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain, our certificate first.
    pub certificate_file: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}

/// When lost and refused sessions try again; see [`crate::Backoff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconnectConfig {
    /// First delay, in milliseconds, at least 1. Default 1,000.
    pub min_ms: u64,
    /// Longest delay, in milliseconds, at least `min_ms`. Default 60,000.
    pub max_ms: u64,
    /// Delay after the carrier refused our credentials, in milliseconds, at least `min_ms`. Default 300,000.
    pub fatal_probe_ms: u64,
    /// Between the first connects of two sessions, in milliseconds. Default 20.
    pub stagger_ms: u64,
    /// Least time between a reconnect and any connect before it, over all sessions of the carrier, in milliseconds. Default 200.
    pub gap_ms: u64,
    /// Start of the jitter's random sequence: the same seed gives the same delays.
    pub seed: u64,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self {
            min_ms: 1_000,
            max_ms: 60_000,
            fatal_probe_ms: 300_000,
            stagger_ms: 20,
            gap_ms: 200,
            seed: 0,
        }
    }
}

/// Type of number and numbering plan of one kind of address, as octets on the wire (SMPP 3.4, 5.2.5 and 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TonNpi {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan indicator.
    pub npi: u8,
}

/// What each kind of address is announced as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Senders with letters. Default 5/0.
    pub alphanumeric: TonNpi,
    /// Short codes. Default 3/0.
    pub short_code: TonNpi,
    /// Senders that are subscriber numbers. Default 1/1.
    pub long_number: TonNpi,
    /// Recipients. Default 1/1.
    pub recipient: TonNpi,
}

impl Default for Addressing {
    fn default() -> Self {
        Self {
            alphanumeric: TonNpi { ton: 5, npi: 0 },
            short_code: TonNpi { ton: 3, npi: 0 },
            long_number: TonNpi { ton: 1, npi: 1 },
            recipient: TonNpi { ton: 1, npi: 1 },
        }
    }
}

impl Addressing {
    /// What a sender is announced as.
    #[must_use]
    pub const fn of_sender(&self, sender: &SenderId) -> TonNpi {
        match sender {
            SenderId::Alphanumeric(_) => self.alphanumeric,
            SenderId::ShortCode(_) => self.short_code,
            SenderId::LongNumber(_) => self.long_number,
        }
    }
}

impl CarrierConfig {
    /// A carrier with one plain transceiver session per account; the fields' documentation names the defaults.
    #[must_use]
    pub fn new(carrier: CarrierId, name: &str, host: &str, credentials: Credentials) -> Self {
        Self {
            carrier,
            name: name.into(),
            hosts: vec![host.to_owned()],
            bind: BindMode::Transceiver,
            sessions: 1,
            receiver_sessions: 1,
            credentials,
            window_size: 10,
            receipt_window: 1_000,
            response_timeout_ms: 30_000,
            enquire_link_ms: 30_000,
            session_init_ms: 10_000,
            tls: None,
            message_id_response: IdRule::AsIs,
            message_id_receipt: IdRule::AsIs,
            stamp_tlv: false,
            reconnect: ReconnectConfig::default(),
            addressing: Addressing::default(),
            service_type: "".into(),
        }
    }

    /// Whether every field is within its documented range.
    ///
    /// # Errors
    /// The first field that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let count = self.hosts.len();
        if !(1..=HOSTS_MAX).contains(&count) {
            return Err(ConfigError::Hosts { count });
        }
        if let Some(host) = self.hosts.iter().find(|host| split_host(host).is_none()) {
            let host = host.clone();
            return Err(ConfigError::Host { host });
        }
        let login = &self.credentials;
        for (field, value, max_bytes) in [
            (
                "credentials.system_id",
                &login.system_id,
                SYSTEM_ID_MAX_BYTES,
            ),
            ("credentials.password", &login.password, PASSWORD_MAX_BYTES),
            (
                "credentials.system_type",
                &login.system_type,
                SYSTEM_TYPE_MAX_BYTES,
            ),
            ("service_type", &self.service_type, SERVICE_TYPE_MAX_BYTES),
        ] {
            text(field, value, max_bytes)?;
        }
        count_of("sessions", self.sessions, SESSIONS_MAX)?;
        count_of("receiver_sessions", self.receiver_sessions, SESSIONS_MAX)?;
        count_of("window_size", self.window_size, WINDOW_SIZE_MAX)?;
        count_of("receipt_window", self.receipt_window, RECEIPT_WINDOW_MAX)?;
        timer("response_timeout_ms", self.response_timeout_ms, 1)?;
        timer("enquire_link_ms", self.enquire_link_ms, 1)?;
        timer("session_init_ms", self.session_init_ms, 1)?;
        let ReconnectConfig {
            min_ms,
            max_ms,
            fatal_probe_ms,
            stagger_ms,
            gap_ms,
            seed: _,
        } = self.reconnect;
        timer("reconnect.min_ms", min_ms, 1)?;
        timer("reconnect.max_ms", max_ms, min_ms)?;
        timer("reconnect.fatal_probe_ms", fatal_probe_ms, min_ms)?;
        timer("reconnect.stagger_ms", stagger_ms, 0)?;
        timer("reconnect.gap_ms", gap_ms, 0)
    }

    /// Places of one window that are kept for the otp lane: `max(1, 10 %)`, none below a window of 4.
    #[must_use]
    pub const fn otp_reserve(&self) -> u32 {
        if self.window_size < 4 {
            0
        } else if self.window_size < 20 {
            1
        } else {
            self.window_size / 10
        }
    }

    /// Sessions of every kind.
    #[must_use]
    pub const fn sessions_total(&self) -> u32 {
        match self.bind {
            BindMode::Transceiver => self.sessions,
            BindMode::TransmitterReceiver => self.sessions + self.receiver_sessions,
        }
    }
}

/// A configuration that no carrier can be started from: ours to correct, a retry does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No host, or more than can be spread over.
    #[error("hosts has {count} entries, allowed are 1 to {HOSTS_MAX}")]
    Hosts {
        /// How many there are.
        count: usize,
    },
    /// A host without a port.
    #[error("hosts has {host:?}, allowed is host:port with a port of 1 to 65535")]
    Host {
        /// The entry.
        host: String,
    },
    /// A text that is too long for its field on the wire, or holds a NUL.
    #[error("{field} has {len} octets, allowed are 0 to {max} without a NUL")]
    Text {
        /// The field.
        field: &'static str,
        /// Its length in octets.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A number out of its range.
    #[error("{field} is {value}, allowed are {min} to {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
}

/// Parts `host:port`; an IPv6 address stands in brackets. `None` when it is not of this form.
#[must_use]
pub fn split_host(host: &str) -> Option<(&str, u16)> {
    let (name, port) = host.rsplit_once(':')?;
    let name = match name.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if name.contains(':') => return None,
        None => name,
    };
    let port: u16 = port.parse().ok()?;
    let sound = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    (sound && port != 0).then_some((name, port))
}

fn count_of(field: &'static str, value: u32, max: u32) -> Result<(), ConfigError> {
    range(field, value.into(), 1, max.into())
}

fn timer(field: &'static str, value_ms: u64, min_ms: u64) -> Result<(), ConfigError> {
    range(field, value_ms, min_ms, TIMER_MAX_MS)
}

fn range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::Range {
            field,
            value,
            min,
            max,
        })
    }
}

fn text(field: &'static str, value: &str, max: usize) -> Result<(), ConfigError> {
    if value.len() <= max && !value.contains('\0') {
        Ok(())
    } else {
        Err(ConfigError::Text {
            field,
            len: value.len(),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> CarrierConfig {
        let credentials = Credentials {
            system_id: "account".into(),
            password: "secret".into(),
            system_type: "".into(),
        };
        CarrierConfig::new(CarrierId(1), "carrier-a", "localhost:2775", credentials)
    }

    #[test]
    fn the_defaults_are_allowed_and_hide_the_password() {
        assert_eq!(config().check(), Ok(()));
        assert!(!format!("{:?}", config()).contains("secret"));
    }

    #[test]
    fn each_wrong_field_is_named_with_what_is_allowed() {
        let refused = |change: fn(&mut CarrierConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|c| c.hosts.clear()),
            "hosts has 0 entries, allowed are 1 to 64"
        );
        assert_eq!(
            refused(|c| c.hosts[0] = "smsc".into()),
            "hosts has \"smsc\", allowed is host:port with a port of 1 to 65535"
        );
        assert_eq!(
            refused(|c| c.window_size = 0),
            "window_size is 0, allowed are 1 to 65536"
        );
        assert_eq!(
            refused(|c| c.credentials.system_id = "sixteen octets!!".into()),
            "credentials.system_id has 16 octets, allowed are 0 to 15 without a NUL"
        );
        assert_eq!(
            refused(|c| c.reconnect.max_ms = 10),
            "reconnect.max_ms is 10, allowed are 1000 to 86400000"
        );
        assert!(
            refused(|c| c.service_type = "a\0".into()).starts_with("service_type has 2 octets")
        );
    }

    #[test]
    fn hosts_are_names_addresses_or_bracketed_ipv6() {
        assert_eq!(
            split_host("smsc.example:2775"),
            Some(("smsc.example", 2775))
        );
        assert_eq!(split_host("[::1]:3550"), Some(("::1", 3550)));
        for bad in [
            "::1:3550",
            "smsc",
            ":2775",
            "smsc:0",
            "smsc:70000",
            "[::1:3550",
            "two words:2775",
        ] {
            assert_eq!(split_host(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_otp_reserve_is_a_tenth_but_at_least_one() {
        let reserve = |window_size| {
            CarrierConfig {
                window_size,
                ..config()
            }
            .otp_reserve()
        };
        assert_eq!(
            [1, 3, 4, 10, 19, 20, 100].map(reserve),
            [0, 0, 1, 1, 1, 2, 10]
        );
    }
}
